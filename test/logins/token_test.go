package logins

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// forged is a token that must not count.
type forged struct {
	what, token string
	// user is whom the client names, cause what the record must say.
	user, cause string
}

// join puts a token together, whatever its parts say.
func join(head, payload, signature string) string {
	b := base64.RawURLEncoding.EncodeToString
	return b([]byte(head)) + "." + b([]byte(payload)) + "." + signature
}

// unsigned are tokens whose signature is none, or not the issuer's.
func (w *world) unsigned() []forged {
	w.t.Helper()
	claims, err := json.Marshal(w.Issuer.Claims(harness.Login))
	if err != nil {
		w.t.Fatal(err)
	}
	payload, good := string(claims), strings.Split(w.key().Token, ".")
	keys, err := os.ReadFile(w.Issuer.KeysFile)
	if err != nil {
		w.t.Fatal(err)
	}
	hs := func(head string, key []byte) string {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(strings.TrimSuffix(join(head, payload, ""), ".")))
		return join(head, payload, base64.RawURLEncoding.EncodeToString(m.Sum(nil)))
	}
	kid := `"kid":"` + w.Issuer.KeyID + `"`
	zeros := base64.RawURLEncoding.EncodeToString(make([]byte, 64))
	const algorithm, malformed = "token: wrong-algorithm", "token: malformed"
	another := harness.NewIssuer(w.t, filepath.Join(w.t.TempDir(), "another.json"))
	stranger := another.Token(another.Claims(harness.Login))
	another.KeyID = w.Issuer.KeyID
	list := []forged{
		{what: "alg none", token: join(`{"alg":"none"}`, payload, ""), cause: algorithm},
		{what: "alg none with a signature", token: join(`{"alg":"none",`+kid+`}`, payload, good[2]), cause: algorithm},
		{what: "alg nOnE", token: join(`{"alg":"nOnE",`+kid+`}`, payload, ""), cause: algorithm},
		{what: "no alg", token: join(`{`+kid+`}`, payload, good[2]), cause: algorithm},
		{what: "HS256 by the public keys", token: hs(`{"alg":"HS256",`+kid+`}`, keys), cause: algorithm},
		{what: "HS256 by nothing", token: hs(`{"alg":"HS256","kid":"../../../../dev/null"}`, nil), cause: algorithm},
		{what: "a signature of zeros", token: join(`{"alg":"ES256",`+kid+`}`, payload, zeros), cause: "token: bad-signature"},
		{what: "no signature", token: good[0] + "." + good[1] + ".", cause: "token: bad-signature"},
		{what: "other claims", token: join(`{"alg":"ES256",`+kid+`}`, strings.Replace(payload, "a@", "b@", 1), good[2]), cause: "token: bad-signature"},
		{what: "a key that nobody knows", token: stranger, cause: "token: unknown-key"},
		{what: "another's key under the name", token: another.Token(another.Claims(harness.Login)), cause: "token: bad-signature"},
		{what: "two parts", token: good[0] + "." + good[1], cause: malformed},
		{what: "no token at all", token: "QUJD", cause: malformed},
		{what: "a signature cut off", token: strings.Join(good[:2], ".") + "." + good[2][:40], cause: "token: bad-signature"},
	}
	return list
}

// misused are tokens that the issuer has signed, and that are not for this.
func (w *world) misused() []forged {
	now := time.Now()
	of := func(what, cause string, changes map[string]any) forged {
		claims := w.Issuer.Claims(harness.Login)
		for name, value := range changes {
			if claims[name] = value; value == nil {
				delete(claims, name)
			}
		}
		return forged{what: what, token: w.Issuer.Token(claims), cause: cause}
	}
	list := []forged{
		of("another audience", "token: wrong-audience", map[string]any{"aud": "another.example.net"}),
		of("audiences in one text", "token: wrong-audience", map[string]any{"aud": harness.Audience + " another.example.net"}),
		of("no audience", "token: wrong-audience", map[string]any{"aud": nil}),
		of("another issuer", "token: wrong-issuer", map[string]any{"iss": "https://issuer.example.net.evil.example"}),
		of("the issuer with a slash", "token: wrong-issuer", map[string]any{"iss": harness.IssuerURL + "/"}),
		of("it is over", "token: expired", map[string]any{"exp": now.Add(-time.Hour).Unix()}),
		of("it never ends", "token: malformed", map[string]any{"exp": nil}),
		of("it has not begun", "token: not-yet", map[string]any{"nbf": now.Add(30 * time.Minute).Unix()}),
		of("somebody else", "token-of-another", map[string]any{"email": other}),
		of("nobody here", "unknown", map[string]any{"email": "nobody@example.org"}),
		of("another domain", "token: foreign-domain", map[string]any{"email": "a@elsewhere.example"}),
		of("no user", "token: no-user", map[string]any{"email": nil}),
		of("several users", "token: no-user", map[string]any{"email": []string{harness.Login, other}}),
		of("an address that was not verified", "token: no-user", map[string]any{"email_verified": false}),
		of("a NUL behind the user", "token: no-user", map[string]any{"email": harness.Login + "\x00"}),
		of("a line end behind the user", "token: no-user", map[string]any{"email": harness.Login + "\r\n"}),
		of("bound to a key", "token: key-bound", map[string]any{"cnf": map[string]any{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}),
	}
	for _, user := range []string{other, "nobody@example.org", "administrator"} {
		f := of("its owner's token as "+user, "token-of-another", nil)
		f.user = user
		list = append(list, f)
	}
	return list
}

// TestForgedTokens: none of them opens an account, by either mechanism, and whatever is
// wrong, the client is told the same (RFC 7628 section 3.2.2); the record knows better.
func TestForgedTokens(t *testing.T) {
	w := newWorld(t, "")
	c := talk.Open(t, w.Gate)
	for _, f := range append(w.unsigned(), w.misused()...) {
		w.hide(f.token)
		if f.user == "" {
			f.user = harness.Login
		}
		for mechanism, says := range map[string]string{
			"OAUTHBEARER": `{"status":"invalid_token","openid-configuration":"` + harness.IssuerURL + `/.well-known/openid-configuration"}`,
			"XOAUTH2":     `{"status":"400","schemes":"Bearer"}`,
		} {
			initial := "n,a=" + f.user + ",\x01auth=Bearer " + f.token + "\x01\x01"
			if mechanism == "XOAUTH2" {
				initial = "user=" + f.user + "\x01auth=Bearer " + f.token + "\x01\x01"
			}
			d := &talk.Dialogue{Mechanism: mechanism, Initial: []byte(initial)}
			if told := string(c.Challenge(c.Auth(d))); told != says {
				t.Errorf("%s, %s: the client is told %q", mechanism, f.what, told)
			}
			c.Send("AQ==\r\n")
			c.IsRefused(mechanism+", "+f.what, c.Reply())
			w.cause(c, f.cause)
		}
	}
	w.unharmed()
}
