package storetest

import (
	"testing"

	"countersign/internal/account"
	"countersign/internal/mail"
)

func senderCases() map[string]func(*testing.T, Store) {
	return map[string]func(*testing.T, Store){
		"a sender has all that decides": senderHasAll,
		"a suspended sender is found":   suspendedSenderIsFound,
		"a sender without a plan":       senderWithoutPlan,
	}
}

func senderHasAll(t *testing.T, s Store) {
	ctx := within(t)
	p := settle(t, s)
	must(t, s.PutCustomer(ctx, account.Customer{Name: "other", State: account.Active, Created: start()}, event("")))
	must(t, s.PutDomain(ctx, account.Domain{Name: "other.example", Customer: "other", State: account.Active, Created: start()}, event("")))
	p.two.State = account.Suspended
	must(t, s.PutDomain(ctx, p.two, event("")))
	p.ann.Aliases = []mail.Address{address("info", "one.example")}
	p.ann.Grants = []account.Grant{{Domain: "one.example"}}
	must(t, s.PutAccount(ctx, p.ann, event("")))
	p.ann.Revision++

	sender := got(s.Sender(ctx, "ann@one.example"))(t)
	bare := p.one
	bare.Keys = nil
	equal(t, "sender", *sender, account.Sender{
		Account: p.ann, Domain: bare, Customer: p.customer, Plan: p.plan,
		Domains: map[mail.Domain]bool{"one.example": true}, Generation: got(s.Generation(ctx))(t),
	})
}

func suspendedSenderIsFound(t *testing.T, s Store) {
	ctx := within(t)
	p := settle(t, s)
	p.ann.State, p.one.State, p.customer.State, p.plan.State = account.Suspended, account.Suspended, account.Suspended, account.Suspended
	must(t, s.PutAccount(ctx, p.ann, event("")))
	must(t, s.PutDomain(ctx, p.one, event("")))
	must(t, s.PutCustomer(ctx, p.customer, event("")))
	must(t, s.PutPlan(ctx, p.plan, event("")))
	sender := got(s.Sender(ctx, "ann@one.example"))(t)
	if sender.Active() || sender.Account.State != account.Suspended || sender.Domain.State != account.Suspended ||
		sender.Customer.State != account.Suspended || sender.Plan.State != account.Suspended {
		t.Errorf("got %+v", sender)
	}
}

func senderWithoutPlan(t *testing.T, s Store) {
	ctx := within(t)
	p := settle(t, s)
	p.customer.Plan = ""
	must(t, s.PutCustomer(ctx, p.customer, event("")))
	sender := got(s.Sender(ctx, "bob@two.example"))(t)
	equal(t, "plan", sender.Plan, account.Plan{})
	if !sender.Active() || !sender.Domains["one.example"] || !sender.Domains["two.example"] {
		t.Errorf("got %+v", sender)
	}
}
