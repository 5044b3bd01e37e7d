package limits

import (
	"fmt"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/store/storetest/expect"
)

// ended wants these rules, and no others, to have ended because somebody removed what they
// were for, in the record too: with the login of whose they are.
func (y *story) ended(login string, rules ...limit.Rule) {
	y.Helper()
	want := map[string]bool{}
	for _, r := range rules {
		want[string(r.ID)] = true
	}
	all, err := y.s.Rules(y.ctx, limit.Query{})
	expect.Must(y, err)
	for _, r := range all {
		if gone := r.Lifted != ""; gone != want[string(r.ID)] || gone && (r.Lifted != "cli:root" || r.End.Before(y.now) || r.End.After(time.Now())) {
			y.Errorf("%s of %s: ends %v, lifted by %q", r.ID, r.Object(), r.End, r.Lifted)
		}
	}
	events := 0
	for _, e := range y.recorded() {
		if e.Kind != audit.LimitLifted {
			continue
		}
		events++
		if !want[e.Data["rule"]] || e.Login != login || e.Actor != "cli:root" || e.Text == "" || e.Data["until"] == "" {
			y.Errorf("recorded %+v", e)
		}
	}
	if events != len(rules) {
		y.Errorf("%d are recorded, want %d", events, len(rules))
	}
}

func endWithAccount(y *story) {
	own, timed, more := y.rule(limit.Account, ann, "messages/hour=5"), until(y.rule(limit.Account, ann, "messages/hour=5"), time.Hour), extra(until(y.rule(limit.Account, ann, "messages/hour=5"), time.Hour))
	her := y.rule(limit.Credential, string(phone), "messages/hour=5")
	past := y.rule(limit.Account, ann, "messages/day=5")
	past.Start, past.End = y.now.Add(-time.Hour), y.now.Add(-time.Minute)
	y.set(own, timed, more, her, past)
	y.set(y.rule(limit.Account, bob, "messages/hour=5"), y.rule(limit.Account, limit.Each, "messages/hour=5"), y.rule(limit.Domain, "one.example", "messages/hour=5"))
	_, number := y.since(0)
	expect.Must(y, y.s.RemoveAccount(y.ctx, ann, y.change("account "+ann)))
	y.ended(ann, own, timed, more, her)
	if list, now := y.since(number); now != number+1 || len(list) != 4 {
		y.Errorf("who follows sees %+v, %d after %d", list, now, number)
	}
	y.refused(y.put(y.rule(limit.Account, ann, "messages/hour=5")), fault.NotFound)
	y.addAnn()
	y.listed(limit.Query{For: &own.For, Holding: time.Now()})
}

func endWithCredential(y *story) {
	gone, stays, own := y.rule(limit.Credential, string(phone), "messages/hour=5"), y.rule(limit.Credential, string(printer), "messages/hour=5"), y.rule(limit.Account, ann, "messages/hour=5")
	y.set(gone, stays, own)
	a, err := y.s.Account(y.ctx, ann)
	expect.Must(y, err)
	expect.Must(y, y.s.PutAccount(y.ctx, a, y.change("account "+ann)))
	y.ended(ann)
	a.Revision++
	a.Credentials = a.Credentials[1:] // in the order of their names
	y.toldOf("a credential that is revoked", func() error { return y.s.PutAccount(y.ctx, a, y.change("account "+ann)) })
	y.ended(ann, gone)
}

func endAbove(y *story) {
	domain, customer, plan := y.rule(limit.Domain, "one.example", "messages/hour=5"), y.rule(limit.Customer, "acme", "messages/hour=5"), y.rule(limit.Plan, "basic", "messages/hour=5")
	y.set(domain, customer, plan, y.rule(limit.Everything, "", "messages/hour=5"), y.rule(limit.Domain, limit.Each, "messages/hour=5"))
	y.refused(y.s.RemoveDomain(y.ctx, "one.example", y.change("domain one.example")), fault.Conflict) // it has accounts
	for _, login := range []string{ann, bob} {
		expect.Must(y, y.s.RemoveAccount(y.ctx, login, y.change("account "+login)))
	}
	y.ended("")
	expect.Must(y, y.s.RemoveDomain(y.ctx, "one.example", y.change("domain one.example")))
	y.ended("", domain)
	expect.Must(y, y.s.RemoveCustomer(y.ctx, "acme", y.change("customer acme")))
	y.ended("", domain, customer)
	expect.Must(y, y.s.RemovePlan(y.ctx, "basic", y.change("plan basic")))
	y.ended("", domain, customer, plan)
}

// removedWhileSet removes and adds an account again and again while others set and lift
// rules for it: nobody waits for another for good, who follows misses nothing, and in the
// end no rule holds.
func removedWhileSet(y *story) {
	const writers, rounds = 4, 8
	first := y.rule(limit.Account, bob, "messages/hour=1") // as from 0 on only what holds is told
	y.set(first)
	expect.Must(y, y.lift(first, y.now.Add(time.Second)))
	var rules [writers][rounds]limit.Rule
	for w := range writers {
		for n := range rounds {
			rules[w][n] = y.rule(limit.Account, ann, fmt.Sprintf("messages/hour=%d", n+1))
		}
	}
	number, known := uint64(0), map[mail.ID]limit.Rule{}
	follow := func() {
		var list []limit.Rule
		list, number = y.since(number)
		for _, r := range list {
			known[r.ID] = r
		}
	}
	follow() // before anybody sets: what ends before the first question is not told of
	results := make(chan error, writers)
	for w := range writers {
		go func() {
			for _, r := range rules[w] {
				if err := y.put(r); err != nil && !fault.Is(err, fault.NotFound) {
					results <- err
					return
				}
				if err := y.lift(r, r.Start.Add(time.Second)); err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Conflict) {
					results <- err
					return
				}
			}
			results <- nil
		}()
	}
	for range rounds {
		expect.Must(y, y.s.RemoveAccount(y.ctx, ann, y.change("account "+ann)))
		follow()
		y.addAnn()
		follow()
	}
	for range writers {
		expect.Must(y, <-results)
	}
	expect.Must(y, y.s.RemoveAccount(y.ctx, ann, y.change("account "+ann)))
	y.listed(limit.Query{Holding: time.Now().Add(time.Minute)})
	follow()
	all, err := y.s.Rules(y.ctx, limit.Query{})
	expect.Must(y, err)
	for _, r := range all {
		if known[r.ID] != r {
			y.Errorf("who follows has %+v, the store %+v", known[r.ID], r)
		}
	}
}
