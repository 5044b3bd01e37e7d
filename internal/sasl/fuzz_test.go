package sasl

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// longestChallenge is what fits into a line of AUTH, in octets (RFC 4954 section 4).
const longestChallenge = 12288 / 4 * 3

// fuzzExchange feeds a mechanism with three responses. With prompt the first is asked for.
func fuzzExchange(f *testing.F, mechanism string, seeds ...[3]string) {
	conn := connOf(newBook())
	conn.Rand = fixed()
	said, done, err := talk(start(f, mechanism, conn), clientOf(mechanism, "pencil", "user"), nil)
	if m, _ := Lookup(mechanism); !m.Token && !done {
		f.Fatal(err)
	}
	said = append(said, nil, nil)
	f.Add(said[0] == nil, said[0], said[1], said[2])
	f.Add(true, said[0], said[1], said[2])
	for _, s := range seeds {
		f.Add(false, []byte(s[0]), []byte(s[1]), []byte(s[2]))
	}
	f.Fuzz(func(t *testing.T, prompt bool, a, b, c []byte) {
		v := newBook()
		conn := connOf(v)
		conn.Rand = fixed()
		x := start(t, mechanism, conn)
		responses := [][]byte{a, b, c}
		if prompt {
			responses = append([][]byte{nil}, responses...)
		}
		over := false
		for _, response := range responses {
			challenge, done, err := x.Next(context.Background(), response)
			switch {
			case over && (done || !errors.Is(err, ErrSyntax)):
				t.Fatalf("it goes on after its end: %v, %v", done, err)
			case done && v.proved != 1:
				t.Fatalf("done, but %d answers were a yes: %q", v.proved, v.asked)
			case len(challenge) > longestChallenge:
				t.Fatalf("a challenge of %d octets", len(challenge))
			}
			over = over || done || err != nil
		}
		for _, question := range v.asked {
			if !utf8.ValidString(question) || strings.Contains(question, "\x00") || len(question) > maxToken+2*maxLogin+20 {
				t.Fatalf("asked %q", question)
			}
		}
	})
}

// TestEveryMechanismIsFuzzed: a mechanism that is added gets a target of its own.
func TestEveryMechanismIsFuzzed(t *testing.T) {
	text, err := os.ReadFile("fuzz_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range Mechanisms() {
		if !strings.Contains(string(text), `fuzzExchange(f, "`+m.Name+`"`) {
			t.Errorf("no fuzz target goes through an exchange of %s", m.Name)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add([]byte("\x00user\x00secret"))
	f.Add([]byte("a\x00b\x00c\x00"))
	f.Fuzz(func(t *testing.T, response []byte) {
		authzid, login, password, err := parsePlain(response)
		if err != nil {
			return
		}
		if joined := authzid + "\x00" + login + "\x00" + password; joined != string(response) {
			t.Errorf("read %q as %q", response, joined)
		}
		if login == "" || password == "" || strings.Contains(authzid+login+password, "\x00") || !utf8.Valid(response) {
			t.Errorf("accepted %q", response)
		}
	})
}

func FuzzPlainExchange(f *testing.F) {
	fuzzExchange(f, "PLAIN", [3]string{"a\x00b\x00c\x00"}, [3]string{"other\x00user\x00pencil"})
}

func FuzzLogin(f *testing.F)    { fuzzExchange(f, "LOGIN", [3]string{"user", "pencil"}) }
func FuzzExternal(f *testing.F) { fuzzExchange(f, "EXTERNAL") }
func FuzzCram(f *testing.F)     { fuzzExchange(f, "CRAM-MD5") }

func FuzzDigest(f *testing.F) {
	fuzzExchange(f, "DIGEST-MD5", [3]string{`username="\"",realm=`, `a=b,,c="\`})
}

func FuzzScramSHA1(f *testing.F) {
	fuzzExchange(f, "SCRAM-SHA-1", [3]string{"y,a=us=2Cer,n=user,r=abc,x=y", "c=biws,r=abc,p=AAAA"})
}

func FuzzScramSHA256(f *testing.F)     { fuzzExchange(f, "SCRAM-SHA-256") }
func FuzzScramSHA1Plus(f *testing.F)   { fuzzExchange(f, "SCRAM-SHA-1-PLUS") }
func FuzzScramSHA256Plus(f *testing.F) { fuzzExchange(f, "SCRAM-SHA-256-PLUS") }

func FuzzOAuthBearer(f *testing.F) {
	fuzzExchange(f, "OAUTHBEARER", [3]string{"n,a=user,\x01host=h\x01port=1\x01auth=Bearer dG9rZW4=\x01\x01"}, [3]string{"n,,\x01auth=\x01\x01", "\x01"})
}

func FuzzXOAuth2(f *testing.F) {
	fuzzExchange(f, "XOAUTH2", [3]string{"user=user\x01auth=Bearer dG9rZW4=\x01\x01"}, [3]string{"user=u\x01auth=Bearer x\x01\x01", ""})
}
