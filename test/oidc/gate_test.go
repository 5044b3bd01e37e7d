package oidc

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"countersign/internal/oauth"
	"countersign/internal/sink"
	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// offline changes the example of the page so that JWTs are verified without a question; and
// tokens open the account that they name.
var offline = map[string]string{"introspect_all": "false\naccounts = \"claim\""}

// keep is how long the gate believes an answer about a token.
const keep = time.Second

// gate is the real binary, whose accounts those who have one at the provider open with its
// tokens: the two users of the example server.
type gate struct {
	*harness.Gate
	*provider
	mu   sync.Mutex // guards came
	came []string   // what arrived at the next hop
}

// newGate starts one with the example of the page, in which change may alter options; it asks
// about tokens as that client.
func newGate(t *testing.T, client string, change map[string]string) *gate {
	t.Helper()
	g := &gate{provider: startProvider(t)}
	hop, err := sink.Listen("127.0.0.1:0", func(m sink.Message) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.came = append(g.came, string(m.Data))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hop.Close() })
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := example(t, "## zitadel")
	values := map[string]string{
		"url": strconv.Quote(g.issuer), "audiences": fmt.Sprintf("[%q, %q]", jwtClient, opaqueClient), "domains": `["zitadel.ch"]`,
		"client_id": strconv.Quote(client), "client_secret_file": strconv.Quote(file),
	}
	maps.Copy(values, change)
	for option, value := range values {
		line := regexp.MustCompile(`(?m)^` + option + ` = .*$`)
		if !line.MatchString(config) {
			t.Fatalf("the page's example has no %s:\n%s", option, config)
		}
		config = line.ReplaceAllLiteralString(config, option+" = "+value)
	}
	const cheap = "[auth]\nhash_memory = \"7MiB\"\nhash_iterations = 1\n"
	g.Gate = harness.ServeEmpty(t, hop.Addr(), cheap+config+fmt.Sprintf("introspection_keep = %q\n", keep))
	g.Admin("", "customer", "add", "acme")
	g.Admin("", "domain", "add", "zitadel.ch", "--customer", "acme")
	for _, login := range []string{address1, address2} {
		g.Admin("a password that nobody uses\n", "account", "add", login)
	}
	return g
}

// example is the configuration that the page of operators has below a heading.
func example(t *testing.T, heading string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/ops/oauth.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "\n"+heading+"\n")
	_, rest, has := strings.Cut(rest, "```toml\n")
	text, _, ends := strings.Cut(rest, "```")
	if !found || !has || !ends {
		t.Fatalf("the page has no example for %s", heading)
	}
	return text
}

// arrived reports whether a message with a subject has come.
func (g *gate) arrived(subject string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, text := range g.came {
		if strings.Contains(text, "Subject: "+subject+"\r\n") {
			return true
		}
	}
	return false
}

// tries logs in on a connection of its own, and leaves.
func (g *gate) tries(t *testing.T, mechanism, user, token string) outcome {
	t.Helper()
	c := talk.Open(t, g.Gate)
	defer c.Raw.Close()
	return auth(c, mechanism, user, token)
}

// TestTokensAtTheGate: the tokens of the provider open the accounts of their users, who send;
// what is wrong with others the record alone tells.
func TestTokensAtTheGate(t *testing.T) {
	g := newGate(t, opaqueClient, offline)
	good := map[string]string{}
	for kind, client := range map[string]string{"JWT": jwtClient, "opaque": opaqueClient} {
		good[kind] = g.login(t, client, g.user(1)).Access
		for _, mechanism := range mechanisms {
			c, subject := talk.Open(t, g.Gate), mechanism+" with a token that is "+kind
			offers(t, c)
			if o := auth(c, mechanism, address1, good[kind]); !o.is("235 ") {
				t.Fatalf("%s: %+v", subject, o)
			}
			talk.Accepted(t, c.SubmitAs(address1, "b@example.com", talk.MessageOf(address1, subject, "text")))
			harness.WaitFor(t, "the message", func() bool { return g.arrived(subject) })
		}
	}
	g.refusesTokens(t, good)
	if accepted := g.Recorded(4, "--kind", "submission.accepted", "--account", address1); len(accepted) != 4 {
		t.Errorf("the record has %+v", accepted)
	}
	passed := map[string]int{}
	for _, e := range g.Recorded(4, "--kind", "auth.passed") {
		passed[e.Account+" "+e.Data["mechanism"]]++
	}
	if shown := g.Admin("", "account", "show", address1); !strings.Contains(shown, ", a claim of issuer zitadel; session ") {
		t.Errorf("no login by claim is shown:\n%s", shown)
	}
	if len(passed) != 2 || passed[address1+" OAUTHBEARER"] < 2 || passed[address1+" XOAUTH2"] < 2 {
		t.Errorf("the record has the logins %v", passed)
	}
}

// TestIssuerOfThePage: with the example of the page as it is a token opens the account that has
// its user as a credential, and no other; the provider is asked about JWTs too.
func TestIssuerOfThePage(t *testing.T) {
	g := newGate(t, jwtClient, nil)
	one, two := g.login(t, jwtClient, g.user(1)).Access, g.login(t, jwtClient, g.user(2)).Access
	for user, token := range map[string]string{address1: one, address2: two} {
		if o := g.tries(t, "XOAUTH2", user, token); !o.is("535 ") {
			t.Errorf("without a credential: %+v", o)
		}
		subject := map[string]string{address1: "zitadel " + address1, address2: "zitadel sub:id2"}[user]
		g.Admin("", "credential", "add", user, "sso", "--oauth", subject)
		if o := g.tries(t, "XOAUTH2", user, token); !o.is("235 ") {
			t.Errorf("with a credential: %+v", o)
		}
	}
	g.post(t, "revoke", jwtClient, url.Values{"token": {one}})
	harness.WaitFor(t, "the end of a token that was revoked", func() bool {
		o := g.tries(t, "XOAUTH2", address1, one)
		if !o.is("235 ") && !o.is("535 ") {
			t.Fatalf("%+v", o)
		}
		return o.is("535 ")
	})
	g.Admin("", "credential", "revoke", address2, "sso")
	if o := g.tries(t, "XOAUTH2", address2, two); !o.is("535 ") {
		t.Errorf("the credential is revoked: %+v", o)
	}
}

// bad is a token that opens nothing, and why.
type bad struct{ what, user, token, cause string }

// refusesTokens tries tokens that open nothing, each on one connection on which a good one
// works afterwards.
func (g *gate) refusesTokens(t *testing.T, good map[string]string) {
	t.Helper()
	var all []bad
	for kind, client := range map[string]string{"JWT": jwtClient, "opaque": opaqueClient} {
		foreign, audience, expired := foreignJWTClient, oauth.CauseWrongAudience, oauth.CauseExpired
		if kind == "opaque" { // which the provider itself calls inactive
			foreign, audience, expired = foreignOpaqueClient, oauth.CauseInactive, oauth.CauseInactive
		}
		g.lifetime.Store(int64(-time.Hour))
		over := g.login(t, client, g.user(1)).Access
		g.lifetime.Store(0)
		all = append(all,
			bad{kind + " for another audience", address1, g.login(t, foreign, g.user(1)).Access, "token: " + audience},
			bad{kind + " that is over", address1, over, "token: " + expired},
			bad{kind + " of another user", address1, g.login(t, client, g.user(2)).Access, "token-of-another"},
			bad{kind + " in the name of another", address2, good[kind], "token-of-another"},
		)
	}
	all = append(all, bad{"no token of theirs", address1, "invented", "token: " + oauth.CauseInactive})
	causes := map[string]string{} // by session
	for _, b := range all {
		for _, mechanism := range mechanisms {
			c := talk.Open(t, g.Gate)
			o := auth(c, mechanism, b.user, b.token)
			c.IsRefused(mechanism+", "+b.what, o.reply)
			g.isDocument(t, mechanism, o.document)
			causes[c.Session] = b.cause
			if o := auth(c, mechanism, address1, good["JWT"]); !o.is("235 ") {
				t.Errorf("%s, behind %s: %+v", mechanism, b.what, o)
			}
		}
	}
	recorded := map[string]string{}
	harness.WaitFor(t, "the record of all that were refused", func() bool {
		for _, e := range g.Events("--kind", "auth.failed") {
			recorded[e.Session] = e.Data["cause"]
		}
		return len(recorded) >= len(causes)
	})
	for session, want := range causes {
		if recorded[session] != want {
			t.Errorf("the record of %s has %q, want %q", session, recorded[session], want)
		}
	}
}

// isDocument wants the error document of RFC 7628 section 3.2.2, which names where the
// provider describes itself, or that of XOAUTH2. It is the same whatever is wrong.
func (g *gate) isDocument(t *testing.T, mechanism string, document map[string]string) {
	t.Helper()
	want := map[string]string{"status": "invalid_token", "openid-configuration": g.issuer + ".well-known/openid-configuration"}
	if mechanism == "XOAUTH2" {
		want = map[string]string{"status": "400", "schemes": "Bearer"}
	}
	if fmt.Sprint(document) != fmt.Sprint(want) {
		t.Errorf("%s: the document is %v, want %v", mechanism, document, want)
	}
	if place := document["openid-configuration"]; place != "" {
		answer, err := http.Get(place)
		if err != nil {
			t.Fatal(err)
		}
		read(t, answer, http.StatusOK)
	}
}

// isUndecided wants a login that can be neither refused nor let in.
func (g *gate) isUndecided(t *testing.T, what, user, token string) {
	t.Helper()
	for _, mechanism := range mechanisms {
		if o := g.tries(t, mechanism, user, token); !o.is(undecided) {
			t.Errorf("%s, %s: %+v", mechanism, what, o)
		}
	}
}

// undecided begins the reply to what can be neither refused nor let in.
const undecided = "454 4.7.0 "

// TestProviderAwayFromTheGate: what is known goes on, for its time; everything else is
// undecided, and nothing is let in that was not before.
func TestProviderAwayFromTheGate(t *testing.T) {
	g := newGate(t, opaqueClient, offline)
	known, opaque := g.login(t, jwtClient, g.user(1)).Access, g.login(t, opaqueClient, g.user(1)).Access
	for _, token := range []string{known, opaque} {
		if o := g.tries(t, "XOAUTH2", address1, token); !o.is("235 ") {
			t.Fatalf("%+v", o)
		}
	}
	since := time.Now() // the answer about the opaque one was there before
	fresh := g.login(t, opaqueClient, g.user(2)).Access
	g.rotate(t, false)
	signedAnew := g.login(t, jwtClient, g.user(2)).Access
	g.down.Store(true)

	harness.WaitFor(t, "the end of what is remembered of a token", func() bool {
		began := time.Now()
		o := g.tries(t, "XOAUTH2", address1, opaque)
		if o.is("235 ") && began.Sub(since) > keep || !o.is("235 ") && !o.is(undecided) {
			t.Fatalf("after %v: %+v", began.Sub(since), o)
		}
		return !o.is("235 ")
	})
	g.isUndecided(t, "a new opaque token", address2, fresh)
	g.isUndecided(t, "no token of theirs", address2, "invented")
	if o := g.tries(t, "OAUTHBEARER", address1, known); !o.is("235 ") {
		t.Errorf("a known key: %+v", o)
	}
	if body := g.ready(t); !strings.Contains(body, `"issuer zitadel": "warning: `) {
		t.Errorf("health says %s", body)
	}

	// A gate that starts now knows nothing.
	g.Kill(syscall.SIGTERM)
	g.Start()
	g.isUndecided(t, "a key that was known", address1, known)
	g.isUndecided(t, "a key that is new", address2, signedAnew)
	g.isUndecided(t, "an opaque token", address1, opaque)
	g.down.Store(false)
	for user, token := range map[string]string{address2: signedAnew, address1: opaque} {
		harness.WaitFor(t, "the provider to be asked again", func() bool {
			o := g.tries(t, "OAUTHBEARER", user, token)
			if !o.is("235 ") && !o.is(undecided) {
				t.Fatalf("when it is back: %+v", o)
			}
			return o.is("235 ")
		})
	}
	if o := g.tries(t, "OAUTHBEARER", address1, known); !o.is("535 ") {
		t.Errorf("a key that is gone: %+v", o)
	}
	if body := g.ready(t); !strings.Contains(body, `"issuer zitadel": "ok"`) {
		t.Errorf("health says afterwards: %s", body)
	}
}

// ready asks for the gate's health, which stays good.
func (g *gate) ready(t *testing.T) string {
	t.Helper()
	status, body := g.Get("/readyz")
	if status != http.StatusOK {
		t.Errorf("health: %d", status)
	}
	return body
}
