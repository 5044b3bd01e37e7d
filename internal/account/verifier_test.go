package account

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account/phc"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Every failure must look alike and cost one derivation with the parameters of
// the day.
func TestFailuresAreAlikeInTextAndWork(t *testing.T) {
	cases := []struct {
		name     string
		login    string
		password string
		before   func(*world) error
	}{
		{name: "wrong password", password: "wrong password, this"},
		{name: "empty password", password: ""},
		{name: "password that no account can have", password: "\x00\x01 control"},
		{name: "password that is not UTF-8", password: "\xff\xfe\xfd"},
		{name: "long password", password: strings.Repeat("x", 10_000)},
		{name: "unknown account", login: "nobody@acme.example"},
		{name: "unknown domain", login: "a@nowhere.example"},
		{name: "no address", login: "a"},
		{name: "empty login", login: ""},
		{name: "alias is no login", login: "alias@acme.example", before: func(w *world) error {
			return w.admin.SetAccount(context.Background(), at("a@acme.example"), AccountChange{AddAliases: []mail.Address{{Local: "alias", Domain: "acme.example"}}})
		}},
		{name: "suspended account", before: func(w *world) error { return w.admin.SuspendAccount(context.Background(), at("a@acme.example")) }},
		{name: "suspended domain", before: func(w *world) error { return w.admin.SuspendDomain(context.Background(), "acme.example") }},
		{name: "suspended customer", before: func(w *world) error { return w.admin.SuspendCustomer(context.Background(), "acme") }},
		{name: "suspended plan", before: func(w *world) error { return w.admin.SuspendPlan(context.Background(), "gold") }},
		{name: "suspended and wrong", password: "wrong password, this", before: func(w *world) error { return w.admin.SuspendAccount(context.Background(), at("a@acme.example")) }},
		{name: "no password", before: func(w *world) error { return w.setHash("") }},
		{name: "damaged hash", before: func(w *world) error { return w.setHash("$argon2id$v=19$m=99999999,t=1,p=1$c29tZXNhbHQ$AAAA") }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.before != nil {
				if err := c.before(w); err != nil {
					t.Fatal(err)
				}
			}
			if c.login == "" && c.name != "empty login" {
				c.login = "a@acme.example"
			}
			if c.password == "" && c.name != "empty password" {
				c.password = goodPassword
			}
			v := NewVerifier(w.store, w.hasher, VerifierOptions{Remember: time.Minute})
			for range 2 { // the second time too
				*w.derived = nil
				reads, looks := w.store.reads, w.store.looks
				sender, err := v.Password(t.Context(), Attempt{Login: c.login, Password: c.password})
				if sender != nil || !fault.Is(err, fault.Unauthenticated) || fault.ReasonOf(err) != "auth-failed" {
					t.Errorf("%v, %v", sender, err)
				}
				var detail = err.(*fault.Error).Detail
				if detail != "" {
					t.Errorf("the refusal says more than the others: %q", detail)
				}
				if !slices.Equal(*w.derived, []phc.Params{cheap}) {
					t.Errorf("derivations: %v; one with %v wanted", *w.derived, cheap)
				}
				if w.store.looks != looks+1 || w.store.reads != reads {
					t.Errorf("%d looks at a credential and %d at a whole account, 1 and none wanted", w.store.looks-looks, w.store.reads-reads)
				}
			}
		})
	}
}

// setHash gives a@acme.example another stored hash.
func (w *world) setHash(phc string) error {
	a, err := w.store.Account(context.Background(), "a@acme.example")
	if err != nil {
		return err
	}
	a.PasswordHash = phc
	return w.store.PutAccount(context.Background(), a, w.lastEvent())
}

func TestRightPassword(t *testing.T) {
	w := newWorld(t)
	v := NewVerifier(w.store, w.hasher, VerifierOptions{})
	for _, login := range []string{"a@acme.example", "A@ACME.example", `"a"@acme.example`} {
		sender, err := v.Password(t.Context(), Attempt{Login: login, Password: goodPassword})
		if err != nil || sender.Account.Login() != "a@acme.example" || sender.Plan.Name != "gold" {
			t.Errorf("%s: %+v, %v", login, sender, err)
		}
	}
	if n := len(*w.derived); n != 3 {
		t.Errorf("%d derivations for 3 logins without memory", n)
	}
}

// RFC 8265 section 4.2: composed and decomposed, and any kind of space.
func TestPasswordFromAnotherKeyboard(t *testing.T) {
	w := newWorld(t)
	if err := w.admin.SetPassword(t.Context(), at("a@acme.example"), "Fünf Bücher im Regal"); err != nil {
		t.Fatal(err)
	}
	v := NewVerifier(w.store, w.hasher, VerifierOptions{})
	for typed, right := range map[string]bool{
		"Fünf Bücher im Regal":             true,
		"Fu\u0308nf Bu\u0308cher im Regal": true,
		"Fünf\u00a0Bücher im Regal":        true,
		"fünf bücher im regal":             false,
		"Funf Bucher im Regal":             false,
	} {
		_, err := v.Password(t.Context(), Attempt{Login: "a@acme.example", Password: typed})
		if (err == nil) != right {
			t.Errorf("%q: %v", typed, err)
		}
	}
}

func TestFailuresThatAreNotTheClients(t *testing.T) {
	w := newWorld(t)
	v := NewVerifier(w.store, w.hasher, VerifierOptions{})
	w.store.setDown(errDown)
	_, err := v.Password(t.Context(), Attempt{Login: "a@acme.example", Password: goodPassword})
	if !fault.Is(err, fault.Unavailable) || fault.ReasonOf(err) != "auth-unavailable" {
		t.Errorf("store away: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = v.Password(ctx, Attempt{Login: "a@acme.example", Password: goodPassword}); !fault.Is(err, fault.Canceled) {
		t.Errorf("client gone: %v", err)
	}
	w.store.setDown(nil)
	if _, err = v.Password(ctx, Attempt{Login: "a@acme.example", Password: goodPassword}); !fault.Is(err, fault.Canceled) {
		t.Errorf("client gone before the hash: %v", err)
	}
}

func TestRememberedPassword(t *testing.T) {
	const other = "another good password"
	cases := []struct {
		name    string
		between func(*world, *time.Time) error
		// what the next two questions cost and say
		right, wrong bool
		derived      int // by the right password
		password     string
	}{
		{name: "at once", right: true, derived: 0},
		{name: "just before its end", right: true, derived: 0, between: func(_ *world, now *time.Time) error {
			*now = now.Add(time.Minute - 1)
			return nil
		}},
		{name: "at its end", right: true, derived: 1, between: func(_ *world, now *time.Time) error {
			*now = now.Add(time.Minute)
			return nil
		}},
		{name: "the clock was set back", right: true, derived: 1, between: func(_ *world, now *time.Time) error {
			*now = now.Add(-1)
			return nil
		}},
		{name: "another object changed", right: true, derived: 0, between: func(w *world, _ *time.Time) error {
			return w.admin.AddCustomer(context.Background(), "third", "")
		}},
		{name: "the account changed", right: true, derived: 1, between: func(w *world, _ *time.Time) error {
			yes := true
			return w.admin.SetAccount(context.Background(), at("a@acme.example"), AccountChange{NullSender: &yes})
		}},
		{name: "the password changed", right: false, derived: 1, between: func(w *world, _ *time.Time) error {
			return w.admin.SetPassword(context.Background(), at("a@acme.example"), other)
		}},
		{name: "the account was suspended", right: false, derived: 1, between: func(w *world, _ *time.Time) error {
			return w.admin.SuspendAccount(context.Background(), at("a@acme.example"))
		}},
		{name: "the customer was suspended", right: false, derived: 1, between: func(w *world, _ *time.Time) error {
			return w.admin.SuspendCustomer(context.Background(), "acme")
		}},
		{name: "the plan was suspended", right: false, derived: 1, between: func(w *world, _ *time.Time) error {
			return w.admin.SuspendPlan(context.Background(), "gold")
		}},
		{name: "removed and added anew", right: false, derived: 1, between: func(w *world, _ *time.Time) error {
			if err := w.admin.RemoveAccount(context.Background(), at("a@acme.example")); err != nil {
				return err
			}
			return w.admin.AddAccount(context.Background(), NewAccount{Address: mail.Address{Local: "a", Domain: "acme.example"}, Password: other})
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			now := time.Unix(1_800_000_000, 0)
			v := NewVerifier(w.store, w.hasher, VerifierOptions{Remember: time.Minute, Now: func() time.Time { return now }})
			if _, err := v.Password(t.Context(), Attempt{Login: "a@acme.example", Password: goodPassword}); err != nil {
				t.Fatal(err)
			}
			if c.between != nil {
				if err := c.between(w, &now); err != nil {
					t.Fatal(err)
				}
			}
			*w.derived = nil
			_, err := v.Password(t.Context(), Attempt{Login: "a@acme.example", Password: goodPassword})
			if (err == nil) != c.right || len(*w.derived) != c.derived {
				t.Errorf("%v after %d derivations; right %v after %d wanted", err, len(*w.derived), c.right, c.derived)
			}
			*w.derived = nil
			if _, err := v.Password(t.Context(), Attempt{Login: "a@acme.example", Password: goodPassword + "x"}); err == nil || len(*w.derived) != 1 {
				t.Errorf("a wrong password: %v after %d derivations", err, len(*w.derived))
			}
			if _, err := v.Password(t.Context(), Attempt{Login: "b@acme.example", Password: other}); err == nil {
				t.Error("one account's password opens another")
			}
		})
	}
}

func TestMemoryIsBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	m := newMemory(time.Minute, 3, func() time.Time { return now }, strings.NewReader(strings.Repeat("k", 32)))
	account := func(id string) *Credential { return &Credential{Account: mail.ID(id), Revision: 1} }
	for _, id := range []string{"1", "2", "3", "4", "5"} {
		m.add(account(id), "x")
		if !m.knows(account(id), "x") || m.knows(account(id), "y") {
			t.Errorf("%s is not remembered as it should", id)
		}
	}
	if n := len(m.entries); n != 3 {
		t.Errorf("%d entries, 3 allowed", n)
	}
	now = now.Add(time.Hour)
	m.add(account("6"), "x")
	if n := len(m.entries); n != 1 {
		t.Errorf("%d entries after all but one have run out", n)
	}
	m.add(account("7"), "x")
	m.add(account("8"), "x")
	now = now.Add(-time.Hour)
	m.add(account("9"), "x")
	if n := len(m.entries); n != 1 {
		t.Errorf("%d entries after the clock was set back", n)
	}
}

func TestMemoryWithoutRandomnessRemembersNothing(t *testing.T) {
	m := newMemory(time.Minute, 3, time.Now, strings.NewReader(""))
	a := &Credential{Account: "1"}
	m.add(a, "x")
	if m.knows(a, "x") {
		t.Error("remembered under a key that anybody knows")
	}
}

func TestNewPasswords(t *testing.T) {
	for password, good := range map[string]bool{
		"elevenchars":             false,
		"twelve chars":            true,
		"zwölf Zeiche":            true, // 12 characters in 13 octets
		"äöüäöüäöüäö":             false,
		strings.Repeat("x", 512):  true,
		strings.Repeat("x", 513):  false,
		"long.login@acme.example": false,
		"LONG.Login@Acme.Example": false,
		"tab\tin the middle":      false,
		"not UTF-8 \xff at all":   false,
		"line\nend in it":         false,
	} {
		prepared, err := checkPassword("long.login@acme.example", password)
		if (err == nil) != good {
			t.Errorf("%q: %v", password, err)
		}
		if err != nil && (!fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), password)) {
			t.Errorf("%q: error %v", password, err)
		}
		if err == nil && prepared == "" {
			t.Errorf("%q became nothing", password)
		}
	}
}

func TestGeneratedPasswordIsAllowed(t *testing.T) {
	one, err := GeneratePassword(strings.NewReader(strings.Repeat("\x00\x1f\xff\x20\x07", 4)))
	if err != nil || one != "a99ah-a99ah-a99ah-a99ah" {
		t.Errorf("%q, %v", one, err)
	}
	if _, err := checkPassword("a@acme.example", one); err != nil {
		t.Error(err)
	}
	if _, err := GeneratePassword(strings.NewReader("short")); err == nil {
		t.Error("a password of less randomness than promised")
	}
	seen := map[rune]bool{}
	for _, c := range passwordAlphabet {
		seen[c] = true
	}
	if len(seen) != 32 {
		t.Errorf("%d different characters, 32 wanted for an unbiased choice", len(seen))
	}
}
