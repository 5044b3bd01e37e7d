// Package admin sets the rules of limits and lifts them, in somebody's name, with an event for
// each.
//
// It refuses what is hardly ever meant. What a rule may say is package limit's, and so is
// what follows from it.
//
// Main types: Admin, Wanted.
package admin

import (
	"context"
	"strings"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/tenant"
)

// Options are what an Admin is made of. All fields are needed.
type Options struct {
	Store limit.Store
	IDs   *mail.IDSource
	// Actor is who acts, as the record names them: "cli:root".
	Actor string
	Now   func() time.Time
}

// Admin sets rules and lifts them, with an event each. It is safe for concurrent use.
type Admin struct{ opt Options }

// New returns an Admin.
func New(opt Options) *Admin { return &Admin{opt} }

// Wanted is what is to be set for a subject.
type Wanted struct {
	For limit.Subject
	// Login is whose credential that is, for the record; "" for others.
	Login  string
	Limits []limit.Limit
	// Extra, Because and End are those of each Rule.
	Extra   bool
	Because string
	End     time.Time
	// Force sets also what Hazard warns of.
	Force bool
	// Within is how many may hold with them.
	Within tenant.Bound
}

// now is the time as it is stored.
func (a *Admin) now() time.Time { return a.opt.Now().UTC().Truncate(time.Microsecond) }

// Set sets rules, all of them or none, in place of those in the same places. Errors are
// those of Store.SetRules; fault.Invalid where there is none, for an end that is past, for
// what is extra without an end, for 0 failed recipients, and for what Hazard warns of, without Force.
func (a *Admin) Set(ctx context.Context, w Wanted) ([]limit.Rule, error) {
	const op = "limit.set"
	now := a.now()
	end := w.End.UTC().Truncate(time.Microsecond)
	switch {
	case len(w.Limits) == 0:
		return nil, fault.New(op, fault.Invalid, "no limit is named, as in recipients/hour=100")
	case !w.End.IsZero() && !end.After(now):
		return nil, fault.New(op, fault.Invalid, "it would end at %s, which is past", end.Format(time.RFC3339))
	case w.Extra && w.End.IsZero():
		return nil, fault.New(op, fault.Invalid, "what is extra needs an end; a higher limit is for what has none")
	}
	var rules []limit.Rule
	var events []audit.Event
	for _, l := range w.Limits {
		r := limit.Rule{ID: a.opt.IDs.New(), For: w.For, Limit: l, Extra: w.Extra, Because: strings.TrimSpace(w.Because), Start: now, By: a.opt.Actor}
		if !w.End.IsZero() {
			r.End = end
		}
		if err := r.Check(); err != nil {
			return nil, err
		}
		if l.Measure == limit.FailedRecipients && l.Max == 0 {
			// Before one has failed nothing is over it, and then one is too many by 1 as well.
			return nil, fault.New(op, fault.Invalid, "%s stops nothing before a recipient has failed, as 1 does: write 1, or messages/%s=0 to stop all mail", l, l.Window)
		}
		if hazard := Hazard(&r); hazard != "" && !w.Force {
			return nil, fault.New(op, fault.Invalid, "%s %s; --force sets it all the same", r.Limit, hazard)
		}
		e := r.Event(audit.LimitSet, now, a.opt.Actor, r.Because)
		if w.Login != "" {
			e.Login = w.Login
		}
		rules, events = append(rules, r), append(events, e)
	}
	if err := a.opt.Store.SetRules(ctx, rules, w.Within, events); err != nil {
		return nil, err
	}
	return rules, nil
}

// Hazard says what a rule would do that is hardly ever meant; "" for nothing: such a rule is
// refused unless somebody insists.
func Hazard(r *limit.Rule) string {
	if r.Limit.Max > 0 || r.Limit.Shadow || r.Limit.Measure == limit.FailedShare || r.Limit.Measure == limit.FailedRecipients {
		return ""
	}
	what := "stops all mail"
	if r.Limit.Measure == limit.Connections {
		what = "turns away all connections"
	}
	if r.Limit.Measure == limit.NewRecipients {
		what += " to recipients that were not written to before"
	}
	switch {
	case r.For.Kind == limit.Everything:
		return what
	case r.For.Name == limit.Each:
		return what + " of every " + r.For.Kind.String() + " without a limit of its own"
	}
	return what + " of " + r.For.String()
}

// Lift ends the rule with that id. Errors are those of Store.LiftRule.
func (a *Admin) Lift(ctx context.Context, id mail.ID) (limit.Rule, error) {
	found, err := a.opt.Store.Rules(ctx, limit.Query{ID: id})
	if err != nil {
		return limit.Rule{}, err
	}
	if len(found) == 0 {
		return limit.Rule{}, fault.New("limit.lift", fault.NotFound, "there is no limit %s", id)
	}
	return a.lift(ctx, found[0])
}

// LiftOf ends the rule of exactly that subject, measure and window: the one in shadow where shadow says so,
// or there is no limit but that. Errors are those of Store.LiftRule; fault.NotFound where none holds,
// fault.Conflict where several do, allowances among them where shadow does not say so, which it names.
func (a *Admin) LiftOf(ctx context.Context, s limit.Subject, m limit.Measure, w limit.Window, shadow bool) (limit.Rule, error) {
	const op = "limit.lift"
	found, err := a.opt.Store.Rules(ctx, limit.Query{For: &s, Holding: a.now()})
	if err != nil {
		return limit.Rule{}, err
	}
	var live, tried, extra []limit.Rule
	for _, r := range found {
		switch {
		case r.Limit.Measure != m || r.Limit.Window != w:
		case r.Extra:
			extra = append(extra, r)
		case r.Limit.Shadow:
			tried = append(tried, r)
		default:
			live = append(live, r)
		}
	}
	here, what := live, ""
	if shadow || len(live) == 0 {
		here = tried
	}
	if shadow {
		what = " in shadow"
	} else {
		here = append(here, extra...)
	}
	switch {
	case len(here) == 0:
		return limit.Rule{}, fault.New(op, fault.NotFound, "%s has no limit %s/%s%s of its own that holds", s, m, w, what)
	case len(here) > 1:
		return limit.Rule{}, fault.New(op, fault.Conflict, "there are several: lift one by its id, %s", strings.Join(named(here), ", "))
	}
	return a.lift(ctx, here[0])
}

// named are rules with their ids.
func named(rules []limit.Rule) (names []string) {
	for i := range rules {
		names = append(names, string(rules[i].ID)+" ("+rules[i].Object()+")")
	}
	return names
}

func (a *Admin) lift(ctx context.Context, r limit.Rule) (limit.Rule, error) {
	at := a.now()
	if err := a.opt.Store.LiftRule(ctx, r.ID, at, a.opt.Actor, r.Event(audit.LimitLifted, at, a.opt.Actor, "")); err != nil {
		return limit.Rule{}, err
	}
	r.End, r.Lifted = at, a.opt.Actor
	return r, nil
}
