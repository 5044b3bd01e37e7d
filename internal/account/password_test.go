package account_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// TestPasswordsFollowOneAnother sets passwords again and again: each is named by a
// later time, the hashes of the last are kept, and mail of the one before is recalled
// unless it is kept.
func TestPasswordsFollowOneAnother(t *testing.T) {
	w := newWorld(t)
	first := w.account(t, "a@acme.example")
	before := first.Password()
	if before == nil || before.Name != account.PasswordName || before.Kind != account.Password || before.Secret.Hash != "hash of "+goodPassword || before.Secret.Former != nil {
		t.Fatalf("at first: %+v", before)
	}
	for i := range 30 {
		keep := i == 20
		if err := w.admin.SetPassword(t.Context(), at("a@acme.example"), fmt.Sprintf("another good password %d", i), keep); err != nil {
			t.Fatal(err)
		}
		a := w.account(t, "a@acme.example")
		now := a.Password()
		if len(a.Credentials) != 1 || !now.Changed.After(before.Changed) || now.ID != before.ID || now.Created != before.Created {
			t.Errorf("%+v after %+v", now, before)
		}
		recall := account.Recall{All: a.Revision}
		if keep {
			recall = before.Recall
		}
		if !reflect.DeepEqual(now.Recall, recall) || before.Recall.All >= a.Revision {
			t.Errorf("of revision %d %+v is recalled, keep %v", a.Revision, now.Recall, keep)
		}
		if len(now.Secret.Former) != min(i+1, 24) || now.Secret.Former[0] != before.Secret.Hash {
			t.Errorf("after %d the former are %q", i, now.Secret.Former)
		}
		before = now
	}
}

// TestLegacyKeysAreMade where the account or its plan allows them.
func TestLegacyKeysAreMade(t *testing.T) {
	for name, c := range map[string]struct {
		allow func(context.Context, *world) error
		want  bool
	}{
		"nobody": {func(context.Context, *world) error { return nil }, false},
		"the account": {func(_ context.Context, w *world) error {
			w.store.Alter("a@acme.example", func(a *account.Account) { a.Legacy = true })
			return nil
		}, true},
		"the plan": {func(ctx context.Context, w *world) error {
			p, err := w.store.Plan(ctx, "gold")
			if err != nil {
				return err
			}
			p.Legacy = true
			return w.store.PutPlan(ctx, p, w.lastEvent())
		}, true},
		"no plan at all": {func(ctx context.Context, w *world) error { return w.admin.SetCustomerPlan(ctx, "acme", "") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := c.allow(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			if err := w.admin.SetPassword(t.Context(), at("a@acme.example"), "another good password", false); err != nil {
				t.Fatal(err)
			}
			a := w.account(t, "a@acme.example")
			for _, m := range account.LegacyMechanisms() {
				if has := a.Password().Secret.Key(m) != ""; has != c.want {
					t.Errorf("a key for %s: %v", m, has)
				}
			}
			if a.Password().Secret.Key("SCRAM-SHA-256") == "" {
				t.Error("there is no key for SCRAM")
			}
		})
	}
}

// rule notes what it is asked and answers the same always.
type rule struct {
	asked    []account.About
	password string
	answer   error
}

func (r *rule) Check(_ context.Context, password string, about account.About) error {
	r.asked, r.password = append(r.asked, about), password
	return r.answer
}

// TestRuleDecides: where there is a rule, it is asked with all that is known, and its
// answer is the answer.
func TestRuleDecides(t *testing.T) {
	w := newWorld(t)
	r := &rule{}
	admin := account.NewAdmin(account.AdminOptions{Store: w.store, Secrets: maker{}, IDs: &mail.IDSource{}, Actor: "cli:test", Now: clock, Rule: r})
	ctx := t.Context()
	if err := admin.SetAccount(ctx, at("a@acme.example"), account.AccountChange{AddAliases: []mail.Address{at("x@second.example")}}); err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"short", "two"} {
		if err := admin.SetPassword(ctx, at("a@acme.example"), password, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := admin.AddAccount(ctx, account.NewAccount{Address: at("new@acme.example"), Password: "e\u0301 third"}); err != nil {
		t.Fatal(err)
	}
	want := []account.About{
		{Login: "a@acme.example", Customer: "acme", Aliases: []string{"x@second.example"}, Earlier: []string{"hash of " + goodPassword}},
		{Login: "a@acme.example", Customer: "acme", Aliases: []string{"x@second.example"}, Earlier: []string{"hash of short", "hash of " + goodPassword}},
		{Login: "new@acme.example", Customer: "acme"},
	}
	for i := range want {
		if len(r.asked) != len(want) || fmt.Sprintf("%q", r.asked[i]) != fmt.Sprintf("%q", want[i]) {
			t.Fatalf("asked %q, want %q", r.asked, want)
		}
	}
	if r.password != "é third" {
		t.Errorf("asked about %q, which is not prepared", r.password)
	}
	r.answer = fault.New("rule", fault.Invalid, "too plain")
	before := len(w.store.Events())
	for _, password := range []string{"correct horse battery staple", strings.Repeat("x", 513), "\xff"} {
		if err := admin.SetPassword(ctx, at("a@acme.example"), password, false); !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), password) {
			t.Errorf("%q: %v", password, err)
		}
	}
	if len(r.asked) != 4 || len(w.store.Events()) != before {
		t.Errorf("asked %d times; what is too long, and what is no text, is not for the rule", len(r.asked))
	}
}

// TestEnvelopeAdmits holds each bound of an envelope.
func TestEnvelopeAdmits(t *testing.T) {
	now := time.Unix(1000, 0)
	open, bound := account.Envelope{}, account.Envelope{
		Networks: prefixes("192.0.2.0/24", "2001:db8::/32"), Mechanisms: []string{"PLAIN"}, Expires: now.Add(time.Second),
		Senders: []account.Grant{grant(t, "Shop@acme.example"), grant(t, "@second.example")},
	}
	for _, c := range []struct {
		client, mechanism string
		after             time.Duration
		admits            bool
	}{
		{"192.0.2.7", "PLAIN", 0, true}, {"::ffff:192.0.2.7", "PLAIN", 0, true}, {"2001:db8::1", "PLAIN", 0, true},
		{"192.0.3.7", "PLAIN", 0, false}, {"2001:db9::1", "PLAIN", 0, false},
		{"192.0.2.7", "LOGIN", 0, false}, {"192.0.2.7", "", 0, false},
		{"192.0.2.7", "PLAIN", time.Second - 1, true}, {"192.0.2.7", "PLAIN", time.Second, false},
	} {
		if got := bound.Admits(addr(c.client), c.mechanism, now.Add(c.after)); got != c.admits {
			t.Errorf("%+v: %v", c, got)
		}
		if !open.Admits(addr(c.client), c.mechanism, now.Add(c.after)) {
			t.Errorf("%+v: an open envelope bounds", c)
		}
	}
	for sender, want := range map[string]bool{"shop@acme.example": true, "a@acme.example": false, "x@second.example": true, "x@sub.second.example": false} {
		if bound.Covers(at(sender)) != want || !open.Covers(at(sender)) {
			t.Errorf("%s is covered: %v", sender, !want)
		}
	}
}

// TestMayUse: an account may be bounded to what is its own.
func TestMayUse(t *testing.T) {
	a := account.Account{
		Address: at("a@acme.example"), Aliases: []mail.Address{at("alias@second.example")},
		Grants: []account.Grant{grant(t, "@third.example"), grant(t, "shop@acme.example")},
	}
	for text, want := range map[string]bool{
		"A@acme.example": true, "alias@second.example": true, "shop@acme.example": true, "any@third.example": true, "@third.example": true,
		"b@acme.example": false, "@acme.example": false, "@second.example": false, "any@second.example": false,
	} {
		if a.MayUse(grant(t, text)) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
}

// TestPrincipalNow: a credential is the same while it exists with the same secret.
func TestPrincipalNow(t *testing.T) {
	w := newWorld(t)
	read := func() *account.Sender {
		s, err := w.store.Sender(t.Context(), "a@acme.example")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	sender := read()
	p := account.Principal{Sender: sender, Credential: sender.Account.Credentials[0]}
	for _, change := range []struct {
		what string
		do   func(*account.Account)
		same bool
	}{
		{"nothing", func(*account.Account) {}, true},
		{"another hash", func(a *account.Account) { a.Credentials[0].Secret.Hash = "renewed" }, true},
		{"an envelope", func(a *account.Account) { a.Credentials[0].Envelope.MaxMessages = 7 }, true},
		{"another before it", func(a *account.Account) {
			a.Credentials = slices.Insert(a.Credentials, 0, account.Credential{ID: "X", Name: "app"})
		}, true},
		{"another password", func(a *account.Account) { a.Credentials[1].Changed = a.Credentials[1].Changed.Add(time.Microsecond) }, false},
		{"the first again", func(a *account.Account) { a.Credentials[1].Changed = p.Credential.Changed }, true},
		{"another account", func(a *account.Account) { a.ID = "OTHER" }, false},
		{"the account again", func(a *account.Account) { a.ID = sender.Account.ID }, true},
		{"none", func(a *account.Account) { a.Credentials = a.Credentials[:1] }, false},
	} {
		w.store.Alter("a@acme.example", change.do)
		now := p.Now(read())
		if (now != nil) != change.same {
			t.Errorf("%s: %+v", change.what, now)
		}
		if now != nil && (now.ID != p.Credential.ID || now.Secret.Hash != "") {
			t.Errorf("%s: %+v is another, or has its secret", change.what, now)
		}
	}
}
