package sasl

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// RFC 5802 section 5 and RFC 7677 section 3.
func TestScramVectors(t *testing.T) {
	tests := []struct {
		name                       string
		hash                       func() hash.Hash
		first, salt, ours          string
		challenge, final, verifier string
	}{
		{ScramSHA1, sha1.New, "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", "QSXCR+Q6sek8bf92", "3rfcNHYJY1ZVvWVs7j",
			"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
			"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},
		{ScramSHA256, sha256.New, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "W22ZaJ0SNY7soEsUEjb6gQ==", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
			"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
			"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			salt, err := base64.StdEncoding.DecodeString(tt.salt)
			if err != nil {
				t.Fatal(err)
			}
			key := ScramKey(tt.name, "pencil", salt, 4096)
			b := newBook()
			keys := &Keys{Login: "user", Salt: salt, Iterations: 4096, List: []Key{key}, Handle: b}
			s := &scram{conn: &Conn{Verifier: b}, hash: scramHash{tt.name, tt.hash, tt.hash().Size()}}
			first, err := parseScramFirst(tt.first)
			if err != nil || first.login != "user" {
				t.Fatalf("%+v, %v", first, err)
			}
			if got := s.open(first, keys, tt.ours); got != tt.challenge {
				t.Fatalf("challenge %s", got)
			}
			signature, next, err := s.takeFinal(context.Background(), []byte(tt.final))
			if err != nil || next == nil || string(signature) != tt.verifier {
				t.Errorf("%s, %v", signature, err)
			}
		})
	}
}

// RFC 2195 section 2.
func TestCramVector(t *testing.T) {
	got, err := cramDigest(CramKey("tanstaaftanstaaf"), []byte("<1896.697170952@postoffice.reston.mci.net>"))
	if err != nil || hex.EncodeToString(got) != "b913a602c7eda7a495b4e6e7334d3890" {
		t.Errorf("%x, %v", got, err)
	}
}

// Any password and text gives what crypto/hmac gives. A
// change of what crypto/md5 makes of its state is seen here.
func TestCramKeyIsHMAC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		password := rapid.StringN(0, -1, 200).Draw(t, "password")
		text := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "text")
		m := hmac.New(md5.New, []byte(password))
		m.Write(text)
		got, err := cramDigest(CramKey(password), text)
		if err != nil || !hmac.Equal(got, m.Sum(nil)) {
			t.Fatalf("%x, %v", got, err)
		}
	})
}

// The state behind the block is that of RFC 1321 after one block, in the order of a
// digest: other programs keep it so, and it must not change with Go's.
func TestCramKeyIsOfAKnownForm(t *testing.T) {
	key := CramKey("tanstaaftanstaaf")
	if inner, outer := hex.EncodeToString(key.Stored), hex.EncodeToString(key.Server); inner != "54b21152711fb604ca3e035e7015116b" || outer != "d06d4e1b26fccaa4b0b61801132340a3" {
		t.Errorf("%s %s", inner, outer)
	}
}

// RFC 2831 section 4: both examples, of IMAP and of ACAP.
func TestDigestVectors(t *testing.T) {
	key := DigestKey("chris", "elwood.innosoft.com", "secret")
	tests := []struct{ text, auth string }{
		{`charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,cnonce="OA6MHXh6VqTrRk",` +
			`digest-uri="imap/elwood.innosoft.com",response=d388dad90d4bbd760a152321f2143af7,qop=auth`, "ea40f60335c427b5527b84dbabcdfffd"},
		{`username="chris",realm="elwood.innosoft.com",nonce="OA9BSXrbuRhWay",cnonce="OA9BSuZWMSpW8m",nc=00000001,qop=auth,` +
			`digest-uri="acap/elwood.innosoft.com",response=6084c6db3fede7352c551284490fd0fc,charset=utf-8`, "2f0b3d7c3c2e486600ef710726aa2eae"},
	}
	for _, tt := range tests {
		r, err := parseDigest([]byte(tt.text))
		if err != nil || r.login != "chris" {
			t.Fatalf("%+v, %v", r, err)
		}
		if got := r.compute(key.Stored, "AUTHENTICATE"); got != r.response {
			t.Errorf("response %s, want %s", got, r.response)
		}
		if got := r.compute(key.Stored, ""); got != tt.auth {
			t.Errorf("rspauth %s, want %s", got, tt.auth)
		}
	}
}

// RFC 2831 sections 2.1.2.1 and 8: what ISO 8859-1 can write is hashed in it.
func TestDigestKeyEncodings(t *testing.T) {
	sum := func(s string) string {
		h := md5.Sum([]byte(s))
		return string(h[:])
	}
	for _, tt := range []struct{ login, password, want string }{
		{"chris", "secret", "chris:r:secret"},
		{"jürgen", "pässwörd", "j\xfcrgen:r:p\xe4ssw\xf6rd"},
		{"ключ", "pässwörd", "ключ:r:p\xe4ssw\xf6rd"},
		{"jürgen", "5€", "j\xfcrgen:r:5€"},
		{"\xff", "x", "\xff:r:x"},
	} {
		key := DigestKey(tt.login, "r", tt.password)
		if string(key.Stored) != sum(tt.want) || key.Server != nil {
			t.Errorf("%s:%s is not hashed as %q", tt.login, tt.password, tt.want)
		}
	}
}

// RFC 4013 section 3, and what RFC 8265 adds for characters that came later.
func TestLoginsArePrepared(t *testing.T) {
	for in, want := range map[string]string{
		"I\u00adX": "IX", "user": "user", "USER": "USER", "\u00aa": "a", "\u2168": "IX",
		"a\u00a0b": "a b", "jürgen": "jürgen", "ju\u0308rgen": "jürgen",
		"\u1e9e": "\u1e9e", // unassigned in Unicode 3.2
	} {
		if got, ok := prepareLogin(in); !ok || got != want {
			t.Errorf("%q became %q, %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "\u0007", "\u0627\u0031", "\u00ad", "\ufeff", "\ue000", "\U0001f600", "\xff", strings.Repeat("a", maxLogin+1), strings.Repeat("\ufdfa", 80)} {
		if got, ok := prepareLogin(in); ok {
			t.Errorf("%q became %q", in, got)
		}
	}
}

// RFC 7628 section 4, RFC 4616 section 4, RFC 4422 appendix A.
func TestOtherVectors(t *testing.T) {
	login, token, err := parseOAuthBearer("n,a=user@example.com,\x01host=server.example.com\x01port=143\x01" +
		"auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01")
	if login != "user@example.com" || token != "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==" || err != nil {
		t.Error(login, token, err)
	}
	login, token, err = parseOAuthBearer("n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=\x01\x01") // section 4.3
	if login != "user@example.com" || token != "" || err != nil {
		t.Error(login, token, err)
	}
	authzid, login, password, err := parsePlain([]byte("Ursel\x00Kurt\x00xipj3plmq"))
	if authzid != "Ursel" || login != "Kurt" || password != "xipj3plmq" || err != nil {
		t.Error(authzid, login, password, err)
	}
	b := newBook()
	b.subject = "fred@example.com"
	if got := take(start(t, "EXTERNAL", connOf(b)), "fred@example.com"); got != "done" {
		t.Error(got)
	}
}
