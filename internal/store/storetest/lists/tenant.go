package lists

import (
	"fmt"
	"time"

	"countersign/internal/access/list"
	"countersign/internal/account"
	"countersign/internal/fault"
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
	theirs := []list.Entry{y.entry(list.Customer, "rival", "DE"), y.entry(list.Domain, "two.example", "DE"), y.entry(list.Account, eve, "DE"), y.entry(list.Credential, "01KEVEK0000000000000000001", "DE")}
	own := []list.Entry{y.entry(list.Credential, string(phone), "DE"), y.entry(list.Account, ann, "DE"), y.entry(list.Domain, "one.example", "DE"), y.entry(list.Customer, "acme", "DE")}
	y.add(y.everywhere("DE"), y.entry(list.Listener, "acme", "DE"))
	y.add(theirs...)
	y.add(own...)
	acme := func(n int, after mail.ID) tenant.Page {
		return tenant.Page{Customers: []string{"acme"}, Limit: n, After: after}
	}
	y.listed(list.Query{Page: acme(9, "")}, own...)
	y.listed(list.Query{Page: acme(3, ""), Holding: y.now}, own[:3]...)
	y.listed(list.Query{Page: acme(3, own[2].ID), Holding: y.now}, own[3])
	y.listed(list.Query{Page: acme(3, own[3].ID)})
	y.listed(list.Query{Page: tenant.Page{Customers: []string{"acme", "rival"}, Limit: 9}}, append(theirs, own...)...)
	y.listed(list.Query{Page: tenant.Page{Customers: []string{"nobody"}, Limit: 9}})
	y.listed(list.Query{Page: tenant.Page{Limit: 2, After: theirs[3].ID}}, own[:2]...)
	y.listed(list.Query{ID: theirs[0].ID, Page: acme(9, "")})
	y.listed(list.Query{For: &own[1].For, Page: acme(9, "")}, own[1])
	expect.Must(y, y.s.RemoveAccount(y.ctx, ann, y.change("account "+ann)))
	gone := expect.Got(y.s.Entries(y.ctx, list.Query{Page: acme(9, "")}))(y)
	if len(gone) != 3 || gone[0].ID != own[1].ID || gone[0].Lifted != "cli:root" { // that of her credential is nobody's now
		y.Errorf("what ended with its account: %+v", gone)
	}
	y.listed(list.Query{Page: acme(9, ""), Holding: time.Now()}, own[2:]...)
}

// withinBound: no more hold for customers than a bound says, of which what is another's is not counted,
// and what has ended is none; of those that are added at once as many as there is room for.
func withinBound(y *story) {
	const writers, most = 12, 5
	y.rival()
	y.add(y.entry(list.Account, eve, "DE"), y.everywhere("DE"))
	y.within = tenant.Bound{Customers: []string{"acme"}, Most: most}
	results := make(chan error, writers)
	for n := range writers {
		e := y.entry(list.Account, ann, fmt.Sprintf("10.0.0.%d", n+1))
		go func() { results <- y.put(e) }()
	}
	added := 0
	for range writers {
		if err := <-results; err == nil {
			added++
		} else {
			expect.Kind(y, err, fault.Conflict)
		}
	}
	hold := expect.Got(y.s.Entries(y.ctx, list.Query{Holding: y.now, Page: tenant.Page{Customers: []string{"acme"}}}))(y)
	if added != most || len(hold) != most {
		y.Fatalf("%d were added and %d hold, want %d", added, len(hold), most)
	}
	expect.Kind(y, y.put(y.entry(list.Domain, "one.example", "DE")), fault.Conflict)
	expect.Must(y, y.remove(hold[0], y.now.Add(time.Millisecond)))
	late := y.entry(list.Domain, "one.example", "DE")
	late.Start = y.now.Add(time.Second)
	y.add(late)
}
