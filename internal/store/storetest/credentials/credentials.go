// Package credentials holds what an engine must do about the credentials of
// accounts: keep them to the last field, find their holders, keep their last uses,
// and let waiting mail follow them. It is a part of the suite of package storetest,
// which an engine runs beside it.
//
// Main functions: Run, RunKept, Fill, Same, Held.
package credentials

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/store/storetest"
	"countersign/internal/store/storetest/expect"
)

// Run runs the cases. Each gets a store of its own.
func Run(t *testing.T, open storetest.Opener) {
	RunKept(t, open)
	run(t, open, map[string]func(*story){
		"a revoked one holds its mail":           revokedHolds,
		"a clock ahead freezes no use":           aheadFreezesNone,
		"recalled mail is held":                  recalledIsHeld,
		"what was sent otherwise is spared":      sparedGoes,
		"what an operator released stays so":     releasedStays,
		"a release excuses till the next recall": excusedTillNext,
		"the reason is the one at the moment":    reasonsAreTrue,
		"a release of any hold excuses":          excusedWhateverHeldIt,
		"recipients not released are left":       othersAreLeft,
		"a release may leave out the stopped":    stoppedIsLeftOut,
		"mail is found by the kind of its own":   kindsAreFound,
		"a certificate that is revoked holds":    certificateHoldStays,
		"a new one moves nothing":                newMovesNothing,
		"a password of the same id moves none":   sameIDMovesNothing,
		"mail of one that is gone is not let go": goneIsNotLetGo,
		"all that are added, or none":            addedAllOrNone,
		"they go with the account":               goWithAccount,
	})
}

// RunKept runs those cases that need no queue.
func RunKept(t *testing.T, open storetest.Opener) {
	run(t, open, map[string]func(*story){
		"they come back to the last field":    comeBack,
		"proofs follow account and plan":      proofsFollow,
		"names, ids and subjects are of one":  identitiesAreOfOne,
		"subjects change hands in one change": subjectsChangeHands,
		"no legacy key comes back":            legacyStaysAway,
		"a secret is renewed":                 secretIsRenewed,
		"each cost is listed once":            costsAreListed,
		"holders are found":                   holdersAreFound,
		"the newest use is kept":              newestUseIsKept,
		"uses are listed":                     usesAreListed,
		"uses change no account":              usesChangeNothing,
		"uses go with what they are of":       usesGo,
		"the salt stays":                      saltStays,
		"accounts are added together":         addedTogether,
	})
}

func run(t *testing.T, open storetest.Opener, cases map[string]func(*story)) {
	for name, run := range cases {
		t.Run(name, func(t *testing.T) { run(&story{T: t, s: open(t)}) })
	}
}

// story is one case: a test and its store.
type story struct {
	*testing.T
	s storetest.Store
	// ann and bob are accounts of customer acme on plan basic.
	ann, bob account.Account
}

// start is the moment at which the stories begin.
func start() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 123456000, time.UTC) }

// id makes the n-th id of a series.
func id(series string, n int) mail.ID { return mail.ID(fmt.Sprintf("01%-6s%018d", series, n)) }

func event(object string) audit.Event {
	return audit.Event{At: start(), Kind: audit.AdminChanged, Actor: "cli:root", Object: object}
}

func at(local string, domain mail.Domain) mail.Address {
	return mail.Address{Local: local, Domain: domain}
}

// put changes an account as it is stored now.
func (y *story) put(login string, change func(*account.Account)) {
	y.Helper()
	a := expect.Got(y.s.Account(expect.Within(y), login))(y)
	change(&a)
	expect.Must(y, y.s.PutAccount(expect.Within(y), a, event("account "+login)))
}

// revoke takes a credential from ann.
func (y *story) revoke(name string) {
	y.Helper()
	y.put(y.ann.Login(), func(a *account.Account) {
		n := len(a.Credentials)
		a.Credentials = slices.DeleteFunc(a.Credentials, func(c account.Credential) bool { return c.Name == name })
		if len(a.Credentials) != n-1 {
			y.Fatalf("ann has no credential %q", name)
		}
	})
}

// secret makes a credential with a secret.
func secret(n int, kind account.CredentialKind, name string) account.Credential {
	return account.Credential{
		ID: id("CRE", n), Kind: kind, Name: name, Secret: account.Secret{Hash: fmt.Sprintf("$x$%d", n), Cost: "x"},
		Created: start(), Changed: start(),
	}
}

// subject makes a credential with a subject.
func subject(n int, kind account.CredentialKind, name, subject string) account.Credential {
	return account.Credential{ID: id("CRE", n), Kind: kind, Name: name, Subject: subject, Created: start(), Changed: start()}
}

// settle stores plan basic, customer acme and its domains one.example, with account
// ann, and two.example, with bob. Ann has a password and an app password, bob none.
func (y *story) settle() {
	y.Helper()
	objects(y.T, y.s)
	y.ann = account.Account{ID: id("ACC", 1), Address: at("Ann", "one.example"), State: account.Active, Created: start(), Credentials: []account.Credential{
		secret(1, account.Password, "password"), secret(2, account.AppPassword, "printer"),
	}}
	y.bob = account.Account{ID: id("ACC", 2), Address: at("bob", "two.example"), State: account.Active, Created: start()}
	for _, a := range []*account.Account{&y.ann, &y.bob} {
		expect.Must(y, y.s.PutAccount(expect.Within(y), *a, event("account")))
		a.Revision = 1
	}
}

// objects stores what is above the accounts.
func objects(t *testing.T, s storetest.Store) {
	t.Helper()
	ctx := t.Context()
	for _, err := range []error{
		s.PutPlan(ctx, account.Plan{Name: "basic", State: account.Active, Created: start()}, event("plan")),
		s.PutCustomer(ctx, account.Customer{Name: "acme", Plan: "basic", State: account.Active, Created: start()}, event("customer")),
		s.PutDomain(ctx, account.Domain{Name: "one.example", Customer: "acme", State: account.Active, Created: start()}, event("domain")),
		s.PutDomain(ctx, account.Domain{Name: "two.example", Customer: "acme", State: account.Active, Created: start()}, event("domain")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// full is an account with a credential of each kind, in the order of their names, in
// which every field has a value.
func full() account.Account {
	list := []account.Credential{
		subject(11, account.Certificate, "card", "sha256:00ff"),
		secret(12, account.AppPassword, "laptop.2"),
		subject(13, account.OAuth, "office", "https://id.example 1234 5678"),
		secret(14, account.Password, "password"),
		subject(15, account.Network, "web", "2001:db8:7::/64"),
	}
	for i := range list {
		c := &list[i]
		c.Changed = start().Add(time.Duration(i+1) * time.Microsecond)
		c.Recall = account.Recall{All: int64(i), Some: 1 << 40, Spared: []account.Grant{{Address: at("A b", "one.example")}, {Domain: "two.example"}}}
		c.Envelope = account.Envelope{
			Networks:      []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("::ffff:0:0/96")},
			Senders:       []account.Grant{{Address: at("a b", "one.example")}, {Domain: "two.example"}, {Address: at("bücher", "one.example")}},
			Mechanisms:    []string{"PLAIN", "SCRAM-SHA-256"},
			MaxRecipients: 7 + i, MaxMessageBytes: 1 << 40, MaxMessages: 9, Expires: start().Add(time.Hour),
		}
	}
	list[3].Secret = account.Secret{
		Hash: "{SSHA512}ab+/==", Cost: "ssha512", Former: []string{"$x$9", "{PLAIN-MD5}8"},
		Keys: []account.SecretKey{{Mechanism: "SCRAM-SHA-256", Value: "4096 c2FsdA== c2VydmVy a2V5"}, {Mechanism: "CRAM-MD5", Value: "sealed"}},
	}
	return account.Account{
		ID: id("ACC", 7), Address: at("Full", "one.example"), State: account.Active, Directory: "mailboxes", Legacy: true,
		Plan: "basic", PlanLearned: true, Aliases: []mail.Address{at("more", "one.example"), at("learned", "one.example")}, Learned: []mail.Address{at("learned", "one.example")},
		Credentials: list, Created: start(),
	}
}

// Fill stores accounts with credentials of each kind, uses of some, and mail that
// came under one of them.
func Fill(t *testing.T, s storetest.Store) {
	y := &story{T: t, s: s}
	y.settle()
	expect.Must(y, s.PutAccount(expect.Within(y), full(), event("account")))
	expect.Must(y, s.Used(expect.Within(y), []account.Use{use(1, 0), use(2, 1), use(13, 2)}))
	y.accept(1, y.ann, "printer")
}

// Same wants two stores, of which one was copied from the other, to have the same
// accounts, uses and salt, and both to do what Held wants.
func Same(t *testing.T, one, other storetest.Store) {
	y := &story{T: t, s: one}
	expect.Equal(y, "accounts", expect.Got(other.Accounts(expect.Within(y), account.AccountQuery{}))(y), expect.Got(one.Accounts(expect.Within(y), account.AccountQuery{}))(y))
	expect.Equal(y, "uses", expect.Got(other.Uses(expect.Within(y), "", 100))(y), expect.Got(one.Uses(expect.Within(y), "", 100))(y))
	if n := len(expect.Got(other.Uses(expect.Within(y), "", 100))(y)); n != 3 {
		y.Errorf("there are %d uses, want 3", n)
	}
	expect.Equal(y, "salt", expect.Got(other.Salt(expect.Within(y)))(y), expect.Got(one.Salt(expect.Within(y)))(y))
	Held(t, one)
	Held(t, other)
}

// Held revokes the credential that Fill's mail came under, and wants it to be held,
// whichever node may deliver it.
func Held(t *testing.T, s storetest.Store) {
	y := &story{T: t, s: s}
	y.ann = expect.Got(s.Account(expect.Within(y), "ann@one.example"))(y)
	y.wantStates(1)
	y.revoke("printer")
	y.wantStates(1, 1)
}
