package sasl

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// The first messages that are refused, and those that are not.
func TestScramFirst(t *testing.T) {
	long := strings.Repeat("n", maxScramNonce)
	tests := []struct{ name, mechanism, first, want string }{
		{"empty", "SCRAM-SHA-1", "", "syntax"},
		{"no commas", "SCRAM-SHA-1", "n", "syntax"},
		{"one comma", "SCRAM-SHA-1", "n,", "syntax"},
		{"header alone", "SCRAM-SHA-1", "n,,", "syntax"},
		{"no flag", "SCRAM-SHA-1", ",,n=user,r=abc", "syntax"},
		{"another flag", "SCRAM-SHA-1", "x,,n=user,r=abc", "syntax"},
		{"long flag", "SCRAM-SHA-1", "ny,,n=user,r=abc", "syntax"},
		{"nonstandard flag", "SCRAM-SHA-1", "F,n,,n=user,r=abc", "syntax"},
		{"mandatory extension", "SCRAM-SHA-1", "n,,m=x,n=user,r=abc", "syntax"},
		{"mandatory extension at the end", "SCRAM-SHA-1", "n,,n=user,r=abc,m=x", "syntax"},
		{"no nonce", "SCRAM-SHA-1", "n,,n=user", "syntax"},
		{"empty nonce", "SCRAM-SHA-1", "n,,n=user,r=", "syntax"},
		{"space in nonce", "SCRAM-SHA-1", "n,,n=user,r=a b", "syntax"},
		{"not ASCII in nonce", "SCRAM-SHA-1", "n,,n=user,r=ä", "syntax"},
		{"longest nonce", "SCRAM-SHA-1", "n,,n=user,r=" + long, ""},
		{"nonce too long", "SCRAM-SHA-1", "n,,n=user,r=n" + long, "syntax"},
		{"order", "SCRAM-SHA-1", "n,,r=abc,n=user", "syntax"},
		{"no name", "SCRAM-SHA-1", "n,,n=,r=abc", "syntax"},
		{"name twice", "SCRAM-SHA-1", "n,,n=user,n=user,r=abc", "syntax"},
		{"name as extension", "SCRAM-SHA-1", "n,,n=user,r=abc,n=boss", "syntax"},
		{"bad escape", "SCRAM-SHA-1", "n,,n=us=er,r=abc", "syntax"},
		{"escape in small letters", "SCRAM-SHA-1", "n,,n=us=2cer,r=abc", "syntax"},
		{"escape cut off", "SCRAM-SHA-1", "n,,n=user=2,r=abc", "syntax"},
		{"control character", "SCRAM-SHA-1", "n,,n=us\ner,r=abc", "syntax"},
		{"NUL", "SCRAM-SHA-1", "n,,n=us\x00er,r=abc", "syntax"},
		{"NUL in extension", "SCRAM-SHA-1", "n,,n=user,r=abc,x=\x00", "syntax"},
		{"not UTF-8", "SCRAM-SHA-1", "n,,n=us\xffer,r=abc", "syntax"},
		{"name too long", "SCRAM-SHA-1", "n,,n=" + strings.Repeat("a", maxLogin+1) + ",r=abc", "syntax"},
		{"huge", "SCRAM-SHA-1", "n,,n=" + strings.Repeat("a", 1<<16) + ",r=abc", "syntax"},
		{"huge extension", "SCRAM-SHA-1", "n,,n=user,r=abc,x=" + strings.Repeat("a", maxScram), "syntax"},
		{"extension", "SCRAM-SHA-1", "n,,n=user,r=abc,x=1,Y=a=b", ""},
		{"extension without a value", "SCRAM-SHA-1", "n,,n=user,r=abc,x=", "syntax"},
		{"extension of no form", "SCRAM-SHA-1", "n,,n=user,r=abc,xyz", "syntax"},
		{"extension with a digit", "SCRAM-SHA-1", "n,,n=user,r=abc,1=x", "syntax"},
		{"trailing comma", "SCRAM-SHA-1", "n,,n=user,r=abc,", "syntax"},
		{"authzid", "SCRAM-SHA-1", "n,a=user,n=user,r=abc", ""},
		{"authzid escaped", "SCRAM-SHA-1", "n,a=us=3Der,n=user,r=abc", ""},
		{"authzid empty", "SCRAM-SHA-1", "n,a=,n=user,r=abc", "syntax"},
		{"authzid unnamed", "SCRAM-SHA-1", "n,user,n=user,r=abc", "syntax"},
		{"authzid bad escape", "SCRAM-SHA-1", "n,a=us=er,n=user,r=abc", "syntax"},
		{"authzid too long", "SCRAM-SHA-1", "n,a=" + strings.Repeat("a", maxLogin+1) + ",n=user,r=abc", "syntax"},
		{"authzid with a control character", "SCRAM-SHA-1", "n,a=us\ner,n=user,r=abc", "syntax"},
		{"unknown login", "SCRAM-SHA-1", "n,,n=ghost,r=abc", ""},
		{"downgrade", "SCRAM-SHA-1", "y,,n=user,r=abc", "downgrade"},
		{"downgrade of 256", "SCRAM-SHA-256", "y,,n=user,r=abc", "downgrade"},
		{"bound without -PLUS", "SCRAM-SHA-1", "p=tls-exporter,,n=user,r=abc", "binding"},
		{"unbound with -PLUS", "SCRAM-SHA-1-PLUS", "n,,n=user,r=abc", "binding"},
		{"could bind with -PLUS", "SCRAM-SHA-256-PLUS", "y,,n=user,r=abc", "binding"},
		{"bound", "SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=user,r=abc", ""},
		{"bound to the server", "SCRAM-SHA-1-PLUS", "p=tls-server-end-point,,n=user,r=abc", ""},
		{"bound to what is not there", "SCRAM-SHA-1-PLUS", "p=tls-unique,,n=user,r=abc", "binding"},
		{"bound to nothing", "SCRAM-SHA-1-PLUS", "p=empty,,n=user,r=abc", "binding"},
		{"bound to another case", "SCRAM-SHA-1-PLUS", "p=TLS-EXPORTER,,n=user,r=abc", "binding"},
		{"bound to no name", "SCRAM-SHA-1-PLUS", "p=,,n=user,r=abc", "syntax"},
		{"bound to a bad name", "SCRAM-SHA-1-PLUS", "p=tls exporter,,n=user,r=abc", "syntax"},
		{"bound to a long name", "SCRAM-SHA-1-PLUS", "p=" + strings.Repeat("x", maxBinding+1) + ",,n=user,r=abc", "syntax"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBook()
			got := take(start(t, tt.mechanism, connOf(b)), tt.first)
			if tt.want == "" && !strings.HasPrefix(got, "r=") || tt.want != "" && got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if asked := len(b.asked) > 0; asked != (tt.want == "") {
				t.Errorf("asked %q", b.asked)
			}
		})
	}
}

// Without -PLUS on offer a client rightly says that we cannot bind.
func TestScramCouldBind(t *testing.T) {
	c := connOf(newBook())
	c.Plus, c.Binding = false, nil
	s := &scramClient{login: "user", password: "pencil", header: "y,", hash: sha256.New}
	if _, done, err := talk(start(t, "SCRAM-SHA-256", c), s.answer, nil); !done {
		t.Error(err)
	}
	if got := take(start(t, "SCRAM-SHA-256-PLUS", c), "p=tls-exporter,,n=user,r=abc"); got != "binding" {
		t.Error(got)
	}
}

// The final messages that are refused; in each, what is right is in its place.
func TestScramFinal(t *testing.T) {
	const good = "c=biws,r=NONCE,p=PROOF"
	proof := base64.StdEncoding.EncodeToString(make([]byte, sha1.Size))
	tests := []struct{ name, final, want string }{
		{"wrong proof", good, "wrong"},
		{"extension", "c=biws,r=NONCE,x=y,p=PROOF", "wrong"},
		{"empty", "", "syntax"},
		{"no proof", "c=biws,r=NONCE", "syntax"},
		{"proof not at the end", "c=biws,p=PROOF,r=NONCE", "syntax"},
		{"something behind the proof", good + ",x=y", "syntax"},
		{"two proofs", good + ",p=PROOF", "syntax"},
		{"short proof", "c=biws,r=NONCE,p=" + b64("short"), "syntax"},
		{"long proof", "c=biws,r=NONCE,p=" + b64(strings.Repeat("l", 32)), "syntax"},
		{"proof not base64", "c=biws,r=NONCE,p=%%%%", "syntax"},
		{"proof with stray bits", "c=biws,r=NONCE,p=" + proof[:26] + "B=", "syntax"},
		{"proof with a line end", "c=biws,r=NONCE,p=" + proof[:20] + "\r\n" + proof[20:], "syntax"},
		{"another binding", "c=eSws,r=NONCE,p=PROOF", "binding"},
		{"no binding", "c=,r=NONCE,p=PROOF", "binding"},
		{"binding of no base64", "c=!!!,r=NONCE,p=PROOF", "binding"},
		{"binding with data", "c=" + b64("n,,data of tls-exporter") + ",r=NONCE,p=PROOF", "binding"},
		{"nonce of nobody", "c=biws,r=abc,p=PROOF", "replay"},
		{"longer nonce", "c=biws,r=NONCEx,p=PROOF", "replay"},
		{"no nonce", "c=biws,p=PROOF", "syntax"},
		{"mandatory extension", "c=biws,r=NONCE,m=y,p=PROOF", "syntax"},
		{"huge", good + strings.Repeat("=", maxScram), "syntax"},
		{"NUL", "c=biws,r=NONCE,x=\x00,p=PROOF", "syntax"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := start(t, "SCRAM-SHA-1", connOf(newBook()))
			nonce, _, _ := strings.Cut(strings.TrimPrefix(take(x, "n,,n=user,r=abc"), "r="), ",")
			final := strings.NewReplacer("NONCE", nonce, "PROOF", proof).Replace(tt.final)
			if got := take(x, final); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got := take(x, final); got != "syntax" {
				t.Errorf("the exchange goes on: %q", got)
			}
		})
	}
}

// Names are escaped, prepared and of any script; extensions are in what is signed.
func TestScramNames(t *testing.T) {
	for _, s := range []scramClient{
		{login: "a=3Db=2Cc", password: "pencil"}, {login: "ju\u0308rgen", password: "pässwörd"}, {login: "ключ", password: "пароль"},
		{login: "user", password: "last pass", extra: ",x=1,Z=2"}, {login: "a=3Db=2Cc", password: "pencil", authzid: "a=3Db=2Cc"},
	} {
		s.header, s.hash = "n,", sha256.New
		b := newBook()
		if _, done, err := talk(start(t, "SCRAM-SHA-256", connOf(b)), s.answer, nil); !done {
			t.Errorf("%s: %v, %q", s.login, err, b.asked)
		}
	}
}

// The Verifier has its say before the server proves itself, and the client's last word is empty.
func TestScramLastWord(t *testing.T) {
	for _, last := range []string{"", "x"} {
		b := newBook()
		s := &scramClient{login: "user", password: "pencil", header: "n,", hash: sha1.New}
		x := start(t, "SCRAM-SHA-1", connOf(b))
		challenge, _, _ := x.Next(context.Background(), s.answer(nil))
		got := take(x, string(s.answer(challenge)))
		if b.proved != 1 || got != s.verify {
			t.Fatalf("%q, proved %d", got, b.proved)
		}
		want := "done"
		if last != "" {
			want = "syntax"
		}
		if got := take(x, last); got != want {
			t.Errorf("after %q: %s", last, got)
		}
	}
	b := newBook()
	s := &scramClient{login: "user", password: "pencil", header: "n,", hash: sha1.New, authzid: "boss"}
	said, done, err := talk(start(t, "SCRAM-SHA-1", connOf(b)), s.answer, nil)
	if done || err != errWrong || len(said) != 2 {
		t.Errorf("as another: %v, %v after %d", done, err, len(said))
	}
}
