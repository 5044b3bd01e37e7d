package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/account/senders"
	"countersign/internal/app/aligning"
	"countersign/internal/app/bans"
	"countersign/internal/app/clients"
	"countersign/internal/app/entrances"
	"countersign/internal/app/guarding"
	"countersign/internal/app/limits"
	"countersign/internal/app/panel"
	"countersign/internal/app/space"
	"countersign/internal/audit"
	"countersign/internal/cert"
	"countersign/internal/config"
	"countersign/internal/delivery"
	"countersign/internal/login/secrets"
	"countersign/internal/mail"
	"countersign/internal/node"
	"countersign/internal/obs"
	"countersign/internal/queue"
	"countersign/internal/seal"
	"countersign/internal/smtpserver"
	"countersign/internal/submission"
	"countersign/internal/web/help"
)

// Options are what an App needs besides its configuration.
type Options struct {
	// Version is the program's, for metrics and the record.
	Version string
	// Stderr gets the log.
	Stderr io.Writer
	// Now is the clock of all parts; nil means time.Now. Waiting, as for a
	// client or for the next scan of the queue, goes by the system's own. It is
	// called concurrently.
	Now func() time.Time
	// Explain says what a gate of a configuration would answer to a message, for the API; nil
	// where nothing does. Package app/rehearsal has it.
	Explain panel.Explainer[Store]
}

// App is a gate. New, then Start, then any number of Reload, then Stop.
type App struct {
	opt      Options
	logLevel *slog.LevelVar
	log      *slog.Logger

	mu  sync.Mutex // guards cfg: one Reload at a time
	cfg *config.Config
	// started is the configuration of the start, which what a reload cannot
	// change still follows.
	started *config.Config

	store    Store
	sealer   *seal.Sealer
	loaded   seal.Loaded
	hasher   *secrets.Hasher
	maker    *secrets.Maker
	rule     account.Rule
	ids      *mail.IDSource
	recorder *audit.Recorder
	certs    *cert.Manager
	// clients judge the certificates of clients.
	clients   *clients.Set
	gate      *submission.Gate
	aligning  *aligning.Watch
	guard     *guarding.Set
	banned    *bans.Set
	entrance  *entrances.Set
	space     *space.Watch
	deliverer *delivery.Deliverer
	limited   *limits.Set
	sending   *senders.Cache
	// keeper has the lease of this node, nil where the store has but one; draining
	// is closed when the node is asked to drain.
	keeper   *node.Keeper
	draining chan struct{}
	// recording is closed when there is a recorder.
	recording chan struct{}
	server    *smtpserver.Server
	registry  *prometheus.Registry
	health    *obs.Health
	metrics   *obs.Server
	panel     *panel.Set
	// help shows the help pages, and knows which refusals have one.
	help *help.Pages

	// addresses are the real ones of the listeners, by name, "metrics" and "web".
	addresses map[string]string
	// cleanups undo Start, run last in, first out.
	cleanups []cleanup
}

// cleanup undoes one step of Start.
type cleanup struct {
	name string
	run  func(context.Context) error
}

// New makes an App that holds nothing yet. cfg has been loaded and checked.
func New(cfg *config.Config, o Options) (*App, error) {
	if o.Stderr == nil {
		o.Stderr = os.Stderr
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	level, err := obs.ParseLevel(cfg.Log.Level)
	if err != nil {
		return nil, err
	}
	format, err := obs.ParseFormat(cfg.Log.Format)
	if err != nil {
		return nil, err
	}
	a := &App{
		opt: o, cfg: cfg, started: cfg, logLevel: new(slog.LevelVar),
		ids: &mail.IDSource{Now: o.Now}, health: new(obs.Health), addresses: map[string]string{}, recording: make(chan struct{}),
	}
	a.logLevel.Set(level)
	a.log = obs.NewLogger(o.Stderr, a.logLevel, format)
	return a, nil
}

// Start opens everything in order: store, node, keys, record, certificates,
// delivery, and last the listeners. An error leaves nothing open. ctx bounds
// the start alone.
func (a *App) Start(ctx context.Context) error {
	steps := []struct {
		name string
		run  func(context.Context) error
	}{
		{"store", a.openStore},
		{"node", a.joinNode},
		{"keys", a.openKeys},
		{"record", a.openRecord},
		{"space", a.openSpace},
		{"certificates", a.openCertificates},
		{"delivery", a.openDelivery},
		{"gate", a.openGate},
		{"delivery", a.startDelivery},
		{"metrics", a.openMetrics},
		{"api", a.openPanel},
		{"web", a.openWeb},
		{"listeners", a.openListeners},
		{"drain", a.watchDrain},
	}
	for _, step := range steps {
		if err := step.run(ctx); err != nil {
			return errors.Join(fmt.Errorf("cannot start, %s: %w", step.name, err), a.Stop(ctx))
		}
	}
	e := a.event(audit.ServerStarted)
	e.Text, e.Data["store"] = a.opt.Version, a.storeName()
	a.recorder.Record(e)
	a.log.Info("countersign is up", a.attributes()...)
	return nil
}

// attributes are the version, store and node, and the address of each listener under
// its name.
func (a *App) attributes() []any {
	all := []any{"version", a.opt.Version, "store", a.storeName()}
	if id := a.nodeID(); id != "" {
		all = append(all, "node", id)
	}
	for _, name := range slices.Sorted(maps.Keys(a.addresses)) {
		all = append(all, name, a.addresses[name])
	}
	return all
}

// Stop ends everything in the reverse order. Until ctx ends, messages that
// are under way may finish. It may be called after a failed Start, and twice.
func (a *App) Stop(ctx context.Context) error {
	var errs []error
	for len(a.cleanups) > 0 {
		last := a.cleanups[len(a.cleanups)-1]
		a.cleanups = a.cleanups[:len(a.cleanups)-1]
		if err := runCleanup(ctx, last); err != nil {
			errs = append(errs, fmt.Errorf("stopping %s: %w", last.name, err))
		}
	}
	return errors.Join(errs...)
}

// afterGrace is what each step gets when the grace time is used up: clients
// that do not end must not cost us the record of what they did.
const afterGrace = 3 * time.Second

func runCleanup(ctx context.Context, c cleanup) error {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), afterGrace)
		defer cancel()
	}
	return c.run(ctx)
}

// undo remembers how to undo a step.
func (a *App) undo(name string, run func(context.Context) error) {
	a.cleanups = append(a.cleanups, cleanup{name, run})
}

// Addresses returns the real host:port of each listener by name (the first
// where it has several), of "metrics" and "web". It is complete after Start.
func (a *App) Addresses() map[string]string { return a.addresses }

// Logger returns the log of this gate.
func (a *App) Logger() *slog.Logger { return a.log }

// Store returns the open store.
func (a *App) Store() Store { return a.store }

// Sealer returns what seals secrets for the store.
func (a *App) Sealer() *seal.Sealer { return a.sealer }

// Admin returns the administration, acting in the name of actor.
func (a *App) Admin(actor string) *admin.Admin {
	return admin.New(admin.Options{Store: a.store, Secrets: a.maker, Rule: a.rule, IDs: a.ids, Actor: actor, Now: a.opt.Now})
}

// settle is how often Settle looks.
const settle = 20 * time.Millisecond

// Settle waits until no delivery of a submission waits for its first attempt and the
// record is complete.
func (a *App) Settle(ctx context.Context, id mail.ID) error {
	tick := time.NewTicker(settle)
	defer tick.Stop()
	for {
		items, err := a.store.List(ctx, queue.Filter{Submission: id, State: queue.Queued})
		if err != nil {
			return err
		}
		if len(items) == 0 {
			return a.recorder.Flush(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
