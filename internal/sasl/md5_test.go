package sasl

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"strings"
	"testing"
)

func TestCramResponses(t *testing.T) {
	const zero = "00000000000000000000000000000000"
	long := strings.Repeat("a", maxLogin)
	tests := []struct{ name, response, want, question string }{
		{"wrong", "user " + zero, "wrong", "proved |user|-1"},
		{"unknown login", "ghost " + zero, "wrong", "proved |ghost|-1"},
		{"login with a space", "two words " + zero, "wrong", "proved |two words|-1"},
		{"longest", long + " " + zero, "wrong", "proved |" + long + "|-1"},
		{"empty", "", "syntax", ""},
		{"no space", "user" + zero, "syntax", ""},
		{"no login", " " + zero, "syntax", ""},
		{"short digest", "user " + zero[1:], "syntax", ""},
		{"long digest", "user 0" + zero, "syntax", ""},
		{"no hex", "user g" + zero[1:], "syntax", ""},
		{"space behind", "user " + zero + " ", "syntax", ""},
		{"NUL", "us\x00er " + zero, "syntax", ""},
		{"control character", "us\ner " + zero, "syntax", ""},
		{"not UTF-8", "us\xffer " + zero, "syntax", ""},
		{"login too long", long + "a " + zero, "syntax", ""},
		{"huge", strings.Repeat("a", 1<<16) + " " + zero, "syntax", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn := connOf(newBook())
			conn.Rand = fixed()
			exchange{"", "CRAM-MD5", []said{{"-", cramChallenge}, {tt.response, tt.want}, {tt.response, "syntax"}}, tt.question}.run(t, conn)
		})
	}
}

// cramChallenge is what fixed gives: a msg-id of random, time and host.
const cramChallenge = "<576c7061576c7061576c7061576c7061576c7061576c7061.697170952@mx.test>"

// The digest is read in either case (RFC 2195 wants small letters).
func TestCramInCapitals(t *testing.T) {
	c := cramClient("user", "pencil")
	capitals := func(challenge []byte) []byte {
		if challenge == nil {
			return nil
		}
		login, digest, _ := strings.Cut(string(c(challenge)), " ")
		return []byte(login + " " + strings.ToUpper(digest))
	}
	if _, done, err := talk(start(t, "CRAM-MD5", connOf(newBook())), capitals, nil); !done {
		t.Error(err)
	}
	m := hmac.New(md5.New, []byte("pencil"))
	m.Write([]byte(cramChallenge + "x"))
	conn := connOf(newBook())
	conn.Rand = fixed()
	x := start(t, "CRAM-MD5", conn)
	take(x, "-")
	if got := take(x, "user "+hex.EncodeToString(m.Sum(nil))); got != "wrong" {
		t.Errorf("the digest of another challenge: %s", got)
	}
}

// digestOf makes a digest-response of a client that knows the password; changes replaces
// texts in it.
func digestOf(changes ...string) client {
	c := digestClient("user", "pencil", "")
	return func(challenge []byte) []byte {
		response := c(challenge)
		if len(response) == 0 {
			return response
		}
		return []byte(strings.NewReplacer(changes...).Replace(string(response)))
	}
}

func TestDigestResponses(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"as it is", "", "", "done"},
		{"another order", `charset=utf-8,`, `maxbuf=65536,charset=utf-8,cipher=rc4,`, "done"},
		{"blanks and empty elements", `,realm=`, " ,, \t, ,realm=", "done"},
		{"unknown directive", `charset=`, `new-thing="1,2",charset=`, "done"},
		{"qop in quotes", `qop=auth`, `qop="auth"`, "done"},
		{"qop not named", `,qop=auth`, ``, "done"},
		{"directives in capitals", `charset=utf-8,username=`, `CHARSET=UTF-8,Username=`, "done"},
		{"escapes", `username="user"`, `username="\us\e\r"`, "done"},
		{"the other encoding", `charset=utf-8,`, ``, "done"},

		{"another nonce", `nonce="W`, `nonce="X`, "replay"},
		{"second use", `nc=00000001`, `nc=00000002`, "replay"},
		{"another realm", `realm="mx.test"`, `realm="mx2.test"`, "elsewhere"},
		{"realm in capitals", `realm="mx.test"`, `realm="MX.test"`, "elsewhere"},
		{"another host", `smtp/mx.test`, `smtp/mx2.test`, "elsewhere"},
		{"another service", `smtp/mx.test`, `imap/mx.test`, "elsewhere"},
		{"no host", `smtp/mx.test`, `smtp`, "elsewhere"},

		// What is in the digest cannot be changed, even where it would be taken.
		{"host in capitals", `smtp/mx.test`, `smtp/MX.test`, "wrong"},
		{"service name", `smtp/mx.test`, `smtp/mx.test/other.test`, "wrong"},
		{"another cnonce", `cnonce="O`, `cnonce="P`, "wrong"},
		{"another user", `username="user"`, `username="other"`, "wrong"},
		{"an authzid", `qop=auth`, `qop=auth,authzid="user"`, "wrong"},

		{"confidentiality", `qop=auth`, `qop=auth-conf`, "syntax"},
		{"no realm", `realm="mx.test",`, ``, "syntax"},
		{"no name", `username="user",`, ``, "syntax"},
		{"empty name", `username="user"`, `username=""`, "syntax"},
		{"name without quotes", `username="user"`, `username=user`, "syntax"},
		{"no nonce", `,nonce=`, `,nonse=`, "replay"},
		{"no cnonce", `cnonce=`, `cnonse=`, "syntax"},
		{"no nc", `nc=00000001,`, ``, "syntax"},
		{"short nc", `nc=00000001`, `nc=1`, "syntax"},
		{"no uri", `digest-uri=`, `digest-url=`, "syntax"},
		{"no response", `response=`, `answer=`, "syntax"},
		{"response in capitals", `response=`, `response=A`, "syntax"},
		{"empty authzid", `qop=auth`, `qop=auth,authzid=""`, "syntax"},
		{"name twice", `charset=`, `username="user",charset=`, "syntax"},
		{"unknown directive twice", `charset=`, `x=1,X=1,charset=`, "syntax"},
		{"another charset", `charset=utf-8`, `charset=latin-1`, "syntax"},
		{"no comma", `,realm=`, ` realm=`, "syntax"},
		{"blank before =", `realm=`, `realm =`, "syntax"},
		{"blank behind =", `realm=`, `realm= `, "syntax"},
		{"no value", `charset=utf-8`, `charset=`, "syntax"},
		{"no name of a directive", `charset=utf-8`, `=utf-8`, "syntax"},
		{"a lone word", `charset=utf-8`, `charset`, "syntax"},
		{"no end of quotes", `realm="mx.test"`, `realm="mx.test`, "syntax"},
		{"NUL", `username="user"`, "username=\"us\x00er\"", "syntax"},
		{"line end", `username="user"`, "username=\"us\ner\"", "syntax"},
		{"escaped control character", `username="user"`, "username=\"us\\\ner\"", "syntax"},
		{"not UTF-8", `username="user"`, "username=\"us\xffer\"", "syntax"},
		{"name too long", `username="user"`, `username="` + strings.Repeat("a", maxLogin+1) + `"`, "syntax"},
		{"many directives", `charset=`, manyDirectives(), "syntax"},
		{"long value", `charset=`, `x=` + strings.Repeat("a", maxDigestField+1) + `,charset=`, "syntax"},
		{"huge", `charset=`, strings.Repeat(",", maxDigest) + `charset=`, "syntax"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var changes []string
			if tt.old != "" {
				changes = []string{tt.old, tt.new}
			}
			conn := connOf(newBook())
			conn.Rand = fixed()
			x, c := start(t, "DIGEST-MD5", conn), digestOf(changes...)
			challenge := take(x, "-")
			const want = `realm="mx.test",nonce="WlpaWlpaWlpaWlpaWlpaWlpa",qop="auth",charset=utf-8,algorithm=md5-sess`
			if challenge != want {
				t.Fatalf("challenge %s", challenge)
			}
			got := take(x, string(c([]byte(challenge))))
			if strings.HasPrefix(got, "rspauth=") {
				got = take(x, "")
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// manyDirectives are more than anybody has.
func manyDirectives() string {
	var b strings.Builder
	for i := range maxDirectives + 1 {
		b.WriteString("x" + strings.Repeat("y", i) + "=1,")
	}
	return b.String() + "charset="
}

// A host that differs in case, and the name of a service of several hosts, are taken
// where the client has hashed them so.
func TestDigestURI(t *testing.T) {
	d := &digest{conn: connOf(newBook()), nonce: "n"}
	for uri, want := range map[string]error{
		"smtp/mx.test": nil, "SMTP/MX.Test": nil, "smtp/mx.test/mail.test": nil,
		"smtp/": ErrElsewhere, "/mx.test": ErrElsewhere, "smtp/mail.test/mx.test": ErrElsewhere, "smtps/mx.test": ErrElsewhere,
	} {
		r := digestResponse{uri: uri, realm: testHost, nonce: "n", count: "00000001"}
		if err := d.isMeant(r); err != want {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

// RFC 2831 section 2.1.2: a client that names no charset writes ISO 8859-1.
func TestDigestLatin1(t *testing.T) {
	b := newBook()
	x := start(t, "DIGEST-MD5", connOf(b))
	c := digestClient("j\xfcrgen", "p\xe4ssw\xf6rd", "")
	answer := func(challenge []byte) []byte {
		return []byte(strings.TrimPrefix(string(c(challenge)), "charset=utf-8,"))
	}
	if _, done, err := talk(x, func(challenge []byte) []byte {
		if challenge == nil {
			return nil
		}
		return answer(challenge)
	}, nil); !done || b.asked[0] != "keys DIGEST-MD5|jürgen" {
		t.Errorf("%v, %q", err, b.asked)
	}
}

// A host that needs quoting gets it.
func TestQuote(t *testing.T) {
	if got := quote(`a"b\c`); got != `"a\"b\\c"` {
		t.Error(got)
	}
	value, rest, ok := cutQuoted(`a\"b\\c",x`)
	if value != `a"b\c` || rest != ",x" || !ok {
		t.Error(value, rest, ok)
	}
}
