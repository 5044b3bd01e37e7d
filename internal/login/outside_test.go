package login

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/account/hash"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/walk"
	"countersign/internal/login/why"
	"countersign/internal/mail"
	"countersign/internal/sasl"
)

// place is a directory in memory, and what makes its accounts.
type place struct {
	w       *world
	name    string
	answers map[string]directory.Answer
	err     error
	asked   []directory.Question
	// homeless says that no account can be made.
	homeless bool
	// knows says that it tells how accounts stand.
	knows bool
	// right is what it verifies; "" for goodPassword.
	right string
	// remember is for how long its passwords are.
	remember time.Duration
}

func (e *place) Witnesses() bool { return e.knows }

func (e *place) Standing(_ context.Context, q directory.Question) (directory.Standing, error) {
	e.asked = append(e.asked, q)
	a, known := e.answers[q.Login]
	switch {
	case e.err != nil:
		return directory.Standing{}, e.err
	case !known:
		return directory.Standing{}, fault.New("test", fault.NotFound, "no")
	}
	return directory.Standing{Login: a.Login, Disabled: a.Disabled, Networks: a.Networks}, nil
}

func (e *place) Name() string { return e.name }
func (e *place) Close() error { return nil }

func (e *place) Ask(_ context.Context, q directory.Question) (*directory.Answer, error) {
	e.asked = append(e.asked, q)
	a, known := e.answers[q.Login]
	switch {
	case e.err != nil:
		return nil, e.err
	case !known:
		return nil, fault.New("test", fault.NotFound, "no")
	case a.Verified && q.Password != cmp.Or(e.right, goodPassword):
		return nil, fault.New("test", fault.Unauthenticated, "no")
	}
	return &a, nil
}

// many are several directories, for all domains but acme.example.
type many []*place

func (m many) Remember(name string) time.Duration {
	for _, e := range m {
		if e.name == name {
			return e.remember
		}
	}
	return 0
}

func (m many) TakesTokens() bool { return false }

func (m many) For(domain mail.Domain) (list []directory.Source) {
	for _, e := range m {
		if domain != "acme.example" {
			list = append(list, e)
		}
	}
	return list
}

func (m many) Ensure(ctx context.Context, name string, a *directory.Answer) error {
	for _, e := range m {
		if e.homeless {
			return fault.New("test", fault.Unauthenticated, "its domain is nobody's")
		}
	}
	if _, err := m[0].w.store.Account(ctx, a.Login); err == nil {
		return nil
	}
	return m[0].w.admin.AddAccount(ctx, admin.NewAccount{Address: at(a.Login), Directory: name})
}

func (m many) Rehearse(ctx context.Context, name string, a *directory.Answer) ([]string, bool, error) {
	_, err := m[0].w.store.Account(ctx, a.Login)
	if fault.Is(err, fault.NotFound) {
		return []string{name + " is noted"}, true, nil
	}
	return []string{name + " is noted"}, false, err
}

// outsiders are the accounts of the directories: one that the directory verifies itself,
// one whose hash it knows.
func outsiders(t *testing.T, remember time.Duration) (*world, many) {
	t.Helper()
	one, two := &place{name: "one", remember: remember}, &place{name: "two", remember: remember}
	w := newWorldWith(t, setup{options: Options{Remember: time.Hour, Directories: many{one, two}}})
	one.w, two.w = w, w
	one.answers = map[string]directory.Answer{"v@out.example": {Login: "v@out.example", Verified: true}}
	two.answers = map[string]directory.Answer{
		"h@out.example":     {Login: "h@out.example", Hash: "{SSHA}2k4kSXzTVZSsUV1m6KDkjnKX4qVzYWx0"},
		"plain@out.example": {Login: "plain@out.example", Hash: textOf(t, goodPassword)},
		"off@out.example":   {Login: "off@out.example", Hash: textOf(t, goodPassword), Disabled: true},
		"near@out.example":  {Login: "near@out.example", Hash: textOf(t, goodPassword), Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}},
		"empty@out.example": {Login: "empty@out.example"},
		"alias@out.example": {Login: "plain@out.example", Hash: textOf(t, goodPassword)},
		"taken@out.example": {Login: "a@acme.example", Hash: textOf(t, goodPassword)},
	}
	if err := w.admin.AddDomain(t.Context(), "out.example", "acme", []account.Key{{Selector: "s1", Algorithm: "rsa"}}); err != nil {
		t.Fatal(err)
	}
	w.work()
	return w, many{one, two}
}

func textOf(t *testing.T, password string) string {
	t.Helper()
	h, err := hash.New(today, password, strings.NewReader(strings.Repeat("salt", 100)))
	if err != nil {
		t.Fatal(err)
	}
	return h.Text()
}

func fromOutside(w *world, login, password string) (*account.Principal, error) {
	a := Attempt{Client: netip.MustParseAddr("192.0.2.7"), Session: "s", Mechanism: "PLAIN"}
	return w.v.Password(w.t.Context(), a, "", login, password)
}

// Who lives elsewhere logs in by their directory, and has an account here from then on.
func TestAccountsOfDirectoriesLogIn(t *testing.T) {
	w, _ := outsiders(t, 0)
	for login, name := range map[string]string{"v@out.example": "one", "PLAIN@out.example": "two"} {
		for range 2 {
			p, err := fromOutside(w, login, goodPassword)
			if err != nil {
				t.Fatalf("%s: %v", login, err)
			}
			acc := p.Sender.Account
			if acc.Directory != name || p.Credential.Kind != account.Password || p.Now(p.Sender) == nil {
				t.Errorf("%s is %+v by %+v", login, acc, p.Credential)
			}
			if stored, err := w.store.Account(t.Context(), acc.Login()); err != nil || stored.Password().Secret.Hash != "" {
				t.Errorf("%s: the store has a password: %+v, %v", login, stored, err)
			}
		}
	}
}

// Every failure is the same refusal, after as much work.
func TestFailuresOfDirectoriesAreAlike(t *testing.T) {
	for name, c := range map[string]struct {
		login, password string
		before          func(w *world, m many)
		cause           string
	}{
		"wrong, verified there": {"v@out.example", "another password 1", nil, "wrong-password"},
		"wrong, hash":           {"plain@out.example", "another password 1", nil, "wrong-password"},
		"wrong, digest":         {"h@out.example", "another password 1", nil, "wrong-password"},
		"unknown":               {"nobody@out.example", goodPassword, nil, "unknown"},
		"disabled":              {"off@out.example", goodPassword, nil, "suspended"},
		"from elsewhere":        {"near@out.example", goodPassword, nil, "network"},
		"no password there":     {"empty@out.example", goodPassword, nil, "wrong-password"},
		"no domain here":        {"plain@out.example", goodPassword, func(_ *world, m many) { m[0].homeless = true }, "unknown-domain"},
		"an alias given here": {"plain@out.example", goodPassword, func(w *world, _ many) {
			w.must(fromOutside(w, "v@out.example", goodPassword))
			w.give("v@out.example", func(a *account.Account) { a.Aliases = append(a.Aliases, at("plain@out.example")) })
		}, "alias-of-another"},
		"an answer about another": {"alias@out.example", goodPassword, nil, "token-of-another"},
		"an account of the store": {"taken@out.example", goodPassword, nil, "token-of-another"},
		"suspended here": {"v@out.example", goodPassword, func(w *world, _ many) {
			w.must(fromOutside(w, "v@out.example", goodPassword))
			w.give("v@out.example", func(a *account.Account) { a.State = account.Suspended })
		}, "suspended"},
		"revoked here": {"v@out.example", goodPassword, func(w *world, _ many) {
			w.must(fromOutside(w, "v@out.example", goodPassword))
			w.give("v@out.example", func(a *account.Account) { a.Credentials = nil })
		}, "no-credential"},
		"of a directory that is gone": {"v@out.example", goodPassword, func(w *world, _ many) {
			w.must(fromOutside(w, "v@out.example", goodPassword))
			w.give("v@out.example", func(a *account.Account) { a.Directory = "three" })
		}, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			w, m := outsiders(t, time.Minute)
			if c.before != nil {
				c.before(w, m)
				w.pass(time.Hour)
			}
			w.work()
			p, err := fromOutside(w, c.login, c.password)
			if p != nil || !fault.Is(err, fault.Unauthenticated) || fault.ReasonOf(err) != "auth-failed" || why.Word(err) != c.cause {
				t.Errorf("%v, %v (%s), want %s", p, err, why.Word(err), c.cause)
			}
			if got := len(w.work()); got == 0 {
				t.Error("it was cheaper than a wrong password")
			}
		})
	}
}

// A directory that is down is no proof that there is no such account.
func TestADirectoryThatIsDown(t *testing.T) {
	w, m := outsiders(t, time.Minute)
	p, err := fromOutside(w, "v@out.example", goodPassword)
	if err != nil || p == nil {
		t.Fatal(err)
	}
	m[0].err = fault.New("test", fault.Unavailable, "away")
	if _, err := fromOutside(w, "v@out.example", goodPassword); err != nil {
		t.Errorf("a password that was remembered: %v", err)
	}
	w.pass(time.Minute) // those of the store are remembered for longer
	for _, login := range []string{"v@out.example", "plain@out.example", "nobody@out.example"} {
		if _, err := fromOutside(w, login, goodPassword); !fault.Is(err, fault.Unavailable) || fault.ReasonOf(err) != "auth-unavailable" {
			t.Errorf("%s: %v", login, err)
		}
	}
	m[0].err = fault.New("test", fault.Busy, "too many")
	if _, err := fromOutside(w, "v@out.example", goodPassword); fault.ReasonOf(err) != "auth-busy" {
		t.Errorf("busy: %v", err)
	}
}

// What a directory says of where a client is, is remembered for there alone: it may have networks
// that it tells nobody.
func TestAPasswordThatIsRightHereIsRememberedForHere(t *testing.T) {
	for here, want := range map[bool]int{true: 2, false: 1} {
		w, m := outsiders(t, time.Minute)
		m[0].answers["v@out.example"] = directory.Answer{Login: "v@out.example", Verified: true, Here: here}
		for _, client := range []string{"192.0.2.7", "192.0.2.8", "192.0.2.7", "192.0.2.8"} {
			a := Attempt{Client: netip.MustParseAddr(client), Session: "s", Mechanism: "PLAIN"}
			if _, err := w.v.Password(t.Context(), a, "", "v@out.example", goodPassword); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(m[0].asked); n != want {
			t.Errorf("here %v: asked %d times, want %d", here, n, want)
		}
		w.pass(time.Minute)
		if _, err := fromOutside(w, "v@out.example", goodPassword); err != nil || len(m[0].asked) != want+1 {
			t.Errorf("here %v: %v, asked %d times after a minute", here, err, len(m[0].asked))
		}
	}
}

// Nobody outside is asked about accounts of the store, and an app password of one that
// lives elsewhere is the store's.
func TestWhoIsAsked(t *testing.T) {
	w, m := outsiders(t, time.Minute)
	if _, err := fromOutside(w, loginA, "another password 1"); !fault.Is(err, fault.Unauthenticated) {
		t.Error(err)
	}
	if len(m[0].asked)+len(m[1].asked) != 0 {
		t.Errorf("asked about an account of the store: %+v", m[0].asked)
	}
	w.must(fromOutside(w, "v@out.example", goodPassword))
	secret, err := w.maker.MakeSecret(t.Context(), "v@out.example", "abcde-fghij-kmnpq-rstuv", account.AppPassword, false)
	if err != nil {
		t.Fatal(err)
	}
	w.give("v@out.example", func(a *account.Account) {
		a.Credentials = append(a.Credentials, account.Credential{ID: "app", Kind: account.AppPassword, Name: "printer", Secret: secret})
	})
	asked := len(m[0].asked)
	p, err := fromOutside(w, "v@out.example", "ABCDEfghijkmnpqrstuv")
	if err != nil || p.Credential.Name != "printer" || len(m[0].asked) != asked {
		t.Errorf("%v, %v; the directory was asked %d times", p, err, len(m[0].asked)-asked)
	}
}

func (w *world) must(_ *account.Principal, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// A directory that binds an account to networks is asked at each login: what was verified
// from one is not good from another.
func TestNetworksOfADirectoryAreAskedEachTime(t *testing.T) {
	w, m := outsiders(t, time.Minute)
	near := netip.MustParseAddr("198.51.100.7")
	a := Attempt{Client: near, Mechanism: "PLAIN"}
	w.must(w.v.Password(t.Context(), a, "", "near@out.example", goodPassword))
	if _, err := fromOutside(w, "near@out.example", goodPassword); why.Word(err) != "network" {
		t.Errorf("from elsewhere: %v", err)
	}
	asked := len(m[1].asked)
	w.must(w.v.Password(t.Context(), a, "", "near@out.example", goodPassword))
	if len(m[1].asked) == asked {
		t.Error("the directory was not asked again")
	}
}

// A session of an account that lives elsewhere ends after a while, also where its password
// was remembered: the directory may have ended it.
func TestSessionsOfDirectoriesEnd(t *testing.T) {
	w, _ := outsiders(t, time.Minute)
	for _, how := range []string{"asked", "remembered"} {
		p, err := fromOutside(w, "v@out.example", goodPassword)
		if err != nil || !p.Until.Equal(w.clock().Add(askAgain)) {
			t.Errorf("%s: %+v, %v", how, p, err)
		}
	}
}

// What is said of a login whose directory has no answer names the directory, and blames who
// is to blame; SCRAM is explained where a directory cannot take part in it.
func TestExplainingADirectory(t *testing.T) {
	w, m := outsiders(t, 0)
	w.must(fromOutside(w, "v@out.example", goodPassword))
	password := goodPassword
	said := func(mechanism string) string {
		t.Helper()
		x, err := w.v.Explain(t.Context(), Question{Attempt: Attempt{Mechanism: mechanism}, Login: "v@out.example", Password: &password})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(x.Steps(walk.Tried{Name: "v@out.example", Mechanism: mechanism}))
	}
	if text := said(sasl.ScramSHA256); !strings.Contains(text, "known to directory one alone, which takes no part in SCRAM-SHA-256") {
		t.Error(text)
	}
	m[0].err = fault.New("test", fault.Corrupt, "the login is no address")
	if text := said("PLAIN"); !strings.Contains(text, "what directory one answers about this login cannot be used") || !strings.Contains(text, "the login is no address") {
		t.Error(text)
	}
	m[0].err = fault.New("test", fault.Unavailable, "connection refused")
	if text := said("PLAIN"); !strings.Contains(text, "directory one has no answer") || !strings.Contains(text, "connection refused") {
		t.Error(text)
	}
}
