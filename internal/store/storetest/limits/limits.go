// Package limits is what an engine must do about the rules of package limit: the contract
// of limit.Store, as tests. An engine calls Run from a test of its own.
//
// It tests neither which limits a message has (package limit), nor what is counted.
//
// Main types: Store, Run.
package limits

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/store/storetest/expect"
	"countersign/internal/tenant"
)

// Store is what the cases need of an engine.
type Store interface {
	account.Store
	limit.Store
	audit.Store
}

// Run runs the cases, each with a store that open makes empty.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for name, run := range map[string]func(*story){
		"rules come back as they were put":       comeBack,
		"what is no rule is refused":             formIsChecked,
		"all are set or none":                    allOrNone,
		"one takes the place of another":         placeIsTaken,
		"one in shadow is beside the other":      shadowIsBeside,
		"what is extra takes no place":           extraIsBeside,
		"a rule is for what there is":            forWhatThereIs,
		"a rule is lifted once":                  liftedOnce,
		"rules are found by what was asked":      found,
		"who follows sees each change, in order": followed,
		"changes made at once are all followed":  followedAtOnce,
		"who waits for changes is told":          told,
		"accounts and their generation stay":     generationStays,
		"ended rules are removed in portions":    pruned,
		"the event is stored with the rule only": eventsFollow,
		"set twice at once, one holds":           setAtOnce,
		"rules end with their account":           endWithAccount,
		"rules end with their credential":        endWithCredential,
		"rules end with what is above":           endAbove,
		"removed and set at once":                removedWhileSet,
		"customers have what is for them":        ofCustomers,
		"no more hold than a bound says":         withinBound,
		"no more are set at once than that":      withinBoundAtOnce,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			y := &story{T: t, s: open(t), ctx: ctx, now: time.Now().UTC().Truncate(time.Microsecond)}
			y.settle()
			run(y)
		})
	}
}

// story is one case. Its store has customer acme on plan basic with domain one.example and
// accounts ann, who has two credentials, and bob.
type story struct {
	*testing.T
	s   Store
	ctx context.Context
	now time.Time
	n   int
	// within is what put is bound by.
	within tenant.Bound
}

const (
	ann, bob = "ann@one.example", "bob@one.example"
	phone    = mail.ID("01KPH00000000000000000000A")
	printer  = mail.ID("01KPR00000000000000000000A")
)

// change is the event of a change of an object.
func (y *story) change(object string) audit.Event {
	return audit.Event{At: y.now, Kind: audit.AdminChanged, Actor: "cli:root", Object: object}
}

// settle adds what rules are for.
func (y *story) settle() {
	y.Helper()
	expect.Must(y, y.s.PutPlan(y.ctx, account.Plan{Name: "basic", State: account.Active, Created: y.now}, y.change("plan basic")))
	expect.Must(y, y.s.PutCustomer(y.ctx, account.Customer{Name: "acme", Plan: "basic", State: account.Active, Created: y.now}, y.change("customer acme")))
	expect.Must(y, y.s.PutDomain(y.ctx, account.Domain{Name: "one.example", Customer: "acme", State: account.Active, Created: y.now}, y.change("domain one.example")))
	y.addAnn()
	expect.Must(y, y.s.PutAccount(y.ctx, account.Account{
		ID: "01KB0B00000000000000000001", Address: mail.Address{Local: "bob", Domain: "one.example"}, State: account.Active, Created: y.now,
	}, y.change("account "+bob)))
}

// addAnn adds ann with her credentials.
func (y *story) addAnn() {
	y.Helper()
	credential := func(id mail.ID, name string) account.Credential {
		return account.Credential{ID: id, Kind: account.Certificate, Name: name, Subject: "cn:" + name, Created: y.now, Changed: y.now}
	}
	expect.Must(y, y.s.PutAccount(y.ctx, account.Account{
		ID: "01KANN00000000000000000001", Address: mail.Address{Local: "ann", Domain: "one.example"}, State: account.Active, Created: y.now,
		Credentials: []account.Credential{credential(phone, "phone"), credential(printer, "printer")},
	}, y.change("account "+ann)))
}

// rule makes another rule, from a text as limit.Parse reads it.
func (y *story) rule(kind limit.Kind, name, text string) limit.Rule {
	y.Helper()
	l, err := limit.Parse(text)
	expect.Must(y, err)
	y.n++
	return limit.Rule{
		ID: mail.ID(fmt.Sprintf("01K%023d", y.n)), For: limit.Subject{Kind: kind, Name: name}, Limit: l,
		Start: y.now.Add(time.Duration(y.n) * time.Microsecond), By: "cli:root",
	}
}

// until gives a rule an end so long after its beginning.
func until(r limit.Rule, length time.Duration) limit.Rule {
	r.End = r.Start.Add(length)
	return r
}

// extra makes a rule one that is had on top.
func extra(r limit.Rule) limit.Rule {
	r.Extra = true
	return r
}

// lifted is a rule that somebody has ended.
func lifted(r limit.Rule, at time.Time, by string) limit.Rule {
	r.End, r.Lifted = at, by
	return r
}

// put sets rules in one change.
func (y *story) put(rules ...limit.Rule) error {
	var events []audit.Event
	for i := range rules {
		events = append(events, rules[i].Event(audit.LimitSet, y.now, "cli:root", "asked for"))
	}
	return y.s.SetRules(y.ctx, rules, y.within, events)
}

// set sets rules, each in a change of its own.
func (y *story) set(rules ...limit.Rule) {
	y.Helper()
	for _, r := range rules {
		expect.Must(y, y.put(r))
	}
}

func (y *story) lift(r limit.Rule, at time.Time) error {
	return y.s.LiftRule(y.ctx, r.ID, at, "cli:eve", r.Event(audit.LimitLifted, y.now, "cli:eve", ""))
}

// refused wants an error of that kind.
func (y *story) refused(err error, kind fault.Kind) {
	y.Helper()
	expect.Kind(y, err, kind)
}

// listed wants these to be found, in this order.
func (y *story) listed(q limit.Query, want ...limit.Rule) {
	y.Helper()
	list, err := y.s.Rules(y.ctx, q)
	expect.Must(y, err)
	y.equal(list, want)
}

// since returns what has changed since a number, and wants no error.
func (y *story) since(number uint64) ([]limit.Rule, uint64) {
	y.Helper()
	list, now, err := y.s.RulesSince(y.ctx, number)
	expect.Must(y, err)
	return list, now
}

func (y *story) equal(got, want []limit.Rule) {
	y.Helper()
	if !slices.Equal(got, want) {
		y.Fatalf("got\n%+v\nwant\n%+v", got, want)
	}
}

func comeBack(y *story) {
	plain, timed := y.rule(limit.Account, ann, "messages/hour=5"), until(y.rule(limit.Domain, "one.example", "bytes/month=9223372036854775807"), time.Hour)
	timed.Limit.Action, timed.Limit.Shadow, timed.Limit.Share, timed.Because = limit.Slow, true, 25, "Überlast"
	held, refused := y.rule(limit.Customer, limit.Each, "new-recipients/day=0"), y.rule(limit.Plan, "basic", "recipients/minute=1")
	held.Limit.Action, refused.Limit.Action = limit.Hold, limit.Refuse
	more := extra(until(y.rule(limit.Account, ann, "messages/hour=500"), time.Minute))
	others := []limit.Rule{
		y.rule(limit.Network, "2001:db8::/64", "bytes/day=3"), y.rule(limit.Node, "1", "messages/day=1"),
		y.rule(limit.Everything, "", "messages/day=2"), y.rule(limit.Credential, string(phone), "messages/day=3"),
	}
	single := []limit.Rule{
		y.rule(limit.Account, bob, "recipients/message=100"), y.rule(limit.Account, bob, "bytes/message=9223372036854775807"), y.rule(limit.Account, bob, "messages/connection=0"),
		y.rule(limit.Account, bob, "recipients/connection=5"), y.rule(limit.Account, bob, "bytes/connection=1"),
	}
	single[1].Limit.Action, single[2].Limit.Action, single[3].Limit.Shadow, single[4].Limit.Quiet = limit.Hold, limit.Refuse, true, true
	expect.Must(y, y.put(plain, timed, held, refused, more))
	expect.Must(y, y.put(others...))
	expect.Must(y, y.put(single...))
	y.listed(limit.Query{For: &single[0].For}, single...)
	y.listed(limit.Query{}, slices.Concat([]limit.Rule{others[3], plain, more}, single, []limit.Rule{timed, held, others[0], others[1], others[2], refused})...)
}

func formIsChecked(y *story) {
	for what, change := range map[string]func(*limit.Rule){
		"id":       func(r *limit.Rule) { r.ID = "1" },
		"subject":  func(r *limit.Rule) { r.For.Name = "Ann@one.example" },
		"kind":     func(r *limit.Rule) { r.For.Kind = 200 },
		"measure":  func(r *limit.Rule) { r.Limit.Measure = 200 },
		"window":   func(r *limit.Rule) { r.Limit.Window = 200 },
		"action":   func(r *limit.Rule) { r.Limit.Action = 200 },
		"pair":     func(r *limit.Rule) { r.Limit.Window = limit.PerMessage },
		"slowed":   func(r *limit.Rule) { r.Limit.Window, r.Limit.Action = limit.PerConnection, limit.Slow },
		"negative": func(r *limit.Rule) { r.Limit.Max = -1 },
		"share":    func(r *limit.Rule) { r.Limit.Share = 101 },
		"reason":   func(r *limit.Rule) { r.Because = "a\r\nb" },
		"actor":    func(r *limit.Rule) { r.By = "" },
		"end":      func(r *limit.Rule) { r.End = r.Start.Add(-1) },
	} {
		r := y.rule(limit.Account, ann, "messages/hour=5")
		change(&r)
		if err := y.s.SetRules(y.ctx, []limit.Rule{r}, tenant.Bound{}, nil); !fault.Is(err, fault.Invalid) {
			y.Errorf("%s: %v", what, err)
		}
	}
	y.listed(limit.Query{})
}

func allOrNone(y *story) {
	good, gone := y.rule(limit.Account, ann, "messages/hour=5"), y.rule(limit.Account, "eve@one.example", "messages/hour=5")
	y.refused(y.put(good, gone), fault.NotFound)
	again := y.rule(limit.Account, ann, "messages/hour=6")
	y.refused(y.put(good, again), fault.Invalid)
	same := y.rule(limit.Account, ann, "messages/day=6")
	same.ID = good.ID
	y.refused(y.put(good, same), fault.Invalid)
	var many []limit.Rule
	for n := range limit.MaxSet + 1 {
		many = append(many, extra(y.rule(limit.Account, ann, fmt.Sprintf("messages/hour=%d", n+1))))
	}
	y.refused(y.put(many...), fault.Invalid)
	y.listed(limit.Query{})
	if _, number := y.since(0); number != 0 {
		y.Fatalf("nothing has the number %d", number)
	}
	events, err := y.s.Search(y.ctx, audit.Query{Kind: audit.LimitSet})
	if err != nil || len(events) != 0 {
		y.Fatalf("recorded %v, %v", events, err)
	}
	expect.Must(y, y.put())
	expect.Must(y, y.put(many[:limit.MaxSet]...))
	expect.Must(y, y.put(good))
	good.For.Name = bob
	y.refused(y.put(good), fault.Conflict) // the id is taken
}

// placeIsTaken: of two in one place the later one holds, but one with an end and one
// without are beside each other.
func placeIsTaken(y *story) {
	first, timed := y.rule(limit.Account, ann, "messages/hour=5"), until(y.rule(limit.Account, ann, "messages/hour=50"), time.Hour)
	others := []limit.Rule{
		y.rule(limit.Account, bob, "messages/hour=5"), y.rule(limit.Account, limit.Each, "messages/hour=5"), y.rule(limit.Account, ann, "messages/day=5"),
		y.rule(limit.Account, ann, "recipients/hour=5"), y.rule(limit.Domain, limit.Each, "messages/hour=5"),
	}
	y.set(first, timed)
	y.set(others...)
	second, longer := y.rule(limit.Account, ann, "messages/hour=7"), until(y.rule(limit.Account, ann, "messages/hour=70"), time.Hour)
	second.By = "cli:eve"
	expect.Must(y, y.put(second, longer))
	now := longer.Start
	y.listed(limit.Query{For: &first.For, Holding: now}, others[2], others[3], second, longer)
	y.listed(limit.Query{ID: first.ID}, lifted(first, second.Start, "cli:eve"))
	y.listed(limit.Query{ID: timed.ID}, lifted(timed, longer.Start, "cli:root"))
	for _, r := range others {
		y.listed(limit.Query{ID: r.ID}, r)
	}
	late := until(y.rule(limit.Account, ann, "messages/hour=8"), time.Hour)
	late.Start = longer.End // the other has ended by itself
	late.End = late.Start.Add(time.Hour)
	y.set(late)
	y.listed(limit.Query{ID: longer.ID}, longer)
}

// shadowIsBeside: one in shadow takes the place of one in shadow alone; one that is not takes also that of one in
// shadow which would be silent beside it.
func shadowIsBeside(y *story) {
	shadow := func(r limit.Rule) limit.Rule {
		r.Limit.Shadow = true
		return r
	}
	live, timed := y.rule(limit.Account, ann, "messages/hour=100"), until(y.rule(limit.Account, ann, "messages/hour=900"), time.Hour)
	first, second := shadow(y.rule(limit.Account, ann, "messages/hour=60")), shadow(y.rule(limit.Account, ann, "messages/hour=50"))
	while, other := shadow(until(y.rule(limit.Account, ann, "messages/hour=70"), time.Hour)), shadow(y.rule(limit.Account, bob, "messages/hour=60"))
	y.set(live, timed, first, second, while, other)
	of := limit.Query{For: &live.For, Holding: y.now.Add(time.Millisecond)}
	y.listed(of, live, timed, second, while)
	y.listed(limit.Query{ID: first.ID}, lifted(first, second.Start, "cli:root"))
	higher := y.rule(limit.Account, ann, "messages/hour=80")
	y.set(higher)
	y.listed(of, timed, second, while, higher)
	equal := y.rule(limit.Account, ann, "messages/hour=50")
	equal.By = "cli:eve"
	y.set(equal)
	y.listed(of, timed, while, equal)
	y.listed(limit.Query{ID: second.ID}, lifted(second, equal.Start, "cli:eve"))
	y.listed(limit.Query{For: &other.For}, other)
	y.refused(y.put(y.rule(limit.Account, bob, "messages/day=5"), shadow(y.rule(limit.Account, bob, "messages/day=5"))), fault.Invalid)
	// Two end with one that is set, so that a bound which is reached has room for it.
	y.set(shadow(y.rule(limit.Account, bob, "messages/day=5")), y.rule(limit.Account, bob, "messages/day=9"))
	y.within = tenant.Bound{Customers: []string{"acme"}, Most: 6}
	y.refused(y.put(y.rule(limit.Account, bob, "bytes/day=5")), fault.Conflict)
	y.set(y.rule(limit.Account, bob, "messages/day=4"), y.rule(limit.Account, bob, "bytes/day=5"))
}

func extraIsBeside(y *story) {
	base, timed := y.rule(limit.Account, ann, "messages/hour=5"), until(y.rule(limit.Account, ann, "messages/hour=50"), time.Hour)
	one, two := extra(until(y.rule(limit.Account, ann, "messages/hour=10"), time.Hour)), extra(until(y.rule(limit.Account, ann, "messages/hour=10"), time.Hour))
	y.set(one, base, two, timed)
	y.listed(limit.Query{Holding: y.now}, base, timed, one, two)
}

func forWhatThereIs(y *story) {
	for _, r := range []limit.Rule{
		y.rule(limit.Account, "eve@one.example", "messages/hour=5"), y.rule(limit.Domain, "two.example", "messages/hour=5"),
		y.rule(limit.Customer, "other", "messages/hour=5"), y.rule(limit.Plan, "large", "messages/hour=5"),
		y.rule(limit.Credential, "01KN0000000000000000000000", "messages/hour=5"),
	} {
		err := y.put(r)
		y.refused(err, fault.NotFound)
		if detail := fault.DetailOf(err, fault.NotFound); detail != r.For.String()+" does not exist" {
			y.Errorf("it says %q", detail)
		}
	}
	y.listed(limit.Query{})
	y.set(y.rule(limit.Account, limit.Each, "messages/hour=5"), y.rule(limit.Domain, limit.Each, "messages/hour=5"), y.rule(limit.Node, "gone", "messages/hour=5"))
}

func liftedOnce(y *story) {
	r, timed := y.rule(limit.Account, ann, "messages/hour=5"), until(y.rule(limit.Account, ann, "messages/day=5"), time.Hour)
	y.refused(y.lift(r, y.now), fault.NotFound)
	y.set(r, timed)
	at := y.now.Add(time.Minute)
	expect.Must(y, y.lift(r, at))
	y.refused(y.lift(r, at), fault.Conflict)
	y.refused(y.lift(timed, timed.End), fault.Conflict)
	expect.Must(y, y.lift(timed, at))
	y.listed(limit.Query{}, lifted(r, at, "cli:eve"), lifted(timed, at, "cli:eve"))
}

func found(y *story) {
	a, b := until(y.rule(limit.Account, ann, "messages/hour=5"), time.Minute), y.rule(limit.Account, bob, "messages/hour=5")
	c, d := y.rule(limit.Domain, "one.example", "messages/hour=5"), y.rule(limit.Credential, string(phone), "messages/hour=5")
	e := until(y.rule(limit.Account, ann, "messages/day=5"), time.Hour)
	y.set(e, c, b, d, a)
	y.listed(limit.Query{}, d, a, e, b, c)
	y.listed(limit.Query{ID: b.ID}, b)
	y.listed(limit.Query{ID: "01K00000000000000000000099"})
	y.listed(limit.Query{For: &a.For}, a, e)
	y.listed(limit.Query{For: &limit.Subject{Kind: limit.Domain, Name: ann}})
	y.listed(limit.Query{Holding: a.End.Add(-time.Microsecond)}, d, a, e, b, c)
	y.listed(limit.Query{Holding: a.End}, d, e, b, c)
	y.listed(limit.Query{For: &a.For, Holding: e.End})
}
