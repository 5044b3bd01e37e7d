package oidc

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/oauth"
)

const (
	address1 = "test-user@zitadel.ch"
	address2 = "test-user2@zitadel.ch"
)

// check verifies a token and wants that user, or that cause where it has no "@".
func check(t *testing.T, v *oauth.Verifier, token, want string) {
	t.Helper()
	id, err := v.Verify(t.Context(), token)
	if strings.Contains(want, "@") {
		if err != nil || id.User != want || id.Issuer != "zitadel" || id.Subject == "" || id.Expires.IsZero() {
			t.Errorf("got %+v, %v, want %s", id, err, want)
		}
		return
	}
	if oauth.Cause(err) != want || id.User != "" {
		t.Errorf("got %+v, %v, want %s", id, err, want)
	}
}

// away wants that nothing can be said of a token.
func away(t *testing.T, v *oauth.Verifier, token string) {
	t.Helper()
	id, err := v.Verify(t.Context(), token)
	if !fault.Is(err, fault.Unavailable) || oauth.Cause(err) != "" || id.User != "" {
		t.Errorf("got %+v, %v, want Unavailable", id, err)
	}
}

// TestAccessTokensAsJWT: each user gets a token by logging in, and is known by it.
func TestAccessTokensAsJWT(t *testing.T) {
	p := startProvider(t)
	v, c := verifier(t, p, nil)
	one, two := p.login(t, jwtClient, p.user(1)), p.login(t, jwtClient, p.user(2))
	if strings.Count(one.Access, ".") != 2 {
		t.Fatalf("it is no JWT: %s", one.Access)
	}
	check(t, v, one.Access, address1)
	check(t, v, two.Access, address2)
	asked := p.asked.Load()
	check(t, v, one.Access, address1)
	if p.asked.Load() != asked {
		t.Error("the provider was asked again")
	}
	refreshed := p.token(t, jwtClient, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {one.Refresh}})
	if refreshed.Access == one.Access {
		t.Error("the same token came")
	}
	check(t, v, refreshed.Access, address1)

	// The ID token has no address; a part of another token is no token.
	check(t, v, one.ID, oauth.CauseNoUser)
	head, rest, _ := strings.Cut(one.Access, ".")
	payload, _, _ := strings.Cut(rest, ".")
	_, signature, _ := strings.Cut(two.Access[len(head)+1:], ".")
	check(t, v, head+"."+payload+"."+signature, oauth.CauseBadSignature)
	check(t, v, one.Refresh, oauth.CauseMalformed)

	c.pass(6 * time.Minute) // the example server's tokens live for five
	check(t, v, one.Access, oauth.CauseExpired)
}

// TestConfigurations: the same token under others.
func TestConfigurations(t *testing.T) {
	p := startProvider(t)
	token := p.login(t, jwtClient, p.user(1)).Access
	for name, c := range map[string]struct {
		change func(*oauth.Issuer)
		want   string
	}{
		"another audience":     {func(i *oauth.Issuer) { i.Audiences = []string{opaqueClient} }, oauth.CauseWrongAudience},
		"another domain":       {func(i *oauth.Issuer) { i.Domains = []string{"example.org"} }, oauth.CauseForeignDomain},
		"every domain":         {func(i *oauth.Issuer) { i.Domains = nil }, address1},
		"a scope":              {func(i *oauth.Issuer) { i.Scopes = []string{"custom_scope"} }, oauth.CauseScope}, // its JWTs have none
		"another algorithm":    {func(i *oauth.Issuer) { i.Algorithms = []string{"ES256"} }, oauth.CauseWrongAlgorithm},
		"without the slash":    {func(i *oauth.Issuer) { i.URL = strings.TrimSuffix(i.URL, "/") }, oauth.CauseWrongIssuer},
		"at+jwt alone":         {func(i *oauth.Issuer) { i.AccessTokensOnly = true }, oauth.CauseMalformed},
		"verified":             {func(i *oauth.Issuer) { i.RequireVerified = true }, address1},
		"a claim it has not":   {func(i *oauth.Issuer) { i.Claim = "preferred_username" }, oauth.CauseNoUser},
		"keys named by hand":   {func(i *oauth.Issuer) { i.JWKSURI = p.issuer + "keys" }, address1},
		"keys that are others": {func(i *oauth.Issuer) { i.JWKSURI = startProvider(t).issuer + "keys" }, oauth.CauseUnknownKey},
	} {
		t.Run(name, func(t *testing.T) {
			v, _ := verifier(t, p, c.change)
			check(t, v, token, c.want)
		})
	}
	v, _ := verifier(t, p, func(i *oauth.Issuer) { i.JWKSURI = p.issuer + "nowhere" })
	away(t, v, token)
}

// TestRotation: the provider gets a new key, first beside the old one, then alone.
func TestRotation(t *testing.T) {
	p := startProvider(t)
	v, c := verifier(t, p, nil)
	old := p.login(t, jwtClient, p.user(1)).Access
	check(t, v, old, address1)

	c.pass(time.Minute)
	p.rotate(t, true)
	check(t, v, p.login(t, jwtClient, p.user(2)).Access, address2)
	check(t, v, old, address1)

	c.pass(time.Minute)
	p.rotate(t, false)
	check(t, v, p.login(t, jwtClient, p.user(2)).Access, address2)
	check(t, v, old, oauth.CauseUnknownKey)
	if h := v.Health()[0]; h.State != "reachable" || h.Keys != 1 {
		t.Errorf("%+v", h)
	}
}

// TestProviderAway: known keys do for a while, nothing is let in without any, and it
// comes back.
func TestProviderAway(t *testing.T) {
	p := startProvider(t)
	v, c := verifier(t, p, nil)
	token := p.login(t, jwtClient, p.user(1)).Access
	p.down.Store(true)
	away(t, v, token)
	p.down.Store(false)
	away(t, v, token) // too soon to ask again
	c.pass(2 * time.Second)
	check(t, v, token, address1)

	c.pass(time.Minute)
	p.rotate(t, false)
	fresh := p.login(t, jwtClient, p.user(2)).Access
	p.down.Store(true)
	away(t, v, fresh)
	check(t, v, token, address1)
	if h := v.Health()[0]; h.State != "unreachable" || h.Reason == "" || h.LastAnswer.IsZero() {
		t.Errorf("%+v", h)
	}
	p.down.Store(false)
	c.pass(time.Minute)
	check(t, v, fresh, address2)
}

// TestIntrospection: the provider is asked about opaque tokens, and a revocation is
// felt when its answer is over.
func TestIntrospection(t *testing.T) {
	p := startProvider(t)
	v, c := verifier(t, p, introspected(t, secret))
	token := p.login(t, opaqueClient, p.user(1))
	if strings.Count(token.Access, ".") == 2 {
		t.Fatalf("it is not opaque: %s", token.Access)
	}
	check(t, v, token.Access, address1)
	asked := p.asked.Load()
	check(t, v, token.Access, address1)
	if p.asked.Load() != asked {
		t.Error("the provider was asked again")
	}
	// The same issuer's JWTs still need no question but for the keys.
	check(t, v, p.login(t, jwtClient, p.user(2)).Access, address2)
	check(t, v, "invented", oauth.CauseInactive)

	p.post(t, "revoke", opaqueClient, url.Values{"token": {token.Access}})
	check(t, v, token.Access, address1)
	c.pass(time.Minute)
	check(t, v, token.Access, oauth.CauseInactive)

	p.down.Store(true)
	away(t, v, p.downLogin(t))
	check(t, v, token.Access, oauth.CauseInactive) // remembered
}

// downLogin gets an opaque token from a provider that is down for everybody else.
func (p *provider) downLogin(t *testing.T) string {
	t.Helper()
	p.down.Store(false)
	defer p.down.Store(true)
	return p.login(t, opaqueClient, p.user(2)).Access
}

// TestIntrospectionScopes: opaque tokens have scopes, which the answer tells.
func TestIntrospectionScopes(t *testing.T) {
	p := startProvider(t)
	token := p.login(t, opaqueClient, p.user(1)).Access
	for scope, want := range map[string]string{"custom_scope": address1, "smtp": oauth.CauseScope} {
		with := introspected(t, secret)
		v, _ := verifier(t, p, func(i *oauth.Issuer) { with(i); i.Scopes = []string{scope} })
		check(t, v, token, want)
	}
	v, _ := verifier(t, p, nil)
	check(t, v, token, oauth.CauseMalformed) // nobody to ask
}

// TestIntrospectionWithWrongSecret is our fault, and never a pass.
func TestIntrospectionWithWrongSecret(t *testing.T) {
	p := startProvider(t)
	v, _ := verifier(t, p, introspected(t, "wrong"))
	away(t, v, p.login(t, opaqueClient, p.user(1)).Access)
	if h := v.Health()[0]; h.State != "unreachable" || !strings.Contains(h.Reason, "401") || strings.Contains(h.Reason, "wrong") {
		t.Errorf("%+v", h)
	}
}

// TestIntrospectionOfAll: JWTs are asked about too, and a revocation is felt.
func TestIntrospectionOfAll(t *testing.T) {
	p := startProvider(t)
	with := introspected(t, secret)
	v, c := verifier(t, p, func(i *oauth.Issuer) { with(i); i.Introspection.All, i.Introspection.ClientID = true, jwtClient })
	token := p.login(t, jwtClient, p.user(1)).Access
	check(t, v, token, address1)
	p.post(t, "revoke", jwtClient, url.Values{"token": {token}})
	c.pass(time.Minute)
	check(t, v, token, oauth.CauseInactive)
}
