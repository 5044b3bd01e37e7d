package login

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/login/why"
	"countersign/internal/mail"
)

// Who came from where lately is known after a restart; where there is no room for all,
// the latest are.
func TestKnownClientsOutliveARestart(t *testing.T) {
	w := newWorld(t)
	const apps = 12 // more than there is room for below
	for i := range apps {
		password := fmt.Sprintf("abcde-fghij-kmnpq-%05d", i)
		w.addApp(loginA, mail.ID(fmt.Sprint("app ", i)), password)
		if err := w.password(loginA, password); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
	}
	w.v.uses.Write(t.Context())
	w.restart(setup{options: Options{MaxRemembered: 1}})
	last := fmt.Sprint("app ", apps-1)
	if w.v.clients.Know(last, here) {
		t.Fatal("known before anybody asked")
	}
	if err := w.v.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !w.v.clients.Know(last, here) || w.v.clients.Know(last, elsewhere) || w.v.clients.Know("app 0", here) {
		t.Error("the restart has not kept the latest")
	}
	w.store.Down(errors.New("down"))
	if err := w.v.Prepare(t.Context()); err == nil {
		t.Error("a store that is away has answered")
	}
}

// proofs are what a can prove itself with.
func (w *world) proofs() account.Proofs {
	w.t.Helper()
	p, err := w.store.Proofs(context.Background(), loginA)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// Each login is noted: the latest of each credential, with place and program.
func TestUses(t *testing.T) {
	w := newWorld(t)
	w.addApp(loginA, "app", appPassword)
	for i, secret := range []string{goodPassword, appPassword, appPassword, wrongPassword} {
		a := Attempt{Client: here, Session: mail.ID(fmt.Sprint("S", i)), Mechanism: "PLAIN", Program: "phone"}
		_, _ = w.v.Password(t.Context(), a, "", loginA, secret)
		w.pass(time.Second)
	}
	w.v.uses.Write(t.Context())
	list, err := w.store.Uses(t.Context(), loginA, 10)
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	want := account.Use{Credential: "app", At: time.Unix(1_800_000_002, 0).UTC(), Client: here, Session: "S2", Mechanism: "PLAIN", Program: "phone"}
	if list[0] != want || list[1].Session != "S0" {
		t.Errorf("%+v", list)
	}
	if w.v.uses.Waiting() != 0 {
		t.Error("what was written waits still")
	}
}

// What changes between the look and the admission counts, whatever was proved.
func TestChangesDuringALogin(t *testing.T) {
	revoke := func(a *account.Account) { a.Credentials = nil }
	changes := []struct {
		name   string
		change func(w *world)
		cause  string
	}{
		{"revoked", func(w *world) { w.give(loginA, revoke) }, "wrong-password"},
		{"suspended", func(w *world) { w.give(loginA, func(a *account.Account) { a.State = account.Suspended }) }, "suspended"},
		{"another secret", func(w *world) {
			w.give(loginA, func(a *account.Account) {
				for i := range a.Credentials {
					a.Credentials[i].Changed = w.clock().Add(time.Hour)
				}
			})
		}, "wrong-password"},
		{"another envelope", func(w *world) {
			w.envelope(func(e *account.Envelope) { e.Networks = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} })
		}, "network"},
		{"removed", func(w *world) {
			if err := w.store.RemoveAccount(context.Background(), loginA, audit.Event{}); err != nil {
				w.t.Error(err)
			}
		}, "unknown"},
		{"another account of that name", func(w *world) { w.store.Alter(loginA, func(a *account.Account) { a.ID = "another" }) }, "wrong-password"},
		{"a renewed hash", func(w *world) {
			w.store.Alter(loginA, func(a *account.Account) { a.Password().Secret.Hash += "x" })
		}, ""},
		{"something else", func(w *world) { w.give(loginA, func(a *account.Account) { a.NullSender = true }) }, ""},
	}
	for _, q := range questions() {
		for _, c := range changes {
			t.Run(q.mechanism+"/"+c.name, func(t *testing.T) {
				w := newWorld(t)
				w.store.beforeSender = sync.OnceFunc(func() { c.change(w) })
				p, err := q.ask(w, here, loginA, q.right)
				if c.cause == "" {
					if err != nil {
						t.Errorf("%v", err)
					}
					return
				}
				wantRefused(t, p, err)
				if got := why.Word(err); got != c.cause {
					t.Errorf("recorded as %q, want %q", got, c.cause)
				}
				if w.v.remember.Len() != 0 || w.v.uses.Waiting() != 0 {
					t.Error("a login that failed is remembered")
				}
			})
		}
	}
}

// The principal has the envelope of the admission, not of the look.
func TestPrincipalHasTheEnvelopeOfNow(t *testing.T) {
	w := newWorld(t)
	w.store.beforeSender = sync.OnceFunc(func() { w.envelope(func(e *account.Envelope) { e.MaxRecipients = 7 }) })
	p, err := askPassword(w, here, loginA, goodPassword)
	if err != nil || p.Credential.Envelope.MaxRecipients != 7 {
		t.Errorf("%+v, %v", p, err)
	}
}
