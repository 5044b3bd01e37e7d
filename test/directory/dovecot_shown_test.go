package directory

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/config"
	"countersign/internal/directory"
	"countersign/internal/directory/dovecot"
	"countersign/internal/fault"
	"countersign/internal/login"
	"countersign/internal/sasl"
)

// provider is an identity provider that tells Dovecot about opaque tokens (RFC 7662).
type provider struct {
	*httptest.Server

	mu     sync.Mutex // guards what follows
	tokens map[string]string
	status int
	asked  int
}

// newProvider starts one that knows whose tokens are.
func newProvider(t testing.TB, tokens map[string]string) *provider {
	t.Helper()
	p := &provider{tokens: tokens, status: http.StatusOK}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// ServeHTTP implements http.Handler.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	answer := map[string]any{"active": false}
	if user := p.tokens[r.PostFormValue("token")]; user != "" {
		answer = map[string]any{"active": true, "email": user}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.status)
	_ = json.NewEncoder(w).Encode(answer)
}

// answers has it answer with a status.
func (p *provider) answers(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = status
}

// believing is a Dovecot that takes tokens of a provider, and names from the gate, as the page
// tells operators; delay is that of its refusals.
func believing(t testing.TB, p *provider, delay string) *dovecotServer {
	t.Helper()
	d := startDovecot(t)
	d.stop()
	conf, err := os.ReadFile(d.path("dovecot.conf"))
	if err != nil {
		t.Fatal(err)
	}
	own := block(t, "auth_mechanisms = plain login scram-sha-256 external")
	own = strings.Replace(own, "external\n", "external oauthbearer xoauth2\n", 1)
	own = strings.Replace(own, "/etc/dovecot/users", "scheme=PLAIN "+d.path("mailboxes"), 1)
	own = strings.Replace(own, "args = username_format=%u scheme=PLAIN", "args = scheme=PLAIN username_format=%u", 1)
	own += "passdb {\n  driver = oauth2\n  mechanisms = oauthbearer xoauth2\n  args = " + d.path("oauth2.conf") + "\n}\n"
	write(t, d.path("oauth2.conf"), "introspection_mode = post\nintrospection_url = "+p.URL+"/\nusername_attribute = email\nactive_attribute = active\nactive_value = true\n")
	text := strings.Replace(string(conf), "auth_failure_delay = 0", "auth_failure_delay = "+delay, 1) + own
	write(t, d.path("dovecot.conf"), text)
	d.start()
	return d
}

// shownOptions are those of a gate that asks a Dovecot all that there is.
func shownOptions(o *dovecot.Options) { o.Tokens, o.External = true, true }

var tokensOfMailboxes = map[string]string{"token.shop": "shop@example.org", "token.second": "second@example.org", "token.new": "new@example.org", "token.blocked": "blocked@example.org"}

// TestDovecotVerifiesTokens: a real one, which asks its provider.
func TestDovecotVerifiesTokens(t *testing.T) {
	p := newProvider(t, tokensOfMailboxes)
	server := believing(t, p, "0")
	d := server.asking(shownOptions)
	if !d.TakesTokens() {
		t.Error("before it is known whether it takes tokens")
	}
	must(t, d.Check(t.Context()))
	if !d.TakesTokens() || server.asking(nil).TakesTokens() {
		t.Error("whether it takes tokens")
	}
	long := strings.Repeat("x", directory.MaxToken)
	for _, c := range []struct {
		login, token string
		kind         fault.Kind // Internal: it is right
	}{
		{login: "shop@example.org", token: "token.shop"},
		{login: "second@example.org", token: "token.second"},
		{"shop@example.org", "token.second", fault.Unauthenticated},
		{"second@example.org", "token.shop", fault.Unauthenticated},
		{"shop@example.org", "token.wrong", fault.Unauthenticated},
		// A passdb for passwords that is not bound to mechanisms takes one in the place of a token.
		{login: "shop@example.org", token: "pencil"},
		{"nobody@example.org", "token.shop", fault.Unauthenticated},
		{"a=b,c@example.org", "token.shop", fault.Unauthenticated},
		{"shop@example.org", long, fault.Unauthenticated},
		{"shop@example.org", long + "x", fault.Unauthenticated},
		{"shop@example.org", "", fault.Unauthenticated},
		{"shop@example.org\x01auth=Bearer token.shop\x01\x01", "token.wrong", fault.Unauthenticated},
		{"second@example.org,\x01user=shop@example.org", "token.shop", fault.Unauthenticated},
		{"shop@example.org", "token.wrong\x01user=second@example.org", fault.Unauthenticated},
		{"shop@example.org", "token.wrong\nAUTH\t9\tPLAIN\tservice=smtp\tresp=AHNob3AAcGVuY2ls", fault.Unauthenticated},
	} {
		a, err := d.AskToken(t.Context(), directory.Question{Login: c.login, Session: "01J9"}, c.token)
		switch right := c.kind == fault.Internal; {
		case right && (err != nil || a.Login != c.login || !a.Verified):
			t.Errorf("%q, %.20q: %+v, %v", c.login, c.token, a, err)
		case !right && (a != nil || !fault.Is(err, c.kind) || c.token != "" && strings.Contains(err.Error(), c.token)):
			t.Errorf("%q, %.20q: %+v, %v", c.login, c.token, a, err)
		}
	}
	// Its provider has trouble: nobody knows whether the token is good. Passwords go on.
	p.answers(http.StatusInternalServerError)
	for _, trouble := range []func(){func() {}, p.Close} {
		trouble()
		_, err := d.AskToken(t.Context(), directory.Question{Login: "shop@example.org"}, "token.shop")
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("without a provider: %v", err)
		}
	}
	if a, err := d.Ask(t.Context(), directory.Question{Login: "shop@example.org", Password: "pencil"}); err != nil || a.Plan != "basic" {
		t.Errorf("a password: %+v, %v", a, err)
	}
	server.stop()
	if _, err := d.AskToken(t.Context(), directory.Question{Login: "shop@example.org"}, "token.shop"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("while it is down: %v", err)
	}
	if log := server.told(); strings.Contains(log, "BUG") {
		t.Errorf("Dovecot finds fault with us:\n%s", log)
	}
}

// TestDovecotBelievesTheGate: it looks the name up that a certificate has, with its networks
// and its locks, and takes no password for it by any other mechanism.
func TestDovecotBelievesTheGate(t *testing.T) {
	server := believing(t, newProvider(t, nil), "0")
	d := server.asking(shownOptions)
	near, far := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("192.0.2.7")
	for _, c := range []struct {
		login  string
		client netip.Addr
		why    error
		stands bool
	}{
		{login: "shop@example.org", stands: true},
		{login: "far@example.org", client: near, stands: true},
		{login: "far@example.org", client: far},
		{login: "far@example.org"},
		{login: "blocked@example.org", why: dovecot.ErrDisabled},
		{login: "proxied@example.org", why: dovecot.ErrElsewhere},
		{login: "nobody@example.org"},
		{login: "shop@example.org\tcert_username=second@example.org"},
		{login: "shop@example.org*root"},
	} {
		q := directory.Question{Login: c.login, Client: c.client, Session: "01J9"}
		a, err := d.AskProven(t.Context(), q)
		s, standing := d.Standing(t.Context(), q)
		switch {
		case c.stands && (err != nil || standing != nil || a.Login != c.login || s.Login != c.login || !s.Here):
			t.Errorf("%q from %v: %+v, %v; %+v, %v", c.login, c.client, a, err, s, standing)
		case !c.stands && (!fault.Is(err, fault.Unauthenticated) || !fault.Is(standing, fault.Unauthenticated) || c.why != nil && !errors.Is(err, c.why)):
			t.Errorf("%q from %v: %+v, %v; %+v, %v", c.login, c.client, a, err, s, standing)
		}
	}
	if a, err := d.AskProven(t.Context(), directory.Question{Login: "shop@example.org"}); err != nil || a.Plan != "basic" || len(a.Aliases) != 2 {
		t.Errorf("%+v, %v", a, err)
	}
	for _, mechanism := range []string{"PLAIN", "LOGIN", "SCRAM-SHA-256"} { // any password is right by EXTERNAL alone
		if a, err := talks(t, d, mechanism, "shop@example.org", "wrong"); a != nil || !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %+v, %v", mechanism, a, err)
		}
	}
	must(t, d.Check(t.Context()))
	if log := server.told(); strings.Contains(log, "BUG") {
		t.Errorf("Dovecot finds fault with us:\n%s", log)
	}

	// One that lets everybody in is found by "config check --connect".
	conf, err := os.ReadFile(server.path("dovecot.conf"))
	must(t, err)
	server.stop()
	write(t, server.path("dovecot.conf"), strings.Replace(string(conf), "driver = passwd-file\n  mechanisms = external", "driver = static\n  mechanisms = external", 1))
	server.start()
	if err := d.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "nobody has") {
		t.Errorf("a Dovecot that lets everybody in: %v", err)
	}
}

// byToken logs in by a token, and says what the client sees.
func byToken(t *testing.T, v *login.Verifier, name, token string) (told string, took time.Duration) {
	t.Helper()
	c := &login.Client{Verifier: v, Attempt: login.Attempt{Client: netip.MustParseAddr("192.0.2.7"), Session: "01J9", Mechanism: "OAUTHBEARER"}}
	m, _ := sasl.Lookup("OAUTHBEARER")
	x := c.Begin(m, &sasl.Conn{Host: "gate.example"})
	defer c.End()
	began := time.Now()
	document, done, err := x.Next(t.Context(), []byte("n,a="+name+",\x01auth=Bearer "+token+"\x01\x01"))
	if err == nil && !done {
		_, done, err = x.Next(t.Context(), []byte{1})
	}
	took = time.Since(began)
	if done {
		return "in as " + c.Principal.Sender.Account.Login(), took
	}
	return string(document) + " " + fault.ReasonOf(err), took
}

// TestTokensTellNobodysName: beside a Dovecot that delays its refusals, as all do unless told
// otherwise, names of the store, of Dovecot and of nobody are alike with any token.
func TestTokensTellNobodysName(t *testing.T) {
	p := newProvider(t, tokensOfMailboxes)
	d := believing(t, p, "2 secs")
	v := besideDovecot(t, d, func(c *config.Directory) { c.Tokens = true })
	if told, _ := byToken(t, v, "shop@example.org", "token.shop"); told != "in as shop@example.org" {
		t.Fatal(told)
	}
	names := []string{"shop@example.org", ownAccount, "second@example.org", "nobody@example.org"}
	var all sync.WaitGroup
	each := func(token string, want string, least, most time.Duration) {
		t.Helper()
		for _, name := range names {
			all.Go(func() {
				if told, took := byToken(t, v, name, token); told != want || took < least || took > most {
					t.Errorf("%s, %s: %s after %v", name, token, told, took)
				}
			})
		}
		all.Wait()
	}
	const refused, away = `{"status":"invalid_token"} auth-failed`, " auth-unavailable"
	each("token.wrong", refused, 900*time.Millisecond, 8*time.Second)
	each("token.new", refused, 900*time.Millisecond, 8*time.Second)
	each(ownPassword[:7], refused, 900*time.Millisecond, 8*time.Second)
	if log := d.told(); strings.Contains(log, ownAccount) || strings.Contains(log, "BUG") {
		t.Errorf("Dovecot was asked about an account of the store, or finds fault:\n%s", log)
	}
	p.Close()
	each("token.wrong", away, 900*time.Millisecond, 8*time.Second)
	d.stop()
	each("token.wrong", away, 0, 8*time.Second)
	if reason, _ := byPLAIN(v, ownAccount, ownPassword); reason != "" {
		t.Errorf("the store's password: %s", reason)
	}
}

// TestTokensAwayKeepPasswords: while the provider of a Dovecot is away, and tokens are not
// asked about any more, passwords are verified.
func TestTokensAwayKeepPasswords(t *testing.T) {
	p := newProvider(t, tokensOfMailboxes)
	d := believing(t, p, "0")
	const failures = 2 // in a row, and it is left alone
	v := besideDovecot(t, d, func(c *config.Directory) { c.Tokens, c.Failures, c.Pause = true, failures, c.Timeout })
	p.Close()
	for range 2 * failures {
		if told, _ := byToken(t, v, "shop@example.org", "token.shop"); told != " auth-unavailable" {
			t.Error(told)
		}
	}
	if reason, _ := byPLAIN(v, "shop@example.org", "pencil"); reason != "" {
		t.Errorf("a password: %s", reason)
	}
}
