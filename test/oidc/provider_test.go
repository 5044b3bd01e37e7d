package oidc

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"countersign/internal/oauth"
)

// The clients of the provider: for mail, one gets JWTs as access tokens, the other opaque
// ones; for something else likewise. All have the same secret.
const (
	jwtClient, opaqueClient               = "mail-jwt", "mail-opaque"
	foreignJWTClient, foreignOpaqueClient = "news-jwt", "news-opaque"
	secret                                = "se:cr/et"
	// redirect is where the provider sends the code; nobody listens there.
	redirect = "http://localhost:9999/auth/callback"
)

// provider is a running OpenID provider with users of the example server.
type provider struct {
	*storage.Storage
	users storage.UserStore
	// issuer is its URL, with the slash at the end that it writes.
	issuer string
	// down makes it end every connection without an answer.
	down atomic.Bool
	// asked counts the requests.
	asked atomic.Int32

	// lifetime is that of the tokens that are issued next; 0 is the example server's own.
	lifetime atomic.Int64

	mu sync.Mutex // guards what follows
	// ends are those of tokens with a lifetime, by their ids.
	ends map[string]time.Time
	// signing is the newest key, published are those that may still verify.
	signing   key
	published []op.Key
}

// startProvider runs the example server on loopback.
func startProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{ends: map[string]time.Time{}}
	var front http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		if p.down.Load() {
			panic(http.ErrAbortHandler) // ends the connection
		}
		front.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	p.issuer = srv.URL + "/"
	p.users = storage.NewUserStore(p.issuer)
	clients := map[string]*storage.Client{}
	for _, id := range []string{jwtClient, opaqueClient, foreignJWTClient, foreignOpaqueClient} {
		clients[id] = storage.WebClient(id, secret, redirect)
	}
	p.Storage = storage.NewStorageWithClients(p.users, clients)
	p.rotate(t, false)
	front = exampleop.SetupServer(p.issuer, p, slog.New(slog.DiscardHandler), false)
	return p
}

// key is a signing key of the provider's, private or public.
type key struct {
	id  string
	key any
}

func (k key) ID() string                                  { return k.id }
func (k key) Key() any                                    { return k.key }
func (k key) Use() string                                 { return "sig" }
func (k key) Algorithm() jose.SignatureAlgorithm          { return jose.RS256 }
func (k key) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }

// rotate gives the provider a new signing key; the old ones stay published or not.
func (p *provider) rotate(t *testing.T, keep bool) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !keep {
		p.published = nil
	}
	id := rand.Text()
	p.signing = key{id, private}
	p.published = append(p.published, key{id, private.Public()})
}

// SigningKey implements op.Storage.
func (p *provider) SigningKey(context.Context) (op.SigningKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.signing, nil
}

// KeySet implements op.Storage.
func (p *provider) KeySet(context.Context) ([]op.Key, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.published, nil
}

// GetClientByClientID implements op.Storage: some of the clients get JWTs.
func (p *provider) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	client, err := p.Storage.GetClientByClientID(ctx, id)
	if err == nil && (id == jwtClient || id == foreignJWTClient) {
		client = withJWT{client}
	}
	return client, err
}

// CreateAccessAndRefreshTokens implements op.Storage, with lifetimes of the test's own.
func (p *provider) CreateAccessAndRefreshTokens(ctx context.Context, r op.TokenRequest, current string) (id, refresh string, end time.Time, err error) {
	id, refresh, end, err = p.Storage.CreateAccessAndRefreshTokens(ctx, r, current)
	if lifetime := time.Duration(p.lifetime.Load()); err == nil && lifetime != 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		end = time.Now().Add(lifetime)
		p.ends[id] = end
	}
	return id, refresh, end, err
}

// SetIntrospectionFromToken implements op.Storage.
func (p *provider) SetIntrospectionFromToken(ctx context.Context, answer *oidc.IntrospectionResponse, id, subject, client string) error {
	p.mu.Lock()
	end, known := p.ends[id]
	p.mu.Unlock()
	if known && time.Now().After(end) {
		return errors.New("the token is over")
	}
	return p.Storage.SetIntrospectionFromToken(ctx, answer, id, subject, client)
}

type withJWT struct{ op.Client }

// AccessTokenType implements op.Client.
func (withJWT) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

// GetPrivateClaimsFromScopes implements op.Storage: the address stands in the access
// token, as an administrator of a provider would set that up.
func (p *provider) GetPrivateClaimsFromScopes(_ context.Context, user, _ string, _ []string) (map[string]any, error) {
	u := p.users.GetUserByID(user)
	return map[string]any{"email": u.Email, "email_verified": u.EmailVerified}, nil
}

// tokens are what a client gets.
type tokens struct {
	Access  string `json:"access_token"`
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
	Kind    string `json:"token_type"`
}

// login gets tokens by the authorization code grant (RFC 6749 section 4.1): the user
// gives their password to the provider's own page.
func (p *provider) login(t *testing.T, client, user string) tokens {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var code string
	browser := &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), redirect) {
			code = r.URL.Query().Get("code")
			return http.ErrUseLastResponse
		}
		return nil
	}}
	page, err := browser.Get(p.issuer + "auth?" + url.Values{
		"client_id": {client}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid email offline_access custom_scope"}, "state": {"s"},
	}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	read(t, page, http.StatusOK)
	answer, err := browser.PostForm(p.issuer+"login/username", url.Values{"id": {page.Request.URL.Query().Get("authRequestID")}, "username": {user}, "password": {"verysecure"}})
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, answer, http.StatusFound)
	if code == "" {
		t.Fatalf("no code came back: %s", text)
	}
	return p.token(t, client, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}})
}

// token asks the token endpoint.
func (p *provider) token(t *testing.T, client string, form url.Values) (got tokens) {
	t.Helper()
	text := p.post(t, "oauth/token", client, form)
	if err := json.Unmarshal(text, &got); err != nil || got.Access == "" {
		t.Fatalf("no token: %s", text)
	}
	return got
}

// post asks an endpoint as a client.
func (p *provider) post(t *testing.T, path, client string, form url.Values) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(client, url.QueryEscape(secret))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, answer, http.StatusOK)
}

func read(t *testing.T, answer *http.Response, status int) []byte {
	t.Helper()
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status {
		t.Fatalf("%s %s: %s, %v\n%s", answer.Request.Method, answer.Request.URL, answer.Status, err, text)
	}
	return text
}

// clock is the system's, moved on by hand.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) pass(d time.Duration) { c.ahead.Add(int64(d)) }

// verifier returns one for the provider, whose configuration change may alter.
func verifier(t *testing.T, p *provider, change func(*oauth.Issuer)) (*oauth.Verifier, *clock) {
	t.Helper()
	issuer := oauth.Issuer{Name: "zitadel", URL: p.issuer, Audiences: []string{jwtClient, opaqueClient}, Domains: []string{"zitadel.ch"}}
	if change != nil {
		change(&issuer)
	}
	c := &clock{}
	v, err := oauth.New([]oauth.Issuer{issuer}, oauth.Options{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v, c
}

// introspected adds introspection to an issuer.
func introspected(t *testing.T, secret string) func(*oauth.Issuer) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(i *oauth.Issuer) {
		i.Introspection = &oauth.Introspection{ClientID: opaqueClient, SecretFile: path}
		i.Scopes = nil
	}
}

// user is the login of a user of the example server on this host.
func (p *provider) user(n int) string {
	if n == 1 {
		u, err := url.Parse(p.issuer)
		if err != nil {
			panic(err)
		}
		return fmt.Sprintf("test-user@%s", u.Hostname())
	}
	return "test-user2"
}
