package oauth

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/internal/fault"
)

// inTime runs f in virtual time with a provider that has one key, which was used once.
func inTime(t *testing.T, f func(t *testing.T, v *Verifier, p *provider)) {
	rsaKey() // made outside
	newKey()
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		p.publish(rsaKey().public("RS256"))
		v := start(t, Options{Transport: p}, standard())
		verify(t, v, rsaKey(), nil)
		f(t, v, p)
	})
}

// verify verifies a token made now with a key; want is nil, a fault.Kind or a cause.
func verify(t *testing.T, v *Verifier, key signer, want any) {
	t.Helper()
	_, err := v.Verify(t.Context(), key.sign(t, "RS256", claims(time.Now(), nil), nil))
	switch want := want.(type) {
	case nil:
		if err != nil {
			t.Errorf("refused: %v", err)
		}
	case fault.Kind:
		if !fault.Is(err, want) || Cause(err) != "" {
			t.Errorf("got %v, want kind %v", err, want)
		}
	case string:
		if Cause(err) != want {
			t.Errorf("got %v, want cause %s", err, want)
		}
	}
}

// TestUnknownKeysDriveNoRequests: a thousand invented names at once cost one request,
// and one more an interval later.
func TestUnknownKeysDriveNoRequests(t *testing.T) {
	inTime(t, func(t *testing.T, v *Verifier, p *provider) {
		flood := func() {
			var all sync.WaitGroup
			for n := range 1000 {
				token := part(`{"alg":"RS256","kid":"invented`+strconv.Itoa(n)+`"}`) + "." + part(`{"iss":"`+issuerURL+`"}`) + "." + part("x")
				all.Go(func() {
					_, err := v.Verify(t.Context(), token)
					if Cause(err) != CauseUnknownKey {
						t.Errorf("got %v", err)
					}
				})
			}
			all.Wait()
		}
		before := p.count("")
		p.set(func(p *provider) { p.slow = time.Second })
		flood()
		if n := p.count("") - before; n != 0 {
			t.Errorf("%d requests within an interval, want none", n)
		}
		for round := range 3 {
			time.Sleep(time.Minute) // virtual
			before = p.count("")
			flood()
			flood()
			if n := p.count("") - before; n != 1 {
				t.Errorf("round %d: %d requests, want one", round, n)
			}
		}
		verify(t, v, rsaKey(), nil)
	})
}

// TestFirstUseIsOneRequest: a thousand good tokens at once, before any key is known.
func TestFirstUseIsOneRequest(t *testing.T) {
	rsaKey()
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		p.publish(rsaKey().public("RS256"))
		p.slow = time.Second
		v := start(t, Options{Transport: p}, standard())
		token := rsaKey().sign(t, "RS256", claims(time.Now(), nil), nil)
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if _, err := v.Verify(t.Context(), token); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if p.count("/keys") != 1 || p.count("") != 2 {
			t.Errorf("%v", p.asked)
		}
	})
}

func TestRotation(t *testing.T) {
	inTime(t, func(t *testing.T, v *Verifier, p *provider) {
		time.Sleep(time.Minute)
		p.publish(newKey().public("RS256"))
		verify(t, v, newKey(), nil)             // got at once
		verify(t, v, rsaKey(), CauseUnknownKey) // and the old one is gone
		time.Sleep(10 * time.Second)
		p.publish(rsaKey().public("RS256"))
		verify(t, v, rsaKey(), CauseUnknownKey) // too soon after the last time
		time.Sleep(20 * time.Second)
		verify(t, v, rsaKey(), nil)
		// A provider that does not name its keys.
		nameless := signer{newKey().key, ""}
		p.publish(nameless.public(""))
		verify(t, v, nameless, CauseBadSignature)
		time.Sleep(30 * time.Second)
		verify(t, v, nameless, nil)
		verify(t, v, signer{rsaKey().key, ""}, CauseBadSignature)
	})
}

// TestKeysAreRefreshed: a key that the provider took back is refused soon, and nobody
// waits for that.
func TestKeysAreRefreshed(t *testing.T) {
	inTime(t, func(t *testing.T, v *Verifier, p *provider) {
		p.publish(newKey().public("RS256"))
		p.set(func(p *provider) { p.slow = 3 * time.Second })
		time.Sleep(15 * time.Minute)
		before := time.Now()
		verify(t, v, rsaKey(), nil)
		if waited := time.Since(before); waited != 0 {
			t.Errorf("a login waited %v for new keys", waited)
		}
		time.Sleep(10 * time.Second)
		verify(t, v, rsaKey(), CauseUnknownKey)
	})
}

func TestProviderDown(t *testing.T) {
	inTime(t, func(t *testing.T, v *Verifier, p *provider) {
		p.set(func(p *provider) { p.down = true })
		for range 5 {
			time.Sleep(time.Hour)
			verify(t, v, rsaKey(), nil) // the old keys do
		}
		verify(t, v, newKey(), fault.Unavailable) // but who knows of new ones
		time.Sleep(55 * time.Minute)
		verify(t, v, rsaKey(), nil)
		time.Sleep(6 * time.Minute)
		verify(t, v, rsaKey(), fault.Unavailable) // too old
		h := v.Health()[0]
		if h.State != "unreachable" || h.Reason != "asking id.example.org: connection refused" || h.Since.IsZero() || time.Since(h.LastAnswer) < 6*time.Hour {
			t.Errorf("%+v", h)
		}
		p.set(func(p *provider) { p.down = false })
		time.Sleep(2 * time.Minute)
		verify(t, v, rsaKey(), nil)
		if h := v.Health()[0]; h.State != "reachable" || h.Reason != "" || h.Keys != 1 || h.Since != h.LastAnswer {
			t.Errorf("%+v", h)
		}
	})
}

// TestBackOff: a provider that fails is asked less and less often, however many tokens
// come.
func TestBackOff(t *testing.T) {
	rsaKey()
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		p.down = true
		v := start(t, Options{Transport: p}, standard())
		if h := v.Health()[0]; h.State != "untried" || !h.Since.IsZero() || h.Issuer != "id" {
			t.Errorf("%+v", h)
		}
		var at []time.Duration
		begin := time.Now()
		for time.Since(begin) < 10*time.Minute {
			before := p.count("")
			verify(t, v, rsaKey(), fault.Unavailable)
			if p.count("") > before {
				at = append(at, time.Since(begin))
			}
			time.Sleep(time.Second)
		}
		if len(at) < 8 || len(at) > 12 || at[1] != 2*time.Second || at[2] != 6*time.Second || at[len(at)-1]-at[len(at)-2] != 2*time.Minute {
			t.Errorf("asked at %v", at)
		}
	})
}

// TestSlowProvider: nobody waits for longer than the bound, and who leaves does not
// take the answer from the others.
func TestSlowProvider(t *testing.T) {
	rsaKey()
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		p.publish(rsaKey().public("RS256"))
		p.slow = time.Hour
		v := start(t, Options{Transport: p}, standard())
		begin := time.Now()
		verify(t, v, rsaKey(), fault.Unavailable)
		if waited := time.Since(begin); waited != 5*time.Second {
			t.Errorf("waited %v", waited)
		}
		p.set(func(p *provider) { p.slow = 2 * time.Second })
		time.Sleep(time.Minute)
		token := rsaKey().sign(t, "RS256", claims(time.Now(), nil), nil)
		hasty, cancel := contextFor(t, time.Second)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := v.Verify(hasty, token); !fault.Is(err, fault.Canceled) {
				t.Errorf("got %v", err)
			}
		})
		all.Go(func() {
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Errorf("got %v", err)
			}
		})
		all.Wait()
	})
}

// TestBadKeySets: whatever the provider answers, the keys that are there go on, and
// without any it is away.
func TestBadKeySets(t *testing.T) {
	many := make([]jose.JSONWebKey, 65)
	for i := range many {
		many[i] = rsaKey().public("RS256")
	}
	for name, answer := range map[string]any{
		"huge": strings.Repeat(" ", 300<<10) + "{}", "too many": jose.JSONWebKeySet{Keys: many}, "empty": `{"keys":[]}`, "no keys": `{}`, "not JSON": "<html>",
		"keys twice": `{"keys":[],"keys":[]}`, "symmetric": `{"keys":[{"kty":"oct","k":"AAAA","kid":"rsa"}]}`, "deep": strings.Repeat("[", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T, v *Verifier, p *provider) {
				p.serve("/keys", answer)
				time.Sleep(time.Hour)
				verify(t, v, newKey(), fault.Unavailable)
				verify(t, v, rsaKey(), nil)
				if h := v.Health()[0]; h.State != "unreachable" || h.Reason == "" {
					t.Errorf("%+v", h)
				}
				time.Sleep(6 * time.Hour)
				verify(t, v, rsaKey(), fault.Unavailable)
			})
		})
	}
}

// TestDiscoveryIsJudged: what it says is followed only where that is safe.
func TestDiscoveryIsJudged(t *testing.T) {
	for name, answer := range map[string]string{
		"another issuer":   `{"issuer":"https://evil.example","jwks_uri":"https://id.example.org/keys"}`,
		"a slash more":     `{"issuer":"` + issuerURL + `/","jwks_uri":"https://id.example.org/keys"}`,
		"no issuer":        `{"jwks_uri":"https://id.example.org/keys"}`,
		"plain http":       `{"issuer":"` + issuerURL + `","jwks_uri":"http://id.example.org/keys"}`,
		"http on loopback": `{"issuer":"` + issuerURL + `","jwks_uri":"http://127.0.0.1/keys"}`,
		"a file":           `{"issuer":"` + issuerURL + `","jwks_uri":"file:///etc/passwd"}`,
		"no keys":          `{"issuer":"` + issuerURL + `"}`,
		"twice":            `{"issuer":"` + issuerURL + `","jwks_uri":"https://evil.example/keys","jwks_uri":"https://id.example.org/keys"}`,
		"not JSON":         `keys`,
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider()
			p.publish(rsaKey().public("RS256"))
			p.serve("/realm/.well-known/openid-configuration", answer)
			v := start(t, Options{Transport: p}, standard())
			verify(t, v, rsaKey(), fault.Unavailable)
			if p.count("/keys") != 0 {
				t.Error("it was followed")
			}
		})
	}
}

// TestKeysMove: discovery is asked again when the keys are not where they were.
func TestKeysMove(t *testing.T) {
	inTime(t, func(t *testing.T, v *Verifier, p *provider) {
		time.Sleep(time.Minute)
		p.serve("/realm/.well-known/openid-configuration", `{"issuer":"`+issuerURL+`","jwks_uri":"https://elsewhere.example/new-keys"}`)
		p.serve("/new-keys", jose.JSONWebKeySet{Keys: []jose.JSONWebKey{newKey().public("RS256")}})
		p.set(func(p *provider) { delete(p.paths, "/keys") })
		verify(t, v, newKey(), nil)
	})
}

// TestNoRedirects: an answer from elsewhere is none.
func TestNoRedirects(t *testing.T) {
	for _, path := range []string{"/keys", "/realm/.well-known/openid-configuration"} {
		p := newProvider()
		p.publish(rsaKey().public("RS256"))
		p.set(func(p *provider) {
			p.paths["evil.example/x"] = p.paths[path]
			p.paths[path] = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://evil.example/x", http.StatusFound)
			}
		})
		v := start(t, Options{Transport: p}, standard())
		verify(t, v, rsaKey(), fault.Unavailable)
		if p.count("/x") != 0 {
			t.Errorf("%s: the redirect was followed", path)
		}
	}
}

// TestClose: nothing is begun any more, and what is under way ends.
func TestClose(t *testing.T) {
	rsaKey()
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		p.publish(rsaKey().public("RS256"))
		p.slow = 4 * time.Second
		v := start(t, Options{Transport: p}, standard())
		begin := time.Now()
		var all sync.WaitGroup
		all.Go(func() { verify(t, v, rsaKey(), fault.Unavailable) })
		synctest.Wait()
		v.Close()
		all.Wait()
		if time.Since(begin) != 0 {
			t.Errorf("closing took %v", time.Since(begin))
		}
		time.Sleep(time.Hour)
		before := p.count("")
		verify(t, v, rsaKey(), fault.Unavailable)
		if p.count("") != before {
			t.Error("it asked after Close")
		}
	})
}
