package credentials

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/storetest/expect"
)

// proofs wants what an account proves itself with to be that of the account.
func (y *story) proofs(what string, a account.Account, legacy, active bool) {
	y.Helper()
	generation := expect.Got(y.s.Generation(expect.Within(y)))(y)
	expect.Equal(y, what, expect.Got(y.s.Proofs(expect.Within(y), a.Login()))(y), account.Proofs{
		Generation: generation, Account: a.ID, Revision: a.Revision, Directory: a.Directory, Legacy: legacy, Credentials: a.Credentials, Active: active,
	})

}

func comeBack(y *story) {
	y.settle()
	a := full()
	slices.Reverse(a.Credentials) // they come by name, however they were put
	expect.Must(y, y.s.PutAccount(expect.Within(y), a, event("account")))
	a = full()
	for revision := int64(1); ; revision++ {
		a.Revision = revision
		expect.Equal(y, "account", expect.Got(y.s.Account(expect.Within(y), a.Login()))(y), a)
		expect.Equal(y, "accounts", expect.Got(y.s.Accounts(expect.Within(y), account.AccountQuery{}))(y), []account.Account{y.ann, y.bob, a})
		expect.Equal(y, "accounts of a domain", expect.Got(y.s.Accounts(expect.Within(y), account.AccountQuery{Domain: "one.example"}))(y), []account.Account{y.ann, a})
		y.proofs("proofs", a, true, true)
		bare := a
		bare.Credentials = slices.Clone(a.Credentials)
		for i := range bare.Credentials {
			bare.Credentials[i].Secret = account.Secret{}
		}
		expect.Equal(y, "sender", expect.Got(y.s.Sender(expect.Within(y), a.Login()))(y).Account, bare)
		if revision == 3 {
			return
		}
		// Then less of each, then none.
		a.Credentials = slices.Clone(a.Credentials)
		for i := range a.Credentials {
			a.Credentials[i].Recall = account.Recall{}
			a.Credentials[i].Envelope, a.Credentials[i].Secret.Keys, a.Credentials[i].Secret.Former = account.Envelope{}, nil, nil
		}
		if revision == 2 {
			a.Credentials = nil
		}
		expect.Must(y, y.s.PutAccount(expect.Within(y), a, event("account")))
	}
}

func proofsFollow(y *story) {
	y.settle()
	y.proofs("at first", y.ann, false, true)
	turn := func(what string, state account.State) {
		y.Helper()
		ctx := expect.Within(y)
		switch what {
		case "plan":
			p := expect.Got(y.s.Plan(ctx, "basic"))(y)
			p.State, p.Legacy = state, state == account.Suspended
			expect.Must(y, y.s.PutPlan(ctx, p, event(what)))
		case "customer":
			c := expect.Got(y.s.Customer(ctx, "acme"))(y)
			c.State = state
			expect.Must(y, y.s.PutCustomer(ctx, c, event(what)))
		case "domain":
			d := expect.Got(y.s.Domain(ctx, "one.example"))(y)
			d.State = state
			expect.Must(y, y.s.PutDomain(ctx, d, event(what)))
		default:
			y.put(y.ann.Login(), func(a *account.Account) { a.State, a.Legacy = state, state == account.Suspended })
			y.ann.Revision++
		}
	}
	for _, what := range []string{"plan", "customer", "domain", "account"} {
		turn(what, account.Suspended)
		legacy := what == "plan" || what == "account"
		y.proofs(what+" suspended", y.ann, legacy, false)
		if y.proofs("bob", y.bob, what == "plan", what == "domain" || what == "account"); y.Failed() {
			y.Fatalf("after %s was suspended", what)
		}
		turn(what, account.Active)
		y.proofs(what+" resumed", y.ann, false, true)
	}
	expect.Must(y, y.s.PutPlan(expect.Within(y), account.Plan{Name: "own", Legacy: true, State: account.Active}, event("own")))
	expect.Must(y, y.s.PutPlan(expect.Within(y), account.Plan{Name: "strict", State: account.Active}, event("strict")))
	for _, plan := range []string{"own", "strict", "own", ""} { // the account's own decides
		y.put(y.ann.Login(), func(a *account.Account) { a.Plan = plan })
		y.ann.Revision++
		y.proofs("on plan "+plan, y.ann, plan == "own", true)
		y.proofs("bob beside "+plan, y.bob, false, true)
	}
	turn("plan", account.Suspended)
	turn("plan", account.Active)
	basic := expect.Got(y.s.Plan(expect.Within(y), "basic"))(y)
	basic.Legacy = true
	expect.Must(y, y.s.PutPlan(expect.Within(y), basic, event("plan")))
	y.put(y.ann.Login(), func(a *account.Account) { a.Plan = "strict" })
	y.ann.Revision++
	y.proofs("stricter than the customer's", y.ann, false, true)
	y.proofs("bob, by the customer's", y.bob, true, true)
	y.put(y.ann.Login(), func(a *account.Account) { a.Plan = "" })
	y.ann.Revision++
	c := expect.Got(y.s.Customer(expect.Within(y), "acme"))(y)
	c.Plan = ""
	expect.Must(y, y.s.PutCustomer(expect.Within(y), c, event("")))
	y.proofs("without a plan", y.ann, false, true)
	for _, login := range []string{"nobody@one.example", "", "Ann@one.example"} {
		_, err := y.s.Proofs(expect.Within(y), login)
		expect.Kind(y, err, fault.NotFound, login+": ")
	}
}

func identitiesAreOfOne(y *story) {
	y.settle()
	expect.Must(y, y.s.PutAccount(expect.Within(y), full(), event("account")))
	before, generation := expect.Got(y.s.Account(expect.Within(y), y.ann.Login()))(y), expect.Got(y.s.Generation(expect.Within(y)))(y)
	events := len(expect.Got(y.s.Search(expect.Within(y), audit.Query{}))(y))
	noID, noName := secret(20, account.AppPassword, "x"), secret(20, account.AppPassword, "")
	noID.ID = ""
	mixed := subject(20, account.AppPassword, "x", "cn:x")
	for _, c := range []struct {
		what string
		kind fault.Kind
		add  []account.Credential
	}{
		{"a name twice", fault.Invalid, []account.Credential{secret(20, account.AppPassword, "printer")}},
		{"an id twice", fault.Invalid, []account.Credential{secret(1, account.AppPassword, "x")}},
		{"no id", fault.Invalid, []account.Credential{noID}},
		{"no name", fault.Invalid, []account.Credential{noName}},
		{"a secret with a subject", fault.Invalid, []account.Credential{mixed}},
		{"a certificate without a subject", fault.Invalid, []account.Credential{subject(20, account.Certificate, "x", "")}},
		{"an unknown kind", fault.Invalid, []account.Credential{subject(20, "token", "x", "y")}},
		{"a network that is none", fault.Invalid, changed(func(c *account.Credential) { c.Envelope.Networks = make([]netip.Prefix, 1) })},
		{"a sender that is none", fault.Invalid, changed(func(c *account.Credential) { c.Envelope.Senders = make([]account.Grant, 1) })},
		{"a sender of both", fault.Invalid, changed(func(c *account.Credential) {
			c.Envelope.Senders = []account.Grant{{Address: at("x", "one.example"), Domain: "two.example"}}
		})},
		{"a mechanism of two words", fault.Invalid, changed(func(c *account.Credential) { c.Envelope.Mechanisms = []string{"PLAIN LOGIN"} })},
		{"a mechanism without a name", fault.Invalid, changed(func(c *account.Credential) { c.Envelope.Mechanisms = []string{""} })},
		{"a key for two words", fault.Invalid, changed(func(c *account.Credential) { c.Secret.Keys = []account.SecretKey{{Mechanism: "A B", Value: "x"}} })},
		{"a key of two lines", fault.Invalid, changed(func(c *account.Credential) { c.Secret.Keys = []account.SecretKey{{Mechanism: "A", Value: "x\ny"}} })},
		{"an earlier hash of two lines", fault.Invalid, changed(func(c *account.Credential) { c.Secret.Former = []string{"x\ny"} })},
		{"an earlier hash of nothing", fault.Invalid, changed(func(c *account.Credential) { c.Secret.Former = []string{""} })},
		{"another's id", fault.Conflict, []account.Credential{secret(11, account.AppPassword, "x")}},
		{"another's subject", fault.Conflict, []account.Credential{subject(20, account.Certificate, "x", "sha256:00ff")}},
		{"a subject twice", fault.Conflict, []account.Credential{subject(20, account.Certificate, "x", "cn:x"), subject(21, account.Certificate, "y", "cn:x")}},
	} {
		a := before
		a.Credentials = slices.Concat(before.Credentials, c.add)
		expect.Kind(y, y.s.PutAccount(expect.Within(y), a, event("")), c.kind, c.what+": ")
	}
	expect.Equal(y, "account", expect.Got(y.s.Account(expect.Within(y), y.ann.Login()))(y), before)
	if now := expect.Got(y.s.Generation(expect.Within(y)))(y); now != generation {
		y.Errorf("generation %d after %d", now, generation)
	}
	if now := len(expect.Got(y.s.Search(expect.Within(y), audit.Query{}))(y)); now != events {
		y.Errorf("refusals left %d events", now-events)
	}
	// What is another's in one respect only is one's own.
	y.put(y.ann.Login(), func(a *account.Account) {
		a.Credentials = append(a.Credentials, subject(20, account.OAuth, "card", "sha256:00ff"), subject(21, account.Certificate, "web", "sha256:00fe"))
	})
}

// changed is one app password that is like no other, changed.
func changed(change func(*account.Credential)) []account.Credential {
	c := secret(20, account.AppPassword, "x")
	change(&c)
	return []account.Credential{c}
}

func subjectsChangeHands(y *story) {
	y.settle()
	expect.Must(y, y.s.PutAccount(expect.Within(y), full(), event("account")))
	y.put("full@one.example", func(a *account.Account) {
		a.Credentials = []account.Credential{subject(31, account.Network, "card", "192.0.2.0/24"), subject(32, account.Network, "web", "2001:db8::/64")}
	})
	y.put("full@one.example", func(a *account.Account) {
		a.Credentials[0].Subject, a.Credentials[1].Subject = a.Credentials[1].Subject, a.Credentials[0].Subject
	})
	y.put("full@one.example", func(a *account.Account) { a.Credentials = a.Credentials[1:] })
	y.put(y.ann.Login(), func(a *account.Account) { // given up by the other
		a.Credentials = append(a.Credentials, subject(33, account.Network, "web", "2001:db8::/64"))
	})
	expect.Equal(y, "holders", y.holders(account.Network, "2001:db8::/64", "192.0.2.0/24"), []account.Holder{
		{Login: "ann@one.example", Credential: id("CRE", 33), Subject: "2001:db8::/64"},
		{Login: "full@one.example", Credential: id("CRE", 32), Subject: "192.0.2.0/24"},
	})

}

func secretIsRenewed(y *story) {
	y.settle()
	y.put(y.ann.Login(), func(a *account.Account) { a.Credentials[0].Secret.Former = []string{"$x$0"} })
	before, generation := expect.Got(y.s.Account(expect.Within(y), y.ann.Login()))(y), expect.Got(y.s.Generation(expect.Within(y)))(y)
	count := func() int { return len(expect.Got(y.s.Search(expect.Within(y), audit.Query{Login: y.ann.Login()}))(y)) }
	e := event("account ann")
	e.Login = y.ann.Login()
	after := account.Secret{
		Hash: "$y$1", Cost: "y", Former: []string{"of no matter"},
		Keys: []account.SecretKey{{Mechanism: "SCRAM-SHA-1", Value: "k 1"}, {Mechanism: "SCRAM-SHA-256", Value: "k 2"}},
	}
	renew := func(login string, credential mail.ID, from string) error {
		return y.s.RenewSecret(expect.Within(y), login, credential, from, after, e)
	}
	expect.Kind(y, renew("nobody@one.example", id("CRE", 1), "$x$1"), fault.NotFound, "of nobody"+": ")
	expect.Kind(y, renew("bob@two.example", id("CRE", 1), "$x$1"), fault.NotFound, "of another"+": ")
	expect.Kind(y, renew(y.ann.Login(), id("CRE", 9), "$x$1"), fault.NotFound, "of none"+": ")
	expect.Kind(y, renew(y.ann.Login(), id("CRE", 1), "$x$2"), fault.Conflict, "of another hash"+": ")
	expect.Equal(y, "account after refusals", expect.Got(y.s.Account(expect.Within(y), y.ann.Login()))(y), before)
	if n := count(); n != 0 {
		y.Errorf("refused renewals left %d events", n)
	}
	expect.Must(y, renew(y.ann.Login(), id("CRE", 1), "$x$1"))
	if n := count(); n != 1 {
		y.Errorf("a renewal left %d events", n)
	}
	want := before
	want.Credentials = slices.Clone(before.Credentials)
	want.Credentials[0].Secret = after
	want.Credentials[0].Secret.Former = []string{"$x$0"}
	expect.Equal(y, "account", expect.Got(y.s.Account(expect.Within(y), y.ann.Login()))(y), want)
	if now := expect.Got(y.s.Generation(expect.Within(y)))(y); now != generation {
		y.Errorf("generation %d after %d", now, generation)
	}
	// Who had read the account before may still change it.
	before.Credentials[0].Secret = account.Secret{Hash: "$x$3", Cost: "x"}
	expect.Must(y, y.s.PutAccount(expect.Within(y), before, event("")))
	expect.Kind(y, renew(y.ann.Login(), id("CRE", 1), "$y$1"), fault.Conflict, "of one that was set anew"+": ")
}

// legacyStaysAway: a login made keys of legacy mechanisms while they were allowed, and
// stores them when they are not any more.
func legacyStaysAway(y *story) {
	y.settle()
	scram := account.SecretKey{Mechanism: "SCRAM-SHA-256", Value: "k"}
	renew := func(n int) []account.SecretKey {
		y.Helper()
		before, after := account.Secret{Hash: fmt.Sprint("$x$", n)}, account.Secret{Hash: fmt.Sprint("$x$", n+1), Keys: []account.SecretKey{scram}}
		for _, m := range account.LegacyMechanisms() {
			after.Keys = append(after.Keys, account.SecretKey{Mechanism: m, Value: "sealed"})
		}
		expect.Must(y, y.s.RenewSecret(expect.Within(y), y.ann.Login(), id("CRE", 1), before.Hash, after, event("")))
		return expect.Got(y.s.Proofs(expect.Within(y), y.ann.Login()))(y).Credentials[0].Secret.Keys
	}
	plan := func(legacy bool) {
		y.Helper()
		p := expect.Got(y.s.Plan(expect.Within(y), "basic"))(y)
		p.Legacy = legacy
		expect.Must(y, y.s.PutPlan(expect.Within(y), p, event("")))
	}
	all := 1 + len(account.LegacyMechanisms())
	expect.Equal(y, "allowed by none", renew(1), []account.SecretKey{scram})
	plan(true)
	if n := len(renew(2)); n != all {
		y.Errorf("%d keys where the plan allows %d", n, all)
	}
	plan(false)
	expect.Equal(y, "forbidden by the plan", renew(3), []account.SecretKey{scram})
	y.put(y.ann.Login(), func(a *account.Account) { a.Legacy = true })
	if n := len(renew(4)); n != all {
		y.Errorf("%d keys where the account allows %d", n, all)
	}
	y.put(y.ann.Login(), func(a *account.Account) { a.Legacy = false })
	expect.Equal(y, "forbidden by the account", renew(5), []account.SecretKey{scram})
	expect.Must(y, y.s.PutPlan(expect.Within(y), account.Plan{Name: "own", Legacy: true, State: account.Active}, event("own")))
	y.put(y.ann.Login(), func(a *account.Account) { a.Plan = "own" })
	if n := len(renew(6)); n != all {
		y.Errorf("%d keys where the account's own plan allows %d", n, all)
	}
	expect.Must(y, y.s.PutPlan(expect.Within(y), account.Plan{Name: "strict", State: account.Active}, event("strict")))
	plan(true)
	y.put(y.ann.Login(), func(a *account.Account) { a.Plan = "strict" })
	expect.Equal(y, "forbidden by the account's own plan", renew(7), []account.SecretKey{scram})
}

func costsAreListed(y *story) {
	costs := func() []string {
		list := expect.Got(y.s.Costs(expect.Within(y)))(y)
		slices.Sort(list)
		return list
	}
	expect.Equal(y, "of an empty store", costs(), []string(nil))
	y.settle()
	expect.Equal(y, "at first", costs(), []string{"x"})
	expect.Must(y, y.s.PutAccount(expect.Within(y), full(), event("account")))
	y.put(y.bob.Login(), func(a *account.Account) {
		for i := range 20 {
			c := secret(40+i, account.AppPassword, fmt.Sprint("app", i))
			c.Secret.Cost = []string{"m=64,t=1,p=1", "M", "", "é"}[i%4]
			a.Credentials = append(a.Credentials, c)
		}
	})
	expect.Equal(y, "of many", costs(), []string{"M", "m=64,t=1,p=1", "ssha512", "x", "é"})
	y.put(y.bob.Login(), func(a *account.Account) { a.Credentials = nil })
	expect.Equal(y, "of those that are left", costs(), []string{"ssha512", "x"})
}

// holders finds holders, and sorts them.
func (y *story) holders(kind account.CredentialKind, subjects ...string) []account.Holder {
	y.Helper()
	list := expect.Got(y.s.Holders(expect.Within(y), kind, subjects))(y)
	slices.SortFunc(list, func(a, b account.Holder) int { return strings.Compare(a.Login, b.Login) })
	return list
}

func holdersAreFound(y *story) {
	y.settle()
	expect.Must(y, y.s.PutAccount(expect.Within(y), full(), event("account")))
	y.put(y.bob.Login(), func(a *account.Account) {
		a.Credentials = []account.Credential{subject(51, account.Certificate, "bob", "cn:bob"), subject(52, account.OAuth, "office", "cn:bob")}
	})
	card := account.Holder{Login: "full@one.example", Credential: id("CRE", 11), Subject: "sha256:00ff"}
	bob := account.Holder{Login: "bob@two.example", Credential: id("CRE", 51), Subject: "cn:bob"}
	expect.Equal(y, "two", y.holders(account.Certificate, "cn:bob", "cn:nobody", "sha256:00ff"), []account.Holder{bob, card})
	expect.Equal(y, "of another kind", y.holders(account.OAuth, "sha256:00ff"), []account.Holder(nil))
	expect.Equal(y, "in other letters", y.holders(account.Certificate, "CN:BOB"), []account.Holder(nil))
	expect.Equal(y, "of none", y.holders(account.Certificate), []account.Holder(nil))
	for _, kind := range account.CredentialKinds() { // the subject of passwords
		expect.Equal(y, "without a subject", y.holders(kind, ""), []account.Holder(nil))
	}
	many := make([]string, 256)
	for i := range many {
		many[i] = fmt.Sprint("cn:", i)
	}
	many[255] = "cn:bob"
	expect.Equal(y, "of many", y.holders(account.Certificate, many...), []account.Holder{bob})
	_, err := y.s.Holders(expect.Within(y), account.Certificate, append(many, "cn:more"))
	expect.Kind(y, err, fault.Invalid, "too many"+": ")
	y.put(y.bob.Login(), func(a *account.Account) { a.State = account.Suspended })
	d := expect.Got(y.s.Domain(expect.Within(y), "one.example"))(y)
	d.State = account.Suspended
	expect.Must(y, y.s.PutDomain(expect.Within(y), d, event("")))
	expect.Equal(y, "suspended", y.holders(account.Certificate, "cn:bob", "sha256:00ff"), []account.Holder{bob, card})
	y.put(y.bob.Login(), func(a *account.Account) { a.Credentials = a.Credentials[1:] })
	expect.Equal(y, "revoked", y.holders(account.Certificate, "cn:bob", "sha256:00ff"), []account.Holder{card})
}

func saltStays(y *story) {
	salt := expect.Got(y.s.Salt(expect.Within(y)))(y)
	if len(salt) < 8 {
		y.Errorf("the salt has %d octets", len(salt))
	}
	y.settle()
	y.revoke("printer")
	expect.Equal(y, "salt after changes", expect.Got(y.s.Salt(expect.Within(y)))(y), salt)
}

// use is a use of the n-th credential so many hours after the start.
func use(n, hours int) account.Use {
	return account.Use{Credential: id("CRE", n), At: start().Add(time.Duration(hours) * time.Hour)}
}
