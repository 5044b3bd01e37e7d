package admin_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
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
	by := admin.New(admin.Options{Store: w.store, Secrets: maker{}, IDs: &mail.IDSource{}, Actor: "cli:test", Now: clock, Rule: r})
	ctx := t.Context()
	if err := by.SetAccount(ctx, at("a@acme.example"), admin.AccountChange{AddAliases: []mail.Address{at("x@second.example")}}); err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"short", "two"} {
		if err := by.SetPassword(ctx, at("a@acme.example"), password, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := by.AddAccount(ctx, admin.NewAccount{Address: at("new@acme.example"), Password: "e\u0301 third"}); err != nil {
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
		if err := by.SetPassword(ctx, at("a@acme.example"), password, false); !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), password) {
			t.Errorf("%q: %v", password, err)
		}
	}
	if len(r.asked) != 4 || len(w.store.Events()) != before {
		t.Errorf("asked %d times; what is too long, and what is no text, is not for the rule", len(r.asked))
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
