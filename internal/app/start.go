package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"time"

	"countersign/internal/access"
	"countersign/internal/access/guard"
	"countersign/internal/access/list"
	"countersign/internal/account"
	"countersign/internal/account/senders"
	"countersign/internal/app/aligning"
	"countersign/internal/app/bans"
	"countersign/internal/app/bind"
	"countersign/internal/app/clients"
	"countersign/internal/app/entrances"
	"countersign/internal/app/gauges"
	"countersign/internal/app/guarding"
	"countersign/internal/app/limits"
	"countersign/internal/app/outgoing"
	"countersign/internal/app/passwords"
	"countersign/internal/app/revoked"
	"countersign/internal/app/ruling"
	"countersign/internal/audit"
	"countersign/internal/cert"
	"countersign/internal/config"
	"countersign/internal/delivery"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/limit/doors"
	"countersign/internal/login"
	"countersign/internal/login/secrets"
	"countersign/internal/login/shape"
	"countersign/internal/mail"
	"countersign/internal/node"
	"countersign/internal/obs"
	"countersign/internal/policy/rounds"
	"countersign/internal/queue"
	"countersign/internal/seal"
	"countersign/internal/seal/rotation"
	"countersign/internal/smtpserver"
	"countersign/internal/store/postgres"
	"countersign/internal/store/sqlite"
	"countersign/internal/submission"
	"countersign/internal/submission/figures"
)

// Store is all that a gate needs of an engine.
type Store interface {
	account.Store
	access.Store
	list.Store
	guard.Store
	shape.Store
	rounds.Store
	limit.Store
	limit.Counts
	limit.Doors
	limit.Holders
	queue.Store
	queue.AdminStore
	queue.CertifiedStore
	audit.Store
	node.Store
	SealedStore
	rotation.Store
	// These are what package cert keeps there.
	GetCertificate(ctx context.Context, key string) ([]byte, error)
	PutCertificate(ctx context.Context, key string, data []byte) error
	DeleteCertificate(ctx context.Context, key string) error
	// Close ends the store; a second call does nothing.
	Close() error
}

// OpenStore opens the engine that the configuration names. server says that
// the caller is the one process that delivers; admin commands are not.
func OpenStore(ctx context.Context, cfg *config.Config, server bool) (Store, error) {
	return openEngine(ctx, cfg, engineOptions{server: server})
}

// engineOptions are what engines are opened with beside the configuration.
type engineOptions struct {
	server  bool
	version string
	now     func() time.Time // nil for time.Now
	log     *slog.Logger     // nil for none
}

func openEngine(ctx context.Context, cfg *config.Config, o engineOptions) (Store, error) {
	if !cfg.Store.InPostgres() {
		s, err := sqlite.Open(ctx, sqlite.Options{Path: cfg.StorePath(), Server: o.server, Now: o.now, Logger: o.log})
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	// The key file is there, as with an engine that keeps its own file in it.
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fault.Wrap("app.store", fault.Unavailable, err)
	}
	password, err := cfg.Store.Password()
	if err != nil {
		return nil, err
	}
	s, err := postgres.Open(ctx, postgres.Options{
		URL: cfg.Store.URL, Password: password.Reveal(), Server: o.server, Now: o.now, Logger: o.log,
		Connections: cfg.Store.Connections, Patience: cfg.Store.Patience.Std(),
		Node: cfg.Node.ID, Lease: cfg.Node.Lease.Std(), Address: cfg.Hostname, Version: o.version,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// NewMaker makes what turns passwords into what is stored of them.
func NewMaker(ctx context.Context, cfg *config.Config, store account.CredentialStore, sealer *seal.Sealer) (*secrets.Maker, *secrets.Hasher, error) {
	hasher, err := secrets.NewHasher(hasherOptions(cfg))
	if err != nil {
		return nil, nil, err
	}
	opt := makerOptions(cfg)
	opt.Hasher, opt.Sealer = hasher, sealer
	opt.Salt, err = store.Salt(ctx)
	if err != nil {
		return nil, nil, err
	}
	maker, err := secrets.NewMaker(opt)
	return maker, hasher, err
}

func (a *App) openStore(ctx context.Context) error {
	if err := os.MkdirAll(a.cfg.DataDir, 0o700); err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = fmt.Errorf("%s: %w", path.Path, path.Err)
		}
		return fmt.Errorf("the folder that data_dir names cannot be made: %w", err)
	}
	store, err := openEngine(ctx, a.cfg, engineOptions{server: true, version: a.opt.Version, now: a.opt.Now, log: a.log})
	if err != nil {
		return err
	}
	a.store = store
	a.undo("store", func(context.Context) error { return store.Close() })
	return nil
}

func (a *App) openKeys(ctx context.Context) (err error) {
	a.sealer, err = OpenSealer(ctx, a.cfg, a.store)
	if err != nil {
		return err
	}
	a.maker, a.hasher, err = NewMaker(ctx, a.cfg, a.store, a.loaded.Set(a.sealer))
	if err != nil {
		return err
	}
	a.hasher.TellTooMany(passwords.TooMany(a.log))
	a.rule, err = passwords.NewRule(a.cfg, a.hasher)
	return err
}

func (a *App) openRecord(context.Context) error {
	a.registry = obs.NewRegistry(obs.Build{Version: a.opt.Version})
	a.recorder = audit.NewRecorder(a.store, audit.RecorderOptions{Logger: a.log, Now: a.opt.Now})
	close(a.recording)
	a.undo("record", func(ctx context.Context) error {
		a.recorder.Record(a.event(audit.ServerStopped))
		return a.recorder.Close(ctx)
	})
	return nil
}

func (a *App) openCertificates(ctx context.Context) (err error) {
	a.certs, err = cert.Open(ctx, certSpecs(a.cfg), cert.Options{
		DataDir: a.cfg.DataDir, Cache: a.store, Sealer: a.sealer, Logger: a.log, Now: a.opt.Now,
	})
	if err != nil {
		return err
	}
	a.undo("certificates", func(context.Context) error { a.certs.Close(); return nil })
	a.background("certificate watch", a.certs.Watch)
	a.registry.MustRegister(a.certs.Collector())
	a.health.Add("certificates", func(context.Context) error { return a.certs.Health() })
	if a.clients, err = clients.Open(a.cfg, a.opt.Now, a.log); err != nil {
		return err
	}
	a.background("client certificate watch", a.clients.Watch)
	a.background("revoked certificates", revoked.New(revoked.Options{
		Store: a.store, Revokes: a.clients.Revokes, Changed: a.clients.Revoked(), Now: a.opt.Now, Logger: a.log,
		Named: slices.ContainsFunc(a.cfg.Directories, func(d config.Directory) bool { return d.CertificatesByName() }),
	}).Run)
	a.health.Add("client certificates", a.clientHealth)
	return nil
}

// clientHealth is a warning at most: other ways to log in are not concerned.
func (a *App) clientHealth(context.Context) error {
	if err := a.clients.Health(); err != nil {
		return obs.Warning(err.Error())
	}
	return nil
}

func (a *App) openDelivery(context.Context) error {
	opt, err := outgoing.Options(a.cfg)
	if err != nil {
		return err
	}
	opt.Store, opt.IDs, opt.Now, opt.Logger = a.store, a.ids, a.opt.Now, a.log
	opt.Node, opt.Metrics = a.nodeID(), delivery.NewMetrics(a.registry)
	opt.SignReport, opt.Failed = a.signReport, a.failed
	if a.keeper != nil {
		opt.Holds, opt.HeldSince = a.keeper.Holds, a.keeper.HeldSince
	}
	a.deliverer, err = delivery.New(opt)
	return err
}

// startDelivery runs the way out; its reports are signed by the gate, which is
// there by now.
func (a *App) startDelivery(context.Context) error {
	if !a.cfg.Delivery.Enabled {
		a.log.Warn("delivery is switched off: what is accepted waits in the queue", "option", "delivery.enabled")
		return nil
	}
	a.deliverer.Start()
	a.undo("delivery", a.deliverer.Stop)
	return nil
}

func (a *App) openGate(ctx context.Context) error {
	options := VerifierOptions(a.cfg)
	options.Store, options.Shapes, options.Hasher, options.Maker, options.Now = a.store, a.store, a.hasher, a.maker, a.opt.Now
	banned, err := bans.Open(ctx, bans.Options{Node: a.nodeID(), Store: a.store, Now: a.opt.Now, Record: a.recorder.Record, Registry: a.registry, Logger: a.log})
	if err != nil {
		return err
	}
	a.banned = banned
	a.background("bans", banned.Run)
	if err := a.openEntrance(ctx); err != nil {
		return err
	}
	if a.guard, err = guarding.Open(ctx, guarding.Options{
		Config: a.cfg.Guard, Store: a.store, Lasting: a.maker.Lasting, IDs: a.ids, Record: a.recorder.Record, Node: a.nodeID(),
		Now: a.opt.Now, Registry: a.registry, Logger: a.log,
	}); err != nil {
		return err
	}
	a.background("guard", a.guard.Run)
	a.limited, err = limits.Open(ctx, limits.Options{Node: a.nodeID(), Store: a.store, Now: a.opt.Now, Registry: a.registry, Logger: a.log})
	if err != nil {
		return err
	}
	a.background("limits", a.limited.Run)
	options.Banned, options.Denied, options.NotRenewed = banned.Hits, a.entrance.Denied, passwords.NotRenewed(a.log)
	options.Known, options.Hashes.Unsaid, options.Hashes.TooCostly = a.guard.Known, passwords.Unsaid(a.log), passwords.TooCostly(a.log)
	tokens, err := a.openTokens()
	if err != nil {
		return err
	}
	if tokens != nil {
		options.Tokens = tokens
	}
	outside, err := a.openDirectories()
	if err != nil {
		return err
	}
	if outside != nil {
		options.Directories = outside
	}
	sending := senders.New(a.store, senders.Options{Node: a.nodeID(), Now: a.opt.Now})
	a.background("account watch", sending.Run)
	a.sending, options.Senders = sending, sending
	verifier := login.New(options)
	a.background("last uses", verifier.Run)
	if err := verifier.Prepare(ctx); err != nil {
		return err
	}
	a.aligning, err = aligning.Open(aligning.Options{
		Config: a.cfg, Node: a.nodeID(), Store: a.store, Recorder: a.recorder, Now: a.opt.Now, Registry: a.registry, Logger: a.log,
	})
	if err != nil {
		return err
	}
	a.undo("alignment", func(context.Context) error { a.aligning.Close(); return nil })
	a.background("alignment watch", a.aligning.Run)
	filtered, err := a.openFilters()
	if err != nil {
		return err
	}
	if err := a.turnKeys(); err != nil {
		return err
	}
	rules := Policy(a.cfg)
	rules.Rules, err = ruling.Set(a.cfg)
	if err != nil {
		return err
	}
	a.gate = submission.New(submission.Options{
		Hostname: a.cfg.Hostname, Realm: realm(a.cfg), Node: a.nodeID(), Logger: a.log,
		Verifier: verifier,
		Senders:  sending, Accounts: a.store, Domains: a.store, Queue: a.store,
		Offer: a.offer(), Space: a.space, Bans: banned, Entrance: a.entrance.Entrance, Guard: a.guard, Limits: a.limited.Watch, LimitsVersion: a.limited.Version, Counted: a.store.Counted, Doors: a.doors(), Alignment: a.aligning, Filters: filtered, Recorder: a.recorder, Sealer: a.sealer,
		IDs: a.ids, Now: a.opt.Now, Policy: rules,
		Metrics: figures.New(a.registry), Listeners: a.clients.Listeners(a.cfg),
	})
	a.undo("gate", func(context.Context) error { a.gate.Close(); return nil })
	a.watchGate()
	return nil
}

// openEntrance makes what decides from where clients may come in.
func (a *App) openEntrance(ctx context.Context) (err error) {
	a.entrance, err = entrances.Open(ctx, entrances.Options{
		Config: a.cfg, Store: a.store, Record: a.recorder.Record, Node: a.nodeID(), Now: a.opt.Now, Registry: a.registry, Logger: a.log,
	})
	if err != nil {
		return err
	}
	a.background("entrance", a.entrance.Run)
	a.health.Add("access", a.entrance.Health)
	return nil
}

// doors lets connections in as far as their limits have room.
func (a *App) doors() *doors.Doors {
	d := doors.New(doors.Options{Store: a.store, Now: a.opt.Now, Logger: a.log})
	a.background("connections", d.Run)
	return d
}

// signingHealth is a warning while keys of some domains cannot be opened, and an error
// where those of no other are open.
func (a *App) signingHealth(ctx context.Context) error {
	problem, others := a.gate.SigningHealth(ctx)
	switch {
	case problem == "":
		return nil
	case others:
		return obs.Warning(problem)
	}
	return errors.New(problem)
}

// failed says whose failed recipients are counted. Where the account is no more, the
// plan's limits are nobody's.
func (a *App) failed(s *queue.Submission) []limit.Level {
	ctx, cancel := context.WithTimeout(context.Background(), failedPatience)
	defer cancel()
	plan := ""
	if sender, err := a.sending.Sender(ctx, s.Login); err == nil {
		plan = sender.Plan.Name
	}
	return a.limited.Failed(s, a.nodeID(), plan)
}

// failedPatience is how long an outcome waits for the plan of its account.
const failedPatience = 5 * time.Second

// signReport signs a bounce where our own host name is a domain with keys.
func (a *App) signReport(head, body []byte) ([]byte, error) {
	return a.gate.SignOwn(context.Background(), mail.Domain(a.cfg.Hostname), head, body)
}

// offer is what hands accepted messages to delivery, nil while that is off.
func (a *App) offer() func(*queue.Acceptance) {
	if !a.cfg.Delivery.Enabled {
		return nil
	}
	return a.deliverer.Offer
}

func (a *App) openMetrics(context.Context) error {
	a.health.Add("store", func(ctx context.Context) error {
		_, err := a.store.Generation(ctx)
		return err
	})
	if a.cfg.Metrics.Listen == "" {
		return nil
	}
	a.metrics = obs.NewServer(a.cfg.Metrics.Listen, a.registry, a.health, a.log)
	if err := a.metrics.Start(); err != nil {
		return err
	}
	a.addresses["metrics"] = a.metrics.Addr().String()
	a.undo("metrics", a.metrics.Stop)
	return nil
}

// openListeners binds every address before it serves any, so that a port that
// is taken is found out before the first client is.
func (a *App) openListeners(context.Context) error {
	a.server = smtpserver.New(smtpserver.Options{
		Hostname: a.cfg.Hostname, Backend: a.gate, IDs: a.ids, Logger: a.log, Limits: SessionLimits(a.cfg),
		OnRefused: a.gate.Refused, HelpPage: a.help.Link,
	})
	gauges.Register(a.registry, gauges.Sources{
		Store: a.store, Server: a.server, Space: a.space, Recorder: a.recorder, Keeper: a.keeper, Now: a.opt.Now,
	})
	type bound struct {
		l  net.Listener
		lc smtpserver.ListenerConfig
	}
	var all []bound
	for _, l := range a.cfg.Listeners {
		lc, err := a.listenerConfig(l)
		if err != nil {
			return err
		}
		for _, address := range l.Address {
			listener, err := bind.Listen(address)
			if err != nil {
				for _, b := range all {
					b.l.Close()
				}
				return fmt.Errorf("listener %q: %w", l.Name, err)
			}
			if a.addresses[l.Name] == "" {
				a.addresses[l.Name] = listener.Addr().String()
			}
			all = append(all, bound{listener, lc})
		}
	}
	for _, b := range all {
		go a.serve(b.l, b.lc)
	}
	a.undo("listeners", a.stopServer)
	return nil
}

// serve runs one listener until the server stops.
func (a *App) serve(l net.Listener, lc smtpserver.ListenerConfig) {
	if err := a.server.Serve(l, lc); err != nil {
		a.log.Error("a listener ended", "listener", lc.Name, "error", err)
	}
}

// stopServer lets transactions finish until ctx ends, then ends them.
func (a *App) stopServer(ctx context.Context) error {
	if err := a.server.Shutdown(ctx); err != nil {
		a.log.Warn("the grace time is over: sessions were cut off")
	}
	return nil
}

// background runs f until Stop.
func (a *App) background(name string, f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	a.undo(name, func(context.Context) error {
		cancel()
		<-done
		return nil
	})
}
