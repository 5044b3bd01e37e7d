package storetest

import (
	"testing"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/storetest/expect"
)

func senderCases() map[string]func(*testing.T, Store) {
	return map[string]func(*testing.T, Store){
		"a sender has all that decides": senderHasAll,
		"a suspended sender is found":   suspendedSenderIsFound,
		"a sender without a plan":       senderWithoutPlan,
		"domains of a sender":           senderDomains,
		"alignment of domains":          alignmentOfDomains,
	}
}

func senderHasAll(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	expect.Must(t, s.PutCustomer(ctx, account.Customer{Name: "other", State: account.Active, Created: Start()}, Event("")))
	expect.Must(t, s.PutDomain(ctx, account.Domain{Name: "other.example", Customer: "other", State: account.Active, Created: Start()}, Event("")))
	p.two.State = account.Suspended
	expect.Must(t, s.PutDomain(ctx, p.two, Event("")))
	p.ann.Aliases = []mail.Address{address("info", "one.example")}
	p.ann.Grants = granted(account.Grant{Domain: "one.example"})
	expect.Must(t, s.PutAccount(ctx, p.ann, Event("")))
	p.ann.Revision++

	sender := expect.Got(s.Sender(ctx, "ann@one.example"))(t)
	bare := p.one
	bare.Keys = nil
	p.ann.Credentials[0].Secret = account.Secret{}
	expect.Equal(t, "sender", *sender, account.Sender{
		Account: p.ann, Domain: bare, Customer: p.customer, Plan: p.plan, CustomerPlan: p.plan,
		Domains: map[mail.Domain]bool{"one.example": true}, Generation: expect.Got(s.Generation(ctx))(t),
	})

}

func suspendedSenderIsFound(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	p.ann.State, p.one.State, p.customer.State, p.plan.State = account.Suspended, account.Suspended, account.Suspended, account.Suspended
	expect.Must(t, s.PutAccount(ctx, p.ann, Event("")))
	expect.Must(t, s.PutDomain(ctx, p.one, Event("")))
	expect.Must(t, s.PutCustomer(ctx, p.customer, Event("")))
	expect.Must(t, s.PutPlan(ctx, p.plan, Event("")))
	sender := expect.Got(s.Sender(ctx, "ann@one.example"))(t)
	if sender.Active() || sender.Account.State != account.Suspended || sender.Domain.State != account.Suspended ||
		sender.Customer.State != account.Suspended || sender.Plan.State != account.Suspended {
		t.Errorf("got %+v", sender)
	}
}

func senderWithoutPlan(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	p.customer.Plan = ""
	expect.Must(t, s.PutCustomer(ctx, p.customer, Event("")))
	sender := expect.Got(s.Sender(ctx, "bob@two.example"))(t)
	expect.Equal(t, "plan", sender.Plan, account.Plan{})
	if !sender.Active() || !sender.Domains["two.example"] {
		t.Errorf("got %+v", sender)
	}
}

// senderDomains wants, of the domains that an account's addresses and grants
// are in, those that are active and the customer's, and no others of his.
func senderDomains(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	expect.Must(t, s.PutCustomer(ctx, account.Customer{Name: "other", State: account.Active, Created: Start()}, Event("")))
	for name, customer := range map[mail.Domain]string{"alias.example": "acme", "granted.example": "acme", "unused.example": "acme", "foreign.example": "other"} {
		expect.Must(t, s.PutDomain(ctx, account.Domain{Name: name, Customer: customer, State: account.Active, Created: Start()}, Event("")))
	}
	p.two.State = account.Suspended
	expect.Must(t, s.PutDomain(ctx, p.two, Event("")))
	p.ann.Aliases = []mail.Address{address("info", "alias.example"), address("info", "two.example"), address("info", "one.example")}
	p.ann.Grants = granted(account.Grant{Domain: "foreign.example"}, account.Grant{Address: address("x", "granted.example")}, account.Grant{Domain: "nowhere.example"})
	expect.Must(t, s.PutAccount(ctx, p.ann, Event("")))
	expect.Equal(t, "domains", expect.Got(s.Sender(ctx, "ann@one.example"))(t).Domains,
		map[mail.Domain]bool{"one.example": true, "alias.example": true, "granted.example": true})

}

// alignmentOfDomains: what is set for a domain comes back with it, and with those who may write
// under it, in any of the ways in which they may.
func alignmentOfDomains(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := settle(t, s)
	expect.Equal(t, "what is set at first", expect.Got(s.Domain(ctx, "one.example"))(t).Alignment, account.Alignment(""))
	p.one.Alignment = "else"
	expect.Kind(t, s.PutDomain(ctx, p.one, Event("")), fault.Invalid)
	for _, a := range []account.Alignment{account.AlignmentOff, account.AlignmentWarn, account.AlignmentHold, "", account.AlignmentRefuse} {
		p.one.Alignment = a
		before := expect.Got(s.Generation(ctx))(t)
		expect.Must(t, s.PutDomain(ctx, p.one, Event("")))
		p.one.Revision++
		expect.Equal(t, "what is set", expect.Got(s.Domain(ctx, "one.example"))(t).Alignment, a)
		expect.Equal(t, "what is listed", expect.Got(s.Domains(ctx, account.DomainsOf("acme")))(t)[0].Alignment, a)
		if after := expect.Got(s.Generation(ctx))(t); after == before {
			t.Error("nobody is told of it")
		}
	}
	expect.Must(t, s.PutCustomer(ctx, account.Customer{Name: "other", State: account.Active, Created: Start()}, Event("")))
	for name, d := range map[mail.Domain]account.Domain{
		"granted.example": {Customer: "acme", Alignment: account.AlignmentHold}, "unset.example": {Customer: "acme"},
		"lent.example": {Customer: "other", Alignment: account.AlignmentOff}, "foreign.example": {Customer: "other", Alignment: account.AlignmentWarn},
	} {
		d.Name, d.State, d.Created = name, account.Active, Start()
		expect.Must(t, s.PutDomain(ctx, d, Event("")))
	}
	p.ann.Grants = granted(account.Grant{Domain: "granted.example"}, account.Grant{Domain: "unset.example"}, account.Grant{Domain: "foreign.example"}, account.Grant{Domain: "lent.example"})
	p.ann.Grants[3].Across = true
	expect.Must(t, s.PutAccount(ctx, p.ann, Event("")))
	expect.Equal(t, "what is set for a sender's domains", expect.Got(s.Sender(ctx, "ann@one.example"))(t).Alignment, map[mail.Domain]account.Alignment{
		"one.example": account.AlignmentRefuse, "granted.example": account.AlignmentHold, "lent.example": account.AlignmentOff,
	})
}
