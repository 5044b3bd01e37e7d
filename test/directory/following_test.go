package directory

import (
	"log/slog"
	"reflect"
	"testing"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/directory"
	"countersign/internal/directory/ldap"
	"countersign/internal/directory/shadow"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/testkit/accountstore"
)

// follower is a keeper beside a store in memory, with plans gold, all and basic, and customer
// acme with domain example.org.
func follower(t *testing.T, name string) (*shadow.Keeper, *accountstore.Store) {
	t.Helper()
	store := accountstore.New()
	admin := admin.New(admin.Options{Store: store, IDs: &mail.IDSource{}, Actor: "gate"})
	keys := []account.Key{{Selector: "s1", Algorithm: "rsa"}}
	for _, err := range []error{
		admin.AddPlan(t.Context(), account.Plan{Name: "gold"}), admin.AddPlan(t.Context(), account.Plan{Name: "all"}),
		admin.AddPlan(t.Context(), account.Plan{Name: "basic"}),
		admin.AddCustomer(t.Context(), "acme", ""), admin.AddDomain(t.Context(), "example.org", "acme", keys),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	opt := shadow.Options{Store: store, Admin: admin, Logger: slog.New(slog.DiscardHandler)}
	return shadow.New(opt, []shadow.Rules{{Name: name, Aliases: true, MaxAccounts: 10}}), store
}

// testGroupsToPlan: the account follows the groups of its user from login to login.
func testGroupsToPlan(t *testing.T, s *slapd) {
	const shop, off = "uid=shop,ou=people,dc=example,dc=org", "uid=off,ou=people,dc=example,dc=org"
	const gold, all = "cn=gold,ou=groups,dc=example,dc=org", "cn=all,ou=groups,dc=example,dc=org"
	d := s.asking(s.searching(func(o *ldap.Options) {
		o.Plans = []ldap.Plan{{Group: gold, Plan: "gold"}, {Group: all, Plan: "all"}}
		o.GroupBase, o.GroupFilter, o.Attributes.Plan, o.Attributes.Customer = "ou=groups,dc=example,dc=org", "(member={dn})", "", ""
	}))
	keeper, store := follower(t, "ldap")
	login := func(want string) account.Account {
		t.Helper()
		a, err := says(t, d, "shop@example.org", "pencil")
		if err != nil {
			t.Fatal(err)
		}
		if err := keeper.Ensure(t.Context(), "ldap", a); err != nil {
			t.Fatal(err)
		}
		acc, err := store.Account(t.Context(), "shop@example.org")
		if err != nil || acc.Plan != want || acc.PlanLearned != (want != "") {
			t.Fatalf("plan %q, want %q: %+v, %v", acc.Plan, want, acc, err)
		}
		return acc
	}
	defer s.change(gold, "member", shop, off)
	defer s.change(all, "member", shop)
	defer s.change(shop, "carLicense", "info@example.org", "sales@example.org")
	if acc := login("gold"); len(acc.Learned) != 2 {
		t.Errorf("%+v", acc)
	}
	s.change(gold, "member", off)
	s.change(shop, "carLicense", "sales@example.org", "new@example.org")
	if acc := login("all"); len(acc.Aliases) != 2 || acc.Aliases[0].Local != "sales" || acc.Aliases[1].Local != "new" {
		t.Errorf("%+v", acc)
	}
	before := len(store.Events())
	login("all")
	if len(store.Events()) != before {
		t.Error("a login that says nothing new writes")
	}
	s.change(all, "member", off)
	login("")
	s.change(gold, "member", shop)
	login("gold")
}

// testLDAPStanding: who is there, disabled, and gone is told without a password; not where
// users are bound as alone.
func testLDAPStanding(t *testing.T, s *slapd) {
	for way, opt := range map[string]ldap.Options{"search and bind": s.searching(nil), "hash": s.hashing(nil)} {
		g := guardedLDAP(t, s.asking(opt))
		stands(t, way, g)
	}
	if g := guardedLDAP(t, s.asking(s.binding(nil))); g.Witnesses() {
		t.Error("who binds as users alone says how they stand")
	}
}

// stands wants shop@example.org to stand, off@example.org to be disabled, and others not to
// be there.
func stands(t *testing.T, what string, g *directory.Guard) {
	t.Helper()
	if !g.Witnesses() {
		t.Fatalf("%s: it says nothing", what)
	}
	for login, disabled := range map[string]bool{"shop@example.org": false, "Off@example.org": true} {
		s, err := g.Standing(t.Context(), directory.Question{Login: login})
		if err != nil || s.Disabled != disabled {
			t.Errorf("%s, %s: %+v, %v", what, login, s, err)
		}
	}
	for _, login := range []string{"nobody@example.org", "*@example.org", "shop@example.org)(x=*", "' OR 1=1 --"} {
		if s, err := g.Standing(t.Context(), directory.Question{Login: login}); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s, %s: %+v, %v", what, login, s, err)
		}
	}
}

// testSQLStanding: a row is an account that stands, with a password or without.
func testSQLStanding(t *testing.T, s server) {
	_, g := opened(t, s.with("SELECT login, password, n = 7 AS disabled FROM account WHERE login = :login"))
	for login, disabled := range map[string]bool{"a@example.org": false, "none@example.org": false, "odd@example.org": true} {
		got, err := g.Standing(t.Context(), directory.Question{Login: login})
		if err != nil || !reflect.DeepEqual(got, directory.Standing{Login: login, Disabled: disabled}) {
			t.Errorf("%s: %+v, %v", login, got, err)
		}
	}
	for _, login := range []string{"gone@example.org", "' OR 1=1 --"} {
		if got, err := g.Standing(t.Context(), directory.Question{Login: login}); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %+v, %v", login, got, err)
		}
	}
	if got, err := g.Standing(t.Context(), directory.Question{Login: "twice@example.org"}); !fault.Is(err, fault.Corrupt) {
		t.Errorf("two rows: %+v, %v", got, err)
	}
}
