package oauth

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/internal/fault"
	"countersign/internal/login/pool"
)

// verifier returns one with a provider that has a key of each kind.
func verifier(t testing.TB, issuers ...Issuer) (*Verifier, *provider) {
	t.Helper()
	p := newProvider()
	p.publish(rsaKey().public(""), ecKey().public("ES256"), edKey().public("EdDSA"))
	if len(issuers) == 0 {
		issuers = []Issuer{standard()}
	}
	return start(t, Options{Transport: p}, issuers...), p
}

func TestGoodTokens(t *testing.T) {
	v, _ := verifier(t)
	now := time.Now()
	for _, c := range []struct {
		name    string
		key     signer
		alg     string
		changes map[string]any
		header  map[string]any
		user    string
	}{
		{"RSA", rsaKey(), "RS256", nil, nil, "ann@example.org"},
		{"RSA-PSS", rsaKey(), "PS256", nil, nil, "ann@example.org"},
		{"ECDSA", ecKey(), "ES256", nil, nil, "ann@example.org"},
		{"Ed25519", edKey(), "EdDSA", nil, nil, "ann@example.org"},
		{"no kid", signer{rsaKey().key, ""}, "RS256", nil, nil, "ann@example.org"},
		{"at+jwt", rsaKey(), "RS256", nil, map[string]any{"typ": "at+jwt"}, "ann@example.org"},
		{"application/at+jwt", rsaKey(), "RS256", nil, map[string]any{"typ": "application/AT+JWT"}, "ann@example.org"},
		{"JWT", rsaKey(), "RS256", nil, map[string]any{"typ": "JWT", "x5t": "abc"}, "ann@example.org"},
		{"several audiences", rsaKey(), "RS256", map[string]any{"aud": []string{"other", "gate"}}, nil, "ann@example.org"},
		{"scp text", rsaKey(), "RS256", map[string]any{"scope": nil, "scp": "openid smtp"}, nil, "ann@example.org"},
		{"scp array", rsaKey(), "RS256", map[string]any{"scope": nil, "scp": []string{"openid", "smtp"}}, nil, "ann@example.org"},
		{"verified as a text", rsaKey(), "RS256", map[string]any{"email_verified": "true"}, nil, "ann@example.org"},
		{"silent about verification", rsaKey(), "RS256", map[string]any{"email_verified": nil}, nil, "ann@example.org"},
		{"clocks differ a little", rsaKey(), "RS256", map[string]any{"iat": now.Add(20 * time.Second).Unix(), "nbf": now.Add(20 * time.Second).Unix(), "exp": now.Add(-5 * time.Second).Unix()}, nil, "ann@example.org"},
		{"a fraction of a second", rsaKey(), "RS256", map[string]any{"exp": float64(now.Unix()) + 600.5}, nil, "ann@example.org"},
		{"other letters", rsaKey(), "RS256", map[string]any{"email": "jürgen@bücher.example"}, nil, "jürgen@bücher.example"},
		{"no subject", rsaKey(), "RS256", map[string]any{"sub": nil}, nil, "ann@example.org"},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, err := v.Verify(t.Context(), c.key.sign(t, c.alg, claims(now, c.changes), c.header))
			if err != nil {
				t.Fatal(err)
			}
			if id.User != c.user || id.Issuer != "id" || id.Domains != nil || id.Expires.IsZero() || c.name != "no subject" && id.Subject != "u-1" {
				t.Errorf("got %+v", id)
			}
		})
	}
}

// TestRefusedClaims: signed by the issuer, and yet not good.
func TestRefusedClaims(t *testing.T) {
	v, _ := verifier(t)
	now := time.Now()
	for _, c := range []struct {
		name    string
		changes map[string]any
		cause   string
	}{
		{"expired", map[string]any{"exp": now.Add(-31 * time.Second).Unix()}, CauseExpired},
		{"expires never", map[string]any{"exp": nil}, CauseMalformed},
		{"exp as a text", map[string]any{"exp": "9999999999"}, CauseMalformed},
		{"exp is null", map[string]any{"exp": json.RawMessage("null")}, CauseMalformed},
		{"exp is negative", map[string]any{"exp": -5}, CauseMalformed},
		{"exp beyond time", map[string]any{"exp": 1e300}, CauseMalformed},
		{"exp beyond numbers", map[string]any{"exp": json.RawMessage("1e999")}, CauseMalformed},
		{"not yet", map[string]any{"nbf": now.Add(time.Minute).Unix()}, CauseNotYet},
		{"made in the future", map[string]any{"iat": now.Add(time.Minute).Unix()}, CauseNotYet},
		{"another audience", map[string]any{"aud": "other"}, CauseWrongAudience},
		{"part of the audience", map[string]any{"aud": "gat"}, CauseWrongAudience},
		{"no audience", map[string]any{"aud": nil}, CauseWrongAudience},
		{"no audience but the client", map[string]any{"aud": nil, "client_id": "gate"}, CauseWrongAudience},
		{"mixed audience", map[string]any{"aud": []any{"gate", 5}}, CauseWrongAudience},
		{"another issuer", map[string]any{"iss": "https://evil.example"}, CauseWrongIssuer},
		{"issuer with a slash", map[string]any{"iss": issuerURL + "/"}, CauseWrongIssuer},
		{"issuer in capitals", map[string]any{"iss": "HTTPS://ID.example.org/realm"}, CauseWrongIssuer},
		{"no issuer", map[string]any{"iss": nil}, CauseWrongIssuer},
		{"two issuers", map[string]any{"iss": []string{issuerURL, "x"}}, CauseWrongIssuer},
		{"another scope", map[string]any{"scope": "openid"}, CauseScope},
		{"a longer scope", map[string]any{"scope": "smtp.read"}, CauseScope},
		{"no scope", map[string]any{"scope": nil}, CauseScope},
		{"not verified", map[string]any{"email_verified": false}, CauseNoUser},
		{"not verified, as a text", map[string]any{"email_verified": "false"}, CauseNoUser},
		{"verified by a number", map[string]any{"email_verified": 1}, CauseNoUser},
		{"no address", map[string]any{"email": nil}, CauseNoUser},
		{"an address that is none", map[string]any{"email": "ann"}, CauseNoUser},
		{"empty address", map[string]any{"email": ""}, CauseNoUser},
		{"address in a list", map[string]any{"email": []string{"ann@example.org"}}, CauseNoUser},
		{"NUL", map[string]any{"email": "ann\x00@example.org"}, CauseNoUser},
		{"line end", map[string]any{"email": "ann@example.org\r\n"}, CauseNoUser},
		{"space", map[string]any{"email": "ann @example.org"}, CauseNoUser},
		{"runs backwards", map[string]any{"email": "ann\u202e@example.org"}, CauseNoUser},
		{"invisible", map[string]any{"email": "ann\u200b@example.org"}, CauseNoUser},
		{"half a surrogate", map[string]any{"email": json.RawMessage(`"ann\ud800@example.org"`)}, CauseNoUser},
		{"too long", map[string]any{"email": strings.Repeat("a", 400) + "@example.org"}, CauseNoUser},
		{"bound to a key", map[string]any{"cnf": map[string]any{"jkt": "x"}}, CauseKeyBound},
		{"subject is a number", map[string]any{"sub": 5}, CauseMalformed},
		{"subject too long", map[string]any{"sub": strings.Repeat("s", 256)}, CauseMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := rsaKey().sign(t, "RS256", claims(now, c.changes), nil)
			id, err := v.Verify(t.Context(), token)
			wantCause(t, id, err, c.cause, token)
		})
	}
}

// TestLeeway looks at the very second.
func TestLeeway(t *testing.T) {
	p := newProvider()
	p.publish(rsaKey().public("RS256"))
	made := time.Unix(1_800_000_000, 0)
	now := made
	config := standard()
	config.Leeway = 10 * time.Second
	v := start(t, Options{Transport: p, Now: func() time.Time { return now }}, config)
	token := rsaKey().sign(t, "RS256", claims(made, map[string]any{"nbf": made.Unix(), "exp": made.Unix() + 60}), nil)
	for _, c := range []struct {
		second int
		cause  string
	}{{-11, CauseNotYet}, {-10, ""}, {0, ""}, {69, ""}, {70, CauseExpired}} {
		now = made.Add(time.Duration(c.second) * time.Second)
		_, err := v.Verify(t.Context(), token)
		if Cause(err) != c.cause || (err == nil) != (c.cause == "") {
			t.Errorf("second %d: %v, want %q", c.second, err, c.cause)
		}
	}
}

func TestRefusedHeaders(t *testing.T) {
	v, p := verifier(t)
	now := time.Now()
	for _, c := range []struct {
		name   string
		header map[string]any
		cause  string
	}{
		{"crit", map[string]any{"crit": []string{"x"}, "x": 1}, CauseMalformed},
		{"b64 without crit", map[string]any{"b64": true}, CauseMalformed},
		{"compressed", map[string]any{"zip": "DEF"}, CauseMalformed},
		{"crit with b64", map[string]any{"crit": []string{"b64"}, "b64": true}, CauseMalformed},
		{"another token within", map[string]any{"cty": "JWT"}, CauseMalformed},
		{"key of its own", map[string]any{"jwk": rsaKey().public("RS256")}, CauseMalformed},
		{"key elsewhere", map[string]any{"jku": "https://evil.example/keys"}, CauseMalformed},
		{"certificate elsewhere", map[string]any{"x5u": "https://evil.example/cert"}, CauseMalformed},
		{"certificate of its own", map[string]any{"x5c": []string{"MIIB"}}, CauseMalformed},
		{"logout token", map[string]any{"typ": "logout+jwt"}, CauseMalformed},
		{"security event", map[string]any{"typ": "secevent+jwt"}, CauseMalformed},
		{"proof", map[string]any{"typ": "dpop+jwt"}, CauseMalformed},
		{"type is a number", map[string]any{"typ": 5}, CauseMalformed},
		{"kid is a number", map[string]any{"kid": 5}, CauseMalformed},
		{"kid is empty", map[string]any{"kid": ""}, CauseMalformed},
		{"kid is long", map[string]any{"kid": strings.Repeat("k", 257)}, CauseMalformed},
		{"kid is a path", map[string]any{"kid": "../../etc/passwd"}, CauseUnknownKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := rsaKey().sign(t, "RS256", claims(now, nil), c.header)
			id, err := v.Verify(t.Context(), token)
			wantCause(t, id, err, c.cause, token)
		})
	}
	if n := p.count(""); n != 2 {
		t.Errorf("%d requests, want discovery and keys once", n)
	}
}

func TestAccessTokensOnly(t *testing.T) {
	config := standard()
	config.AccessTokensOnly = true
	v, _ := verifier(t, config)
	for typ, cause := range map[string]string{"at+jwt": "", "JWT": CauseMalformed} {
		token := rsaKey().sign(t, "RS256", claims(time.Now(), nil), map[string]any{"typ": typ})
		_, err := v.Verify(t.Context(), token)
		if Cause(err) != cause || (err == nil) != (cause == "") {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

func TestForgedSignatures(t *testing.T) {
	v, _ := verifier(t)
	now := time.Now()
	good := rsaKey().sign(t, "RS256", claims(now, nil), nil)
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	body := string(must(json.Marshal(claims(now, map[string]any{"email": "bob@example.org"}))))
	der := must(x509.MarshalPKIXPublicKey(rsaKey().public("").Key))
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	for _, c := range []struct{ name, token, cause string }{
		{"alg none", part(`{"alg":"none"}`) + "." + part(body) + ".", CauseWrongAlgorithm},
		{"alg None", part(`{"alg":"None","kid":"rsa"}`) + "." + part(body) + "." + signature, CauseWrongAlgorithm},
		{"no alg", part(`{"kid":"rsa"}`) + "." + part(body) + "." + signature, CauseWrongAlgorithm},
		{"alg is a list", part(`{"alg":["RS256"]}`) + "." + part(body) + "." + signature, CauseWrongAlgorithm},
		{"HMAC with the public key", signer{[]byte(public), "rsa"}.sign(t, "HS256", body, nil), CauseWrongAlgorithm},
		{"HMAC with the key's octets", signer{der, "rsa"}.sign(t, "HS256", body, nil), CauseWrongAlgorithm},
		{"algorithm not allowed", rsaKey().sign(t, "RS512", body, nil), CauseWrongAlgorithm},
		{"another key of that name", signer{newKey().key, "rsa"}.sign(t, "RS256", body, nil), CauseBadSignature},
		{"another key without a name", signer{newKey().key, ""}.sign(t, "RS256", body, nil), CauseBadSignature},
		{"a key with another algorithm", signer{ecKey().key, "rsa"}.sign(t, "ES256", body, nil), CauseUnknownKey},
		{"other claims", head + "." + part(body) + "." + signature, CauseBadSignature},
		{"another header", part(`{"alg":"PS256","kid":"rsa"}`) + "." + payload + "." + signature, CauseBadSignature},
		{"no signature", head + "." + payload + ".", CauseBadSignature},
		{"a signature that is not signed", head + "." + payload + "." + part("x"), CauseBadSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, err := v.Verify(t.Context(), c.token)
			wantCause(t, id, err, c.cause, c.token)
		})
	}
}

func TestMalformedTokens(t *testing.T) {
	v, p := verifier(t)
	good := rsaKey().sign(t, "RS256", claims(time.Now(), nil), nil)
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	again := rsaKey().sign(t, "RS256", good, nil)
	double := rsaKey().sign(t, "RS256", strings.Replace(string(must(json.Marshal(claims(time.Now(), nil)))), "{", `{"email":"bob@example.org",`, 1), nil)
	nested := rsaKey().sign(t, "RS256", claims(time.Now(), map[string]any{"a": map[string]any{"x": json.RawMessage(`{"b":1,"b":2}`)}}), nil)
	deep := rsaKey().sign(t, "RS256", strings.Repeat(`{"a":`, 1000)+"1"+strings.Repeat("}", 1000), nil)
	for name, token := range map[string]string{
		"empty": "", "dots": "...", "text": "hello", "one dot": head + "." + payload, "three dots": good + ".x", "five dots": good + ".x.y.z", "many dots": head + strings.Repeat(".", 10_000),
		"encrypted": part(`{"alg":"RSA-OAEP","enc":"A256GCM"}`) + ".a.b.c.d", "encrypted header on three parts": part(`{"alg":"RS256","enc":"A256GCM"}`) + "." + payload + "." + signature,
		"a token within": again, "a name twice": double, "a name twice, deep": nested, "deep": deep,
		"header has a name twice":          part(`{"alg":"RS256","alg":"none"}`) + "." + payload + "." + signature,
		"header has a name twice, escaped": part(`{"alg":"RS256","\u0061lg":"none"}`) + "." + payload + "." + signature,
		"header is not UTF-8":              part("{\"alg\":\"RS256\",\"x\":\"\xff\"}") + "." + payload + "." + signature,
		"payload is a list":                part(`{"alg":"RS256"}`) + "." + part(`[]`) + "." + signature,
		"payload is nothing":               part(`{"alg":"RS256"}`) + ".." + signature,
		"payload is null":                  part(`{"alg":"RS256"}`) + "." + part(`null`) + "." + signature,
		"payload and more":                 part(`{"alg":"RS256"}`) + "." + part(`{}{}`) + "." + signature,
		"line end":                         head + "\r\n." + payload + "." + signature, "space": " " + good, "NUL": good + "\x00", "comma": good + ",", "padding": head + "=." + payload + "." + signature,
		"loose end of base64": head + "." + payload[:len(payload)-len(payload)%4] + "B." + signature,
		"JSON form":           `{"payload":"` + payload + `","signatures":[]}`,
		"too long":            head + "." + strings.Repeat("A", MaxToken) + "." + signature,
	} {
		t.Run(name, func(t *testing.T) {
			id, err := v.Verify(t.Context(), token)
			wantCause(t, id, err, CauseMalformed, token)
		})
	}
	if n := p.count("/keys"); n > 1 {
		t.Errorf("asked for keys %d times", n)
	}
}

func TestLongestToken(t *testing.T) {
	v, _ := verifier(t)
	token := rsaKey().sign(t, "RS256", claims(time.Now(), map[string]any{"groups": strings.Repeat("g", 11_000)}), nil)
	if len(token) > MaxToken || len(token) < MaxToken*9/10 {
		t.Fatalf("the token has %d octets", len(token))
	}
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
	token = rsaKey().sign(t, "RS256", claims(time.Now(), map[string]any{"groups": strings.Repeat("g", 12_000)}), nil)
	id, err := v.Verify(t.Context(), token)
	wantCause(t, id, err, CauseMalformed, token)
}

// TestDomains: an issuer never names an account of a domain that is not its own.
func TestDomains(t *testing.T) {
	config := standard()
	config.Domains = []string{"example.org", "xn--bcher-kva.example"}
	other := config
	other.Name, other.URL, other.Claim, other.JWKSURI = "other", "https://other.example", "preferred_username", "https://other.example/keys"
	other.Domains = []string{"kiosk.example"}
	p := newProvider()
	p.publish(rsaKey().public("RS256"))
	v := start(t, Options{Transport: p, Normalise: func(domain string) (string, error) {
		return strings.ReplaceAll(lowerASCII(domain), "bücher", "xn--bcher-kva"), nil
	}}, config, other)
	for _, c := range []struct {
		email, login string
		cause        string
	}{
		{"ann@example.org", "", ""},
		{"ann@EXAMPLE.org", "Example.Org", ""},
		{"ann@bücher.example", "xn--bcher-kva.example", ""},
		{`"ann@kiosk.example"@example.org`, "example.org", ""},
		{"ann@example.org", "kiosk.example", CauseForeignDomain},
		{"ann@kiosk.example", "", CauseForeignDomain},
		{"ann@kiosk.example", "example.org", CauseForeignDomain},
		{"ann@sub.example.org", "", CauseForeignDomain},
		{"ann@example.org.", "", CauseForeignDomain},
		{"ann@", "", CauseNoUser},
		{"@example.org", "", CauseNoUser},
		{`"ann@example.org"@kiosk.example`, "", CauseForeignDomain},
		{"ann@example.org@kiosk.example", "", CauseForeignDomain},
		{"ann@\u212aiosk.example", "", CauseForeignDomain},
	} {
		token := rsaKey().sign(t, "RS256", claims(time.Now(), map[string]any{"email": c.email}), nil)
		id, err := v.VerifyFor(t.Context(), token, c.login, pool.Ticket{})
		if c.cause != "" {
			wantCause(t, id, err, c.cause, token)
		} else if err != nil || id.User != c.email || !reflect.DeepEqual(id.Domains, config.Domains) {
			t.Errorf("%s: %+v, %v", c.email, id, err)
		}
	}
	// A name that is no address is for the caller to place, who asks SpeaksFor.
	token := rsaKey().sign(t, "RS256", claims(time.Now(), map[string]any{"iss": "https://other.example", "preferred_username": "ann"}), nil)
	id, err := v.Verify(t.Context(), token)
	if err != nil || id.User != "ann" || !id.SpeaksFor("kiosk.example") || id.SpeaksFor("example.org") || id.SpeaksFor("") {
		t.Errorf("%+v, %v", id, err)
	}
	if !(Identity{}).SpeaksFor("example.org") {
		t.Error("an issuer without Domains speaks for all")
	}
}

// TestKelvinSign: letters that only fold to ASCII are not the ASCII ones.
func TestKelvinSign(t *testing.T) {
	config := standard()
	config.Domains = []string{"kiosk.example"}
	v, _ := verifier(t, config)
	for _, email := range []string{"ann@\u212aiosk.example", "ann@kio\u017fk.example"} {
		token := rsaKey().sign(t, "RS256", claims(time.Now(), map[string]any{"email": email}), nil)
		id, err := v.Verify(t.Context(), token)
		wantCause(t, id, err, CauseForeignDomain, token)
	}
}

// TestSomebodyElse: what one issuer signed is nothing that another said, and the user
// is whom the signed claim names, whatever else stands there.
func TestSomebodyElse(t *testing.T) {
	a, b := standard(), standard()
	a.JWKSURI, a.Domains = "https://id.example.org/keys", []string{"a.example"}
	b.Name, b.URL, b.JWKSURI, b.Domains = "b", "https://b.example", "https://b.example/keys-b", []string{"b.example"}
	p := newProvider()
	p.serve("/keys", jose.JSONWebKeySet{Keys: []jose.JSONWebKey{rsaKey().public("")}})
	p.serve("/keys-b", jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: newKey().public("").Key, KeyID: "rsa"}}})
	v := start(t, Options{Transport: p}, a, b)
	for _, c := range []struct {
		name    string
		key     signer
		changes map[string]any
		cause   string
	}{
		{"b signs as a", signer{newKey().key, "rsa"}, map[string]any{"email": "ann@a.example"}, CauseBadSignature},
		{"b names a user of a", signer{newKey().key, "rsa"}, map[string]any{"iss": "https://b.example", "email": "ann@a.example"}, CauseForeignDomain},
		{"a names a user of b", rsaKey(), map[string]any{"email": "ann@b.example"}, CauseForeignDomain},
		{"a signs as b", rsaKey(), map[string]any{"iss": "https://b.example", "email": "ann@b.example"}, CauseBadSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := c.key.sign(t, "RS256", claims(time.Now(), c.changes), nil)
			id, err := v.Verify(t.Context(), token)
			wantCause(t, id, err, c.cause, token)
		})
	}
	token := rsaKey().sign(t, "RS256", claims(time.Now(), map[string]any{
		"email": "ann@a.example", "EMAIL": "bob@a.example", "Email": "bob@a.example", "preferred_username": "bob", "upn": "bob@a.example",
	}), nil)
	id, err := v.Verify(t.Context(), token)
	if err != nil || id.User != "ann@a.example" {
		t.Errorf("%+v, %v", id, err)
	}
}

// TestRequireVerified: silence is not enough then.
func TestRequireVerified(t *testing.T) {
	config := standard()
	config.RequireVerified = true
	v, _ := verifier(t, config)
	token := rsaKey().sign(t, "RS256", claims(time.Now(), map[string]any{"email_verified": nil}), nil)
	id, err := v.Verify(t.Context(), token)
	wantCause(t, id, err, CauseNoUser, token)
	if _, err = v.Verify(t.Context(), rsaKey().sign(t, "RS256", claims(time.Now(), nil), nil)); err != nil {
		t.Error(err)
	}
}

// TestKeysFromFile needs no provider at all, and follows the file.
func TestKeysFromFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	write := func(key signer) {
		if err := os.WriteFile(path, must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.public("RS256")}})), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(rsaKey())
	config := standard()
	config.JWKSFile = path
	now := time.Now()
	p := newProvider()
	v := start(t, Options{Transport: p, Now: func() time.Time { return now }}, config)
	if _, err := v.Verify(t.Context(), rsaKey().sign(t, "RS256", claims(now, nil), nil)); err != nil {
		t.Fatal(err)
	}
	write(newKey())
	now = now.Add(time.Minute)
	if _, err := v.Verify(t.Context(), newKey().sign(t, "RS256", claims(now, nil), nil)); err != nil {
		t.Error(err)
	}
	if p.count("") != 0 {
		t.Error("somebody was asked")
	}
}

// TestCauses: each is a word of its own, which only Cause tells.
func TestCauses(t *testing.T) {
	seen := map[string]bool{}
	for _, cause := range Causes() {
		err := refuse(cause)
		if seen[cause] || Cause(err) != cause || Cause(fault.Wrap("x", fault.Internal, err)) != cause || fault.ReasonOf(err) != "" {
			t.Errorf("cause %q", cause)
		}
		seen[cause] = true
	}
	if len(seen) != 13 || Cause(nil) != "" || Cause(fault.New("x", fault.Unavailable, "away")) != "" {
		t.Errorf("%d causes", len(seen))
	}
}
