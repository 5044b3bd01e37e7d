package login

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/fault"
	"countersign/internal/login/why"
	"countersign/internal/oauth"
	"countersign/internal/sasl"
)

// situation is one in which nobody gets in.
type situation struct {
	name string
	// login and secret are given in place of the right ones.
	login, secret string
	// before changes the world.
	before func(w *world)
	// cause is for the record, by mechanism; "" is that of all others.
	cause map[string]string
}

// all makes a cause that is the same for all mechanisms.
func all(cause string) map[string]string { return map[string]string{"": cause} }

// situations are those that must look alike whatever the mechanism.
func situations() []situation {
	by := func(change func(a *admin.Admin) error) func(w *world) {
		return func(w *world) {
			if err := change(w.admin); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	ctx := context.Background()
	return []situation{
		{name: "wrong secret", secret: wrongPassword, cause: map[string]string{"": "wrong-password", "OAUTHBEARER": "token", "EXTERNAL": "unknown"}},
		{name: "suspended account", before: by(func(a *admin.Admin) error { return a.SuspendAccount(ctx, at(loginA)) }), cause: all("suspended")},
		{name: "suspended domain", before: by(func(a *admin.Admin) error { return a.SuspendDomain(ctx, "acme.example") }), cause: all("suspended")},
		{name: "suspended customer", before: by(func(a *admin.Admin) error { return a.SuspendCustomer(ctx, "acme") }), cause: all("suspended")},
		{name: "suspended plan", before: by(func(a *admin.Admin) error { return a.SuspendPlan(ctx, "gold") }), cause: all("suspended")},
		{name: "suspended and wrong", secret: wrongPassword, before: by(func(a *admin.Admin) error { return a.SuspendAccount(ctx, at(loginA)) }),
			cause: map[string]string{"": "wrong-password", "OAUTHBEARER": "token", "EXTERNAL": "unknown"}},
		{name: "expired", before: func(w *world) {
			w.envelope(func(e *account.Envelope) { e.Expires = w.clock() })
		}, cause: all("expired")},
		{name: "wrong network", before: func(w *world) {
			w.envelope(func(e *account.Envelope) { e.Networks = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} })
		}, cause: all("network")},
		{name: "wrong mechanism", before: func(w *world) {
			w.envelope(func(e *account.Envelope) { e.Mechanisms = []string{"GSSAPI"} })
		}, cause: all("mechanism")},
		{name: "without that credential", before: func(w *world) {
			w.give(loginA, func(a *account.Account) { a.Credentials = nil })
		}, cause: map[string]string{"": "no-credential", "OAUTHBEARER": "unknown", "EXTERNAL": "unknown"}},
		{name: "removed", before: by(func(a *admin.Admin) error { return a.RemoveAccount(ctx, at(loginA)) }), cause: all("unknown")},
	}
}

// named are situations that exist only where the client names a login.
func named() []situation {
	return []situation{
		{name: "unknown account", login: "nobody@acme.example"},
		{name: "unknown domain", login: "a@nowhere.example"},
		{name: "no address", login: "a"},
		{name: "empty login", login: "\x00"},
		{name: "NUL in a login", login: "a\x00@acme.example"},
		{name: "64 KB of a login", login: strings.Repeat("x", 64<<10)},
	}
}

// Every failure is the one refusal, after the same work: one look at the store, and a
// derivation of each kind where a password was shown.
func TestFailuresAreAlike(t *testing.T) {
	for _, q := range questions() {
		list := situations()
		if q.mechanism == "PLAIN" || q.keys {
			for _, s := range named() {
				s.cause = all("unknown")
				list = append(list, s)
			}
			list = append(list, damage(q)...)
		}
		for _, s := range list {
			t.Run(q.mechanism+"/"+s.name, func(t *testing.T) { failAlike(t, q, s) })
		}
	}
}

// damage are situations in which what is stored cannot be read.
func damage(q question) []situation {
	alter := func(name string, change func(s *account.Secret)) situation {
		return situation{name: name, cause: all("damaged-credential"),
			before: func(w *world) {
				w.give(loginA, func(a *account.Account) {
					a.Password().Secret.Keys = slices.Clone(a.Password().Secret.Keys)
					change(&a.Password().Secret)
				})
			}}
	}
	if !q.keys {
		return []situation{
			alter("damaged hash", func(s *account.Secret) { s.Hash = "$argon2id$v=19$m=99999999,t=1,p=1$c29tZXNhbHQ$AAAA" }),
			{name: "no hash", cause: all("no-credential"), before: func(w *world) {
				w.give(loginA, func(a *account.Account) { a.Password().Secret = account.Secret{} })
			}},
			{name: "control characters", secret: "\x00\x01", cause: all("not-a-password")},
			{name: "not UTF-8", secret: "\xff\xfe", cause: all("not-a-password")},
			{name: "12 KB of a password", secret: strings.Repeat("x", 12<<10), cause: all("wrong-password")},
		}
	}
	var list []situation
	for name, value := range map[string]string{
		"nonsense": "nonsense", "three parts": "4096,c2FsdA==,AAAA", "short keys": "4096,c2FsdA==,AAAA,AAAA",
		"too few iterations": "1,c2FsdA==,AAAA,AAAA", "base64 of nonsense": "bm9uc2Vuc2Ugb2YgYSBjZXJ0YWluIGxlbmd0aCwgd2hpY2ggaXMgbm90IHNlYWxlZA==",
	} {
		list = append(list, alter("damaged key: "+name, func(s *account.Secret) {
			for i := range s.Keys {
				s.Keys[i].Value = value
			}
		}))
	}
	return list
}

func failAlike(t *testing.T, q question, s situation) {
	w := newWorld(t)
	if p, err := q.ask(w, here, loginA, q.right); err != nil || p.Sender.Account.Login() != loginA {
		t.Fatalf("the right secret: %v", err)
	}
	if s.before != nil {
		s.before(w)
	}
	login, secret := loginA, q.right
	if s.login != "" {
		login = s.login
	}
	if s.secret != "" {
		secret = s.secret
	}
	want := []string(nil)
	if q.mechanism == "PLAIN" {
		want = costs(today)
	}
	for range 2 { // the second time too
		w.work()
		before := w.store.Reads()
		p, err := q.ask(w, here, login, secret)
		wantRefused(t, p, err)
		if got := w.work(); !slices.Equal(got, want) {
			t.Errorf("derived %v, want %v", got, want)
		}
		reads := w.store.Reads()
		if looks := reads.Proofs - before.Proofs; looks < q.least || looks > q.most || reads.Sender != before.Sender {
			t.Errorf("%d looks at proofs, %d at whole accounts", looks, reads.Sender-before.Sender)
		}
		cause, ok := s.cause[q.mechanism]
		if !ok {
			cause = s.cause[""]
		}
		if got := why.Word(err); got != cause {
			t.Errorf("recorded as %q, want %q", got, cause)
		}
	}
}

// An alias is an address to send under, and no login.
func TestAliasIsNoLogin(t *testing.T) {
	w := newWorld(t)
	w.give(loginA, func(a *account.Account) { a.Aliases = append(a.Aliases, at("alias@acme.example")) })
	for _, q := range questions() {
		if q.mechanism != "PLAIN" && !q.keys {
			continue
		}
		p, err := q.ask(w, here, "alias@acme.example", goodPassword)
		wantRefused(t, p, err)
	}
}

// What is wrong with the gate is not the client's fault, and no refusal.
func TestTroubleIsNoRefusal(t *testing.T) {
	for _, q := range questions() {
		t.Run(q.mechanism, func(t *testing.T) {
			w := newWorld(t)
			w.store.Down(context.DeadlineExceeded)
			_, err := q.ask(w, here, loginA, q.right)
			if !fault.Is(err, fault.Unavailable) || fault.ReasonOf(err) != "auth-unavailable" || why.Word(err) != "" {
				t.Errorf("store away: %v", err)
			}
			w.store.Down(nil)
			w.store.beforeSender = func() { w.store.Down(context.DeadlineExceeded) }
			if _, err = q.ask(w, here, loginA, q.right); !fault.Is(err, fault.Unavailable) {
				t.Errorf("store away at the last moment: %v", err)
			}
		})
	}
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.v.Password(ctx, Attempt{}, "", loginA, goodPassword); !fault.Is(err, fault.Canceled) {
		t.Errorf("client gone: %v", err)
	}
	if _, err := w.v.Token(t.Context(), Attempt{}, "", "down"); !fault.Is(err, fault.Unavailable) || fault.ReasonOf(err) != "auth-unavailable" {
		t.Errorf("issuer away: %v", err)
	}
	w.restart(setup{})
	w.v.opt.Tokens = nil
	if _, err := w.v.Token(t.Context(), Attempt{}, "", "good"); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("no issuer: %v", err)
	}
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	end := w.clock().Add(time.Hour)
	w.tokens["by name"] = oauth.Identity{Issuer: "idp", User: "B@acme.example", Expires: end}
	w.tokens["unknown"] = oauth.Identity{Issuer: "idp", User: "nobody@acme.example"}
	w.tokens["not an address"] = oauth.Identity{Issuer: "idp", User: "somebody"}
	w.tokens["other issuer"] = oauth.Identity{Issuer: "other", Subject: "123", User: "somebody"}
	w.tokens["foreign domain"] = oauth.Identity{Issuer: "idp", User: "b@acme.example", Domains: []string{"other.example"}}
	w.tokens["foreign subject"] = oauth.Identity{Issuer: "idp", Subject: "123", User: "x", Domains: []string{"other.example"}}
	w.tokens["own domain"] = oauth.Identity{Issuer: "idp", User: "b@acme.example", Domains: []string{"acme.example"}}
	w.tokens["no claim"] = oauth.Identity{Issuer: "strict", User: "b@acme.example"}
	w.tokens["claim like a subject"] = oauth.Identity{Issuer: "idp", Subject: "999", User: "sub:123"}
	w.tokens["two accounts"] = oauth.Identity{Issuer: "idp", Subject: "123", User: "456"}
	w.give("b@acme.example", func(a *account.Account) {
		a.Credentials = append(a.Credentials, account.Credential{ID: "bo", Kind: account.OAuth, Name: "o", Subject: "idp 456"})
	})
	for _, c := range []struct{ token, user, login, cause string }{
		{"good", "", loginA, ""},
		{"good", "A@ACME.example", loginA, ""},
		{"good", "b@acme.example", "", "token-of-another"},
		{"good", "nonsense", "", "token-of-another"},
		{"by name", "", "b@acme.example", ""},
		{"by name", loginA, "", "token-of-another"},
		{"own domain", "", "b@acme.example", ""},
		{"foreign domain", "", "", "token-of-another"},
		{"foreign subject", "", "", "token-of-another"},
		{"unknown", "", "", "unknown"},
		{"not an address", "", "", "unknown"},
		{"other issuer", "", "", "unknown"},
		{"no claim", "", "", "unknown"},
		{"claim like a subject", "", "", "token-of-another"},
		{"two accounts", "", "", "token-of-another"},
		{"", "", "", "token"},
		{"nonsense", loginA, "", "token"},
	} {
		p, err := w.v.Token(t.Context(), Attempt{Client: here, Mechanism: "XOAUTH2"}, c.user, c.token)
		if c.cause != "" {
			wantRefused(t, p, err)
			if got := why.Word(err); got != c.cause {
				t.Errorf("%q for %q: recorded as %q, want %q", c.token, c.user, got, c.cause)
			}
			continue
		}
		if err != nil || p.Sender.Account.Login() != c.login || p.Mechanism != "XOAUTH2" || !p.Until.Equal(w.until(c.token)) {
			t.Errorf("%q for %q: %+v, %v", c.token, c.user, p, err)
		}
	}
}

func TestCertificates(t *testing.T) {
	w := newWorld(t)
	w.give("b@acme.example", func(a *account.Account) {
		a.Credentials = append(a.Credentials, account.Credential{ID: "bc", Kind: account.Certificate, Name: "c", Subject: "email:b@acme.example"})
	})
	many := slices.Repeat([]string{"cn:nobody"}, 300)
	for _, c := range []struct {
		subjects []string
		login    string
	}{
		{[]string{fingerprint}, loginA},
		{[]string{fingerprint, "email:b@acme.example"}, loginA},
		{[]string{"cn:x", "email:b@acme.example"}, "b@acme.example"},
		{append([]string{fingerprint}, many...), loginA},
		{append(slices.Clone(many), fingerprint), ""},
		{[]string{"idp 123"}, ""},
		{[]string{"192.0.2.0/24"}, ""},
		{[]string{""}, ""},
		{nil, ""},
	} {
		p, err := w.v.Certificate(t.Context(), Attempt{Client: here, Mechanism: "EXTERNAL"}, "", c.subjects)
		if c.login == "" {
			wantRefused(t, p, err)
		} else if err != nil || p.Sender.Account.Login() != c.login || p.Mechanism != "EXTERNAL" {
			t.Errorf("%.60q: %v, %v", c.subjects, p, err)
		}
	}
	// The first that is a credential decides, also where it may not be used.
	w.give(loginA, func(a *account.Account) { a.State = account.Suspended })
	p, err := w.v.Certificate(t.Context(), Attempt{Mechanism: "EXTERNAL"}, "", []string{fingerprint, "email:b@acme.example"})
	wantRefused(t, p, err)
}

func TestNetworks(t *testing.T) {
	w := newWorld(t)
	w.give("b@acme.example", func(a *account.Account) {
		a.Credentials = append(a.Credentials,
			account.Credential{ID: "n4", Kind: account.Network, Name: "n4", Subject: "192.0.2.9/32"},
			account.Credential{ID: "n6", Kind: account.Network, Name: "n6", Subject: "2001:db8::/32"})
	})
	for client, login := range map[string]string{
		"192.0.2.7": loginA, "::ffff:192.0.2.7": loginA, "192.0.2.9": "b@acme.example", "2001:db8::1": "b@acme.example", "2001:db8::1%eth0": "b@acme.example",
		"198.51.100.1": "", "2001:db9::1": "", "": "",
	} {
		var a Attempt
		if client != "" {
			a.Client = netip.MustParseAddr(client)
		}
		p, err := w.v.Network(t.Context(), a)
		if err != nil || (p != nil) != (login != "") || p != nil && (p.Sender.Account.Login() != login || p.Mechanism != "") {
			t.Errorf("%s: %v, %v; want %s", client, p, err, login)
		}
	}
	for name, change := range map[string]func(){
		"for mechanisms": func() { w.envelope(func(e *account.Envelope) { e.Mechanisms = []string{"PLAIN"} }) },
		"expired":        func() { w.envelope(func(e *account.Envelope) { *e = account.Envelope{Expires: w.clock()} }) },
		"suspended":      func() { w.give(loginA, func(a *account.Account) { a.State = account.Suspended }) },
	} {
		change()
		if p, err := w.v.Network(t.Context(), Attempt{Client: here}); p != nil || err != nil {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	w.store.Down(context.DeadlineExceeded)
	if _, err := w.v.Network(t.Context(), Attempt{Client: here}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("store away: %v", err)
	}
}

// RFC 4422 section 3.4.1: whom the client wants to act as.
func TestAuthorizationIdentities(t *testing.T) {
	w := newWorld(t)
	w.give(loginA, func(a *account.Account) {
		a.Aliases = append(a.Aliases, at("alias@acme.example"))
		a.Grants = append(a.Grants,
			account.Granted{Grant: account.Grant{Address: at("granted@acme.example")}, Manner: account.SendAs},
			account.Granted{Grant: account.Grant{Address: at("x@other.example")}, Manner: account.SendAs},
			account.Granted{Grant: account.Grant{Address: at("behalf@acme.example")}, Manner: account.SendOnBehalf},
			account.Granted{Grant: account.Grant{Address: at("ended@acme.example")}, Manner: account.SendAs, Until: time.Unix(1, 0)})
	})
	ask := map[string]func(authzid string) (*account.Principal, error){
		"PLAIN": func(authzid string) (*account.Principal, error) {
			return w.v.Password(t.Context(), Attempt{Mechanism: "PLAIN"}, authzid, loginA, goodPassword)
		},
		"SCRAM": func(authzid string) (*account.Principal, error) {
			k, err := w.v.Keys(t.Context(), sasl.ScramSHA256, loginA)
			if err != nil {
				return nil, err
			}
			return w.v.Proved(t.Context(), Attempt{Mechanism: sasl.ScramSHA256}, authzid, k, 0)
		},
		"EXTERNAL": func(authzid string) (*account.Principal, error) {
			return w.v.Certificate(t.Context(), Attempt{Mechanism: "EXTERNAL"}, authzid, []string{fingerprint})
		},
	}
	for authzid, may := range map[string]bool{
		"": true, loginA: true, "A@Acme.Example": true, "alias@acme.example": true, "granted@acme.example": true,
		"b@acme.example": false, "x@other.example": false, "nobody@nowhere.example": false, "behalf@acme.example": false, "ended@acme.example": false, "a": false, "\x00": false,
	} {
		for mechanism, ask := range ask {
			p, err := ask(authzid)
			switch {
			case !may:
				wantRefused(t, p, err)
			case err != nil || p.Sender.Account.Login() != loginA:
				t.Errorf("%s as %q: %v, %v", mechanism, authzid, p, err)
			}
		}
	}
}

// Two causes of one name, or one that is not told, would be of no use.
func TestEachCauseHasItsWord(t *testing.T) {
	seen := map[string]bool{}
	for _, cause := range why.All() {
		word := why.Word(why.Failure(cause))
		if word == "" || seen[word] || strings.ContainsAny(word, " \t") {
			t.Errorf("%q", word)
		}
		seen[word] = true
	}
	if why.Word(nil) != "" || why.Word(context.Canceled) != "" {
		t.Error("an error of another kind has a cause")
	}
}

// until is when a session ends that a token of a world has begun.
func (w *world) until(token string) time.Time {
	if end := w.tokens[token].Expires; !end.IsZero() {
		return end
	}
	return w.clock().Add(askAgain)
}
