package login

import (
	"countersign/internal/login/recent"
	"net/netip"
	"slices"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/why"
	"countersign/internal/oauth"
	"countersign/internal/sasl"
)

const (
	elsewhereLogin = "v@out.example"
	itsAppPassword = "abcde-fghij-kmnpq-rstuv"
)

// keptHere are the ways to prove what is kept here of an account of a directory.
func keptHere() map[string]func(*world) (*account.Principal, error) {
	client := netip.MustParseAddr("203.0.113.9")
	return map[string]func(*world) (*account.Principal, error){
		"app password": func(w *world) (*account.Principal, error) {
			return askPassword(w, client, elsewhereLogin, itsAppPassword)
		},
		"app password by SCRAM": func(w *world) (*account.Principal, error) {
			return askKeys(sasl.ScramSHA256)(w, client, elsewhereLogin, itsAppPassword)
		},
		"token":       func(w *world) (*account.Principal, error) { return askToken(w, client, "", "its token") },
		"certificate": func(w *world) (*account.Principal, error) { return askCertificate(w, client, "", "cn:its own") },
		"network": func(w *world) (*account.Principal, error) {
			return w.v.Network(w.t.Context(), Attempt{Client: client})
		},
	}
}

// settled has an account of directory one, which tells how accounts stand, with a
// credential of each kind.
func settled(t *testing.T, remember time.Duration) (*world, *place) {
	t.Helper()
	w, places := outsiders(t, remember)
	if _, err := fromOutside(w, elsewhereLogin, goodPassword); err != nil {
		t.Fatal(err)
	}
	w.addApp(elsewhereLogin, "ap", itsAppPassword)
	w.give(elsewhereLogin, func(a *account.Account) {
		a.Credentials = append(a.Credentials,
			account.Credential{ID: "ao", Kind: account.OAuth, Name: "o", Subject: "idp its user"},
			account.Credential{ID: "ac", Kind: account.Certificate, Name: "c", Subject: "cn:its own"},
			account.Credential{ID: "an", Kind: account.Network, Name: "n", Subject: "203.0.113.0/24"})
	})
	w.tokens["its token"] = oauth.Identity{Issuer: "idp", User: "its user", Expires: w.clock().Add(time.Hour)}
	places[0].knows, places[0].asked = true, nil
	return w, places[0]
}

// What is kept here of an account is good while its directory knows the account, and has it
// enabled.
func TestWhatIsKeptHereAsksTheDirectory(t *testing.T) {
	for name, ask := range keptHere() {
		t.Run(name, func(t *testing.T) {
			w, e := settled(t, 0)
			p, err := ask(w)
			if err != nil || p == nil || p.Sender.Account.Login() != elsewhereLogin {
				t.Fatalf("%+v, %v", p, err)
			}
			if !p.Until.Equal(w.clock().Add(askAgain)) {
				t.Errorf("the session lasts until %v", p.Until)
			}
			if len(e.asked) != 1 || e.asked[0].Password != "" || e.asked[0].Login != elsewhereLogin {
				t.Errorf("asked %+v", e.asked)
			}
			refused := func(what, cause string) {
				t.Helper()
				p, err := ask(w)
				if p != nil || name == "network" && err != nil || name != "network" && why.Word(err) != cause {
					t.Errorf("%s: %+v, %v", what, p, err)
				}
			}
			e.answers[elsewhereLogin] = directory.Answer{Login: elsewhereLogin, Disabled: true}
			refused("disabled", "suspended")
			e.answers[elsewhereLogin] = directory.Answer{Login: "other@out.example"}
			refused("another's answer", "unknown")
			delete(e.answers, elsewhereLogin)
			refused("gone", "unknown")
			e.err = fault.New("test", fault.Unauthenticated, "no")
			refused("refused", "suspended")
			for kind, want := range map[fault.Kind]fault.Kind{fault.Unavailable: fault.Unavailable, fault.Busy: fault.Busy, fault.Corrupt: fault.Unavailable} {
				e.err = fault.New("test", kind, "no")
				if p, err := ask(w); p != nil || !fault.Is(err, want) {
					t.Errorf("%v: %+v, %v; want %v", kind, p, err, want)
				}
			}
		})
	}
}

// The answer is remembered as long as a password is, and only a good one.
func TestStandingIsRemembered(t *testing.T) {
	for name, ask := range keptHere() {
		t.Run(name, func(t *testing.T) {
			w, e := settled(t, time.Minute)
			for range 3 {
				if p, err := ask(w); err != nil || p == nil {
					t.Fatalf("%+v, %v", p, err)
				}
			}
			if len(e.asked) != 1 {
				t.Errorf("asked %d times", len(e.asked))
			}
			delete(e.answers, elsewhereLogin)
			if p, err := ask(w); err != nil || p == nil {
				t.Errorf("within its time: %+v, %v", p, err)
			}
			w.pass(time.Minute)
			for range 2 {
				if p, _ := ask(w); p != nil {
					t.Error("it is remembered for longer")
				}
			}
			about := 0 // beside the names that nobody has, which any failure asks for
			for _, q := range e.asked {
				if q.Login == elsewhereLogin {
					about++
				}
			}
			if about != 3 {
				t.Errorf("asked %d times; that an account is gone is not remembered", about)
			}
		})
	}
}

// Whom nobody can say it of without a password is let in, and so are accounts of the store.
func TestNobodyToAsk(t *testing.T) {
	w, e := settled(t, 0)
	e.knows = false
	for name, ask := range keptHere() {
		if p, err := ask(w); err != nil || p == nil {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	if p, err := w.v.Network(t.Context(), Attempt{Client: here}); err != nil || p == nil || !p.Until.IsZero() {
		t.Errorf("an account of the store: %+v, %v", p, err)
	}
	if len(e.asked) != 0 {
		t.Errorf("asked %+v", e.asked)
	}
}

// The password itself is asked of the directory once.
func TestThePasswordIsAskedOnce(t *testing.T) {
	w, e := settled(t, time.Minute)
	for range 2 { // the second one is remembered
		if _, err := fromOutside(w, elsewhereLogin, goodPassword); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(e.asked); n > 1 || slices.ContainsFunc(e.asked, func(q directory.Question) bool { return q.Password == "" }) {
		t.Errorf("asked %+v", e.asked)
	}
}

// A rehearsal asks too.
func TestExplainAsksHowItStands(t *testing.T) {
	w, e := settled(t, time.Minute)
	if x := w.explain("PLAIN", here, elsewhereLogin, itsAppPassword); x.Principal == nil {
		t.Fatalf("%+v", x)
	}
	delete(e.answers, elsewhereLogin)
	if x := w.explain("PLAIN", here, elsewhereLogin, itsAppPassword); x.Principal != nil || x.Cause != "unknown" {
		t.Errorf("%+v", x)
	}
}

func TestSooner(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct{ a, b, want time.Time }{
		{time.Time{}, time.Time{}, time.Time{}}, {now, time.Time{}, now}, {time.Time{}, now, now},
		{now, now.Add(1), now}, {now.Add(1), now, now},
	} {
		if got := recent.Sooner(c.a, c.b); !got.Equal(c.want) {
			t.Errorf("of %v and %v: %v", c.a, c.b, got)
		}
	}
}

// Where nothing but a plan stops an account that its directory has named, that is asked: it
// may name another one now. Nobody outside is told a password that is of no use.
func TestALearnedPlanIsAskedAbout(t *testing.T) {
	w, e := settled(t, 0)
	noError(t, w.store.PutPlan(t.Context(), account.Plan{Name: "stopped", State: account.Suspended}, audit.Event{}))
	login := func(asked int, cause string) {
		t.Helper()
		e.asked = nil
		_, err := fromOutside(w, elsewhereLogin, goodPassword)
		about := 0
		for _, q := range e.asked {
			if q.Login == elsewhereLogin && q.Password == goodPassword {
				about++
			}
		}
		if why.Word(err) != cause || about != asked {
			t.Errorf("%v, asked %d times; want %q, %d times", err, about, cause, asked)
		}
	}
	w.give(elsewhereLogin, func(a *account.Account) { a.Plan, a.PlanLearned = "stopped", true })
	login(1, "suspended")
	w.give(elsewhereLogin, func(a *account.Account) { a.PlanLearned = false })
	login(0, "suspended")
	w.give(elsewhereLogin, func(a *account.Account) { a.PlanLearned, a.State = true, account.Suspended })
	login(0, "suspended")
	w.give(elsewhereLogin, func(a *account.Account) { a.Plan, a.PlanLearned, a.State = "", false, account.Active })
	login(1, "")
}

// Where the directory binds an account to networks, what is kept here of it is good there
// alone; which they are it is asked each time.
func TestStandingInNetworks(t *testing.T) {
	for name, ask := range keptHere() {
		t.Run(name, func(t *testing.T) {
			w, e := settled(t, time.Minute)
			bind := func(network string) {
				e.answers[elsewhereLogin] = directory.Answer{Login: elsewhereLogin, Verified: true, Networks: []netip.Prefix{netip.MustParsePrefix(network)}}
			}
			bind("198.51.100.0/24")
			for range 2 {
				if p, err := ask(w); p != nil || why.Word(err) != "network" && name != "network" { // by which one is then nobody
					t.Errorf("from another network: %+v, %v", p, err)
				}
			}
			bind("203.0.113.0/24")
			e.asked = nil
			for range 2 {
				if _, err := ask(w); err != nil {
					t.Errorf("from its network: %v", err)
				}
			}
			if len(e.asked) != 2 {
				t.Errorf("it was asked %d times", len(e.asked))
			}
		})
	}
}
