package login

import (
	"countersign/internal/login/secrets"
	"slices"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/fault"
	"countersign/internal/sasl"
)

func TestRightPassword(t *testing.T) {
	w := newWorldWith(t, setup{}) // without memory
	w.work()
	for _, login := range []string{loginA, "A@ACME.example", `"a"@acme.example`} {
		p, err := askPassword(w, here, login, goodPassword)
		if err != nil || p.Sender.Account.Login() != loginA || p.Sender.Plan.Name != "gold" || p.Credential.Kind != account.Password || p.Mechanism != "PLAIN" || !p.Until.IsZero() {
			t.Errorf("%s: %+v, %v", login, p, err)
		}
		if p != nil && p.Credential.Secret.Hash != "" {
			t.Error("the principal carries a secret")
		}
	}
	if got := w.work(); len(got) != 3 {
		t.Errorf("%d derivations for 3 logins without memory", len(got))
	}
}

// RFC 8265 section 4.2: composed and decomposed, and any kind of space.
func TestPasswordFromAnotherKeyboard(t *testing.T) {
	w := newWorld(t)
	w.setPassword(loginA, "Fünf Bücher im Regal")
	for typed, right := range map[string]bool{
		"Fünf Bücher im Regal":             true,
		"Fu\u0308nf Bu\u0308cher im Regal": true,
		"Fünf\u00a0Bücher im Regal":        true,
		"fünf bücher im regal":             false,
		"Funf Bucher im Regal":             false,
	} {
		if err := w.password(loginA, typed); (err == nil) != right {
			t.Errorf("%q: %v", typed, err)
		}
	}
}

// A password that the gate has generated is taken as people type it, at no cost.
func TestAppPasswordsAsTheyAreTyped(t *testing.T) {
	w := newWorld(t)
	w.addApp(loginA, "printer", appPassword)
	for typed, right := range map[string]bool{
		appPassword:                     true,
		"ABCDE-FGHIJ-KMNPQ-RSTUV":       true,
		"abcdefghijkmnpqrstuv":          true,
		"abcde fghij kmnpq rstuv":       true,
		" Abcde fghij-KMNPQ\u00a0rstuv": true,
		"abcd-efghi-jkmnp-qrstu-v":      true,
		"abcde-fghij-kmnpq-rstuw":       false,
		"abcde-fghij-kmnpq-rstu":        false,
		"abcde-fghij-kmnpq-rstuv-w":     false,
		"":                              false,
		"----":                          false,
	} {
		w.work()
		p, err := askPassword(w, here, loginA, typed)
		if (err == nil) != right || right && (p.Credential.ID != "printer" || p.Credential.Kind != account.AppPassword) {
			t.Errorf("%q: %+v, %v", typed, p, err)
		}
		if got := w.work(); right && len(got) != 0 || !right && !slices.Equal(got, costs(today)) {
			t.Errorf("%q: derived %v", typed, got)
		}
	}
	if err := w.password("b@acme.example", appPassword); err == nil {
		t.Error("an app password opens another account")
	}
	// The password itself is taken as it is alone.
	w.setPassword(loginA, "uvwxy-uvwxy-uvwxy-uvwxy")
	for typed, right := range map[string]bool{"uvwxy-uvwxy-uvwxy-uvwxy": true, "UVWXY-uvwxy-uvwxy-uvwxy": false, "uvwxyuvwxyuvwxyuvwxy": false} {
		if err := w.password(loginA, typed); (err == nil) != right {
			t.Errorf("%q as the password: %v", typed, err)
		}
	}
}

// What is found by its digest alone must be a digest, whatever is stored.
func TestAppPasswordWithACostlyHashIsNone(t *testing.T) {
	w := newWorld(t)
	w.addApp(loginA, "printer", appPassword)
	w.give(loginA, func(a *account.Account) {
		i := slices.IndexFunc(a.Credentials, func(c account.Credential) bool { return c.ID == "printer" })
		a.Credentials[i].Secret = account.Secret{Hash: hashOf(t, today, appPassword).Text()}
	})
	w.work()
	p, err := askPassword(w, here, loginA, appPassword)
	wantRefused(t, p, err)
	if got := w.work(); !slices.Equal(got, costs(today)) {
		t.Errorf("derived %v", got)
	}
}

// Each of several credentials opens the account, within its own envelope.
func TestSeveralCredentials(t *testing.T) {
	const second, third = "wxyz2-34567-89abc-defgh", "23456-789ab-cdefg-hijkm"
	w := newWorld(t)
	w.addApp(loginA, "first", appPassword)
	w.addApp(loginA, "second", second)
	w.addApp(loginA, "third", third)
	w.give(loginA, func(a *account.Account) {
		for i := range a.Credentials {
			switch c := &a.Credentials[i]; c.ID {
			case "second":
				c.Envelope.Mechanisms = []string{sasl.ScramSHA256}
			case "third":
				c.Envelope.Expires = w.clock()
			}
		}
	})
	for _, q := range questions() {
		if q.mechanism != "PLAIN" && !q.keys {
			continue
		}
		for secret, id := range map[string]string{goodPassword: "password", appPassword: "first", second: "second", third: "", wrongPassword: ""} {
			if id == "second" && q.mechanism != sasl.ScramSHA256 {
				id = ""
			}
			p, err := q.ask(w, here, loginA, secret)
			if id == "" {
				wantRefused(t, p, err)
			} else if err != nil || p.Credential.Name != id {
				t.Errorf("%s with %q: %+v, %v; want %s", q.mechanism, secret, p, err, id)
			}
		}
	}
	// The one that is out of bounds is not in the way of another with the same secret.
	w.addApp(loginA, "twin of third", third)
	if p, err := askPassword(w, here, loginA, third); err != nil || p.Credential.ID != "twin of third" {
		t.Errorf("%+v, %v", p, err)
	}
}

// An exchange takes no more than so many keys.
func TestMoreCredentialsThanAnExchangeTakes(t *testing.T) {
	w := newWorld(t)
	w.addApp(loginA, "app", appPassword)
	w.give(loginA, func(a *account.Account) {
		app := a.Credentials[slices.IndexFunc(a.Credentials, func(c account.Credential) bool { return c.ID == "app" })]
		for range sasl.MaxKeys {
			app.ID, app.Name = app.ID+"x", app.Name+"x"
			a.Credentials = append(a.Credentials, app)
		}
	})
	for _, mechanism := range []string{sasl.ScramSHA256, secrets.CramMD5, secrets.DigestMD5} {
		k, err := w.v.Keys(t.Context(), mechanism, loginA)
		if err != nil || len(k.List) != sasl.MaxKeys {
			t.Errorf("%s: %d keys, %v", mechanism, len(k.List), err)
		}
		p, err := w.v.Proved(t.Context(), Attempt{}, "", k, sasl.MaxKeys)
		wantRefused(t, p, err)
	}
}

func TestRememberedPassword(t *testing.T) {
	const other = "another good password"
	by := func(change func(w *world) error) func(w *world) {
		return func(w *world) {
			if err := change(w); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	cases := []struct {
		name    string
		between func(w *world)
		// right says that the password is taken, derived whether that costs anything.
		right, derived bool
	}{
		{name: "at once", right: true},
		{name: "just before its end", right: true, between: func(w *world) { w.pass(time.Minute - 1) }},
		{name: "at its end", right: true, derived: true, between: func(w *world) { w.pass(time.Minute) }},
		{name: "the clock was set back", right: true, derived: true, between: func(w *world) { w.pass(-1) }},
		{name: "another object changed", right: true, between: by(func(w *world) error { return w.admin.AddCustomer(w.t.Context(), "third", "") })},
		{name: "the account changed", right: true, derived: true, between: func(w *world) {
			w.give(loginA, func(a *account.Account) { a.NullSender = true })
		}},
		{name: "the envelope changed", right: false, derived: true, between: func(w *world) {
			w.envelope(func(e *account.Envelope) { e.Mechanisms = []string{"LOGIN"} })
		}},
		{name: "the password changed", derived: true, between: func(w *world) { w.setPassword(loginA, other) }},
		{name: "the credential was revoked", derived: true, between: func(w *world) {
			w.give(loginA, func(a *account.Account) { a.Credentials = nil })
		}},
		{name: "the account was suspended", derived: true, between: by(func(w *world) error { return w.admin.SuspendAccount(w.t.Context(), at(loginA)) })},
		{name: "the customer was suspended", derived: true, between: by(func(w *world) error { return w.admin.SuspendCustomer(w.t.Context(), "acme") })},
		{name: "the plan was suspended", derived: true, between: by(func(w *world) error { return w.admin.SuspendPlan(w.t.Context(), "gold") })},
		{name: "removed and added anew", derived: true, between: by(func(w *world) error {
			if err := w.admin.RemoveAccount(w.t.Context(), at(loginA)); err != nil {
				return err
			}
			return w.admin.AddAccount(w.t.Context(), admin.NewAccount{Address: at(loginA), Password: other})
		})},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if err := w.password(loginA, goodPassword); err != nil {
				t.Fatal(err)
			}
			if c.between != nil {
				c.between(w)
			}
			w.work()
			if err := w.password(loginA, goodPassword); (err == nil) != c.right {
				t.Errorf("%v; right %v wanted", err, c.right)
			}
			if got := w.work(); (len(got) > 0) != c.derived || len(got) > 1 {
				t.Errorf("derived %v", got)
			}
			if err := w.password(loginA, goodPassword+"x"); err == nil || len(w.work()) != 1 {
				t.Errorf("a wrong password: %v, or not the work of one", err)
			}
			if err := w.password("b@acme.example", goodPassword); err == nil {
				t.Error("one account's password opens another")
			}
		})
	}
}

// What was only remembered is not remembered for longer by that.
func TestMemoryCountsFromTheFullVerification(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		if err := w.password(loginA, goodPassword); err != nil {
			t.Fatal(err)
		}
		w.pass(25 * time.Second)
	}
	w.work()
	if err := w.password(loginA, goodPassword); err != nil || len(w.work()) != 1 {
		t.Errorf("%v, or not derived after 75 s of 60", err)
	}
}

// A password that is refused in the end is not remembered.
func TestRefusedPasswordIsNotRemembered(t *testing.T) {
	w := newWorld(t)
	_, err := w.v.Password(t.Context(), Attempt{}, "b@acme.example", loginA, goodPassword)
	if !fault.Is(err, fault.Unauthenticated) || w.v.remember.Len() != 0 {
		t.Errorf("%v, %d remembered", err, w.v.remember.Len())
	}
}
