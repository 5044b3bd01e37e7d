package sasl

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

var errWrong = errors.New("wrong")

// asked is a Verifier that knows one password and remembers what it was asked.
type asked struct {
	authzid, login, password string
	times                    int
}

func (a *asked) VerifyPassword(_ context.Context, authzid, login, password string) error {
	a.authzid, a.login, a.password = authzid, login, password
	a.times++
	if password != "secret" {
		return errWrong
	}
	return nil
}

// step is one call of Next.
type step struct {
	send string // "-" sends nil
	want string // the challenge; "done"; "syntax"; "wrong"
}

func TestExchanges(t *testing.T) {
	long := strings.Repeat("a", maxLogin)
	longPassword := strings.Repeat("p", maxPassword)
	cases := []struct {
		name, mechanism string
		steps           []step
		question        string // authzid|login|password that was asked last
	}{
		{"plain", "PLAIN", []step{{"\x00user\x00secret", "done"}}, "|user|secret"},
		{"plain with authzid", "PLAIN", []step{{"boss\x00user\x00secret", "done"}}, "boss|user|secret"},
		{"plain after prompt", "PLAIN", []step{{"-", ""}, {"\x00user\x00secret", "done"}}, "|user|secret"},
		{"plain wrong", "PLAIN", []step{{"\x00user\x00other", "wrong"}}, "|user|other"},
		{"plain is over after failure", "PLAIN", []step{{"\x00user\x00other", "wrong"}, {"\x00user\x00secret", "syntax"}}, "|user|other"},
		{"plain is over after success", "PLAIN", []step{{"\x00user\x00secret", "done"}, {"\x00user\x00secret", "syntax"}}, "|user|secret"},
		{"plain in UTF-8", "PLAIN", []step{{"\x00üser\x00pässword", "wrong"}}, "|üser|pässword"},
		{"plain empty", "PLAIN", []step{{"", "syntax"}}, ""},
		{"plain without NUL", "PLAIN", []step{{"user", "syntax"}}, ""},
		{"plain with one NUL", "PLAIN", []step{{"user\x00secret", "syntax"}}, ""},
		{"plain with three NUL", "PLAIN", []step{{"\x00user\x00secret\x00", "syntax"}}, ""},
		{"plain with NUL in password", "PLAIN", []step{{"\x00user\x00sec\x00ret", "syntax"}}, ""},
		{"plain without login", "PLAIN", []step{{"\x00\x00secret", "syntax"}}, ""},
		{"plain without password", "PLAIN", []step{{"\x00user\x00", "syntax"}}, ""},
		{"plain not UTF-8", "PLAIN", []step{{"\x00user\x00\xff\xfe", "syntax"}}, ""},
		{"plain longest", "PLAIN", []step{{long + "\x00" + long + "\x00" + longPassword, "wrong"}}, long + "|" + long + "|" + longPassword},
		{"plain authzid too long", "PLAIN", []step{{long + "a\x00u\x00secret", "syntax"}}, ""},
		{"plain login too long", "PLAIN", []step{{"\x00" + long + "a\x00secret", "syntax"}}, ""},
		{"plain password too long", "PLAIN", []step{{"\x00u\x00" + longPassword + "p", "syntax"}}, ""},

		{"login", "LOGIN", []step{{"-", "Username:"}, {"user", "Password:"}, {"secret", "done"}}, "|user|secret"},
		{"login with initial response", "LOGIN", []step{{"user", "Password:"}, {"secret", "done"}}, "|user|secret"},
		{"login with empty initial response", "LOGIN", []step{{"", "Username:"}, {"user", "Password:"}, {"secret", "done"}}, "|user|secret"},
		{"login wrong", "LOGIN", []step{{"user", "Password:"}, {"other", "wrong"}, {"secret", "syntax"}}, "|user|other"},
		{"login without name", "LOGIN", []step{{"-", "Username:"}, {"", "syntax"}, {"user", "syntax"}}, ""},
		{"login without password", "LOGIN", []step{{"user", "Password:"}, {"", "syntax"}, {"secret", "syntax"}}, ""},
		{"login NUL in name", "LOGIN", []step{{"us\x00er", "syntax"}}, ""},
		{"login NUL in password", "LOGIN", []step{{"user", "Password:"}, {"sec\x00ret", "syntax"}}, ""},
		{"login name not UTF-8", "LOGIN", []step{{"\xff", "syntax"}}, ""},
		{"login name too long", "LOGIN", []step{{long + "a", "syntax"}}, ""},
		{"login password too long", "LOGIN", []step{{"user", "Password:"}, {longPassword + "p", "syntax"}}, ""},
		{"login longest", "LOGIN", []step{{long, "Password:"}, {longPassword, "wrong"}}, "|" + long + "|" + longPassword},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, found := Lookup(c.mechanism)
			if !found {
				t.Fatalf("no mechanism %s", c.mechanism)
			}
			v := &asked{}
			x := m.New(v)
			for i, s := range c.steps {
				if got := take(x, s.send); got != s.want {
					t.Fatalf("step %d: got %q, want %q", i, got, s.want)
				}
			}
			question := ""
			if v.times > 0 {
				question = v.authzid + "|" + v.login + "|" + v.password
			}
			if question != c.question || v.times > 1 {
				t.Errorf("asked %d times, last %q, want %q", v.times, question, c.question)
			}
		})
	}
}

// take sends one response and puts the answer into a word.
func take(x Exchange, send string) string {
	response := []byte(send)
	if send == "-" {
		response = nil
	}
	challenge, done, err := x.Next(context.Background(), response)
	switch {
	case errors.Is(err, ErrSyntax):
		return "syntax"
	case errors.Is(err, errWrong):
		return "wrong"
	case err != nil:
		return err.Error()
	case done:
		return "done"
	}
	return string(challenge)
}

// A name that the caller's buffer held must survive the buffer's reuse.
func TestLoginKeepsItsOwnName(t *testing.T) {
	v := &asked{}
	x := newLogin(v)
	buffer := []byte("user")
	if _, _, err := x.Next(context.Background(), buffer); err != nil {
		t.Fatal(err)
	}
	copy(buffer, "evil")
	if _, done, err := x.Next(context.Background(), []byte("secret")); !done || err != nil {
		t.Fatal(done, err)
	}
	if v.login != "user" {
		t.Errorf("asked for %q", v.login)
	}
}

func TestTable(t *testing.T) {
	var names []string
	for _, m := range Mechanisms() {
		names = append(names, m.Name)
		if m.New == nil || m.Name != strings.ToUpper(m.Name) || len(m.Name) > 20 {
			t.Errorf("bad row %q", m.Name)
		}
		if !m.ClearSecret {
			t.Errorf("%s sends the password in clear and must say so", m.Name)
		}
	}
	if got := strings.Join(names, " "); got != "PLAIN LOGIN" {
		t.Errorf("mechanisms are %s", got)
	}
	if _, found := Lookup("login"); !found {
		t.Error("names are not compared without case")
	}
	if _, found := Lookup("PLAINX"); found {
		t.Error("found PLAINX")
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
