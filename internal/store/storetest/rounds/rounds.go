// Package rounds is what an engine must do about the looks at domains that gates take turns in: the
// contract of rounds.Store of package policy, as tests. An engine calls Run from a test of its own.
//
// Main types: Run.
package rounds

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/policy/rounds"
	"countersign/internal/store/storetest/expect"
)

// Store is what the cases need of an engine.
type Store interface {
	rounds.Store
	account.Store
	audit.Store
}

// Run runs the cases, each with an empty store that open makes.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for name, run := range map[string]func(*story){
		"what is found comes back":              comesBack,
		"one takes it, until it is due again":   onceInAPeriod,
		"who is gone keeps nobody waiting":      lapses,
		"who has lost it keeps nothing":         lost,
		"of those who ask at once each gets it": atOnce,
		"it goes with its domain":               goes,
		"a customer's are found":                foundByCustomer,
		"a page is one question":                ofSome,
		"what is no look is refused":            formIsChecked,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			y := &story{t, open(t), ctx, time.Now().UTC().Truncate(time.Second)}
			expect.Must(y, y.s.PutCustomer(ctx, account.Customer{Name: "acme", State: account.Active, Created: y.now}, y.event("customer")))
			for _, name := range []mail.Domain{one, two} {
				expect.Must(y, y.s.PutDomain(ctx, account.Domain{Name: name, Customer: "acme", State: account.Active, Created: y.now}, y.event("domain")))
			}
			run(y)
		})
	}
}

// story is one case.
type story struct {
	*testing.T
	s   Store
	ctx context.Context
	now time.Time
}

const one, two = mail.Domain("one.example"), mail.Domain("two.example")

func (y *story) event(object string) audit.Event {
	return audit.Event{At: y.now, Kind: audit.AdminAdded, Actor: "test", Object: object}
}

// turn is that of a gate after a time, for looks that are a day apart.
func (y *story) turn(node string, after time.Duration) rounds.Turn {
	at := y.now.Add(after)
	return rounds.Turn{Node: node, At: at, Due: at.Add(-24 * time.Hour), Lapsed: at.Add(-5 * time.Minute)}
}

// take has a gate ask for both, and says what it gets.
func (y *story) take(t rounds.Turn, want ...mail.Domain) []rounds.Look {
	y.Helper()
	list := expect.Got(y.s.TakeLooks(y.ctx, []mail.Domain{one, "nowhere.example", two}, t))(y)
	var got []mail.Domain
	for _, l := range list {
		got = append(got, l.Domain)
	}
	expect.Equal(y, "those taken by "+t.Node, got, want)
	return list
}

// found is a look that has ended.
func found(l rounds.Look, at time.Time, verdict string) rounds.Look {
	l.At, l.Verdict, l.Failing, l.Slow = at, verdict, verdict == "will-fail", verdict == "unknown"
	l.Policy, l.Reason = "reject", "DKIM: nothing is published"
	if verdict == "pass" {
		l.Reason = ""
	}
	return l
}

func comesBack(y *story) {
	list := y.take(y.turn("a", 0), one, two)
	expect.Equal(y, "one", list[0], rounds.Look{Domain: one, Node: "a", Taken: y.now})
	at := y.now.Add(time.Second)
	told := audit.Event{At: at, Kind: audit.DomainUnaligned, Object: "domain one.example", Text: "no key"}
	expect.Must(y, y.s.KeepLook(y.ctx, found(list[0], at, "will-fail"), told))
	expect.Must(y, y.s.KeepLook(y.ctx, found(list[1], at, "unknown")))
	want := []rounds.Look{
		{Domain: one, Node: "a", At: at, Verdict: "will-fail", Failing: true, Policy: "reject", Reason: "DKIM: nothing is published"},
		{Domain: two, Node: "a", At: at, Verdict: "unknown", Slow: true, Policy: "reject", Reason: "DKIM: nothing is published"},
	}
	expect.Equal(y, "all", expect.Got(y.s.AllLooks(y.ctx, ""))(y), want)
	events := expect.Got(y.s.Search(y.ctx, audit.Query{Kind: audit.DomainUnaligned, Limit: 10}))(y)
	if len(events) != 1 || events[0].Object != told.Object || events[0].Text != told.Text {
		y.Errorf("the record has %+v", events)
	}
	again := y.take(y.turn("b", 25*time.Hour), one, two)
	want[0].Node, want[0].Taken = "b", y.now.Add(25*time.Hour)
	expect.Equal(y, "one, the next time", again[0], want[0])
	l := found(again[0], y.now.Add(26*time.Hour), "pass")
	expect.Must(y, y.s.KeepLook(y.ctx, l))
	l.Taken = time.Time{}
	expect.Equal(y, "one, since it passes", expect.Got(y.s.LookAt(y.ctx, one))(y), l)
}

func foundByCustomer(y *story) {
	expect.Must(y, y.s.PutCustomer(y.ctx, account.Customer{Name: "other", State: account.Active, Created: y.now}, y.event("customer")))
	const third = mail.Domain("third.example")
	expect.Must(y, y.s.PutDomain(y.ctx, account.Domain{Name: third, Customer: "other", State: account.Active, Created: y.now}, y.event("domain")))
	list := expect.Got(y.s.TakeLooks(y.ctx, []mail.Domain{one, two, third}, y.turn("a", 0)))(y)
	for _, l := range list {
		expect.Must(y, y.s.KeepLook(y.ctx, found(l, y.now, "pass")))
	}
	for customer, want := range map[string][]mail.Domain{"": {one, third, two}, "acme": {one, two}, "other": {third}, "nobody": nil} {
		var got []mail.Domain
		for _, l := range expect.Got(y.s.AllLooks(y.ctx, customer))(y) {
			got = append(got, l.Domain)
		}
		expect.Equal(y, "those of "+customer, got, want)
	}
	for _, name := range []mail.Domain{one, "nowhere.example"} {
		l := expect.Got(y.s.LookAt(y.ctx, name))(y)
		if l.Domain != name || (l.Verdict == "pass") != (name == one) || l.At.IsZero() == (name == one) {
			y.Errorf("%s: %+v", name, l)
		}
	}
}

func ofSome(y *story) {
	list := y.take(y.turn("a", 0), one, two)
	expect.Must(y, y.s.KeepLook(y.ctx, found(list[1], y.now, "will-fail")))
	kept := rounds.Look{Domain: two, Node: "a", At: y.now, Verdict: "will-fail", Failing: true, Policy: "reject", Reason: "DKIM: nothing is published"}
	got := expect.Got(y.s.LooksAt(y.ctx, []mail.Domain{two, "nowhere.example", one, two}))(y)
	expect.Equal(y, "in the order that was asked for", got, []rounds.Look{kept, {Domain: "nowhere.example"}, {Domain: one, Node: "a", Taken: y.now}, kept})
	expect.Equal(y, "of nothing", len(expect.Got(y.s.LooksAt(y.ctx, nil))(y)), 0)
	most := slices.Repeat([]mail.Domain{one}, rounds.MostAsked)
	if got := expect.Got(y.s.LooksAt(y.ctx, most))(y); len(got) != len(most) {
		y.Errorf("of %d domains there are %d looks", len(most), len(got))
	}
	_, err := y.s.LooksAt(y.ctx, append(most, two))
	expect.Kind(y, err, fault.Invalid)
}

func onceInAPeriod(y *story) {
	list := y.take(y.turn("a", 0), one, two)
	y.take(y.turn("a", 0))
	y.take(y.turn("b", time.Minute))
	expect.Must(y, y.s.KeepLook(y.ctx, found(list[0], y.now, "pass")))
	y.take(y.turn("b", 2*time.Minute)) // it was given back, and is not due
	y.take(y.turn("b", 24*time.Hour), two)
	y.take(y.turn("b", 24*time.Hour+time.Second), one)
}

func lapses(y *story) {
	y.take(y.turn("a", 0), one, two)
	y.take(y.turn("b", 5*time.Minute))
	y.take(y.turn("b", 5*time.Minute+time.Second), one, two)
}

func lost(y *story) {
	mine := y.take(y.turn("a", 0), one, two)
	theirs := y.take(y.turn("b", 6*time.Minute), one, two)
	late := y.s.KeepLook(y.ctx, found(mine[0], y.now.Add(7*time.Minute), "will-fail"), y.event("late"))
	expect.Kind(y, late, fault.Conflict)
	expect.Must(y, y.s.KeepLook(y.ctx, found(theirs[0], y.now.Add(7*time.Minute), "pass")))
	expect.Kind(y, y.s.KeepLook(y.ctx, found(theirs[0], y.now.Add(8*time.Minute), "pass")), fault.Conflict) // given back
	if l := expect.Got(y.s.AllLooks(y.ctx, ""))(y)[0]; l.Verdict != "pass" {
		y.Errorf("%+v is kept", l)
	}
	events := expect.Got(y.s.Search(y.ctx, audit.Query{Object: "late", Limit: 10}))(y)
	if len(events) != 0 {
		y.Errorf("the record has %+v", events)
	}
}

func atOnce(y *story) {
	for n := range 20 {
		name := mail.Domain(fmt.Sprintf("d%02d.example", n))
		expect.Must(y, y.s.PutDomain(y.ctx, account.Domain{Name: name, Customer: "acme", State: account.Active, Created: y.now}, y.event("domain")))
	}
	var taken atomic.Int64
	var asking sync.WaitGroup
	for gate := range 6 {
		asking.Go(func() {
			for n := range 20 {
				list, err := y.s.TakeLooks(y.ctx, []mail.Domain{mail.Domain(fmt.Sprintf("d%02d.example", n))}, y.turn(fmt.Sprint("gate-", gate), 0))
				expect.Must(y, err)
				taken.Add(int64(len(list)))
			}
		})
	}
	asking.Wait()
	if taken.Load() != 20 {
		y.Errorf("20 domains were taken %d times", taken.Load())
	}
}

func goes(y *story) {
	list := y.take(y.turn("a", 0), one, two)
	expect.Must(y, y.s.RemoveDomain(y.ctx, one, y.event("domain")))
	expect.Kind(y, y.s.KeepLook(y.ctx, found(list[0], y.now, "pass")), fault.Conflict)
	if all := expect.Got(y.s.AllLooks(y.ctx, ""))(y); len(all) != 1 || all[0].Domain != two {
		y.Errorf("kept is %+v", all)
	}
	y.take(y.turn("a", time.Hour), two)
}

func formIsChecked(y *story) {
	long := strings.Repeat("x", 200)
	for _, t := range []rounds.Turn{{Node: "a"}, {Node: long, At: y.now}} {
		_, err := y.s.TakeLooks(y.ctx, []mail.Domain{one}, t)
		expect.Kind(y, err, fault.Invalid)
	}
	_, err := y.s.TakeLooks(y.ctx, make([]mail.Domain, rounds.MostTaken+1), y.turn("a", 0))
	expect.Kind(y, err, fault.Invalid)
	l := found(y.take(y.turn("a", 0), one, two)[0], y.now, "pass")
	for _, change := range []func(*rounds.Look){
		func(l *rounds.Look) { l.Domain = "" }, func(l *rounds.Look) { l.At = time.Time{} }, func(l *rounds.Look) { l.Taken = time.Time{} },
		func(l *rounds.Look) { l.Verdict = long }, func(l *rounds.Look) { l.Node = long }, func(l *rounds.Look) { l.Policy = long },
		func(l *rounds.Look) { l.Reason = strings.Repeat("x", rounds.MaxReason+1) },
	} {
		bad := l
		change(&bad)
		expect.Kind(y, y.s.KeepLook(y.ctx, bad), fault.Invalid)
	}
}
