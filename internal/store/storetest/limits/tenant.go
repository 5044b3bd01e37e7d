package limits

import (
	"fmt"
	"time"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/store/storetest/expect"
	"countersign/internal/tenant"
)

const eve = "eve@two.example"

// rival adds another customer, who has eve.
func (y *story) rival() {
	y.Helper()
	expect.Must(y, y.s.PutCustomer(y.ctx, account.Customer{Name: "rival", State: account.Active, Created: y.now}, y.change("customer rival")))
	expect.Must(y, y.s.PutDomain(y.ctx, account.Domain{Name: "two.example", Customer: "rival", State: account.Active, Created: y.now}, y.change("domain two.example")))
	expect.Must(y, y.s.PutAccount(y.ctx, account.Account{
		ID: "01KEVE00000000000000000001", Address: mail.Address{Local: "eve", Domain: "two.example"}, State: account.Active, Created: y.now,
		Credentials: []account.Credential{{ID: "01KEVEK0000000000000000001", Kind: account.Certificate, Name: "x", Subject: "cn:eve", Created: y.now, Changed: y.now}},
	}, y.change("account "+eve)))
}

// ofCustomers: a customer has what is for it, its domains, accounts and credentials, also once the
// account is gone, and nothing of another or of nobody; by pages, each is there once.
func ofCustomers(y *story) {
	y.rival()
	theirs := []limit.Rule{
		y.rule(limit.Customer, "rival", "messages/day=1"), y.rule(limit.Domain, "two.example", "messages/day=1"), y.rule(limit.Account, eve, "messages/day=1"), y.rule(limit.Credential, "01KEVEK0000000000000000001", "messages/day=1"),
	}
	own := []limit.Rule{
		y.rule(limit.Credential, string(phone), "messages/day=1"), y.rule(limit.Account, bob, "messages/day=1"), y.rule(limit.Domain, "one.example", "messages/day=1"), y.rule(limit.Customer, "acme", "messages/day=1"),
	}
	y.set(y.rule(limit.Everything, "", "messages/day=1"), y.rule(limit.Account, limit.Each, "messages/day=1"), y.rule(limit.Plan, "basic", "messages/day=1"), y.rule(limit.Network, "192.0.2.1", "messages/day=1"), y.rule(limit.Node, "acme", "messages/day=1"))
	y.set(theirs...)
	y.set(own...)
	acme := func(n int, after mail.ID) tenant.Page {
		return tenant.Page{Customers: []string{"acme"}, Limit: n, After: after}
	}
	y.listed(limit.Query{Page: acme(9, "")}, own...)
	y.listed(limit.Query{Page: acme(3, ""), Holding: y.now}, own[:3]...)
	y.listed(limit.Query{Page: acme(3, own[2].ID), Holding: y.now}, own[3])
	y.listed(limit.Query{Page: acme(3, own[3].ID)})
	y.listed(limit.Query{Page: tenant.Page{Customers: []string{"acme", "rival"}, Limit: 9}}, append(theirs, own...)...)
	y.listed(limit.Query{Page: tenant.Page{Customers: []string{"nobody"}, Limit: 9}})
	y.listed(limit.Query{Page: tenant.Page{Limit: 2, After: theirs[3].ID}}, own[:2]...)
	y.listed(limit.Query{ID: theirs[0].ID, Page: acme(9, "")})
	y.listed(limit.Query{For: &own[1].For, Page: acme(9, "")}, own[1])
	expect.Must(y, y.s.RemoveAccount(y.ctx, bob, y.change("account "+bob)))
	gone := expect.Got(y.s.Rules(y.ctx, limit.Query{Page: acme(9, "")}))(y)
	if len(gone) != 4 || gone[1].ID != own[1].ID || gone[1].Lifted != "cli:root" {
		y.Errorf("what ended with its account: %+v", gone)
	}
	y.listed(limit.Query{Page: acme(9, ""), Holding: time.Now()}, own[0], own[2], own[3])
}

// withinBound: no more hold for customers than a bound says, of which what is another's is not counted;
// what takes the place of another is no more, and what has ended is none.
func withinBound(y *story) {
	y.rival()
	y.set(y.rule(limit.Account, eve, "messages/day=1"), y.rule(limit.Everything, "", "messages/day=1"))
	y.within = tenant.Bound{Customers: []string{"acme"}, Most: 3}
	first := y.rule(limit.Account, bob, "messages/day=1")
	y.set(first, y.rule(limit.Account, ann, "messages/day=1"))
	two := func() []limit.Rule {
		return []limit.Rule{y.rule(limit.Domain, "one.example", "messages/day=1"), y.rule(limit.Customer, "acme", "messages/day=1")}
	}
	y.refused(y.put(two()...), fault.Conflict)
	y.set(two()[:1]...)
	y.refused(y.put(two()[1:]...), fault.Conflict)
	y.set(y.rule(limit.Account, ann, "messages/day=5"))
	expect.Must(y, y.put(y.rule(limit.Account, ann, "messages/day=6"), y.rule(limit.Domain, "one.example", "messages/day=7")))
	y.refused(y.put(y.rule(limit.Account, ann, "messages/day=6"), y.rule(limit.Account, ann, "messages/hour=7")), fault.Conflict)
	found := expect.Got(y.s.Rules(y.ctx, limit.Query{For: &first.For, Holding: y.now}))(y)
	expect.Must(y, y.lift(found[0], y.now.Add(time.Millisecond)))
	late := y.rule(limit.Customer, "acme", "messages/day=1")
	late.Start = y.now.Add(time.Second)
	y.set(late)
}

// withinBoundAtOnce: as many are set at once as the bound has room for, and no more.
func withinBoundAtOnce(y *story) {
	const writers, most = 12, 5
	y.within = tenant.Bound{Customers: []string{"acme"}, Most: most}
	results := make(chan error, writers)
	for n := range writers {
		r := extra(until(y.rule(limit.Account, ann, fmt.Sprintf("messages/day=%d", n+1)), time.Hour))
		go func() { results <- y.put(r) }()
	}
	set := 0
	for range writers {
		if err := <-results; err == nil {
			set++
		} else {
			expect.Kind(y, err, fault.Conflict)
		}
	}
	if n := len(expect.Got(y.s.Rules(y.ctx, limit.Query{Holding: y.now}))(y)); set != most || n != most {
		y.Errorf("%d were set and %d hold, want %d", set, n, most)
	}
}
