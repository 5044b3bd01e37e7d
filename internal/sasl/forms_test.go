package sasl

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"slices"
	"testing"

	"golang.org/x/text/unicode/norm"
)

// What clients were seen to make their HMAC of has a key, and nothing else; a password in ASCII
// has one.
func TestCramKeys(t *testing.T) {
	for password, texts := range map[string][]string{
		"plain pass 1":      {"plain pass 1"},
		"Grüße pass 1":      {"Grüße pass 1", norm.NFD.String("Grüße pass 1")},
		"das ist´s, geheim": {"das ist´s, geheim", "das ist \u0301s, geheim"},
		"zehn m² Gärten":    {"zehn m² Gärten", "zehn m2 Gärten", norm.NFD.String("zehn m² Gärten")},
	} {
		keys := CramKeys(password)
		if len(keys) != len(texts) || len(keys) > Forms("CRAM-MD5") {
			t.Errorf("%q has %d keys", password, len(keys))
		}
		challenge := []byte("<1.2@gate.example>")
		for i, text := range texts {
			mac := hmac.New(md5.New, []byte(text))
			mac.Write(challenge)
			if got, err := cramDigest(keys[i], challenge); err != nil || !hmac.Equal(got, mac.Sum(nil)) {
				t.Errorf("%q: key %d is not that of %q", password, i, text)
			}
		}
	}
}

// The keys of DIGEST-MD5 are those of H(user:realm:password) in the encodings that clients use.
func TestDigestKeys(t *testing.T) {
	const login, realm = "a@acme.example", "gate.example"
	for password, texts := range map[string][]string{
		"plain pass 1": {"plain pass 1"},
		"zehn € Geld":  {"zehn € Geld"},
		"zehn m² Geld": {"zehn m\xb2 Geld", "zehn m² Geld"},
		"Grüße pass 1": {"Gr\xfc\xdfe pass 1", "Grüße pass 1", "Gru\u0308ße pass 1"},
	} {
		var want []string
		for _, text := range texts {
			sum := md5.Sum([]byte(login + ":" + realm + ":" + text))
			want = append(want, hex.EncodeToString(sum[:]))
		}
		var got []string
		for _, k := range DigestKeys(login, realm, password) {
			got = append(got, hex.EncodeToString(k.Stored))
		}
		if !slices.Equal(got, want) || len(got) > Forms("DIGEST-MD5") {
			t.Errorf("%q: %v, want %v", password, got, want)
		}
	}
}

// An exchange tries every key that a password has.
func TestEveryFormIsTried(t *testing.T) {
	const password = "zehn m² Gärten"
	for _, text := range []string{password, "zehn m2 Gärten", norm.NFD.String(password), "zehn m2 Garten"} {
		v := &formsVerifier{keys: CramKeys(password)}
		x := newCram(&Conn{Host: "gate.example", Verifier: v})
		challenge, _, err := x.Next(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(md5.New, []byte(text))
		mac.Write(challenge)
		_, _, _ = x.Next(t.Context(), []byte("a@acme.example "+hex.EncodeToString(mac.Sum(nil))))
		if right := text != "zehn m2 Garten"; (v.which >= 0) != right || !v.asked {
			t.Errorf("%q: key %d, asked %v", text, v.which, v.asked)
		}
	}
}

// formsVerifier knows the keys of one password, and notes which was proved.
type formsVerifier struct {
	Verifier
	keys  []Key
	which int
	asked bool
}

func (v *formsVerifier) Keys(_ context.Context, mechanism, login string) (*Keys, error) {
	return &Keys{Mechanism: mechanism, Login: login, List: v.keys}, nil
}

func (v *formsVerifier) Proved(_ context.Context, _ string, _ *Keys, which int) error {
	v.which, v.asked = which, true
	if which < 0 {
		return refusal("no")
	}
	return nil
}
