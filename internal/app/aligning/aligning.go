// Package aligning has what a gate does about alignment beside asking for it: it makes,
// of the configuration, the judge, the rules and the checker of package policy/alignment, and looks
// at all domains now and then, so that the record says what is broken before a customer does.
//
// Main types: Watch; functions Judge, Rules, Checking.
package aligning

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/account"
	"countersign/internal/app/outgoing"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/policy/alignment"
	"countersign/internal/policy/domainkey"
	"countersign/internal/policy/rounds"
	"countersign/internal/policy/turnover"
)

// answersKept is how many answers of DNS are kept beside the assessments made of them: those
// that many domains share, such as what their SPF records include. They are apart from those of
// deliveries, which looks at other domains shall not push out.
const answersKept = 2000

// Judge makes what assesses messages as the configuration has it. The error is that of the
// name servers.
func Judge(c *config.Config) (*alignment.Judge, error) {
	servers := outgoing.Resolver(c)
	servers.CacheSize = answersKept
	resolver, err := mx.NewClient(servers)
	if err != nil {
		return nil, err
	}
	hello := c.Delivery.Hello
	if hello == "" {
		hello = c.Hostname
	}
	return &alignment.Judge{Asker: resolver, Target: target(mail.Domain(c.Rekey.Delegate)), Sending: alignment.Sending{
		Addresses: c.Sources(), Hello: hello, Term: c.Alignment.SPFTerm,
	}}, nil
}

// target is what the names of delegated selectors are to be aliases of; nil where none are
// delegated. A name that would be too long for DNS is none.
func target(delegate mail.Domain) func(string, mail.Domain) string {
	if delegate == "" {
		return nil
	}
	return func(selector string, domain mail.Domain) string {
		_, to, err := turnover.Alias(selector, domain, delegate)
		if err != nil || !turnover.Delegated(selector) {
			return ""
		}
		return to
	}
}

// Checking says how a Checker works; the Judge and the clock are for the caller to add.
func Checking(c *config.Config) alignment.Options {
	o := alignment.Options{Wait: c.Alignment.Wait.Std()}
	if o.Wait == 0 {
		o.Wait = -1 // not at all
	}
	return o
}

// Rules are what is done for which domain.
func Rules(c *config.Config) alignment.Rules {
	actions := map[string]alignment.Action{
		"warn": alignment.Warn, "hold": alignment.Hold, "refuse": alignment.Refuse, // else off
	}
	r := alignment.Rules{Default: actions[c.Alignment.Action]}
	for action, list := range map[alignment.Action][]string{
		alignment.Off: c.Alignment.OffFor, alignment.Warn: c.Alignment.WarnFor,
		alignment.Hold: c.Alignment.HoldFor, alignment.Refuse: c.Alignment.RefuseFor,
	} {
		for _, d := range list {
			if r.Domains == nil {
				r.Domains = map[mail.Domain]alignment.Action{}
			}
			r.Domains[mail.Domain(d)] = action
		}
	}
	return r
}

// Question is what a message of a domain that takes its bounces itself would be asked
// about; keys are the domain's, none where messages are not signed here.
func Question(domain mail.Domain, keys []account.Key) alignment.Question {
	q := alignment.Question{From: domain, MailFrom: domain}
	for _, k := range keys {
		q.Keys = append(q.Keys, domainkey.Key{Domain: domain, Selector: k.Selector, Record: k.Public})
	}
	return q
}

// Store has the domains and their keys, and what is known of the looks at them.
type Store interface {
	rounds.Store
	Domains(ctx context.Context, q account.DomainQuery) ([]account.Domain, error)
	SigningKeys(ctx context.Context, domain mail.Domain) ([]account.Key, error)
}

// Options are what a Watch is made of. All fields but Node are needed.
type Options struct {
	Config *config.Config
	// Node names the gate among those that share the store; "" where there is one alone.
	Node     string
	Store    Store
	Recorder *audit.Recorder
	// Now is the clock.
	Now func() time.Time
	// Registry gets the figures.
	Registry prometheus.Registerer
	// Logger gets what no caller is told.
	Logger *slog.Logger
}

// Watch is the alignment of a gate.
type Watch struct {
	*alignment.Checker
	opt   Options
	judge *alignment.Judge
	// current is the configuration in force, which a reload exchanges.
	current atomic.Pointer[config.Config]
	domains *prometheus.GaugeVec
}

// Open makes a Watch. Close ends its Checker.
func Open(o Options) (*Watch, error) {
	judge, err := Judge(o.Config)
	if err != nil {
		return nil, err
	}
	checking := Checking(o.Config)
	checking.Judge, checking.Now = judge, o.Now
	w := &Watch{
		Checker: alignment.New(checking), opt: o, judge: judge,
		domains: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "countersign_alignment_domains",
			Help: "Domains by how their mail fared for DMARC when all were looked at last.",
		}, []string{"verdict"}),
	}
	o.Registry.MustRegister(w.domains)
	w.current.Store(o.Config)
	return w, nil
}

// Configure takes a changed configuration: rules, and whether messages are signed.
func (w *Watch) Configure(c *config.Config) { w.current.Store(c) }

// Run looks at all domains every alignment.check_every until ctx ends, together with the other
// gates of the store. It is called once.
func (w *Watch) Run(ctx context.Context) {
	if w.opt.Config.Alignment.CheckEvery.Std() == 0 {
		return
	}
	pause(ctx, min(settle, w.pace()))
	for ctx.Err() == nil {
		if err := w.round(ctx); err != nil && ctx.Err() == nil {
			w.opt.Logger.Warn("not all domains could be looked at for DMARC", "error", err)
		}
		pause(ctx, w.pace())
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
