package login

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/walk"
	"countersign/internal/login/why"
)

// explain has a login from a client explained.
func (w *world) explain(mechanism string, client netip.Addr, login, secret string) *walk.Explanation {
	w.t.Helper()
	q := Question{Attempt: Attempt{Client: client, Mechanism: mechanism}, Login: login, Password: &secret}
	if mechanism == "EXTERNAL" {
		q.Password, q.Subjects = nil, []string{secret}
	}
	x, err := w.v.Explain(w.t.Context(), q)
	if err != nil {
		w.t.Fatal(err)
	}
	return x
}

// TestExplainDecidesAlike: whatever is the matter, an explanation comes to what the
// login comes to, and says of a refusal what the record says.
func TestExplainDecidesAlike(t *testing.T) {
	states := map[string]func(w *world){
		"well":      func(*world) {},
		"suspended": func(w *world) { w.give(loginA, func(a *account.Account) { a.State = account.Suspended }) },
		"plan":      func(w *world) { noError(w.t, w.admin.SuspendPlan(w.t.Context(), "gold")) },
		"expired":   func(w *world) { w.envelope(func(e *account.Envelope) { e.Expires = w.clock().Add(-time.Second) }) },
		"network": func(w *world) {
			w.envelope(func(e *account.Envelope) { e.Networks = []netip.Prefix{netip.PrefixFrom(elsewhere, 32)} })
		},
		"mechanism":   func(w *world) { w.envelope(func(e *account.Envelope) { e.Mechanisms = []string{"NONE"} }) },
		"no password": func(w *world) { w.give(loginA, func(a *account.Account) { a.Credentials = nil }) },
		"damaged": func(w *world) {
			w.store.Alter(loginA, func(a *account.Account) { a.Password().Secret = account.Secret{Hash: "$nonsense$"} })
		},
		"no legacy": func(w *world) { w.give(loginA, func(a *account.Account) { a.Legacy = false }) },
		"older":     func(w *world) { w.hashed(loginA, hashOf(w.t, cheaper, goodPassword)) },
		"app":       func(w *world) { w.addApp(loginA, "app", appPassword) },
	}
	for name, set := range states {
		for _, q := range questions() {
			w := newWorld(t)
			set(w)
			for _, login := range []string{loginA, "A@Acme.example", "b@acme.example", "nobody@acme.example", "no address"} {
				for _, secret := range []string{q.right, wrongPassword, appPassword} {
					x := w.explain(q.mechanism, here, login, secret)
					p, err := q.ask(w, here, login, secret)
					if (x.Principal == nil) != (p == nil) || x.Cause != causeOf(err) || (x.Trouble != nil) != troubled(err) || !x.Decided {
						t.Errorf("%s, %s, %q, %q: explained as %v, %q, %v; decided as %v, %q, %v", name, q.mechanism, login, secret,
							x.Principal != nil, x.Cause, x.Trouble, p != nil, causeOf(err), err)
					}
					if p != nil && (p.Credential.ID != x.Principal.Credential.ID || p.Sender.Account.ID != x.Principal.Sender.Account.ID) {
						t.Errorf("%s, %s, %q: another one passes", name, q.mechanism, login)
					}
				}
			}
		}
	}
	w := newWorld(t)
	if x := w.explain("OAUTHBEARER", here, loginA, "down"); x.Trouble == nil || x.Cause != "" {
		t.Errorf("the issuer is away, and %+v", x)
	}
	if x := w.explain("PLAIN", here, loginA, "a\x00b"); x.Cause != causeOf(w.password(loginA, "a\x00b")) || x.Cause == "" {
		t.Errorf("no password, and %+v", x)
	}
}

// causeOf is what an explanation says of an error.
func causeOf(err error) string {
	if !fault.Is(err, fault.Unauthenticated) {
		return ""
	}
	return why.Word(err)
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func troubled(err error) bool { return err != nil && !fault.Is(err, fault.Unauthenticated) }

// TestExplainChangesNothing: an explanation stores nothing, notes nothing and makes
// nobody known.
func TestExplainChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.hashed(loginA, hashOf(t, cheaper, goodPassword))
	before, err := w.store.Account(t.Context(), loginA)
	noError(t, err)
	events := len(w.store.Events())
	x := w.explain("PLAIN", here, loginA, goodPassword)
	after, err := w.store.Account(t.Context(), loginA)
	noError(t, err)
	if x.Principal == nil || !x.Renewed || !reflect.DeepEqual(before, after) || len(w.store.Events()) != events {
		t.Errorf("renewed %v, %d events; before %+v, after %+v", x.Renewed, len(w.store.Events())-events, before, after)
	}
	if w.v.uses.Waiting() != 0 || w.v.clients.Know(string(after.Password().ID), here) {
		t.Error("a use was noted, or the client is known now")
	}
	w.work()
	noError(t, w.password(loginA, goodPassword))
	if len(w.work()) == 0 {
		t.Error("the password is remembered")
	}
	if x := w.explain("PLAIN", here, loginA, goodPassword); x.Renewed || len(w.work()) == 0 {
		t.Errorf("renewed again: %v; or what the gate remembers was taken for granted", x.Renewed)
	}
}

// TestExplainStandings: each credential is shown with what is stored of it and why it
// may or may not be used, and no secret.
func TestExplainStandings(t *testing.T) {
	w := newWorld(t)
	w.addApp(loginA, "app", appPassword)
	w.give(loginA, func(a *account.Account) {
		for i := range a.Credentials {
			if a.Credentials[i].Name == "app" {
				a.Credentials[i].Envelope.Networks = []netip.Prefix{netip.PrefixFrom(elsewhere, 32)}
			}
		}
	})
	type short struct {
		serves bool
		cause  string
	}
	for mechanism, want := range map[string]map[string]short{
		"PLAIN":              {"password": {true, ""}, "app": {true, "network"}, "oauth": {false, ""}, "cert": {false, ""}, "net": {false, ""}},
		"SCRAM-SHA-256-PLUS": {"password": {true, ""}, "app": {true, "network"}, "oauth": {false, ""}, "cert": {false, ""}, "net": {false, ""}},
		"CRAM-MD5":           {"password": {true, ""}, "app": {true, "network"}, "oauth": {false, ""}, "cert": {false, ""}, "net": {false, ""}},
		"XOAUTH2":            {"password": {false, ""}, "app": {false, "network"}, "oauth": {true, ""}, "cert": {false, ""}, "net": {false, ""}},
		"EXTERNAL":           {"password": {false, ""}, "app": {false, "network"}, "oauth": {false, ""}, "cert": {true, ""}, "net": {false, ""}},
	} {
		x, err := w.v.Explain(t.Context(), Question{Attempt: Attempt{Client: here, Mechanism: mechanism}, Login: loginA})
		noError(t, err)
		if x.Decided || x.Principal != nil || len(x.Credentials) != len(want) {
			t.Fatalf("%s: %+v", mechanism, x)
		}
		for _, s := range x.Credentials {
			if got := (short{s.Serves, s.Cause}); got != want[s.Name] {
				t.Errorf("%s, %s: %+v, want %+v", mechanism, s.Name, got, want[s.Name])
			}
			if !reflect.DeepEqual(s.Secret, account.Secret{}) {
				t.Errorf("%s comes with its secret", s.Name)
			}
		}
	}
	w.hashed(loginA, hashOf(t, cheaper, goodPassword))
	x := w.explain("PLAIN", here, loginA, wrongPassword)
	for _, s := range x.Credentials {
		if s.Name == account.PasswordName && (!s.StaleHash || !s.StaleKeys || s.Hash != "argon2id" || !strings.Contains(s.Cost, "m=8")) {
			t.Errorf("%+v", s)
		}
	}
}

// TestExplainNetwork: a client that does not log in.
func TestExplainNetwork(t *testing.T) {
	w := newWorld(t)
	for client, passes := range map[netip.Addr]bool{here: true, elsewhere: false} {
		x, err := w.v.Explain(t.Context(), Question{Attempt: Attempt{Client: client}, Login: loginA})
		noError(t, err)
		if !x.Decided || (x.Principal != nil) != passes {
			t.Errorf("%s: %+v", client, x)
		}
	}
}

// TestExplainDirectory: directories are asked, and no account is made.
func TestExplainDirectory(t *testing.T) {
	w := newWorld(t)
	e := &place{w: w, name: "old", answers: map[string]directory.Answer{"x@old.example": {Login: "x@old.example", Verified: true}}}
	w.restart(setup{options: Options{Directories: many{e}}})
	noError(t, w.admin.AddDomain(t.Context(), "old.example", "acme", []account.Key{{Selector: "s"}}))
	x := w.explain("PLAIN", here, "x@old.example", goodPassword)
	if x.Unmade != "old" || x.Principal != nil || x.Cause != "" || x.Trouble != nil || !reflect.DeepEqual(x.Asked, []string{"old"}) || !reflect.DeepEqual(x.Learns, []string{"old is noted"}) {
		t.Fatalf("%+v", x)
	}
	if steps := x.Steps(walk.Tried{Name: "x@old.example", Mechanism: "PLAIN"}); !slices.Contains(steps, walk.Step{Name: "learns", Good: true, Text: "old is noted"}) {
		t.Errorf("what it would learn is not told: %+v", steps)
	}
	if _, err := w.store.Account(t.Context(), "x@old.example"); !fault.Is(err, fault.NotFound) {
		t.Fatalf("the account was made: %v", err)
	}
	if x := w.explain("PLAIN", here, "x@old.example", wrongPassword); x.Unmade != "" || x.Cause != "wrong-password" {
		t.Fatalf("%+v", x)
	}
	noError(t, w.password("x@old.example", goodPassword)) // which makes it
	if x := w.explain("PLAIN", here, "x@old.example", goodPassword); x.Unmade != "" || x.Principal == nil || x.Sender.Account.Directory != "old" {
		t.Fatalf("%+v", x)
	}
	revoked := func() bool {
		steps := w.explain("PLAIN", here, "x@old.example", goodPassword).Steps(walk.Tried{Name: "x@old.example", Mechanism: "PLAIN"})
		return slices.ContainsFunc(steps, func(s walk.Step) bool {
			return s.Name == "credential password" && !s.Good && strings.Contains(s.Text, "REVOKED") && strings.Contains(s.Text, "countersign account remove --force x@old.example")
		})
	}
	if revoked() {
		t.Error("a password that is there is said to be revoked")
	}
	var kept []account.Credential
	w.give("x@old.example", func(a *account.Account) { kept, a.Credentials = a.Credentials, nil })
	if !revoked() {
		t.Error("nothing is said of the password that was revoked")
	}
	w.give("x@old.example", func(a *account.Account) { a.Credentials = kept })
	e.err = fault.New("test", fault.Unavailable, "away")
	if x := w.explain("PLAIN", here, "x@old.example", goodPassword); x.Trouble == nil || x.Cause != "" {
		t.Fatalf("%+v", x)
	}
}

// TestExplainActsAs: whom a client asks to act as is heard with each proof.
func TestExplainActsAs(t *testing.T) {
	w := newWorld(t)
	for _, q := range questions() {
		if q.mechanism == "OAUTHBEARER" { // whose token names the login
			continue
		}
		for authzid, cause := range map[string]string{"": "", loginA: "", "b@acme.example": "authorization-identity"} {
			ask := Question{Attempt: Attempt{Client: here, Mechanism: q.mechanism}, Login: loginA, Authzid: authzid, Password: &q.right}
			if q.mechanism == "EXTERNAL" {
				ask.Password, ask.Subjects = nil, []string{q.right}
			}
			x, err := w.v.Explain(t.Context(), ask)
			if err != nil || x.Cause != cause || (x.Principal == nil) != (cause != "") || x.Detail != "" {
				t.Errorf("%s as %q: %+v, %v", q.mechanism, authzid, x, err)
			}
		}
	}
}

func TestExplainStoreAway(t *testing.T) {
	w := newWorld(t)
	w.store.Down(errors.New("away"))
	if _, err := w.v.Explain(t.Context(), Question{Login: loginA, Attempt: Attempt{Mechanism: "PLAIN"}}); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("%v", err)
	}
}

// TestEachCauseHasWords: the record's words for a refusal are put into plain ones.
func TestEachCauseHasWords(t *testing.T) {
	for _, cause := range why.All() {
		x := walk.Explanation{Decided: true, Cause: why.Word(why.Failure(cause))}
		steps := x.Steps(walk.Tried{Name: loginA, Mechanism: "PLAIN"})
		last := steps[len(steps)-1]
		if last.Good || !strings.HasPrefix(last.Text, "REFUSED: ") || strings.HasPrefix(last.Text, "REFUSED:  (") {
			t.Errorf("%v: %+v", cause, last)
		}
	}
}
