package oauth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/internal/fault"
)

// issuerURL is that of the provider of most tests.
const issuerURL = "https://id.example.org/realm"

// provider is an identity provider without sockets: an http.RoundTripper.
type provider struct {
	mu sync.Mutex
	// paths are what it answers; those that are missing are 404.
	paths map[string]http.HandlerFunc
	// asked counts requests by path.
	asked map[string]int
	// down makes requests fail; slow makes them take that long.
	down bool
	slow time.Duration
}

func newProvider() *provider {
	return &provider{paths: map[string]http.HandlerFunc{}, asked: map[string]int{}}
}

// RoundTrip implements http.RoundTripper.
func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.asked[r.URL.Path]++
	handler, down, slow := p.paths[r.URL.Host+r.URL.Path], p.down, p.slow
	if handler == nil {
		handler = p.paths[r.URL.Path]
	}
	p.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if down {
		return nil, errors.New("connection refused")
	}
	if handler == nil {
		handler = http.NotFound
	}
	w := httptest.NewRecorder()
	handler(w, r)
	response := w.Result()
	response.Request = r
	return response, nil
}

// set changes the provider while it is in use.
func (p *provider) set(f func(*provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

// count tells how often a path was asked for, "" for all.
func (p *provider) count(path string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for asked, times := range p.asked {
		if path == "" || path == asked {
			n += times
		}
	}
	return n
}

// serve answers a path with a document.
func (p *provider) serve(path string, v any) {
	text, isText := v.(string)
	if !isText {
		made, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		text = string(made)
	}
	p.set(func(p *provider) {
		p.paths[path] = func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) }
	})
}

// publish makes it a provider with discovery and these public keys.
func (p *provider) publish(keys ...jose.JSONWebKey) {
	p.serve("/realm/.well-known/openid-configuration", map[string]any{
		"issuer": issuerURL, "jwks_uri": "https://id.example.org/keys", "introspection_endpoint": "https://id.example.org/introspect",
	})
	p.serve("/keys", jose.JSONWebKeySet{Keys: keys})
}

// signer is a private key with its name.
type signer struct {
	key any
	kid string
}

// public returns the key as the provider publishes it.
func (s signer) public(alg string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: s.key.(interface{ Public() crypto.PublicKey }).Public(), KeyID: s.kid, Algorithm: alg, Use: "sig"}
}

var (
	rsaKey = sync.OnceValue(func() signer { return signer{must(rsa.GenerateKey(rand.Reader, 2048)), "rsa"} })
	newKey = sync.OnceValue(func() signer { return signer{must(rsa.GenerateKey(rand.Reader, 2048)), "new"} })
	ecKey  = sync.OnceValue(func() signer { return signer{must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "ec"} })
	edKey  = sync.OnceValue(func() signer {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return signer{must(key, err), "ed"}
	})
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// sign makes a token; header is added to alg, kid and typ.
func (s signer) sign(t testing.TB, alg string, claims any, header map[string]any) string {
	t.Helper()
	options := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{}}
	if s.kid != "" {
		options.ExtraHeaders["kid"] = s.kid
	}
	for name, value := range header {
		options.ExtraHeaders[jose.HeaderKey(name)] = value
	}
	made, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: s.key}, options)
	if err != nil {
		t.Fatal(err)
	}
	text, isText := claims.(string)
	if !isText {
		text = string(must(json.Marshal(claims)))
	}
	signed, err := made.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return must(signed.CompactSerialize())
}

// part makes one part of a token.
func part(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// claims returns good ones, with changes; nil takes one away.
func claims(now time.Time, changes map[string]any) map[string]any {
	all := map[string]any{
		"iss": issuerURL, "aud": "gate", "sub": "u-1", "email": "ann@example.org", "email_verified": true,
		"scope": "openid smtp email", "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// standard is the issuer of most tests.
func standard() Issuer {
	return Issuer{Name: "id", URL: issuerURL, Audiences: []string{"gate"}, Scopes: []string{"smtp"}}
}

// start makes a Verifier that is closed at the end of the test.
func start(t testing.TB, o Options, issuers ...Issuer) *Verifier {
	t.Helper()
	v, err := New(issuers, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// wantCause sees that a token was refused for that cause, and that the error has
// nothing that it should not have.
func wantCause(t *testing.T, id Identity, err error, cause, token string) {
	t.Helper()
	if Cause(err) != cause || !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("got %+v, error %v, want cause %q", id, err, cause)
		return
	}
	if id.User != "" || id.Issuer != "" {
		t.Errorf("a refused token names %+v", id)
	}
	if detail := fault.DetailOf(err, fault.Unauthenticated); detail != "the token is not valid" {
		t.Errorf("the client would be told %q", detail)
	}
	if want := "oauth.verify: the token is not valid: " + cause; err.Error() != want {
		t.Errorf("the error is %q, want %q", err, want)
	}
	if len(token) > 20 && strings.Contains(err.Error(), token[:20]) {
		t.Errorf("the error has the token: %v", err)
	}
}

// secretFile makes the file of a client's secret.
func secretFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("s3cr3t/with:signs\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// contextFor ends after a time.
func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}
