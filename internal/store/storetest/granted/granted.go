// Package granted holds what an engine must do about what accounts were granted, and about
// the modes of senders: keep them, say which domains they reach, and let waiting mail follow
// them. It is a part of the suite of package storetest, which an engine runs beside it.
//
// Main function: Run.
package granted

import (
	"fmt"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/storetest"
	"countersign/internal/store/storetest/expect"
)

// Run runs the cases. Each gets a store of its own.
func Run(t *testing.T, open storetest.Opener) {
	for name, run := range map[string]func(*story){
		"they come back to the last field":          comeBack,
		"what is none is refused":                   noneIsRefused,
		"a mode comes back":                         modesComeBack,
		"who has grants is found":                   granteesAreFound,
		"what reaches another customer":             lentDomains,
		"mail under one across customers":           acrossIsAccepted,
		"mail under one across customers waits":     acrossWaits,
		"its plan stops the customer who lends":     planOfLenderStops,
		"mail of one that was removed is held":      removedHolds,
		"the grants of an account that is gone, go": goWithAccount,
	} {
		t.Run(name, func(t *testing.T) { run(settled(t, open(t))) })
	}
}

// story is a case with a store that has customer acme with one.example and account ann, who
// has a password, and customer other, on plan basic, with other.example.
type story struct {
	*testing.T
	s   storetest.Store
	ann string
}

func event(text string) audit.Event {
	return audit.Event{At: start(), Kind: audit.AdminChanged, Actor: "test", Text: text}
}

func start() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 123456000, time.UTC) }

func at(local string, domain mail.Domain) mail.Address {
	return mail.Address{Local: local, Domain: domain}
}

func settled(t *testing.T, s storetest.Store) *story {
	t.Helper()
	y := &story{t, s, "ann@one.example"}
	ctx := t.Context()
	password := account.Credential{ID: storetest.ID("CRE", 1), Kind: account.Password, Name: "password", Secret: account.Secret{Hash: "$x$1", Cost: "x"}, Created: start(), Changed: start()}
	for _, err := range []error{
		s.PutPlan(ctx, account.Plan{Name: "basic", State: account.Active, Created: start()}, event("plan")),
		s.PutCustomer(ctx, account.Customer{Name: "acme", State: account.Active, Created: start()}, event("customer")),
		s.PutCustomer(ctx, account.Customer{Name: "other", Plan: "basic", State: account.Active, Created: start()}, event("customer")),
		s.PutDomain(ctx, account.Domain{Name: "one.example", Customer: "acme", State: account.Active, Created: start()}, event("domain")),
		s.PutDomain(ctx, account.Domain{Name: "other.example", Customer: "other", State: account.Active, Created: start()}, event("domain")),
		s.PutAccount(ctx, account.Account{ID: storetest.ID("ACC", 1), Address: at("Ann", "one.example"), State: account.Active, Created: start(), Credentials: []account.Credential{password}}, event("ann")),
	} {
		expect.Must(y, err)
	}
	return y
}

// change changes ann as she is stored now.
func (y *story) change(change func(*account.Account)) error {
	y.Helper()
	a := expect.Got(y.s.Account(y.Context(), y.ann))(y)
	change(&a)
	return y.s.PutAccount(y.Context(), a, event("ann"))
}

// grant gives ann grants in place of those that she has.
func (y *story) grant(list ...account.Granted) {
	y.Helper()
	expect.Must(y, y.change(func(a *account.Account) { a.Grants = list }))
}

// across is a grant that reaches the domain of another customer.
func across() account.Granted {
	return account.Granted{Grant: account.Grant{Domain: "other.example"}, Manner: account.SendAs, Across: true, By: "cli:root", Because: "merger", Given: start()}
}

func comeBack(y *story) {
	list := []account.Granted{
		{Grant: account.Grant{Address: at("Shop", "one.example")}, Manner: account.SendAs, Given: start(), By: "cli:root", Because: "a \"shop\""},
		{Grant: account.Grant{Address: at("Shop", "one.example")}, Manner: account.SendOnBehalf},
		{Grant: account.Grant{Address: at("a b@c", "one.example")}, Manner: account.SendOnBehalf, Until: start().Add(time.Hour)},
		{Grant: account.Grant{Domain: "one.example"}, Manner: account.SendAs, Until: start().Add(time.Microsecond)},
		{Grant: account.Grant{Address: at("bücher", "one.example")}, Manner: account.SendAs},
		across(),
	}
	y.grant(list...)
	expect.Equal(y, "grants", expect.Got(y.s.Account(y.Context(), y.ann))(y).Grants, list)
	expect.Equal(y, "grants of all accounts", expect.Got(y.s.Accounts(y.Context(), account.AccountQuery{}))(y)[0].Grants, list)
	expect.Equal(y, "grants of the sender", expect.Got(y.s.Sender(y.Context(), y.ann))(y).Account.Grants, list)
	y.grant(list[2:4]...)
	expect.Equal(y, "less", expect.Got(y.s.Account(y.Context(), y.ann))(y).Grants, list[2:4])
}

func noneIsRefused(y *story) {
	for _, g := range []account.Granted{
		{Manner: account.SendAs},
		{Grant: account.Grant{Domain: "one.example"}},
		{Grant: account.Grant{Domain: "one.example"}, Manner: "send"},
		{Grant: account.Grant{Address: at("a", "one.example"), Domain: "one.example"}, Manner: account.SendAs},
		{Grant: account.Grant{Domain: "one.example"}, Manner: account.SendAs, Because: "two\nlines"},
	} {
		expect.Kind(y, y.change(func(a *account.Account) { a.Grants = []account.Granted{g} }), fault.Invalid)
	}
	expect.Kind(y, y.change(func(a *account.Account) { a.SenderMode = "loose" }), fault.Invalid)
	expect.Kind(y, y.s.PutPlan(y.Context(), account.Plan{Name: "x", State: account.Active, SenderMode: "loose"}, event("")), fault.Invalid)
}

func modesComeBack(y *story) {
	expect.Must(y, y.change(func(a *account.Account) { a.SenderMode = account.Shadow }))
	expect.Must(y, y.s.PutPlan(y.Context(), account.Plan{Name: "new", State: account.Active, SenderMode: account.Rewrite}, event("")))
	expect.Equal(y, "mode of a new plan", expect.Got(y.s.Plan(y.Context(), "new"))(y).SenderMode, account.Rewrite)
	sender := expect.Got(y.s.Sender(y.Context(), y.ann))(y)
	expect.Equal(y, "mode of a sender", sender.Mode(), account.Shadow)
	expect.Must(y, y.change(func(a *account.Account) { a.SenderMode, a.Plan = "", "new" }))
	expect.Equal(y, "mode by the plan", expect.Got(y.s.Sender(y.Context(), y.ann))(y).Mode(), account.Rewrite)
	p := expect.Got(y.s.Plan(y.Context(), "new"))(y)
	p.SenderMode = ""
	expect.Must(y, y.s.PutPlan(y.Context(), p, event("")))
	expect.Equal(y, "mode by nobody", expect.Got(y.s.Sender(y.Context(), y.ann))(y).Mode(), account.Enforce)
}

func granteesAreFound(y *story) {
	ctx := y.Context()
	owner := expect.Got(y.s.Domain(ctx, "one.example"))(y).Customer
	for i, name := range []string{"bob", "cat", "dan"} {
		a := account.Account{ID: storetest.ID("ACC", 2+i), Address: at(name, "one.example"), State: account.Active, Created: start()}
		switch name {
		case "bob":
			a.Grants = []account.Granted{across(), {Grant: account.Grant{Address: at("x", "one.example")}, Manner: account.SendAs}, {Grant: account.Grant{Address: at("y", "one.example")}, Manner: account.SendAs}}
		case "dan":
			a.Grants = []account.Granted{{Grant: account.Grant{Domain: "one.example"}, Manner: account.SendOnBehalf}}
		}
		expect.Must(y, y.s.PutAccount(ctx, a, event(name)))
	}
	for _, c := range []struct {
		q    account.GranteeQuery
		want []string
	}{
		{account.GranteeQuery{Limit: 9}, []string{"bob@one.example", "dan@one.example"}},
		{account.GranteeQuery{Limit: 1}, []string{"bob@one.example"}},
		{account.GranteeQuery{After: "bob@one.example", Limit: 9}, []string{"dan@one.example"}},
		{account.GranteeQuery{Under: "one.example", Limit: 9}, []string{"bob@one.example", "dan@one.example"}},
		{account.GranteeQuery{Under: "other.example", Limit: 9}, []string{"bob@one.example"}},
		{account.GranteeQuery{Under: "other.example", After: "bob@one.example", Limit: 9}, nil},
		{account.GranteeQuery{Under: "nowhere.example", Limit: 9}, nil},
		{account.GranteeQuery{Customers: []string{"other"}, Limit: 9}, nil},
		{account.GranteeQuery{Customers: []string{owner}, Limit: 9}, []string{"bob@one.example", "dan@one.example"}},
		{account.GranteeQuery{Customers: []string{"other", owner}, Under: "other.example", Limit: 9}, []string{"bob@one.example"}},
	} {
		expect.Equal(y, fmt.Sprintf("%+v", c.q), expect.Got(y.s.Grantees(ctx, c.q))(y), c.want)
	}
}

// turn suspends or resumes customer other.
func (y *story) turn(state account.State) {
	y.Helper()
	c := expect.Got(y.s.Customer(y.Context(), "other"))(y)
	c.State = state
	expect.Must(y, y.s.PutCustomer(y.Context(), c, event("customer other")))
}

func lentDomains(y *story) {
	lent := func(want bool) {
		y.Helper()
		s := expect.Got(y.s.Sender(y.Context(), y.ann))(y)
		if s.Lent["other.example"] != want || s.Domains["other.example"] {
			y.Errorf("lent are %v, own %v", s.Lent, s.Domains)
		}
	}
	same := across()
	same.Across = false
	y.grant(same)
	lent(false)
	y.grant(across())
	lent(true)
	y.turn(account.Suspended)
	lent(false)
	y.turn(account.Active)
	lent(true)
	d := expect.Got(y.s.Domain(y.Context(), "other.example"))(y)
	d.State = account.Suspended
	expect.Must(y, y.s.PutDomain(y.Context(), d, event("")))
	lent(false)
}

// accept accepts the n-th message of ann, which relies on other.example too.
func (y *story) accept(n int, from mail.Address) error {
	y.Helper()
	a := expect.Got(y.s.Account(y.Context(), y.ann))(y)
	m := storetest.Message(n, "someone")
	m.Submission.Account, m.Submission.Login, m.Submission.Credential = a.ID, a.Login(), a.Credentials[0].ID
	m.Submission.Envelope.From = from
	m.Generation, m.Revision, m.Domains = 1, a.Revision, []mail.Domain{from.Domain, "one.example"} // looked at again
	return y.s.Accept(y.Context(), m)
}

// wantReasons wants the messages to be held for these reasons, "" where they wait.
func (y *story) wantReasons(reasons ...string) {
	y.Helper()
	due := map[mail.ID]bool{}
	for _, item := range expect.Got(y.s.Due(y.Context(), start(), queue.Position{}, 100))(y) {
		due[item.Submission.ID] = true
	}
	for i, reason := range reasons {
		id := storetest.ID("SUB", i+1)
		if due[id] != (reason == "") {
			y.Errorf("message %d is due: %v", i+1, due[id])
		}
		for _, item := range expect.Got(y.s.List(y.Context(), queue.Filter{Submission: id}))(y) {
			if item.Delivery.HoldReason != reason {
				y.Errorf("message %d is held for %q, want %q", i+1, item.Delivery.HoldReason, reason)
			}
		}
	}
}

func acrossIsAccepted(y *story) {
	from := at("boss", "other.example")
	expect.Kind(y, y.accept(1, from), fault.Busy)
	y.grant(across())
	expect.Must(y, y.accept(1, from))
	y.turn(account.Suspended)
	expect.Kind(y, y.accept(2, from), fault.Busy)
	y.turn(account.Active)
	same := across()
	same.Across = false
	y.grant(same)
	expect.Kind(y, y.accept(2, from), fault.Busy)
}

func acrossWaits(y *story) {
	ended := across()
	ended.Until = start().Add(-time.Hour) // what was within it goes on
	y.grant(ended)
	expect.Must(y, y.accept(1, at("boss", "other.example")))
	expect.Must(y, y.accept(2, at("Ann", "one.example")))
	y.wantReasons("", "")
	y.turn(account.Suspended)
	y.wantReasons(queue.HoldSuspended, "")
	y.turn(account.Active)
	y.wantReasons("", "")
	y.grant()
	d := expect.Got(y.s.Domain(y.Context(), "other.example"))(y)
	expect.Must(y, y.s.PutDomain(y.Context(), d, event(""))) // which moves nothing by itself
	expect.Must(y, y.change(func(a *account.Account) { a.State = account.Suspended }))
	expect.Must(y, y.change(func(a *account.Account) { a.State = account.Active }))
	y.wantReasons(queue.HoldSuspended, "")
}

func planOfLenderStops(y *story) {
	y.grant(across())
	expect.Must(y, y.accept(1, at("boss", "other.example")))
	p := expect.Got(y.s.Plan(y.Context(), "basic"))(y)
	p.State = account.Suspended
	expect.Must(y, y.s.PutPlan(y.Context(), p, event("plan basic")))
	y.wantReasons(queue.HoldSuspended)
	p.State, p.Revision = account.Active, p.Revision+1
	expect.Must(y, y.s.PutPlan(y.Context(), p, event("plan basic")))
	y.wantReasons("")
}

func removedHolds(y *story) {
	g := account.Granted{Grant: account.Grant{Address: at("shop", "one.example")}, Manner: account.SendAs}
	y.grant(g)
	expect.Must(y, y.accept(1, at("Shop", "one.example")))
	expect.Must(y, y.accept(2, at("ann", "one.example")))
	expect.Must(y, y.change(func(a *account.Account) {
		expect.Must(y, a.RemoveGrant(g.Grant, g.Manner))
		a.RecallGrant(g.Grant, a.Revision+1)
	}))
	y.wantReasons(queue.HoldEnvelope, "")
}

func goWithAccount(y *story) {
	y.grant(across())
	expect.Must(y, y.s.RemoveAccount(y.Context(), y.ann, event("")))
	if left := expect.Got(y.s.Grantees(y.Context(), account.GranteeQuery{Limit: 9}))(y); len(left) > 0 {
		y.Errorf("%v has grants still", left)
	}
}
