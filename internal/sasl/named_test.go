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

// The names of SCRAM's first message are told as they are spelt.
func TestNamesOfScramAsTheyAreSpelt(t *testing.T) {
	for message, want := range map[string][2]string{
		"n,,n=Shop=3D=2C@Example.org,r=abc":                 {"", "Shop=,@Example.org"},
		"y,a=z@example.org,n=\uff53hop@example.org,r=a,x=y": {"z@example.org", "\uff53hop@example.org"},
	} {
		authzid, login, ok := ScramNames([]byte(message))
		if !ok || [2]string{authzid, login} != want {
			t.Errorf("%q: %q, %q, %v", message, authzid, login, ok)
		}
	}
	for _, message := range []string{"", "n,,n=a", "n,x,n=a,r=a", "n,,a,r=a", "n,,n=a=b,r=a", "n,a=,n=a,r=a"} {
		if _, _, ok := ScramNames([]byte(message)); ok {
			t.Errorf("%q is taken", message)
		}
	}
}
