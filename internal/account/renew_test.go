package account

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account/phc"
	"countersign/internal/audit"
	"countersign/internal/fault"
)

// Parameters of other days.
var (
	cheaper = phc.Params{MemoryKiB: 8, Iterations: 1, Parallelism: 1}
	today   = phc.Params{MemoryKiB: 16, Iterations: 2, Parallelism: 1}
	dearer  = phc.Params{MemoryKiB: 32, Iterations: 3, Parallelism: 2}
)

// agedWorld is a world whose day has the parameters of today, while a has a
// cheaper hash, b one of today and old@acme.example a dearer one.
func agedWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	err := w.admin.AddAccount(t.Context(), NewAccount{Address: at("old@acme.example"), Password: goodPassword})
	if err != nil {
		t.Fatal(err)
	}
	for login, p := range map[string]phc.Params{"a@acme.example": cheaper, "b@acme.example": today, "old@acme.example": dearer} {
		w.store.hashWith(login, p)
	}
	w.hasher, w.derived = countingHasher(t, HasherOptions{Params: today, Workers: 2, Queue: 100})
	return w
}

// hashWith stores a hash of goodPassword with other parameters.
func (s *memStore) hashWith(login string, p phc.Params) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, salt := s.accounts[login], []byte("some salt of old")
	key := p.Derive([]byte(goodPassword), salt, phc.KeyLength)
	a.PasswordHash = phc.Hash{Params: p, Salt: salt, Key: key}.String()
	s.accounts[login] = a
}

// paramsOf returns the parameters of a stored hash.
func (s *memStore) paramsOf(t *testing.T, login string) phc.Params {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := phc.Parse(s.accounts[login].PasswordHash)
	if err != nil {
		t.Fatal(err)
	}
	return h.Params
}

// sorted returns the derivations so far in one order, and forgets them.
func sorted(derived *[]phc.Params) []phc.Params {
	list := slices.SortedFunc(slices.Values(*derived), func(a, b phc.Params) int { return strings.Compare(a.String(), b.String()) })
	*derived = nil
	return list
}

// Accounts whose hashes are of different days, and logins that do not exist,
// fail after the very same derivations.
func TestHashesOfOtherDaysFailAlike(t *testing.T) {
	w := agedWorld(t)
	ctx := t.Context()
	v := NewVerifier(w.store, w.hasher, VerifierOptions{Remember: time.Minute})
	if err := v.Prepare(ctx); err != nil {
		t.Fatal(err)
	}
	want := []phc.Params{today, dearer, cheaper} // by their text
	failing := func(login, password string) {
		t.Helper()
		if _, err := v.Password(ctx, Attempt{Login: login, Password: password}); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", login, err)
		}
		if got := sorted(w.derived); !slices.Equal(got, want) {
			t.Errorf("%s, %q: derivations %v, want %v", login, password, got, want)
		}
	}
	logins := []string{"a@acme.example", "b@acme.example", "old@acme.example", "nobody@acme.example", "no address"}
	for _, login := range logins {
		failing(login, "a wrong password")
		failing(login, "\x00")
	}
	if err := w.admin.SuspendCustomer(ctx, "acme"); err != nil {
		t.Fatal(err)
	}
	for _, login := range logins {
		failing(login, goodPassword) // right for three of them
	}
	if p := w.store.paramsOf(t, "a@acme.example"); p != cheaper {
		t.Errorf("a failed login renewed the hash to %s", p)
	}
}

// What Prepare did not see is learnt from the first attempt on it.
func TestHashOfAnotherDayIsLearnt(t *testing.T) {
	w := agedWorld(t)
	v := NewVerifier(w.store, w.hasher, VerifierOptions{})
	for i, want := range [][]phc.Params{{today}, {today, dearer}, {today, dearer}} {
		login := []string{"nobody@acme.example", "old@acme.example", "nobody@acme.example"}[i]
		_, _ = v.Password(t.Context(), Attempt{Login: login, Password: "a wrong password"})
		if got := sorted(w.derived); !slices.Equal(got, want) {
			t.Errorf("%s: derivations %v, want %v", login, got, want)
		}
	}
}

func TestCostsAreBounded(t *testing.T) {
	w := newWorld(t)
	for i := range 3 * maxCosts {
		w.hasher.learn(phc.Params{MemoryKiB: uint32(100 + i), Iterations: 1, Parallelism: 1})
	}
	_, _, _ = w.hasher.try(t.Context(), trial{password: "x"})
	if n := len(*w.derived); n != maxCosts {
		t.Errorf("a failure costs %d derivations, at most %d may be", n, maxCosts)
	}
}

func TestLoginRenewsAHashOfAnotherDay(t *testing.T) {
	for login, was := range map[string]phc.Params{"a@acme.example": cheaper, "old@acme.example": dearer} {
		w := agedWorld(t)
		ctx := t.Context()
		v := NewVerifier(w.store, w.hasher, VerifierOptions{})
		before, generation, events := w.store.accounts[login], w.store.generation, len(w.store.events)
		if _, err := v.Password(ctx, Attempt{Login: login, Password: goodPassword, Session: "S1", Client: netip.MustParseAddr("192.0.2.7")}); err != nil {
			t.Fatal(err)
		}
		if got := *w.derived; !slices.Equal(got, []phc.Params{was, today}) {
			t.Errorf("%s: derivations %v", login, got)
		}
		after := w.store.accounts[login]
		if p := w.store.paramsOf(t, login); p != today {
			t.Errorf("%s: still %s", login, p)
		}
		after.PasswordHash = before.PasswordHash
		if after.Revision != before.Revision || !after.PasswordChanged.Equal(before.PasswordChanged) || w.store.generation != generation {
			t.Errorf("%s: renewing changed more than the hash: %+v", login, after)
		}
		e := w.lastEvent()
		if len(w.store.events) != events+1 || e.Kind != audit.AdminChanged || e.Actor != "gate" || e.Login != login || e.Session != "S1" || e.Client != "192.0.2.7" {
			t.Errorf("%s: recorded %+v", login, e)
		}
		if strings.Contains(e.Text, "$") {
			t.Errorf("the record holds a hash: %s", e.Text)
		}
		*w.derived = nil
		if _, err := v.Password(ctx, Attempt{Login: login, Password: goodPassword}); err != nil || !slices.Equal(*w.derived, []phc.Params{today}) {
			t.Errorf("%s: the next login: %v, derivations %v", login, err, *w.derived)
		}
	}
}

// refusingStore refuses to renew hashes as long as it is told to.
type refusingStore struct {
	*memStore
	refuse bool
}

func (s *refusingStore) RenewHash(ctx context.Context, login, before, after string, e audit.Event) error {
	if s.refuse {
		return errDown
	}
	return s.memStore.RenewHash(ctx, login, before, after, e)
}

func TestRenewalThatFailsIsTriedAgain(t *testing.T) {
	w := agedWorld(t)
	store := &refusingStore{memStore: w.store, refuse: true}
	v := NewVerifier(store, w.hasher, VerifierOptions{})
	login := Attempt{Login: "a@acme.example", Password: goodPassword}
	if _, err := v.Password(t.Context(), login); err != nil {
		t.Errorf("the login failed with its renewal: %v", err)
	}
	if p := w.store.paramsOf(t, "a@acme.example"); p != cheaper {
		t.Fatalf("renewed to %s by a store that refuses", p)
	}
	store.refuse = false
	if _, err := v.Password(t.Context(), login); err != nil {
		t.Error(err)
	}
	if p := w.store.paramsOf(t, "a@acme.example"); p != today {
		t.Errorf("still %s after the next login", p)
	}
}

// What happens while a password is derived counts.
func TestCredentialThatChangesDuringTheDerivation(t *testing.T) {
	later := time.Unix(1_900_000_000, 0)
	for name, c := range map[string]struct {
		change func(*Account)
		cause  string
	}{
		"another password": {func(a *Account) { a.PasswordChanged = later }, "wrong-password"},
		"another account":  {func(a *Account) { a.ID = "another" }, "wrong-password"},
		"suspended":        {func(a *Account) { a.State = Suspended }, "suspended"},
		"a renewed hash":   {func(a *Account) { a.PasswordHash += "x" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := agedWorld(t)
			real := w.hasher.derive
			w.hasher.derive = func(password, salt []byte, p phc.Params, length uint32) []byte {
				w.store.mu.Lock()
				a := w.store.accounts["b@acme.example"]
				c.change(&a)
				w.store.accounts["b@acme.example"] = a
				w.store.mu.Unlock()
				return real(password, salt, p, length)
			}
			v := NewVerifier(w.store, w.hasher, VerifierOptions{Remember: time.Minute})
			_, err := v.Password(t.Context(), Attempt{Login: "b@acme.example", Password: goodPassword})
			if (err == nil) != (c.cause == "") || FailureCause(err) != c.cause {
				t.Errorf("%v, want cause %q", err, c.cause)
			}
			if len(v.remember.entries) != 0 && c.cause != "" {
				t.Error("a password that failed is remembered")
			}
		})
	}
}

// Two passwords of one account never have the same time, whatever the clock
// says: open sessions compare it.
func TestEachPasswordHasATimeOfItsOwn(t *testing.T) {
	w := newWorld(t) // its clock stands still
	before := w.store.accounts["a@acme.example"].PasswordChanged
	for range 3 {
		if err := w.admin.SetPassword(t.Context(), at("a@acme.example"), "another good password"); err != nil {
			t.Fatal(err)
		}
		now := w.store.accounts["a@acme.example"].PasswordChanged
		if !now.After(before) {
			t.Fatalf("%v follows %v", now, before)
		}
		before = now
	}
}
