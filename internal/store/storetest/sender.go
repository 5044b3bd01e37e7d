package storetest

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

func senderCases() map[string]func(*testing.T, Store) {
	return map[string]func(*testing.T, Store){
		"a sender has all that decides": senderHasAll,
		"a suspended sender is found":   suspendedSenderIsFound,
		"a sender without a plan":       senderWithoutPlan,
		"domains of a sender":           senderDomains,
		"a credential follows":          credentialFollows,
		"a hash is renewed":             hashIsRenewed,
		"costs of hashes":               hashCosts,
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
	if !sender.Active() || !sender.Domains["two.example"] {
		t.Errorf("got %+v", sender)
	}
}

// senderDomains wants, of the domains that an account's addresses and grants
// are in, those that are active and the customer's, and no others of his.
func senderDomains(t *testing.T, s Store) {
	ctx := within(t)
	p := settle(t, s)
	must(t, s.PutCustomer(ctx, account.Customer{Name: "other", State: account.Active, Created: start()}, event("")))
	for name, customer := range map[mail.Domain]string{"alias.example": "acme", "granted.example": "acme", "unused.example": "acme", "foreign.example": "other"} {
		must(t, s.PutDomain(ctx, account.Domain{Name: name, Customer: customer, State: account.Active, Created: start()}, event("")))
	}
	p.two.State = account.Suspended
	must(t, s.PutDomain(ctx, p.two, event("")))
	p.ann.Aliases = []mail.Address{address("info", "alias.example"), address("info", "two.example"), address("info", "one.example")}
	p.ann.Grants = []account.Grant{{Domain: "foreign.example"}, {Address: address("x", "granted.example")}, {Domain: "nowhere.example"}}
	must(t, s.PutAccount(ctx, p.ann, event("")))
	equal(t, "domains", got(s.Sender(ctx, "ann@one.example"))(t).Domains,
		map[mail.Domain]bool{"one.example": true, "alias.example": true, "granted.example": true})
}

// credentialFollows wants a credential to agree with the sender at every step.
func credentialFollows(t *testing.T, s Store) {
	ctx := within(t)
	p := settle(t, s)
	agrees := func(what string, active bool) {
		t.Helper()
		sender := got(s.Sender(ctx, "ann@one.example"))(t)
		a := &sender.Account
		equal(t, what, got(s.Credential(ctx, "ann@one.example"))(t), account.Credential{
			Account: a.ID, Revision: a.Revision, PasswordHash: a.PasswordHash, PasswordChanged: a.PasswordChanged, Active: active,
		})
		if sender.Active() != active {
			t.Errorf("%s: the sender's Active is %v", what, !active)
		}
	}
	agrees("at first", true)
	for what, turn := range map[string]struct {
		state *account.State
		put   func() error
	}{
		"plan": {&p.plan.State, func() error { defer func() { p.plan.Revision++ }(); return s.PutPlan(ctx, p.plan, event("")) }},
		"customer": {&p.customer.State, func() error {
			defer func() { p.customer.Revision++ }()
			return s.PutCustomer(ctx, p.customer, event(""))
		}},
		"domain":  {&p.one.State, func() error { defer func() { p.one.Revision++ }(); return s.PutDomain(ctx, p.one, event("")) }},
		"account": {&p.ann.State, func() error { defer func() { p.ann.Revision++ }(); return s.PutAccount(ctx, p.ann, event("")) }},
	} {
		*turn.state = account.Suspended
		must(t, turn.put())
		agrees(what+" suspended", false)
		*turn.state = account.Active
		must(t, turn.put())
		agrees(what+" resumed", true)
	}
	p.customer.Plan = ""
	must(t, s.PutCustomer(ctx, p.customer, event("")))
	agrees("without a plan", true)
	_, err := s.Credential(ctx, "nobody@one.example")
	wantKind(t, err, fault.NotFound)
	_, err = s.Credential(ctx, "")
	wantKind(t, err, fault.NotFound)
}

// hashIsRenewed wants a new hash to change nothing else, and to come only in
// the place of the one that was read.
func hashIsRenewed(t *testing.T, s Store) {
	ctx := within(t)
	p := settle(t, s)
	count := func() int { return len(got(s.Search(ctx, audit.Query{Login: "ann@one.example"}))(t)) }
	renewed := event("account ann")
	renewed.Login = "ann@one.example"
	wantKind(t, s.RenewHash(ctx, "nobody@one.example", "", "$x$2", renewed), fault.NotFound)
	wantKind(t, s.RenewHash(ctx, "ann@one.example", "$x$0", "$x$2", renewed), fault.Conflict)
	equal(t, "account after refusals", got(s.Account(ctx, "ann@one.example"))(t), p.ann)
	if n := count(); n != 0 {
		t.Errorf("refused renewals left %d events", n)
	}
	must(t, s.RenewHash(ctx, "ann@one.example", "$x$1", "$x$2", renewed))
	old := p.ann
	p.ann.PasswordHash = "$x$2"
	equal(t, "account", got(s.Account(ctx, "ann@one.example"))(t), p.ann)
	if now := got(s.Generation(ctx))(t); now != p.generation {
		t.Errorf("generation %d after %d", now, p.generation)
	}
	if n := count(); n != 1 {
		t.Errorf("a renewal left %d events", n)
	}
	// Who had read the account before may still change it.
	old.PasswordHash, old.PasswordChanged = "$x$3", start().Add(time.Hour)
	must(t, s.PutAccount(ctx, old, event("")))
	wantKind(t, s.RenewHash(ctx, "ann@one.example", "$x$2", "$x$4", renewed), fault.Conflict)
}

func hashCosts(t *testing.T, s Store) {
	ctx := within(t)
	if list := got(s.HashCosts(ctx))(t); len(list) != 0 {
		t.Errorf("an empty store has %v", list)
	}
	settle(t, s)
	for i, hash := range []string{
		"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA", "$argon2id$v=19$m=64,t=1,p=1$b3RoZXJzYWx0$BBBB",
		"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$AAAA", "$argon2i$v=19$m=65,t=1,p=1$c29tZXNhbHQ$AAAA", "",
	} {
		must(t, s.PutAccount(ctx, account.Account{
			ID: id("ACC", 10+i), Address: address(strconv.Itoa(i), "one.example"), State: account.Active, PasswordHash: hash, Created: start(),
		}, event("")))
	}
	list := got(s.HashCosts(ctx))(t)
	slices.Sort(list)
	equal(t, "costs", list, []string{"m=19456,t=2,p=1", "m=64,t=1,p=1"})
}
