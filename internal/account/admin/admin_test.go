package admin_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/testkit/accountstore"
)

func ptr[T any](v T) *T { return &v }

func grant(t *testing.T, s string) account.Grant {
	t.Helper()
	g, err := account.ParseGrant(s)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestChangesAreDoneAndRecorded(t *testing.T) {
	const a = "a@acme.example"
	cases := []struct {
		name         string
		do           func(context.Context, *testing.T, *admin.Admin) error
		kind         audit.Kind
		object, text string
	}{
		{"plan add", func(ctx context.Context, _ *testing.T, ad *admin.Admin) error {
			return ad.AddPlan(ctx, account.Plan{Name: "x1", MaxMessages: 3})
		}, audit.AdminAdded, "plan x1", "max recipients 0, max message bytes 0, max messages 3"},
		{"plan set", func(ctx context.Context, _ *testing.T, ad *admin.Admin) error {
			return ad.SetPlan(ctx, "gold", admin.PlanChange{MaxRecipients: ptr(7)})
		}, audit.AdminChanged, "plan gold", "max recipients 7"},
		{"plan suspend", func(ctx context.Context, _ *testing.T, ad *admin.Admin) error { return ad.SuspendPlan(ctx, "gold") },
			audit.AdminSuspended, "plan gold", ""},
		{"customer add", func(ctx context.Context, _ *testing.T, ad *admin.Admin) error {
			return ad.AddCustomer(ctx, "c", "gold")
		}, audit.AdminAdded, "customer c", "plan gold"},
		{"customer set", func(ctx context.Context, _ *testing.T, ad *admin.Admin) error {
			return ad.SetCustomerPlan(ctx, "acme", "")
		}, audit.AdminChanged, "customer acme", "no plan"},
		{"customer suspend", func(ctx context.Context, _ *testing.T, ad *admin.Admin) error {
			return ad.SuspendCustomer(ctx, "acme")
		},
			audit.AdminSuspended, "customer acme", ""},
		{"domain add", func(ctx context.Context, _ *testing.T, ad *admin.Admin) error {
			return ad.AddDomain(ctx, "new.example", "acme", []account.Key{{Selector: "r"}, {Selector: "e"}})
		}, audit.AdminAdded, "domain new.example", "customer acme, keys r, e"},
		{"domain set", func(ctx context.Context, _ *testing.T, ad *admin.Admin) error {
			return ad.SetDomainCustomer(ctx, "second.example", "other")
		}, audit.AdminChanged, "domain second.example", "customer other instead of acme"},
		{"domain rekey", func(ctx context.Context, _ *testing.T, ad *admin.Admin) error {
			d := account.Domain{Name: "acme.example", Customer: "acme", State: account.Active, Keys: []account.Key{{Selector: "s1"}}, Revision: 1}
			return ad.RekeyDomain(ctx, d, append(d.Keys, account.Key{Selector: "s2"}))
		}, audit.AdminChanged, "domain acme.example", "keys s1, s2 instead of s1"},
		{"domain suspend", func(ctx context.Context, _ *testing.T, ad *admin.Admin) error {
			return ad.SuspendDomain(ctx, "acme.example")
		},
			audit.AdminSuspended, "domain acme.example", ""},
		{"domain remove", func(ctx context.Context, _ *testing.T, ad *admin.Admin) error {
			return ad.RemoveDomain(ctx, "other.example")
		},
			audit.AdminRemoved, "domain other.example", ""},
		{"account add", func(ctx context.Context, t *testing.T, ad *admin.Admin) error {
			return ad.AddAccount(ctx, admin.NewAccount{
				Address: address(t, "New@second.example"), Password: goodPassword, NullSender: true,
				Aliases: []mail.Address{address(t, "x@acme.example")}, Grants: sendAs(grant(t, "@acme.example")),
			})
		}, audit.AdminAdded, "account New@second.example", "alias x@acme.example added, grant send-as @acme.example given, null sender allowed"},
		{"account set", func(ctx context.Context, t *testing.T, ad *admin.Admin) error {
			return ad.SetAccount(ctx, at("A@ACME.example"), admin.AccountChange{AddGrants: sendAs(grant(t, "b@acme.example")), NullSender: ptr(false)})
		}, audit.AdminChanged, "account " + a, "grant send-as b@acme.example given, null sender forbidden"},
		{"account passwd", func(ctx context.Context, _ *testing.T, ad *admin.Admin) error {
			return ad.SetPassword(ctx, at(a), "another good password", false)
		}, audit.AdminChanged, "account " + a, "password, mail sent with the old one held"},
		{"account passwd and keep mail", func(ctx context.Context, _ *testing.T, ad *admin.Admin) error {
			return ad.SetPassword(ctx, at(a), "another good password", true)
		}, audit.AdminChanged, "account " + a, "password, mail sent with the old one goes on"},
		{"plan that allows legacy", func(ctx context.Context, _ *testing.T, ad *admin.Admin) error {
			return ad.AddPlan(ctx, account.Plan{Name: "old", Legacy: true})
		}, audit.AdminAdded, "plan old", "max recipients 0, max message bytes 0, max messages 0, legacy mechanisms allowed"},
		{"account suspend", func(ctx context.Context, _ *testing.T, ad *admin.Admin) error { return ad.SuspendAccount(ctx, at(a)) },
			audit.AdminSuspended, "account " + a, ""},
		{"account remove", func(ctx context.Context, _ *testing.T, ad *admin.Admin) error { return ad.RemoveAccount(ctx, at(a)) },
			audit.AdminRemoved, "account " + a, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			before := len(w.store.Events())
			if err := c.do(t.Context(), t, w.admin); err != nil {
				t.Fatal(err)
			}
			if n := len(w.store.Events()) - before; n != 1 {
				t.Fatalf("%d events, 1 wanted", n)
			}
			e := w.lastEvent()
			if e.Kind != c.kind || e.Object != c.object || e.Text != c.text || e.Actor != "cli:test" {
				t.Errorf("event %+v", e)
			}
			if e.At.Location() != time.UTC || e.At.Nanosecond()%1000 != 0 {
				t.Errorf("time of the event: %v", e.At)
			}
			if strings.HasPrefix(c.object, "account ") && e.Login != strings.ToLower(c.object[len("account "):]) {
				t.Errorf("login of the event: %q", e.Login)
			}
		})
	}
}

func TestRefusedChanges(t *testing.T) {
	const a = "a@acme.example"
	set := func(c admin.AccountChange) func(context.Context, *admin.Admin) error {
		return func(ctx context.Context, ad *admin.Admin) error { return ad.SetAccount(ctx, at(a), c) }
	}
	cases := []struct {
		name string
		do   func(context.Context, *admin.Admin) error
		kind fault.Kind
		says string
	}{
		{"plan twice", func(ctx context.Context, ad *admin.Admin) error { return ad.AddPlan(ctx, account.Plan{Name: "gold"}) }, fault.Conflict, "plan gold exists already"},
		{"plan name", func(ctx context.Context, ad *admin.Admin) error { return ad.AddPlan(ctx, account.Plan{Name: "Gold"}) }, fault.Invalid, "a-z"},
		{"plan name of dots", func(ctx context.Context, ad *admin.Admin) error { return ad.AddPlan(ctx, account.Plan{Name: ".."}) }, fault.Invalid, "a-z"},
		{"plan without name", func(ctx context.Context, ad *admin.Admin) error { return ad.AddPlan(ctx, account.Plan{}) }, fault.Invalid, "1 to 63"},
		{"plan below zero", func(ctx context.Context, ad *admin.Admin) error {
			return ad.SetPlan(ctx, "gold", admin.PlanChange{MaxMessages: ptr(-1)})
		}, fault.Invalid, "negative"},
		{"plan set nothing", func(ctx context.Context, ad *admin.Admin) error {
			return ad.SetPlan(ctx, "gold", admin.PlanChange{})
		}, fault.Invalid, "nothing"},
		{"plan unknown", func(ctx context.Context, ad *admin.Admin) error {
			return ad.SetPlan(ctx, "tin", admin.PlanChange{})
		}, fault.NotFound, "plan tin does not exist"},
		{"plan in use", func(ctx context.Context, ad *admin.Admin) error { return ad.RemovePlan(ctx, "gold") }, fault.Conflict, "used by customer acme"},
		{"plan resumed", func(ctx context.Context, ad *admin.Admin) error { return ad.ResumePlan(ctx, "gold") }, fault.Conflict, "plan gold is not suspended"},
		{"plan unknown suspended", func(ctx context.Context, ad *admin.Admin) error { return ad.SuspendPlan(ctx, "tin") }, fault.NotFound, "plan tin does not exist"},
		{"customer of no plan", func(ctx context.Context, ad *admin.Admin) error {
			return ad.AddCustomer(ctx, "c", "tin")
		}, fault.NotFound, "plan tin"},
		{"customer twice", func(ctx context.Context, ad *admin.Admin) error { return ad.AddCustomer(ctx, "acme", "") }, fault.Conflict, "exists already"},
		{"customer in use", func(ctx context.Context, ad *admin.Admin) error { return ad.RemoveCustomer(ctx, "acme") }, fault.Conflict, "acme.example"},
		{"customer without name", func(ctx context.Context, ad *admin.Admin) error { return ad.RemoveCustomer(ctx, "") }, fault.Invalid, "no customer"},
		{"customer resumed", func(ctx context.Context, ad *admin.Admin) error { return ad.ResumeCustomer(ctx, "acme") }, fault.Conflict, "not suspended"},
		{"domain twice", func(ctx context.Context, ad *admin.Admin) error {
			return ad.AddDomain(ctx, "other.example", "acme", []account.Key{{}})
		}, fault.Conflict, "exists already"},
		{"domain without key", func(ctx context.Context, ad *admin.Admin) error { return ad.AddDomain(ctx, "x.example", "acme", nil) }, fault.Invalid, "no DKIM key"},
		{"domain literal", func(ctx context.Context, ad *admin.Admin) error {
			return ad.AddDomain(ctx, "[192.0.2.1]", "acme", []account.Key{{}})
		}, fault.Invalid, "full domain name"},
		{"domain without dot", func(ctx context.Context, ad *admin.Admin) error {
			return ad.AddDomain(ctx, "local", "acme", []account.Key{{}})
		}, fault.Invalid, "full domain name"},
		{"domain of nobody", func(ctx context.Context, ad *admin.Admin) error {
			return ad.AddDomain(ctx, "x.example", "nil", []account.Key{{}})
		}, fault.NotFound, "customer nil"},
		{"domain to nobody", func(ctx context.Context, ad *admin.Admin) error {
			return ad.SetDomainCustomer(ctx, "acme.example", "nil")
		}, fault.NotFound, "customer nil does not exist"},
		{"domain unknown set", func(ctx context.Context, ad *admin.Admin) error {
			return ad.SetDomainCustomer(ctx, "no.example", "acme")
		}, fault.NotFound, "domain no.example does not exist"},
		{"domain to its own", func(ctx context.Context, ad *admin.Admin) error {
			return ad.SetDomainCustomer(ctx, "acme.example", "acme")
		}, fault.Conflict, "belongs to customer acme already"},
		{"domain in use", func(ctx context.Context, ad *admin.Admin) error { return ad.RemoveDomain(ctx, "acme.example") }, fault.Conflict, "account"},
		{"account of no domain", func(ctx context.Context, ad *admin.Admin) error {
			return ad.AddAccount(ctx, admin.NewAccount{Address: mail.Address{Local: "a", Domain: "no.example"}, Password: goodPassword})
		}, fault.NotFound, "domain no.example does not exist"},
		{"account twice", func(ctx context.Context, ad *admin.Admin) error {
			return ad.AddAccount(ctx, admin.NewAccount{Address: mail.Address{Local: "A", Domain: "acme.example"}, Password: goodPassword})
		}, fault.Conflict, "already"},
		{"account without password", func(ctx context.Context, ad *admin.Admin) error {
			return ad.AddAccount(ctx, admin.NewAccount{Address: mail.Address{Local: "n", Domain: "acme.example"}})
		}, fault.Invalid, "at least 12"},
		{"account without address", func(ctx context.Context, ad *admin.Admin) error {
			return ad.AddAccount(ctx, admin.NewAccount{Password: goodPassword})
		}, fault.Invalid, "no address"},
		{"account unknown", func(ctx context.Context, ad *admin.Admin) error {
			return ad.SuspendAccount(ctx, at("n@acme.example"))
		}, fault.NotFound, "account n@acme.example does not exist"},
		{"weak password", func(ctx context.Context, ad *admin.Admin) error { return ad.SetPassword(ctx, at(a), "short", false) }, fault.Invalid, "at least 12"},
		{"set nothing", set(admin.AccountChange{}), fault.Invalid, "nothing"},
		{"foreign alias", set(admin.AccountChange{AddAliases: []mail.Address{{Local: "x", Domain: "other.example"}}}), fault.Invalid, "belongs to customer other"},
		{"foreign grant", set(admin.AccountChange{AddGrants: sendAs(account.Grant{Domain: "other.example"})}), fault.Invalid, "belongs to customer other"},
		{"foreign address grant", set(admin.AccountChange{AddGrants: sendAs(account.Grant{Address: mail.Address{Local: "x", Domain: "other.example"}})}), fault.Invalid, "belongs to customer other"},
		{"grant abroad", set(admin.AccountChange{AddGrants: sendAs(account.Grant{Domain: "gmail.example"})}), fault.Invalid, "not one of this server's"},
		{"grant of nothing", set(admin.AccountChange{AddGrants: sendAs(account.Grant{})}), fault.Invalid, "one address or for one domain"},
		{"alias literal", set(admin.AccountChange{AddAliases: []mail.Address{{Local: "x", Domain: "[192.0.2.1]"}}}), fault.Invalid, "literal"},
		{"alias is itself", set(admin.AccountChange{AddAliases: []mail.Address{{Local: "A", Domain: "acme.example"}}}), fault.Conflict, "already"},
		{"alias twice in one go", set(admin.AccountChange{AddAliases: []mail.Address{{Local: "x", Domain: "acme.example"}, {Local: "X", Domain: "acme.example"}}}), fault.Conflict, "already"},
		{"grant twice in one go", set(admin.AccountChange{AddGrants: sendAs(account.Grant{Domain: "acme.example"}, account.Grant{Domain: "acme.example"})}), fault.Conflict, "has the grant"},
		{"no such alias", set(admin.AccountChange{RemoveAliases: []mail.Address{{Local: "x", Domain: "acme.example"}}}), fault.NotFound, "no alias"},
		{"no such grant", set(admin.AccountChange{RemoveGrants: sendAs(account.Grant{Domain: "acme.example"})}), fault.NotFound, "no grant"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			before, generation := len(w.store.Events()), w.generation(t)
			err := c.do(t.Context(), w.admin)
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; %v with %q wanted", err, c.kind, c.says)
			}
			if len(w.store.Events()) != before || w.generation(t) != generation {
				t.Error("something was changed all the same")
			}
		})
	}
}

// What is taken away in one call may be given back in the same.
func TestAccountChangeOrder(t *testing.T) {
	w := newWorld(t)
	x := address(t, "x@acme.example")
	for _, change := range []admin.AccountChange{
		{AddAliases: []mail.Address{x}, AddGrants: sendAs(grant(t, "@second.example"))},
		{RemoveAliases: []mail.Address{x}, AddAliases: []mail.Address{x}},
		{RemoveAliases: []mail.Address{x}, RemoveGrants: sendAs(grant(t, "@second.example"))},
	} {
		if err := w.admin.SetAccount(t.Context(), at("a@acme.example"), change); err != nil {
			t.Fatal(err)
		}
	}
	a, err := w.store.Account(t.Context(), "a@acme.example")
	if err != nil || len(a.Aliases)+len(a.Grants) != 0 {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestSuspendAndResume(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, step := range []struct {
		do     func() error
		active bool
	}{
		{func() error { return w.admin.SuspendCustomer(ctx, "acme") }, false},
		{func() error { return w.admin.SuspendAccount(ctx, at("a@acme.example")) }, false},
		{func() error { return w.admin.ResumeCustomer(ctx, "acme") }, false},
		{func() error { return w.admin.ResumeAccount(ctx, at("a@acme.example")) }, true},
		{func() error { return w.admin.SuspendPlan(ctx, "gold") }, false},
		{func() error { return w.admin.SetPlan(ctx, "gold", admin.PlanChange{MaxMessages: ptr(1)}) }, false},
		{func() error { return w.admin.SetCustomerPlan(ctx, "acme", "") }, true},
		{func() error { return w.admin.SetCustomerPlan(ctx, "acme", "gold") }, false},
		{func() error { return w.admin.SetDomainCustomer(ctx, "acme.example", "other") }, true},
		{func() error { return w.admin.SetDomainCustomer(ctx, "acme.example", "acme") }, false},
		{func() error { return w.admin.ResumePlan(ctx, "gold") }, true},
		{func() error { return w.admin.SuspendDomain(ctx, "acme.example") }, false},
		{func() error { return w.admin.ResumeDomain(ctx, "acme.example") }, true},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		s, err := w.store.Sender(ctx, "a@acme.example")
		if err != nil || s.Active() != step.active {
			t.Errorf("after %s %s: active is %v, %v", w.lastEvent().Kind, w.lastEvent().Object, s.Active(), err)
		}
	}
}

// An alias or grant in a domain that goes would be there for its next owner.
func TestDomainIsNotRemovedWhileAnAccountElsewhereUsesIt(t *testing.T) {
	for name, change := range map[string]admin.AccountChange{
		"alias x@second.example":            {AddAliases: []mail.Address{{Local: "x", Domain: "second.example"}}},
		"grant send-as @second.example":     {AddGrants: sendAs(account.Grant{Domain: "second.example"})},
		"grant send-as info@second.example": {AddGrants: sendAs(account.Grant{Address: mail.Address{Local: "info", Domain: "second.example"}})},
	} {
		w := newWorld(t)
		if err := w.admin.SetAccount(t.Context(), at("a@acme.example"), change); err != nil {
			t.Fatal(err)
		}
		err := w.admin.RemoveDomain(t.Context(), "second.example")
		if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "a@acme.example ("+name+")") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An alias or grant across the border of a domain that moves would let one
// customer write in another's name.
func TestDomainDoesNotMoveWhileAnAccountCrossesItsBorder(t *testing.T) {
	for name, c := range map[string]struct {
		account string
		change  admin.AccountChange
		says    string // "" where the domain may move
	}{
		"alias outside": {"a@acme.example", admin.AccountChange{AddAliases: []mail.Address{{Local: "x", Domain: "second.example"}}}, "account a@acme.example (alias x@second.example);"},
		"grant outside": {"a@acme.example", admin.AccountChange{AddGrants: sendAs(account.Grant{Domain: "second.example"})}, "account a@acme.example (grant send-as @second.example);"},
		"one granted outside, one inside": {"a@acme.example", admin.AccountChange{AddGrants: sendAs(
			account.Grant{Address: mail.Address{Local: "x", Domain: "second.example"}}, account.Grant{Domain: "acme.example"},
		)}, "account a@acme.example (grant send-as x@second.example);"},
		"from outside": {"s@second.example", admin.AccountChange{
			AddAliases: []mail.Address{{Local: "x", Domain: "acme.example"}, {Local: "y", Domain: "second.example"}},
			AddGrants:  sendAs(account.Grant{Domain: "acme.example"}),
		}, "account s@second.example (alias x@acme.example, grant send-as @acme.example);"},
		"all inside": {"a@acme.example", admin.AccountChange{
			AddAliases: []mail.Address{{Local: "x", Domain: "acme.example"}}, AddGrants: sendAs(account.Grant{Domain: "acme.example"}),
		}, ""},
		"all outside": {"s@second.example", admin.AccountChange{AddGrants: sendAs(account.Grant{Domain: "second.example"})}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ctx := t.Context()
			if err := w.admin.AddAccount(ctx, admin.NewAccount{Address: address(t, "s@second.example"), Password: goodPassword}); err != nil {
				t.Fatal(err)
			}
			if err := w.admin.SetAccount(ctx, at(c.account), c.change); err != nil {
				t.Fatal(err)
			}
			err := w.admin.SetDomainCustomer(ctx, "acme.example", "other")
			if c.says == "" && err != nil || c.says != "" && (!fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("got %v, want %q", err, c.says)
			}
			d, err := w.store.Domain(ctx, "acme.example")
			if err != nil || (d.Customer == "other") != (c.says == "") || len(d.Keys) != 1 {
				t.Errorf("the domain is now %+v (%v)", d, err)
			}
		})
	}
}

// A grant that was stored at the moment when its domain went is worth nothing,
// and does not become so when the account's own domain follows.
func TestDomainDoesNotFollowToWhatWasLeftBehind(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if err := w.admin.SetDomainCustomer(ctx, "second.example", "other"); err != nil {
		t.Fatal(err)
	}
	w.store.Alter("a@acme.example", func(a *account.Account) { a.Grants = sendAs(account.Grant{Domain: "second.example"}) })
	sender, err := w.store.Sender(ctx, "a@acme.example")
	if err != nil || owns(sender, address(t, "x@second.example")) {
		t.Errorf("a grant reaches into another customer's domain (%v)", err)
	}
	for _, move := range []struct {
		domain mail.Domain
		to     string
	}{{"acme.example", "other"}, {"second.example", "acme"}} {
		if err := w.admin.SetDomainCustomer(ctx, move.domain, move.to); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "grant send-as @second.example") {
			t.Errorf("%s to %s: %v", move.domain, move.to, err)
		}
	}
}

func TestChangeOfWhatChangedMeanwhile(t *testing.T) {
	w := newWorld(t)
	racing := &racingStore{Store: w.store}
	ad := admin.New(admin.Options{Store: racing, Secrets: maker{}, IDs: &mail.IDSource{}, Actor: "cli:late"})
	racing.between = func() error { return w.admin.SuspendAccount(t.Context(), at("a@acme.example")) }
	err := ad.SetPassword(t.Context(), at("a@acme.example"), "another good password", false)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "changed by somebody else") {
		t.Error(err)
	}
	if a, _ := w.store.Account(t.Context(), "a@acme.example"); a.State != account.Suspended {
		t.Error("the other change was undone")
	}
}

// racingStore lets something happen between reading an account and writing it.
type racingStore struct {
	*accountstore.Store
	between func() error
}

func (s *racingStore) Account(ctx context.Context, login string) (account.Account, error) {
	a, err := s.Store.Account(ctx, login)
	if err == nil {
		err = s.between()
	}
	return a, err
}

func TestOwns(t *testing.T) {
	w := newWorld(t)
	err := w.admin.SetAccount(t.Context(), at("a@acme.example"), admin.AccountChange{
		AddAliases: []mail.Address{address(t, "alias@second.example")},
		AddGrants:  sendAs(grant(t, "b@acme.example"), grant(t, "@second.example")),
	})
	if err != nil {
		t.Fatal(err)
	}
	may := func(s string) bool {
		sender, err := w.store.Sender(t.Context(), "a@acme.example")
		if err != nil {
			t.Fatal(err)
		}
		return owns(sender, address(t, s))
	}
	for s, want := range map[string]bool{
		"a@acme.example": true, "A@ACME.EXAMPLE": true, "b@acme.example": true, "c@acme.example": false,
		"alias@second.example": true, "any@second.example": true, "a@other.example": false, "a@sub.second.example": false,
	} {
		if may(s) != want {
			t.Errorf("%s: %v", s, !want)
		}
	}
	if err := w.admin.SuspendDomain(t.Context(), "second.example"); err != nil {
		t.Fatal(err)
	}
	if may("alias@second.example") || !may("a@acme.example") {
		t.Error("a suspended domain does not count as suspended, or others do")
	}
}
