package bans

import (
	"fmt"
	"net/netip"
	"time"

	"countersign/internal/access"
	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/storetest/expect"
	"countersign/internal/tenant"
)

// settle adds customers acme with one.example, and rival with two.example.
func (y *story) settle() {
	y.Helper()
	for customer, domain := range map[string]mail.Domain{"acme": "one.example", "rival": "two.example"} {
		expect.Must(y, y.s.PutCustomer(y.ctx, account.Customer{Name: customer, State: account.Active, Created: y.now}, audit.Event{At: y.now, Kind: audit.AdminChanged}))
		expect.Must(y, y.s.PutDomain(y.ctx, account.Domain{Name: domain, Customer: customer, State: account.Active, Created: y.now}, audit.Event{At: y.now, Kind: audit.AdminChanged}))
	}
}

// ofCustomers: a customer has the bans of logins in its domains, whoever they are, and nothing of
// another or of whole networks; by pages, each is there once.
func ofCustomers(y *story) {
	y.settle()
	y.add(y.ban(1, "192.0.2.0/24", "", 0), y.ban(2, "192.0.2.0/24", "eve@two.example", 0), y.ban(3, "192.0.2.0/24", "x@sub.one.example", 0),
		y.ban(4, "192.0.2.0/24", "one.example@two.example", 0), y.ban(5, "192.0.2.0/24", "x@aone.example", 0), y.ban(6, "192.0.2.0/24", "x@none.example", 0))
	own := []access.Ban{y.ban(7, "192.0.2.0/24", "ann@one.example", 0), y.ban(8, "198.51.100.0/24", "two.example@one.example", time.Hour), y.ban(9, "2001:db8::/48", "nobody@one.example", 0)}
	y.add(own...)
	acme := func(n int, after mail.ID) tenant.Page {
		return tenant.Page{Customers: []string{"acme"}, Limit: n, After: after}
	}
	y.listed(access.Query{Page: acme(0, "")}, own...)
	y.listed(access.Query{Page: acme(2, ""), Holding: y.now}, own[:2]...)
	y.listed(access.Query{Page: acme(2, own[1].ID), Holding: y.now}, own[2])
	y.listed(access.Query{Page: acme(2, own[2].ID)})
	y.listed(access.Query{Page: acme(9, ""), Holding: y.now.Add(2 * time.Hour)}, own[0], own[2])
	y.listed(access.Query{Page: tenant.Page{Customers: []string{"nobody"}, Limit: 9}})
	y.listed(access.Query{Page: tenant.Page{Limit: 2, After: y.ban(6, "192.0.2.0/24", "", 0).ID}}, own[:2]...)
	y.listed(access.Query{ID: y.ban(2, "192.0.2.0/24", "", 0).ID, Page: acme(9, "")})
}

// around: bans are found by an address that they hit, mapped or not.
func around(y *story) {
	four, pair, all, six := y.ban(1, "192.0.2.0/24", "", 0), y.ban(2, "192.0.2.7/32", "ann@one.example", 0), y.ban(3, "0.0.0.0/0", "", 0), y.ban(4, "2001:db8::/48", "", 0)
	y.add(four, pair, all, six, y.ban(5, "192.0.3.0/24", "", 0), y.ban(6, "192.0.2.8/32", "", 0), y.ban(7, "::/0", "", 0))
	y.listed(access.Query{Client: netip.MustParseAddr("192.0.2.7")}, four, pair, all)
	y.listed(access.Query{Client: netip.MustParseAddr("::ffff:192.0.2.9"), Page: tenant.Page{Limit: 9, After: four.ID}}, all)
	y.listed(access.Query{Client: netip.MustParseAddr("2001:db8::1"), Page: tenant.Page{Limit: 1}}, six)
}

// withinBound: no more hold for customers than a bound says, of which what is another's is not counted,
// and what has ended is none; of those that are set at once as many as there is room for.
func withinBound(y *story) {
	const writers, most = 12, 5
	y.settle()
	y.add(y.ban(1, "192.0.2.0/24", "eve@two.example", 0), y.ban(2, "192.0.2.0/24", "", 0))
	put := func(b access.Ban) error {
		return y.s.AddBan(y.ctx, b, tenant.Bound{Customers: []string{"acme"}, Most: most}, y.event(audit.BanAdded, b))
	}
	results := make(chan error, writers)
	for n := range writers {
		b := y.ban(10+n, fmt.Sprintf("10.0.0.%d/32", n+1), "ann@one.example", 0)
		go func() { results <- put(b) }()
	}
	set := 0
	for range writers {
		if err := <-results; err == nil {
			set++
		} else {
			y.refused(err, fault.Conflict)
		}
	}
	hold := expect.Got(y.s.Bans(y.ctx, access.Query{Holding: y.now, Page: tenant.Page{Customers: []string{"acme"}}}))(y)
	if set != most || len(hold) != most {
		y.Fatalf("%d were set and %d hold, want %d", set, len(hold), most)
	}
	y.refused(put(y.ban(30, "10.0.1.0/24", "ann@one.example", 0)), fault.Conflict)
	expect.Must(y, y.lift(hold[0], y.now.Add(time.Millisecond)))
	late := y.ban(31, "10.0.1.0/24", "ann@one.example", 0)
	late.Start = y.now.Add(time.Second)
	expect.Must(y, put(late))
}
