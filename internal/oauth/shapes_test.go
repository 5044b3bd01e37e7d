package oauth

import (
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// TestProvidersTokens: tokens with the claims that the documentation of the usual
// providers shows, under the configuration of docs/ops/oauth.md.
func TestProvidersTokens(t *testing.T) {
	now := time.Now()
	exp, iat := now.Add(time.Hour).Unix(), now.Unix()
	for _, c := range []struct {
		name   string
		config Issuer
		header map[string]any
		claims map[string]any
		user   string
	}{
		{
			"Microsoft Entra ID",
			Issuer{URL: "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0", Audiences: []string{"66666666-7777-8888-9999-000000000000"}, Scopes: []string{"SMTP.Submit"}, Claim: "preferred_username", Domains: []string{"contoso.example"}},
			map[string]any{"typ": "JWT", "x5t": "dBjM2xuX2lJcXBuU2dQcnhP"},
			map[string]any{"aud": "66666666-7777-8888-9999-000000000000", "iat": iat, "nbf": iat, "exp": exp, "aio": "AWQAm", "azp": "aaaa", "azpacr": "0", "name": "Ann", "oid": "o-1", "preferred_username": "Ann@Contoso.example", "rh": "0.A", "scp": "SMTP.Submit User.Read", "sub": "s-1", "tid": "11111111-2222-3333-4444-555555555555", "uti": "x", "ver": "2.0"},
			"Ann@Contoso.example",
		},
		{
			"Google ID token",
			Issuer{URL: "https://accounts.google.com", Audiences: []string{"123-abc.apps.googleusercontent.com"}, RequireVerified: true, Domains: []string{"example.org"}},
			map[string]any{"typ": "JWT"},
			map[string]any{"azp": "123-abc.apps.googleusercontent.com", "aud": "123-abc.apps.googleusercontent.com", "sub": "110169484474386276334", "hd": "example.org", "email": "ann@example.org", "email_verified": true, "at_hash": "x", "iat": iat, "exp": exp},
			"ann@example.org",
		},
		{
			"Keycloak",
			Issuer{URL: "https://sso.example.org/realms/staff", Audiences: []string{"countersign"}, Scopes: []string{"smtp"}},
			map[string]any{"typ": "JWT"},
			map[string]any{"exp": exp, "iat": iat, "auth_time": iat, "jti": "onrtac:1", "aud": []string{"countersign", "account"}, "sub": "f3b9", "typ": "Bearer", "azp": "thunderbird", "sid": "x", "acr": "1", "realm_access": map[string]any{"roles": []string{"offline_access"}}, "resource_access": map[string]any{"account": map[string]any{"roles": []string{"view-profile"}}}, "scope": "openid email profile smtp", "email_verified": true, "preferred_username": "ann", "email": "ann@example.org"},
			"ann@example.org",
		},
		{
			"Authentik",
			Issuer{URL: "https://auth.example.org/application/o/mail/", Audiences: []string{"client-1"}},
			map[string]any{"typ": "JWT"},
			map[string]any{"sub": "hash", "aud": "client-1", "exp": exp, "iat": iat, "auth_time": iat, "acr": "goauthentik.io/providers/oauth2/default", "amr": []string{"pwd"}, "email": "ann@example.org", "email_verified": true, "name": "Ann", "preferred_username": "ann", "groups": []string{"users"}, "azp": "client-1", "uid": "x", "scope": "openid email profile"},
			"ann@example.org",
		},
		{
			"zitadel",
			Issuer{URL: "https://org.zitadel.cloud", Audiences: []string{"200000000000000001"}, Claim: "sub", AccessTokensOnly: true},
			map[string]any{"typ": "at+jwt"},
			map[string]any{"aud": []string{"200000000000000002@mail", "200000000000000001"}, "client_id": "200000000000000002@mail", "exp": exp, "iat": iat, "nbf": iat, "jti": "x", "sub": "163840776835432705"},
			"163840776835432705",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProvider()
			p.serve("/keys", jose.JSONWebKeySet{Keys: []jose.JSONWebKey{rsaKey().public("")}})
			c.config.Name, c.config.JWKSURI = "p", "https://keys.example/keys"
			c.claims["iss"] = c.config.URL
			v := start(t, Options{Transport: p}, c.config)
			id, err := v.Verify(t.Context(), rsaKey().sign(t, "RS256", c.claims, c.header))
			if err != nil || id.User != c.user {
				t.Errorf("%+v, %v", id, err)
			}
		})
	}
}
