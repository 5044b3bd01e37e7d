package credentials

import (
	"errors"
	"strings"
	"testing"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
)

const (
	allowedText = "legacy mechanisms allowed: keys for CRAM-MD5 and DIGEST-MD5 are kept from the next login on"
	droppedText = "legacy mechanisms forbidden, 2 keys for CRAM-MD5 and DIGEST-MD5 dropped"
)

// legacyKeys says how many keys an account has, and how many of them are for legacy
// mechanisms.
func (w *world) legacyKeys(login string) (all, legacy int) {
	w.Helper()
	acc, err := w.store.Account(w.Context(), login)
	w.must(err)
	for _, c := range acc.Credentials {
		all += len(c.Secret.Keys)
		for _, m := range account.LegacyMechanisms() {
			if c.Secret.Key(m) != "" {
				legacy++
			}
		}
	}
	return all, legacy
}

func TestSetLegacy(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	before := len(w.store.Events())
	w.must(w.admin.SetLegacy(ctx, a, true))
	w.said(before, "account a@acme.example", allowedText)
	if err := w.admin.SetLegacy(ctx, a, true); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "allows legacy mechanisms already") {
		t.Error(err)
	}
	_, err := w.admin.Add(ctx, a, New{Kind: account.AppPassword, Name: "old"})
	w.must(err)
	if all, legacy := w.legacyKeys("a@acme.example"); all != 4 || legacy != 2 {
		t.Fatalf("%d keys, %d of them legacy", all, legacy)
	}
	before = len(w.store.Events())
	w.must(w.admin.SetLegacy(ctx, a, false))
	w.said(before, "account a@acme.example", droppedText)
	if all, legacy := w.legacyKeys("a@acme.example"); all != 2 || legacy != 0 {
		t.Errorf("%d keys are left, %d of them legacy", all, legacy)
	}
	if err := w.admin.SetLegacy(ctx, a, false); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "forbids") {
		t.Error(err)
	}
}

func TestSetPlanLegacy(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	before := len(w.store.Events())
	w.must(w.admin.SetPlanLegacy(ctx, "gold", true))
	w.said(before, "plan gold", strings.Replace(allowedText, "login on", "login of each account on", 1))
	_, err := w.admin.Add(ctx, a, New{Kind: account.AppPassword, Name: "old"})
	w.must(err)
	// What the plan still allows is kept.
	w.must(w.admin.SetLegacy(ctx, a, true))
	before = len(w.store.Events())
	w.must(w.admin.SetLegacy(ctx, a, false))
	w.said(before, "account a@acme.example", "legacy mechanisms forbidden for the account itself, still allowed by plan gold")
	if _, legacy := w.legacyKeys("a@acme.example"); legacy != 2 {
		t.Fatalf("%d legacy keys, want 2", legacy)
	}
	// An account that allows them itself keeps them, and one on another plan.
	for login, allow := range map[string]bool{"o@other.example": false, "a@acme.example": true} {
		w.store.Alter(login, func(acc *account.Account) {
			acc.Legacy = allow
			acc.Credentials[0].Secret.Keys = []account.SecretKey{{Mechanism: "CRAM-MD5", Value: "x"}, {Mechanism: "DIGEST-MD5", Value: "x"}}
		})
	}
	before = len(w.store.Events())
	w.must(w.admin.SetPlanLegacy(ctx, "gold", false))
	w.said(before, "plan gold", "legacy mechanisms forbidden")
	for _, login := range []string{"o@other.example", "a@acme.example"} {
		if _, legacy := w.legacyKeys(login); legacy == 0 {
			t.Errorf("%s has no keys any more", login)
		}
	}
	if err := w.admin.SetPlanLegacy(ctx, "gold", false); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
	if err := w.admin.SetPlanLegacy(ctx, "tin", true); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "plan tin does not exist") {
		t.Error(err)
	}
}

// TestSweepOwn: a plan that forbids what it allowed drops the keys of the accounts that
// have it themselves, and leaves those that another plan of their own decides about.
func TestSweepOwn(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.store.PutPlan(ctx, account.Plan{Name: "own", Legacy: true, State: account.Active}, audit.Event{}))
	give := func(login, plan string) {
		w.store.Alter(login, func(acc *account.Account) {
			acc.Plan = plan
			acc.Credentials[0].Secret.Keys = []account.SecretKey{{Mechanism: "CRAM-MD5", Value: "x"}, {Mechanism: "DIGEST-MD5", Value: "x"}}
		})
	}
	give("o@other.example", "own") // the customer's is another
	give("a@acme.example", "")
	w.must(w.admin.SetPlanLegacy(ctx, "own", false))
	if _, legacy := w.legacyKeys("o@other.example"); legacy != 0 {
		t.Errorf("%d keys of an account on the plan are left", legacy)
	}
	if _, legacy := w.legacyKeys("a@acme.example"); legacy != 2 {
		t.Errorf("an account on another plan has %d keys", legacy)
	}
	w.must(w.admin.SetPlanLegacy(ctx, "own", true))
	w.must(w.admin.SetPlanLegacy(ctx, "gold", true))
	give("a@acme.example", "own") // its customer is on gold
	w.must(w.admin.SetPlanLegacy(ctx, "gold", false))
	if _, legacy := w.legacyKeys("a@acme.example"); legacy != 2 {
		t.Errorf("what another plan of its own allows is gone: %d keys", legacy)
	}
}

// TestSweepGoesOn: a plan that forbids what it allowed drops the keys of its
// accounts, over others that change them meanwhile, and where it was cut off the
// next call goes on.
func TestSweepGoesOn(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.admin.SetPlanLegacy(ctx, "gold", true))
	_, err := w.admin.Add(ctx, a, New{Kind: account.AppPassword, Name: "old"})
	w.must(err)
	opt := w.admin.opt
	down := errors.New("the disk is gone")
	opt.Store = &racing{w.store, func() error { return down }}
	err = NewAdmin(opt).SetPlanLegacy(ctx, "gold", false)
	if !errors.Is(err, down) || !strings.Contains(err.Error(), "account a@acme.example still has keys") {
		t.Error(err)
	}
	if p, err := w.store.Plan(ctx, "gold"); err != nil || p.Legacy {
		t.Errorf("the plan is %+v, %v", p, err)
	}
	left := 1
	opt.Store = &racing{w.store, func() error {
		if left--; left < 0 {
			return nil
		}
		return w.admin.SetEnvelope(ctx, a, "old", EnvelopeChange{MaxMessages: ptr(3)})
	}}
	before := len(w.store.Events())
	w.must(NewAdmin(opt).SetPlanLegacy(ctx, "gold", false))
	if _, legacy := w.legacyKeys("a@acme.example"); legacy != 0 || w.stored(a, "old").Envelope.MaxMessages != 3 {
		t.Errorf("%d legacy keys are left, or another's change is lost", legacy)
	}
	w.said(before+1, "account a@acme.example", droppedText)
	// Somebody who never stops.
	w.must(w.admin.SetLegacy(ctx, a, true))
	_, err = w.admin.Add(ctx, a, New{Kind: account.AppPassword, Name: "older"})
	w.must(err)
	w.store.Alter("a@acme.example", func(acc *account.Account) { acc.Legacy = false })
	n := 3
	opt.Store = &racing{w.store, func() error {
		n++
		return w.admin.SetEnvelope(ctx, a, "old", EnvelopeChange{MaxMessages: ptr(n)})
	}}
	if err := NewAdmin(opt).SetPlanLegacy(ctx, "gold", false); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "again and again") {
		t.Error(err)
	}
	if n != 3+sweepTries {
		t.Errorf("tried %d times", n-3)
	}
}
