// Package rekeying has a gate bring domains to new signing keys: it looks whether keys
// that wait are found in DNS, has them sign then, and removes old ones when what they
// signed has arrived. For domains that have delegated their selectors it also makes the
// new keys, and publishes them.
//
// What becomes of keys is decided in package policy/turnover. Several gates may do this
// for one store: each change is made by one of them.
//
// Main types: Turner.
package rekeying

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/policy/domainkey"
	"countersign/internal/policy/inquiry"
	"countersign/internal/policy/turnover"
)

// Publisher writes into the zone that domains have delegated their selectors to:
// dnsupdate.Zone.
type Publisher interface {
	Set(ctx context.Context, name, text string) error
	// Remove removes the record of a name if it has that text.
	Remove(ctx context.Context, name, text string) error
}

// Store keeps the domains and what is written into the zone.
type Store interface {
	account.DomainStore
	account.ZoneStore
}

// Options are what a Turner is made of. All fields are needed, but those of delegated
// domains.
type Options struct {
	Store Store
	Asker mx.Asker
	// Every is how long the looks are apart.
	Every  time.Duration
	Timing turnover.Timing
	// Now is the clock.
	Now func() time.Time
	// Logger gets what no caller is told.
	Logger *slog.Logger

	// Delegate is where domains have their selectors point to; "" for nowhere.
	Delegate mail.Domain
	// Zone takes the records below Delegate; nil where the operator publishes them.
	Zone Publisher
	// Maker makes the next keys of delegated domains, when those that sign are older
	// than Renew; 0 for never.
	Maker turnover.Maker
	Renew time.Duration
}

// daily is how far apart the looks are whether a domain's keys can be renewed.
const daily = 24 * time.Hour

// hourly is how far apart they are where it is said what hinders it.
const hourly = time.Hour

// atMost bounds the work on one domain.
const atMost = 30 * time.Second

// Turner turns keys. Run is for one goroutine, Problem for any.
type Turner struct {
	opt Options

	mu sync.Mutex // guards what follows
	// asked has what became of the last look at a domain for a renewal.
	asked map[mail.Domain]asked
	// turned is when a domain's turn began last, of those that have something to turn.
	turned map[mail.Domain]time.Time

	// problem is what the last round failed with and which keys do not get on, "" for nothing.
	problem atomic.Pointer[string]
}

// asked is a look whether a domain's keys can be renewed.
type asked struct {
	at time.Time
	// why not, "" where nothing is known that somebody would have to mend.
	why string
}

// New returns a Turner.
func New(opt Options) *Turner {
	return &Turner{opt: opt, asked: map[mail.Domain]asked{}, turned: map[mail.Domain]time.Time{}}
}

// Problem says what the zone or the store refused in the last round, and the keys of which
// domains wait too long or cannot be renewed; "" for nothing.
func (t *Turner) Problem() string {
	if p := t.problem.Load(); p != nil {
		return *p
	}
	return ""
}

// Run looks at the keys that turn, at once and then every Options.Every, until ctx ends.
func (t *Turner) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		t.round(ctx)
		timer.Reset(t.opt.Every)
	}
}

// round looks at each domain that has something to turn, and notes the first problem.
func (t *Turner) round(ctx context.Context) {
	late := lateness{}
	note := func(text string, err error) {
		if err == nil || ctx.Err() != nil || fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) {
			return // another gate was faster, or the domain is gone
		}
		late.fail(text + ": " + err.Error())
		t.opt.Logger.Warn(text, "error", err)
	}
	var slots []string
	var made time.Time
	if t.opt.Delegate != "" {
		slots = turnover.Slots()
		if t.opt.Renew > 0 {
			made = t.opt.Now().Add(-t.opt.Renew)
		}
	}
	domains, err := t.opt.Store.Turning(ctx, slots, made)
	note("the keys that turn could not be found", err)
	if err == nil {
		t.forget(domains)
	}
	t.each(ctx, domains, func(ctx context.Context, name mail.Domain) {
		note("the keys of "+name.String()+" could not be turned", t.turn(ctx, name, &late))
	})
	if ctx.Err() != nil {
		return
	}
	if t.opt.Zone != nil {
		note("what no key holds any more could not be removed from the zone", t.sweep(ctx))
	}
	problem := late.text()
	t.problem.Store(&problem)
}

// turn does for a domain what is due, and notes what does not get on.
func (t *Turner) turn(ctx context.Context, name mail.Domain, late *lateness) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	d, err := t.opt.Store.Domain(ctx, name)
	if err != nil {
		return err
	}
	late.note(d, t.now(), t.opt.Timing)
	said, err := t.publish(ctx, &d)
	if err != nil {
		return err
	}
	renew := t.renewal(d)
	states := t.look(ctx, d, renew)
	if renew && t.delegated(ctx, d, states) {
		keys, err := t.opt.Maker.Make(name, d.Keys, t.now())
		if err != nil {
			return err
		}
		d.Keys = slices.Concat(turnover.Wait(keys), d.Keys) // which the next round publishes
		said = append(said, "new keys that wait: "+selectors(keys))
	}
	late.add(t.askedOf(name).why)
	turned := turnover.Next(d.Keys, states, t.now(), t.opt.Timing)
	if turned.Changes() {
		d.Keys = turned.Keys
		said = append(said, turned.Text())
	}
	if len(said) == 0 {
		return nil
	}
	return t.opt.Store.PutDomain(ctx, d, audit.Event{
		At: t.now(), Kind: audit.DomainKeys, Actor: "gate", Object: "domain " + name.String(), Text: strings.Join(said, "; "),
	})
}

// now is the time as objects keep it.
func (t *Turner) now() time.Time { return t.opt.Now().UTC().Truncate(time.Microsecond) }

// look asks DNS for each key of a domain that waits, and for all where a renewal depends on them.
func (t *Turner) look(ctx context.Context, d account.Domain, all bool) map[string]domainkey.State {
	states := map[string]domainkey.State{}
	q := inquiry.New(t.opt.Asker)
	for _, k := range d.Keys {
		if k.Stage == account.Waiting || all {
			states[k.Selector] = domainkey.Check(ctx, q, domainkey.Key{Domain: d.Name, Selector: k.Selector, Record: k.Public}).State
		}
	}
	return states
}

// renewal reports whether a delegated domain's keys are due for new ones: all are in
// delegated selectors and sign, and one is old. It does so once a day, as a domain may never
// point its selectors to us, and more often where somebody was told to mend something.
func (t *Turner) renewal(d account.Domain) bool {
	last, now := t.askedOf(d.Name), t.opt.Now()
	if !t.due(d.Keys) {
		t.setAsked(d.Name, asked{at: last.at})
		return false
	}
	every := daily
	if last.why != "" {
		every = hourly
	}
	if now.Sub(last.at) < every {
		return false
	}
	t.setAsked(d.Name, asked{now, last.why})
	return true
}

func (t *Turner) askedOf(name mail.Domain) asked {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.asked[name]
}

func (t *Turner) setAsked(name mail.Domain, a asked) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked[name] = a
}

// due reports whether keys are due for new ones.
func (t *Turner) due(keys []account.Key) bool {
	if t.opt.Delegate == "" || t.opt.Renew == 0 {
		return false
	}
	old := false
	for _, k := range keys {
		if k.Stage != account.Signing || !turnover.Delegated(k.Selector) {
			return false
		}
		old = old || t.opt.Now().Sub(k.Created) >= t.opt.Renew
	}
	return old
}

// selectors lists those of keys.
func selectors(keys []account.Key) string {
	var list []string
	for _, k := range keys {
		list = append(list, k.Selector)
	}
	return strings.Join(list, ", ")
}
