// Package rehearsal says what the gate would answer to a message that nobody sends: it has
// a whole session of it go through the server and the gate of a configuration, on a store that it
// changes nothing of, and tells what each command was answered.
//
// So whatever decides about real messages decides here. Where a running gate asks, its guard says whether a
// login comes too soon; else that is worked out from the store, as guard.Admin.Standing says. What a running gate
// has in memory alone is not known: how many connections there are beside those that limits count, and how
// large its disk's reserve is.
//
// Main types: Question, Story; function Message.
package rehearsal

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/access"
	"countersign/internal/access/entrance"
	"countersign/internal/access/guard"
	"countersign/internal/access/list"
	"countersign/internal/account"
	"countersign/internal/account/senders"
	"countersign/internal/app"
	"countersign/internal/app/aligning"
	"countersign/internal/app/bans"
	"countersign/internal/app/entrances"
	"countersign/internal/app/filters"
	"countersign/internal/app/guarding"
	"countersign/internal/app/limits"
	"countersign/internal/app/panel"
	"countersign/internal/app/ruling"
	"countersign/internal/app/site"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/feed"
	"countersign/internal/limit"
	limitbook "countersign/internal/limit/book"
	"countersign/internal/login"
	"countersign/internal/mail"
	"countersign/internal/policy/alignment"
	"countersign/internal/sasl"
	"countersign/internal/smtpserver"
	"countersign/internal/submission"
	"countersign/internal/submission/figures"
	"countersign/internal/web/help"
)

// Store is what a rehearsal looks at.
type Store interface {
	account.Store
	access.Store
	list.Store
	limit.Store
	limit.Counts
	limit.Holders
	guard.Store
	app.SealedStore
}

// Question is what is to be sent, by whom and from where.
type Question struct {
	// Login is the account, Credential the name of what it proves itself with; "" for its
	// password.
	Login, Credential string
	// Mechanism is how it does; "" for the first that the credential may be used with.
	Mechanism string
	// Listener is the name of the one that it comes to; "" for the first.
	Listener string
	// Client is its address, Hello what it calls itself in EHLO; "" for a name that nobody has.
	Client netip.Addr
	Hello  string
	// TLS is the version that it speaks at most; 0 for the newest.
	TLS uint16
	// From and To are the envelope.
	From mail.Address
	To   []mail.Address
	// Message is the whole message with CRLF at the ends of lines.
	Message io.Reader
	// Place says where clients are, as a running gate knows it; with nil the files of the
	// configuration are read for it.
	Place func(client netip.Addr) list.Place
	// Books are those of a running gate, by which it decides; nil where the store is read.
	Books *panel.Books
	// Unfiltered has no content filter asked: each that the listener has is among Story.Unasked.
	Unfiltered bool
}

// Story is what came of it.
type Story struct {
	Steps []Step
	// Verdict is "accept", "hold", "slow", "defer" or "refuse", Reason the reason code of the
	// refusal or of the hold, "" for none.
	Verdict, Reason string
	// Recipients is to how many it would go, where it is accepted.
	Recipients int
	// Until is when a slowed message would be delivered, and until when the guard turns a login away
	// if nobody tries meanwhile; zero else, and where it is not known.
	Until time.Time
	// Events are what the record would have, but for what is said in every session.
	Events []audit.Event
	// Unasked are the names of the content filters that were not asked.
	Unasked []string
}

// Step is a command and its answer.
type Step struct {
	Command string
	Code    int
	Answer  string
}

// Message rehearses a message. Errors: fault.NotFound for an account, a credential or a
// listener that there is not, else those of the store and of what keeps a gate from starting.
func Message(ctx context.Context, cfg *config.Config, store Store, q Question) (*Story, error) {
	listener, err := listenerOf(cfg, q.Listener)
	if err != nil {
		return nil, err
	}
	as, err := principal(ctx, store, &q, offered(cfg, listener))
	if err != nil {
		return nil, err
	}
	kept := &keeper{Store: store}
	gate, end, err := build(ctx, cfg, kept, q)
	if err != nil {
		return nil, err
	}
	defer end()
	pages, err := site.Help(cfg, "") // which port stands for 0 the running gate alone knows
	if err != nil {
		return nil, err
	}
	server := smtpserver.New(smtpserver.Options{
		Hostname: cfg.Hostname, Backend: gate.Rehearse(as), Limits: app.SessionLimits(cfg), OnRefused: gate.Refused, HelpPage: help.New(pages).Link,
	})
	steps, err := converse(ctx, server, listener, q)
	if err != nil {
		return nil, err
	}
	end()
	story := kept.story(steps)
	for i := range cfg.Filters {
		if q.Unfiltered && cfg.Filters[i].Serves(listener.Name) {
			story.Unasked = append(story.Unasked, cfg.Filters[i].Name)
		}
	}
	return story, nil
}

// deciding is what a message is decided by besides accounts.
type deciding struct {
	bans     *bans.Set
	entrance *entrance.Entrance
	limits   func(limit.Who) []limit.Level
}

// books returns what decides: what the running gate has in memory, else what is read for it.
func books(ctx context.Context, cfg *config.Config, kept *keeper, q Question) (d deciding, err error) {
	quiet := slog.New(slog.DiscardHandler)
	options := bans.Options{Store: kept.Store, Now: time.Now, Record: kept.note, Registry: prometheus.NewRegistry(), Logger: quiet}
	if q.Books != nil {
		d.bans, d.limits = bans.On(q.Books.Bans, options), q.Books.Limits
		d.entrance, err = entrances.By(cfg, q.Books.Entries, q.Place)
		return d, err
	}
	if d.bans, err = bans.Open(ctx, options); err != nil {
		return d, err
	}
	if d.entrance, err = entrances.Once(ctx, cfg, kept.Store, q.Place); err != nil {
		return d, err
	}
	rules := limitbook.New(time.Now)
	d.limits = limits.Levels(rules)
	return d, limitbook.Follow(kept.Store, rules, feed.Options{Logger: quiet}).Load(ctx)
}

// offered are the mechanisms that a listener offers.
func offered(cfg *config.Config, l *config.Listener) []string {
	return slices.DeleteFunc(app.Offered(cfg), func(name string) bool {
		return len(l.Mechanisms) > 0 && !slices.Contains(l.Mechanisms, name)
	})
}

// principal is who is taken to have logged in, by one of the mechanisms that are offered.
func principal(ctx context.Context, store account.Directory, q *Question, offered []string) (*account.Principal, error) {
	const op = "rehearsal.login"
	sender, err := store.Sender(ctx, q.Login)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(op, fault.NotFound, "account %s does not exist", q.Login)
	}
	if err != nil {
		return nil, err
	}
	found := slices.IndexFunc(sender.Account.Credentials, func(c account.Credential) bool {
		return c.Name == q.Credential || q.Credential == "" && c.Kind == account.Password
	})
	p := &account.Principal{Sender: sender, Mechanism: q.Mechanism}
	switch {
	case found >= 0:
		p.Credential = sender.Account.Credentials[found]
	case q.Credential != "":
		return nil, fault.New(op, fault.NotFound, "account %s has no credential %q", q.Login, q.Credential)
	case sender.Account.Directory == "":
		return nil, fault.New(op, fault.NotFound, "account %s has no password; name another of its credentials", q.Login)
	}
	if p.Mechanism == "" && p.Credential.Kind != account.Network {
		p.Mechanism = usual(&p.Credential, offered)
	}
	q.Mechanism = p.Mechanism
	return p, nil
}

// usual is the mechanism by which somebody proves a credential who says nothing else: of those that it may
// be used with the first that is offered.
func usual(c *account.Credential, offered []string) string {
	may := c.Envelope.Mechanisms
	if len(may) == 0 {
		may = append([]string{"PLAIN"}, offered...)
	}
	for _, name := range may {
		if fits(c, name) && slices.Contains(offered, name) {
			return name
		}
	}
	all := sasl.Mechanisms() // of which none is offered
	return all[max(slices.IndexFunc(all, func(m sasl.Mechanism) bool { return fits(c, m.Name) }), 0)].Name
}

// fits reports whether a mechanism proves such a credential. One that binds is not usual.
func fits(c *account.Credential, name string) bool {
	m, _ := sasl.Lookup(name)
	switch c.Kind {
	case account.Certificate:
		return m.Certificate
	case account.OAuth:
		return m.Token
	}
	return !m.Certificate && !m.Token && (!m.Binds || len(c.Envelope.Mechanisms) > 0)
}

// listenerOf finds a listener of the configuration.
func listenerOf(cfg *config.Config, name string) (*config.Listener, error) {
	for i := range cfg.Listeners {
		if name == "" || cfg.Listeners[i].Name == name {
			return &cfg.Listeners[i], nil
		}
	}
	return nil, fault.New("rehearsal.listener", fault.NotFound, "there is no listener %q", name)
}

// build makes a gate that keeps nothing.
func build(ctx context.Context, cfg *config.Config, kept *keeper, q Question) (*submission.Gate, func(), error) {
	store := kept.Store
	sealer, err := app.OpenSealer(ctx, cfg, store)
	if err != nil {
		return nil, nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	by, err := books(ctx, cfg, kept, q)
	if err != nil {
		return nil, nil, err
	}
	judge, err := aligning.Judge(cfg)
	if err != nil {
		return nil, nil, err
	}
	policy := app.Policy(cfg)
	if policy.Rules, err = ruling.Set(cfg); err != nil {
		return nil, nil, err
	}
	asked := cfg.Filters
	if q.Unfiltered {
		asked = nil
	}
	filtered, err := filters.Open(asked, filters.Options{})
	if err != nil {
		return nil, nil, err
	}
	options := app.VerifierOptions(cfg)
	options.Store, options.Now = store, time.Now
	maker, hasher, err := app.NewMaker(ctx, cfg, store, sealer)
	if err != nil {
		return nil, nil, err
	}
	options.Maker, options.Hasher = maker, hasher
	guarded, err := watch(ctx, cfg, kept, q, guarding.Device(maker.Lasting))
	if err != nil {
		return nil, nil, err
	}
	checking := aligning.Checking(cfg)
	checking.Judge, checking.Now = judge, time.Now
	listeners := map[string]submission.Listener{}
	for _, l := range cfg.Listeners {
		listeners[l.Name] = submission.Listener{Mechanisms: l.Mechanisms, Networks: l.Networks == "on"}
	}
	checker := alignment.New(checking)
	recorder := audit.NewRecorder(kept, audit.RecorderOptions{Logger: quiet})
	gate := submission.New(submission.Options{
		Hostname: cfg.Hostname, Node: cfg.Node.ID, Verifier: login.New(options),
		Senders: senders.New(store, senders.Options{Now: time.Now}), Accounts: store, Domains: store, Queue: kept,
		Bans: by.bans, Entrance: by.entrance, Guard: guarded, Limits: func() func(limit.Who) []limit.Level { return by.limits }, Counted: store.Counted, Doors: kept, Alignment: checker, Filters: filtered.Chains(cfg.Listeners), Listeners: listeners, Recorder: recorder, Sealer: sealer,
		IDs: &mail.IDSource{}, Now: time.Now, Policy: policy, Metrics: figures.New(prometheus.NewRegistry()), Logger: quiet,
	})
	return gate, sync.OnceFunc(func() {
		gate.Close()
		recorder.Close(context.WithoutCancel(ctx))
		checker.Close()
	}), nil
}

// listenerConfig is how a listener begins for a rehearsal: in plain text, so that a refusal
// of the whole connection is seen, whatever its kind.
func listenerConfig(l *config.Listener, secure *tls.Config) smtpserver.ListenerConfig {
	return smtpserver.ListenerConfig{Name: l.Name, Kind: smtpserver.Submission, TLS: func() *tls.Config { return secure }}
}
