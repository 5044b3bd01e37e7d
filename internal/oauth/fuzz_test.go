package oauth

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
)

// FuzzVerify: no text passes that was not signed, none is anybody's fault but the
// sender's, and no error has it.
func FuzzVerify(f *testing.F) {
	p := newProvider()
	p.publish(rsaKey().public(""), ecKey().public(""), edKey().public(""))
	now := time.Now()
	v := start(f, Options{Transport: p, Now: func() time.Time { return now }}, standard())
	signed := []string{edKey().sign(f, "EdDSA", claims(now, nil), nil), rsaKey().sign(f, "RS256", claims(now, nil), nil)}
	for _, seed := range []string{
		signed[0], signed[1], "", "..", "a.b.c", "a.b.c.d.e", part(`{"alg":"none"}`) + "." + part(`{}`) + ".",
		part(`{"alg":"RS256","kid":"x"}`) + "." + part(`{"iss":"`+issuerURL+`","exp":1e9}`) + ".AA", part(`{"alg":"ES256"}`) + "." + part(`{"iss":"`+issuerURL+`"}`) + "." + strings.Repeat("A", 86), opaque,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := v.Verify(t.Context(), text)
		if err == nil {
			// Ed25519 and PKCS #1 signatures are unique, and base64 is read strictly: nothing
			// but what was signed here passes.
			if !slices.Contains(signed, text) {
				t.Errorf("%q passed: %+v", text, id)
			}
			return
		}
		if !fault.Is(err, fault.Unauthenticated) || Cause(err) == "" || id.User != "" || len(text) > 24 && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %+v, %v", text, id, err)
		}
	})
}

// FuzzClaims: whatever claims an issuer signs, who comes out of it is somebody that may.
func FuzzClaims(f *testing.F) {
	config := standard()
	config.Domains = []string{"example.org"}
	v, err := New([]Issuer{config}, Options{Transport: newProvider()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(v.Close)
	for _, seed := range []string{
		`{"iss":"` + issuerURL + `","aud":"gate","scope":"smtp","exp":9e9,"email":"ann@example.org"}`, `{"aud":["gate"],"scp":["smtp"],"exp":9000000000,"email":"a@b@example.org","email_verified":"true","sub":"x"}`,
		`{"exp":-1}`, `{"aud":[[[]]]}`, `{"email":"\ud800@example.org"}`, `{"exp":1e400}`, `[]`, ``,
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, text string, told bool) {
		token, cause := read(part(`{"alg":"RS256"}`) + "." + base64.RawURLEncoding.EncodeToString([]byte(text)) + ".AA")
		if cause != "" {
			return
		}
		id, cause := v.issuers[0].judge(token.claims, told)
		if cause == "" && (!strings.HasSuffix(lowerASCII(id.User), "@example.org") || !printable(id.User) || len(id.User) > maxUser || !told && !id.Expires.After(time.Now().Add(-time.Minute))) {
			t.Errorf("%q: %+v", text, id)
		}
	})
}
