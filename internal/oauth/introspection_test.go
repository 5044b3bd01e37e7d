package oauth

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
	"countersign/internal/login/pool"
)

// asking is an issuer of opaque tokens.
func asking(t testing.TB) Issuer {
	config := standard()
	config.Introspection = &Introspection{ClientID: "gate:1", SecretFile: secretFile(t)}
	return config
}

// answer makes the provider's answer about every token.
func (p *provider) answer(changes map[string]any) {
	said := map[string]any{"active": true, "aud": "gate", "sub": "u-1", "email": "ann@example.org", "scope": "smtp openid"}
	maps.Copy(said, changes)
	maps.DeleteFunc(said, func(_ string, v any) bool { return v == nil })
	p.serve("/introspect", said)
}

const opaque = "ya29.a0AfB_opaque-token-of-some-length"

func TestIntrospectionRequest(t *testing.T) {
	p := newProvider()
	p.publish(rsaKey().public(""))
	p.answer(nil)
	then := p.paths["/introspect"]
	p.paths["/introspect"] = func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if r.Method != "POST" || id != "gate%3A1" || secret != "s3cr3t%2Fwith%3Asigns" || r.FormValue("token") != opaque || r.FormValue("token_type_hint") != "access_token" ||
			r.Header.Get("Accept") != "application/json" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" {
			t.Errorf("%s %s, %s %s, %v", r.Method, r.URL, id, secret, r.Form)
		}
		then(w, r)
	}
	v := start(t, Options{Transport: p}, asking(t))
	id, err := v.Verify(t.Context(), opaque)
	if err != nil || id.User != "ann@example.org" || id.Subject != "u-1" || !id.Expires.IsZero() {
		t.Errorf("%+v, %v", id, err)
	}
	// The same issuer's JWTs need no question.
	before := p.count("/introspect")
	verify(t, v, rsaKey(), nil)
	if p.count("/introspect") != before || v.Health()[0].State != "reachable" {
		t.Errorf("%v", v.Health())
	}
}

func TestIntrospectionAnswers(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name    string
		changes map[string]any
		cause   string
	}{
		{"not active", map[string]any{"active": false}, CauseInactive},
		{"expired", map[string]any{"exp": now.Add(-time.Minute).Unix()}, CauseExpired},
		{"not yet", map[string]any{"nbf": now.Add(time.Minute).Unix()}, CauseNotYet},
		{"exp as a text", map[string]any{"exp": "1"}, CauseMalformed},
		{"another audience", map[string]any{"aud": "x"}, CauseWrongAudience},
		{"another audience, right client", map[string]any{"aud": "x", "client_id": "gate"}, CauseWrongAudience},
		{"no audience", map[string]any{"aud": nil}, CauseWrongAudience},
		{"no audience, right client", map[string]any{"aud": nil, "client_id": "gate"}, ""},
		{"no audience, another client", map[string]any{"aud": nil, "client_id": "x"}, CauseWrongAudience},
		{"scope", map[string]any{"scope": "openid"}, CauseScope},
		{"another issuer", map[string]any{"iss": "https://evil.example"}, CauseWrongIssuer},
		{"the issuer", map[string]any{"iss": issuerURL}, ""},
		{"no user", map[string]any{"email": nil}, CauseNoUser},
		{"not verified", map[string]any{"email_verified": false}, CauseNoUser},
		{"bound to a key", map[string]any{"token_type": "DPoP"}, CauseKeyBound},
		{"bound to a certificate", map[string]any{"cnf": map[string]any{"x5t#S256": "x"}}, CauseKeyBound},
		{"foreign domain", map[string]any{"email": "ann@other.example"}, CauseForeignDomain},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProvider()
			p.publish()
			p.answer(c.changes)
			config := asking(t)
			config.Domains = []string{"example.org"}
			v := start(t, Options{Transport: p}, config)
			id, err := v.Verify(t.Context(), opaque)
			if c.cause != "" {
				wantCause(t, id, err, c.cause, opaque)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestIntrospectionFails: whatever is no answer is never a pass, and not the client's
// fault.
func TestIntrospectionFails(t *testing.T) {
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); w.Write([]byte(body)) }
	}
	good := `"aud":"gate","sub":"u-1","email":"ann@example.org","scope":"smtp"`
	for name, handler := range map[string]http.HandlerFunc{
		"our secret is wrong": status(401, `{"error":"invalid_client"}`), "forbidden": status(403, ""), "bad request": status(400, `{"active":true}`), "created": status(201, `{"active":true,`+good+`}`),
		"broken": status(500, "oops"), "nothing": status(200, ""), "not JSON": status(200, "<html>"), "a list": status(200, "[]"), "no active": status(200, `{`+good+`}`),
		"active is a text": status(200, `{"active":"true",`+good+`}`), "active is null": status(200, `{"active":null,`+good+`}`), "active twice": status(200, `{"active":true,"active":false,`+good+`}`),
		"huge": status(200, `{"active":true,`+good+`}`+strings.Repeat(" ", 300<<10)), "missing": nil,
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/x", http.StatusTemporaryRedirect)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider()
			p.publish()
			p.set(func(p *provider) { p.paths["/introspect"] = handler })
			v := start(t, Options{Transport: p}, asking(t))
			id, err := v.Verify(t.Context(), opaque)
			if !fault.Is(err, fault.Unavailable) || Cause(err) != "" || id.User != "" || p.count("/x") != 0 {
				t.Errorf("%+v, %v", id, err)
			}
			if strings.Contains(err.Error(), opaque) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the error has a secret: %v", err)
			}
			h := v.Health()[0]
			if h.State != "unreachable" || h.Reason == "" || strings.Contains(h.Reason, opaque) || strings.Contains(h.Reason, "s3cr3t") {
				t.Errorf("%+v", h)
			}
		})
	}
}

// TestIntrospectionEndpointElsewhere: discovery cannot lead tokens and secret to others.
func TestIntrospectionEndpointElsewhere(t *testing.T) {
	for _, endpoint := range []string{"https://evil.example/introspect", "https://id.example.org:8443/introspect", "http://id.example.org/introspect", "http://127.0.0.1/introspect", "https://id.example.org@evil.example/introspect", ""} {
		p := newProvider()
		p.answer(nil)
		p.serve("/realm/.well-known/openid-configuration", map[string]any{"issuer": issuerURL, "jwks_uri": "https://id.example.org/keys", "introspection_endpoint": endpoint})
		v := start(t, Options{Transport: p}, asking(t))
		_, err := v.Verify(t.Context(), opaque)
		if !fault.Is(err, fault.Unavailable) || p.count("/introspect") != 0 {
			t.Errorf("%s: %v, %v", endpoint, err, p.asked)
		}
	}
	// Named in the configuration it may be anywhere.
	p := newProvider()
	p.answer(nil)
	config := asking(t)
	config.Introspection.Endpoint = "https://elsewhere.example/introspect"
	v := start(t, Options{Transport: p}, config)
	if _, err := v.Verify(t.Context(), opaque); err != nil || p.count("") != 1 {
		t.Errorf("%v, %v", err, p.asked)
	}
}

// TestAnswersAreKeptShortly, in virtual time.
func TestAnswersAreKeptShortly(t *testing.T) {
	config := asking(t)
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		p.publish()
		p.answer(nil)
		v := start(t, Options{Transport: p}, config)
		ask := func(token, cause string, requests int) {
			t.Helper()
			before := p.count("/introspect")
			_, err := v.Verify(t.Context(), token)
			if Cause(err) != cause || (err == nil) != (cause == "") || p.count("/introspect")-before != requests {
				t.Errorf("%v, %d requests", err, p.count("/introspect")-before)
			}
		}
		ask("a", "", 1)
		time.Sleep(59 * time.Second)
		p.answer(map[string]any{"active": false})
		ask("a", "", 0) // revoked, and good until the minute is over
		time.Sleep(time.Second)
		ask("a", CauseInactive, 1)
		time.Sleep(9 * time.Second)
		p.answer(map[string]any{"exp": time.Now().Unix() + 21})
		ask("a", CauseInactive, 0)
		time.Sleep(time.Second)
		ask("a", "", 1)
		time.Sleep(19 * time.Second)
		ask("a", "", 0)
		time.Sleep(time.Second)
		ask("a", "", 1) // over by its own time: asked, and still within the leeway
		time.Sleep(30 * time.Second)
		ask("a", CauseExpired, 1)
		p.set(func(p *provider) { p.down = true })
		ask("a", CauseExpired, 0)
		_, err := v.Verify(t.Context(), "b")
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("got %v", err)
		}
	})
}

// TestOneQuestionForOneToken: however many wait for it.
func TestOneQuestionForOneToken(t *testing.T) {
	config := asking(t)
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		p.publish()
		p.answer(nil)
		p.slow = time.Second
		v := start(t, Options{Transport: p}, config)
		var all sync.WaitGroup
		for n := range 1000 {
			all.Go(func() {
				ctx, cancel := contextFor(t, time.Minute)
				defer cancel()
				if n == 0 {
					cancel()
				}
				_, err := v.Verify(ctx, opaque)
				if (err != nil) != (n == 0) {
					t.Errorf("%d: %v", n, err)
				}
			})
		}
		all.Wait()
		if p.count("/introspect") != 1 {
			t.Errorf("%v", p.asked)
		}
	})
}

// TestManyQuestions: invented tokens are bounded in number at once, and by a provider
// that fails.
func TestManyQuestions(t *testing.T) {
	config := asking(t)
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		p.publish()
		p.answer(map[string]any{"active": false})
		p.slow = time.Second
		v := start(t, Options{Transport: p}, config)
		flood := func() (kinds map[fault.Kind]int) {
			var all sync.WaitGroup
			var mu sync.Mutex
			kinds = map[fault.Kind]int{}
			for n := range 500 {
				all.Go(func() {
					_, err := v.Verify(t.Context(), "invented"+strconv.Itoa(n))
					mu.Lock()
					defer mu.Unlock()
					kinds[fault.KindOf(err)]++
				})
			}
			all.Wait()
			return kinds
		}
		const asked, waiting = 64, 256
		began := time.Now()
		if kinds := flood(); kinds[fault.Unauthenticated] != asked+waiting || kinds[fault.Busy] != 500-asked-waiting || p.count("/introspect") != asked+waiting {
			t.Errorf("%v, %v", kinds, p.asked)
		}
		if took := time.Since(began); took < (asked+waiting)/asked*time.Second {
			t.Errorf("more than %d are asked about at once: all took %v", asked, took)
		}
		time.Sleep(time.Minute)
		p.set(func(p *provider) { p.down, p.asked = true, map[string]int{} })
		flood()
		// Three rounds fail before it is held back.
		if n := p.count("/introspect"); n != 64*3 {
			t.Errorf("%d requests to a provider that is down", n)
		}
		for range 60 {
			time.Sleep(time.Second)
			flood()
		}
		// Then one request after 2, 4, 8, 16 s.
		if n := p.count("/introspect"); n < 64*3+4 || n > 64*3+5 {
			t.Errorf("%d requests in a minute to a provider that is down", n)
		}
		p.set(func(p *provider) { p.down = false })
		time.Sleep(2 * time.Minute)
		if kinds := flood(); kinds[fault.Unauthenticated] != 1 {
			t.Errorf("the first flood afterwards: %v", kinds)
		}
		if kinds := flood(); kinds[fault.Unauthenticated] != asked+waiting+1 {
			t.Errorf("the second: %v", kinds)
		}
	})
}

// TestTokensAreAskedAboutFairly: a network that invents tokens keeps nobody else from being
// asked about, nor does one that hangs up.
func TestTokensAreAskedAboutFairly(t *testing.T) {
	config := asking(t)
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		p.publish()
		p.answer(map[string]any{"active": false})
		p.slow = time.Second
		v := start(t, Options{Transport: p}, config)
		var all sync.WaitGroup
		for n := range 500 {
			all.Go(func() {
				ctx, hangUp := context.WithCancel(t.Context())
				if n%2 == 0 {
					time.AfterFunc(10*time.Millisecond, hangUp)
				}
				defer hangUp()
				_, _ = v.VerifyFor(ctx, "invented"+strconv.Itoa(n), "", pool.Ticket{Keys: []string{"192.0.2.0/24", "192.0.2.7", ""}})
			})
		}
		synctest.Wait()
		for n := range 3 {
			began := time.Now()
			_, err := v.VerifyFor(t.Context(), "honest"+strconv.Itoa(n), "", pool.Ticket{Keys: []string{"198.51.100.0/24", "198.51.100.7", "a@example.org"}})
			if took := time.Since(began); !fault.Is(err, fault.Unauthenticated) || took > 3*time.Second {
				t.Errorf("%v after %v", err, took)
			}
		}
		all.Wait()
	})
}

// TestTokenIsShownToItsIssuerAlone: another issuer could use it.
func TestTokenIsShownToItsIssuerAlone(t *testing.T) {
	a, b := asking(t), asking(t)
	a.Domains, a.Introspection.Endpoint = []string{"example.org"}, "https://id.example.org/introspect"
	b.Name, b.URL, b.Domains, b.Introspection.Endpoint = "b", "https://b.example", []string{"b.example"}, "https://b.example/introspect"
	p := newProvider()
	p.answer(nil)
	p.paths["b.example/introspect"] = func(http.ResponseWriter, *http.Request) { t.Error("the token was shown to b") }
	v := start(t, Options{Transport: p}, a, b)
	id, err := v.VerifyFor(t.Context(), opaque, "Example.org", pool.Ticket{})
	if err != nil || id.Issuer != "id" {
		t.Errorf("%+v, %v", id, err)
	}
	id, err = v.Verify(t.Context(), opaque)
	wantCause(t, id, err, CauseWrongIssuer, opaque)
	id, err = v.VerifyFor(t.Context(), opaque, "c.example", pool.Ticket{})
	wantCause(t, id, err, CauseForeignDomain, opaque)
	// A JWT is shown to nobody but who it says it is of.
	for _, iss := range []string{"https://c.example", "https://b.example/"} {
		token := rsaKey().sign(t, "RS256", claims(time.Now(), map[string]any{"iss": iss}), nil)
		id, err = v.VerifyFor(t.Context(), token, "b.example", pool.Ticket{})
		wantCause(t, id, err, CauseWrongIssuer, token)
	}
	// Nor is one that is broken.
	broken := part(`{"alg":"none","alg":"none"}`) + ".a.b"
	id, err = v.VerifyFor(t.Context(), broken, "b.example", pool.Ticket{})
	wantCause(t, id, err, CauseMalformed, broken)
}

// TestAll: each JWT is asked about, and no keys are needed.
func TestAll(t *testing.T) {
	config := asking(t)
	config.Introspection.All, config.Audiences = true, nil
	p := newProvider()
	p.publish()
	p.answer(map[string]any{"aud": nil})
	v := start(t, Options{Transport: p}, config)
	token := signer{newKey().key, "unknown"}.sign(t, "RS256", claims(time.Now(), nil), nil)
	if _, err := v.Verify(t.Context(), token); err != nil || p.count("/keys") != 0 || p.count("/introspect") != 1 {
		t.Errorf("%v, %v", err, p.asked)
	}
	id, err := v.Verify(t.Context(), token+".x")
	wantCause(t, id, err, CauseMalformed, token)
	p.answer(map[string]any{"active": false})
	revoked := token[:len(token)-2] + "AA"
	id, err = v.Verify(t.Context(), revoked)
	wantCause(t, id, err, CauseInactive, revoked)
}

// TestEncryptedTokens are opaque: whoever made one is asked.
func TestEncryptedTokens(t *testing.T) {
	p := newProvider()
	p.publish()
	p.answer(nil)
	v := start(t, Options{Transport: p}, asking(t))
	token := part(`{"alg":"A256GCMKW","enc":"A256GCM"}`) + ".a.b.c.d"
	if id, err := v.Verify(t.Context(), token); err != nil || id.User != "ann@example.org" {
		t.Errorf("%+v, %v", id, err)
	}
	for _, token := range []string{token + ".e", strings.TrimSuffix(token, ".d"), token[:len(token)-5] + "b"} {
		id, err := v.Verify(t.Context(), token)
		wantCause(t, id, err, CauseMalformed, token)
	}
}

// TestNoOpaqueTokens: without introspection there is nobody to ask.
func TestNoOpaqueTokens(t *testing.T) {
	v, p := verifier(t)
	id, err := v.Verify(t.Context(), opaque)
	wantCause(t, id, err, CauseMalformed, opaque)
	if p.count("") != 0 {
		t.Error("somebody was asked")
	}
}

// TestNoRandomness: without a key for the marks there is no Verifier.
func TestNoRandomness(t *testing.T) {
	_, err := New([]Issuer{asking(t)}, Options{Random: broken{}})
	if err == nil || fault.KindOf(err) != fault.Internal {
		t.Errorf("got %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("no entropy") }
