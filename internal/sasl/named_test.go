package sasl

import "testing"

// The name in a response is read as the mechanism reads it; a response that is none names
// nobody, as people type passwords anywhere.
func TestNamed(t *testing.T) {
	const digest = `,realm="r",nonce="n",nc=00000001,cnonce="c",digest-uri="smtp/x",response=0123456789abcdef0123456789abcdef`
	for _, c := range []struct{ mechanism, response, want string }{
		{"CRAM-MD5", "a b@example.org 0123456789abcdef0123456789ABCDEF", "a b@example.org"},
		{"CRAM-MD5", "a@example.org 0123", ""},
		{"CRAM-MD5", "a@example.org", ""},
		{"CRAM-MD5", "", ""},
		{"DIGEST-MD5", `charset=utf-8,username="ä@example.org"` + digest, "ä@example.org"},
		{"DIGEST-MD5", `username="` + "\xe4" + `@example.org"` + digest, "ä@example.org"},
		{"DIGEST-MD5", `username="a@example.org"`, ""},
		{"DIGEST-MD5", "\x00", ""},
		{"PLAIN", "\x00a@example.org\x00secret", ""},
	} {
		if got := Named(c.mechanism, []byte(c.response)); got != c.want {
			t.Errorf("%s %q: %q, want %q", c.mechanism, c.response, got, c.want)
		}
	}
}
