package sasl

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"countersign/internal/fault"
)

// said is one call of Next.
type said struct {
	send string // "-" sends nil
	want string // as take says
}

// exchange is a case of TestExchanges.
type exchange struct {
	name, mechanism string
	steps           []said
	question        string // the last one that the Verifier was asked
}

func passwordExchanges() []exchange {
	long, longPassword := strings.Repeat("a", maxLogin), strings.Repeat("p", MaxPassword)
	huge := strings.Repeat("a", 1<<16)
	return []exchange{
		{"plain", "PLAIN", []said{{"\x00other\x00secret", "done"}}, "password |other|secret"},
		{"plain with authzid", "PLAIN", []said{{"other\x00other\x00secret", "done"}}, "password other|other|secret"},
		{"plain with another's authzid", "PLAIN", []said{{"boss\x00other\x00secret", "wrong"}}, "password boss|other|secret"},
		{"plain after prompt", "PLAIN", []said{{"-", ""}, {"\x00other\x00secret", "done"}}, "password |other|secret"},
		{"plain prompted once", "PLAIN", []said{{"-", ""}, {"-", "syntax"}}, ""},
		{"plain wrong", "PLAIN", []said{{"\x00other\x00wrong", "wrong"}}, "password |other|wrong"},
		{"plain is over after failure", "PLAIN", []said{{"\x00other\x00wrong", "wrong"}, {"\x00other\x00secret", "syntax"}}, "password |other|wrong"},
		{"plain is over after success", "PLAIN", []said{{"\x00other\x00secret", "done"}, {"\x00other\x00secret", "syntax"}}, "password |other|secret"},
		{"plain in UTF-8", "PLAIN", []said{{"\x00jürgen\x00pässwörd", "done"}}, "password |jürgen|pässwörd"},
		{"plain empty", "PLAIN", []said{{"", "syntax"}}, ""},
		{"plain without NUL", "PLAIN", []said{{"user", "syntax"}}, ""},
		{"plain with one NUL", "PLAIN", []said{{"user\x00secret", "syntax"}}, ""},
		{"plain with three NUL", "PLAIN", []said{{"\x00user\x00secret\x00", "syntax"}}, ""},
		{"plain with NUL in password", "PLAIN", []said{{"\x00user\x00sec\x00ret", "syntax"}}, ""},
		{"plain without login", "PLAIN", []said{{"\x00\x00secret", "syntax"}}, ""},
		{"plain without password", "PLAIN", []said{{"\x00user\x00", "syntax"}}, ""},
		{"plain not UTF-8", "PLAIN", []said{{"\x00user\x00\xff\xfe", "syntax"}}, ""},
		{"plain with a control character in login", "PLAIN", []said{{"\x00us\ner\x00secret", "syntax"}}, ""},
		{"plain with a control character in authzid", "PLAIN", []said{{"us\x7fer\x00user\x00secret", "syntax"}}, ""},
		{"plain with a control character in password", "PLAIN", []said{{"\x00user\x00sec\tret", "wrong"}}, "password |user|sec\tret"},
		{"plain longest", "PLAIN", []said{{long + "\x00" + long + "\x00" + longPassword, "wrong"}}, "password " + long + "|" + long + "|" + longPassword},
		{"plain authzid too long", "PLAIN", []said{{long + "a\x00u\x00secret", "syntax"}}, ""},
		{"plain login too long", "PLAIN", []said{{"\x00" + long + "a\x00secret", "syntax"}}, ""},
		{"plain password too long", "PLAIN", []said{{"\x00u\x00" + longPassword + "p", "syntax"}}, ""},
		{"plain huge", "PLAIN", []said{{"\x00" + huge + "\x00secret", "syntax"}}, ""},

		{"login", "LOGIN", []said{{"-", "Username:"}, {"other", "Password:"}, {"secret", "done"}}, "password |other|secret"},
		{"login with initial response", "LOGIN", []said{{"other", "Password:"}, {"secret", "done"}}, "password |other|secret"},
		{"login with empty initial response", "LOGIN", []said{{"", "Username:"}, {"other", "Password:"}, {"secret", "done"}}, "password |other|secret"},
		{"login wrong", "LOGIN", []said{{"other", "Password:"}, {"wrong", "wrong"}, {"secret", "syntax"}}, "password |other|wrong"},
		{"login without name", "LOGIN", []said{{"-", "Username:"}, {"", "syntax"}, {"other", "syntax"}}, ""},
		{"login without password", "LOGIN", []said{{"other", "Password:"}, {"", "syntax"}, {"secret", "syntax"}}, ""},
		{"login NUL in name", "LOGIN", []said{{"us\x00er", "syntax"}}, ""},
		{"login control character in name", "LOGIN", []said{{"us\rer", "syntax"}}, ""},
		{"login NUL in password", "LOGIN", []said{{"other", "Password:"}, {"sec\x00ret", "syntax"}}, ""},
		{"login name not UTF-8", "LOGIN", []said{{"\xff", "syntax"}}, ""},
		{"login name too long", "LOGIN", []said{{long + "a", "syntax"}}, ""},
		{"login name huge", "LOGIN", []said{{"-", "Username:"}, {huge, "syntax"}}, ""},
		{"login password too long", "LOGIN", []said{{"other", "Password:"}, {longPassword + "p", "syntax"}}, ""},
		{"login longest", "LOGIN", []said{{long, "Password:"}, {longPassword, "wrong"}}, "password |" + long + "|" + longPassword},

		{"external", "EXTERNAL", []said{{"user", "done"}}, "certificate user"},
		{"external for its own", "EXTERNAL", []said{{"", "done"}}, "certificate "},
		{"external after prompt", "EXTERNAL", []said{{"-", ""}, {"", "done"}}, "certificate "},
		{"external for another", "EXTERNAL", []said{{"other", "wrong"}, {"user", "syntax"}}, "certificate other"},
		{"external longest", "EXTERNAL", []said{{long, "wrong"}}, "certificate " + long},
		{"external too long", "EXTERNAL", []said{{long + "a", "syntax"}}, ""},
		{"external with NUL", "EXTERNAL", []said{{"us\x00er", "syntax"}}, ""},
		{"external with a control character", "EXTERNAL", []said{{"us\u0085er", "syntax"}}, ""},
		{"external not UTF-8", "EXTERNAL", []said{{"\xff", "syntax"}}, ""},
	}
}

func TestExchanges(t *testing.T) {
	for _, c := range passwordExchanges() {
		t.Run(c.name, func(t *testing.T) { c.run(t, connOf(newBook())) })
	}
}

// run runs a case on a connection.
func (c exchange) run(t *testing.T, conn *Conn) {
	t.Helper()
	b := conn.Verifier.(*book)
	x := start(t, c.mechanism, conn)
	for i, s := range c.steps {
		if got := take(x, s.send); got != s.want {
			t.Fatalf("step %d: got %q, want %q", i, got, s.want)
		}
	}
	last := ""
	if len(b.asked) > 0 {
		last = b.asked[len(b.asked)-1]
	}
	if last != c.question {
		t.Errorf("asked %q last, want %q", b.asked, c.question)
	}
}

// A name that the caller's buffer held must survive the buffer's reuse.
func TestLoginKeepsItsOwnName(t *testing.T) {
	b := newBook()
	x := newLogin(connOf(b))
	buffer := []byte("other")
	if _, _, err := x.Next(context.Background(), buffer); err != nil {
		t.Fatal(err)
	}
	copy(buffer, "evils")
	if _, done, err := x.Next(context.Background(), []byte("secret")); !done || err != nil {
		t.Fatal(done, err, b.asked)
	}
}

// EXTERNAL for a client whose certificate stands for nobody.
func TestExternalForNobody(t *testing.T) {
	b := newBook()
	b.subject = ""
	for _, authzid := range []string{"", "user"} {
		if got := take(start(t, "EXTERNAL", connOf(b)), authzid); got != "wrong" {
			t.Errorf("%q: %s", authzid, got)
		}
	}
}

func TestTable(t *testing.T) {
	want := map[string]Mechanism{
		"EXTERNAL":           {Certificate: true},
		"SCRAM-SHA-256-PLUS": {Binds: true}, "SCRAM-SHA-1-PLUS": {Binds: true}, "SCRAM-SHA-256": {}, "SCRAM-SHA-1": {},
		"OAUTHBEARER": {ClearSecret: true, Token: true}, "XOAUTH2": {ClearSecret: true, Token: true},
		"PLAIN": {ClearSecret: true}, "LOGIN": {ClearSecret: true},
		"DIGEST-MD5": {Legacy: true}, "CRAM-MD5": {Legacy: true},
	}
	var names []string
	for _, m := range Mechanisms() {
		names = append(names, m.Name)
		w, known := want[m.Name]
		if !known || m.New == nil || m.Name != strings.ToUpper(m.Name) || len(m.Name) > 20 ||
			m.ClearSecret != w.ClearSecret || m.Binds != w.Binds || m.Certificate != w.Certificate || m.Legacy != w.Legacy || m.Token != w.Token {
			t.Errorf("bad row %q", m.Name)
		}
		if found, ok := Lookup(strings.ToLower(m.Name)); !ok || found.Name != m.Name {
			t.Errorf("%s is not found in lower case", m.Name)
		}
	}
	if got := strings.Join(names, " "); got != "EXTERNAL SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 PLAIN LOGIN DIGEST-MD5 CRAM-MD5" {
		t.Errorf("mechanisms are %s", got)
	}
	if _, found := Lookup("PLAINX"); found {
		t.Error("found PLAINX")
	}
}

// RFC 4954 section 4: where the server speaks first, an initial response is refused with
// 501 5.7.0, an empty one too.
func TestInitialResponseToServerFirst(t *testing.T) {
	for _, mechanism := range []string{"CRAM-MD5", "DIGEST-MD5"} {
		for _, response := range []string{"", "user 0"} {
			x := start(t, mechanism, connOf(newBook()))
			_, done, err := x.Next(context.Background(), []byte(response))
			if done || fault.ReasonOf(err) != "auth-initial-response" {
				t.Errorf("%s %q: %v, %v", mechanism, response, done, err)
			}
			if got := take(x, "-"); got != "syntax" {
				t.Errorf("%s goes on: %s", mechanism, got)
			}
		}
	}
}

// No mechanism is without randomness where it needs some, and none repeats a challenge.
func TestRandomness(t *testing.T) {
	for _, mechanism := range []string{"CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS"} {
		first := func(c *Conn) string {
			x := start(t, mechanism, c)
			if !strings.HasPrefix(mechanism, "SCRAM") {
				return take(x, "-")
			}
			return take(x, string(clientOf(mechanism, "pencil", "")(nil)))
		}
		broken, short := connOf(newBook()), connOf(newBook())
		broken.Rand, short.Rand = iotest.ErrReader(errors.New("no entropy")), bytes.NewReader(make([]byte, nonceOctets-1))
		if a, b := first(broken), first(short); a != "trouble" || b != "trouble" {
			t.Errorf("%s without randomness: %s, %s", mechanism, a, b)
		}
		seen, c := map[string]bool{}, connOf(newBook())
		for range 50 {
			seen[first(c)] = true
		}
		if len(seen) != 50 {
			t.Errorf("%s: %d challenges of 50", mechanism, len(seen))
		}
	}
}

// Trouble of the Verifier is handed on as it is, by every mechanism.
func TestTroubleIsHandedOn(t *testing.T) {
	away := fault.New("book", fault.Unavailable, "away")
	for _, m := range Mechanisms() {
		b := newBook()
		b.trouble = away
		_, done, err := talk(m.New(connOf(b)), clientOf(m.Name, secretOf(m), ""), nil)
		if done || !errors.Is(err, away) {
			t.Errorf("%s: %v, %v", m.Name, done, err)
		}
	}
}

// secretOf is what proves "user" to a book.
func secretOf(m Mechanism) string {
	if m.Token {
		return "dG9rZW4="
	}
	return "pencil"
}

// With each password of an account, for oneself and by name, every mechanism succeeds; with none else.
func TestEveryMechanismEndToEnd(t *testing.T) {
	for _, m := range Mechanisms() {
		secrets := []string{"first pass", "pencil", "last pass"}
		if m.Token || m.Certificate {
			secrets = []string{secretOf(m)}
		}
		for i, secret := range secrets {
			for _, authzid := range []string{"", "user"} {
				b := newBook()
				_, done, err := talk(m.New(connOf(b)), clientOf(m.Name, secret, authzid), nil)
				if !done || err != nil || b.proved != 1 {
					t.Errorf("%s with %q as %q: %v, %v, %q", m.Name, secret, authzid, done, err, b.asked)
				}
				if last := b.asked[len(b.asked)-1]; strings.HasPrefix(last, "proved") && !strings.HasSuffix(last, "|user|"+string(rune('0'+i))) {
					t.Errorf("%s with %q: %s", m.Name, secret, last)
				}
			}
		}
		if m.Certificate {
			continue
		}
		b := newBook()
		if _, done, err := talk(m.New(connOf(b)), clientOf(m.Name, "d3Jvbmc=", ""), nil); done || !errors.Is(err, errWrong) || b.proved != 0 {
			t.Errorf("%s with a wrong secret: %v, %v", m.Name, done, err)
		}
		if last := b.asked[len(b.asked)-1]; strings.HasPrefix(last, "proved") && !strings.HasSuffix(last, "|user|-1") {
			t.Errorf("%s with a wrong secret: %s", m.Name, last)
		}
	}
}

// Whoever proves to be one account and asks to be another is the Verifier's to judge, in every
// mechanism that has an authorization identity.
func TestAuthorizationIdentityIsJudged(t *testing.T) {
	for _, m := range Mechanisms() {
		if m.Name == "LOGIN" || m.Name == "CRAM-MD5" || m.Name == "XOAUTH2" {
			continue
		}
		b := newBook()
		_, done, err := talk(m.New(connOf(b)), clientOf(m.Name, secretOf(m), "other"), nil)
		if done || !errors.Is(err, errWrong) || b.proved != 0 {
			t.Errorf("%s: %v, %v, asked %q", m.Name, done, err, b.asked)
		}
	}
}

// An answer of yes to nothing proved, or to no token, is never taken.
func TestYesToNothing(t *testing.T) {
	for _, m := range Mechanisms() {
		if m.ClearSecret && !m.Token || m.Certificate {
			continue
		}
		secret := "wrong"
		if m.Token {
			secret = "" // "Bearer " with nothing behind
		}
		b := newBook()
		b.gullible = true
		_, done, err := talk(m.New(connOf(b)), clientOf(m.Name, secret, ""), nil)
		if done || fault.KindOf(err) != fault.Internal || b.proved != 1 {
			t.Errorf("%s: %v, %v, asked %q", m.Name, done, err, b.asked)
		}
	}
}

// Keys that are not of the agreed form are trouble, never a panic nor a login.
func TestBadKeys(t *testing.T) {
	changes := map[string]func(*Keys){
		"none":          func(k *Keys) { k.List = nil },
		"too many":      func(k *Keys) { k.List = slices.Repeat(k.List[1:2], MaxKeys+1) },
		"zero key":      func(k *Keys) { k.List[2] = Key{} },
		"stored short":  func(k *Keys) { k.List[0].Stored = k.List[0].Stored[1:] },
		"server long":   func(k *Keys) { k.List[0].Server = append(bytes.Clone(k.List[0].Server), 0) },
		"no salt":       func(k *Keys) { k.Salt = nil },
		"long salt":     func(k *Keys) { k.Salt = make([]byte, MaxSalt+1) },
		"few rounds":    func(k *Keys) { k.Iterations = MinIterations - 1 },
		"many rounds":   func(k *Keys) { k.Iterations = MaxIterations + 1 },
		"negative":      func(k *Keys) { k.Iterations = -1 },
		"of the others": func(k *Keys) { k.List[0].Server = make([]byte, 7) },
	}
	for _, mechanism := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "CRAM-MD5", "DIGEST-MD5"} {
		for name, change := range changes {
			if !strings.HasPrefix(mechanism, "SCRAM") && strings.Contains("no salt long salt few rounds many rounds negative", name) {
				continue
			}
			b := newBook()
			b.alter = change
			_, done, err := talk(start(t, mechanism, connOf(b)), clientOf(mechanism, "pencil", ""), nil)
			if done || fault.KindOf(err) != fault.Internal || b.proved != 0 {
				t.Errorf("%s, %s: %v, %v", mechanism, name, done, err)
			}
		}
	}
	b := newBook()
	x := start(t, "CRAM-MD5", connOf(nobody{b}))
	if _, done, err := talk(x, cramClient("user", "pencil"), nil); done || fault.KindOf(err) != fault.Internal {
		t.Errorf("no keys at all: %v, %v", done, err)
	}
}

// nobody is a book that forgets to answer.
type nobody struct{ *book }

func (nobody) Keys(context.Context, string, string) (*Keys, error) { return nil, nil }

func TestScramKeyBounds(t *testing.T) {
	good := ScramKey(ScramSHA256, "pencil", []byte("salt"), MinIterations)
	if len(good.Stored) != 32 || len(good.Server) != 32 || bytes.Equal(good.Stored, good.Server) {
		t.Errorf("%+v", good)
	}
	for _, bad := range []Key{
		ScramKey("SCRAM-SHA-512", "pencil", []byte("salt"), MinIterations),
		ScramKey(ScramSHA1, "pencil", nil, MinIterations),
		ScramKey(ScramSHA1, "pencil", make([]byte, MaxSalt+1), MinIterations),
		ScramKey(ScramSHA1, "pencil", []byte("salt"), MinIterations-1),
		ScramKey(ScramSHA1, "pencil", []byte("salt"), MaxIterations+1),
	} {
		if bad.Stored != nil || bad.Server != nil {
			t.Errorf("%+v", bad)
		}
	}
}

// The mechanisms' own failures are answered as a wrong password is, and say nothing of the account.
func TestFailuresAreUnauthenticated(t *testing.T) {
	for _, err := range []error{ErrDowngrade, ErrBinding, ErrReplay, ErrElsewhere, &TokenError{}} {
		if !fault.Is(err, fault.Unauthenticated) || fault.DetailOf(err, fault.Unauthenticated) != "" {
			t.Errorf("%v", err)
		}
	}
	if err := (&TokenError{Err: errWrong}); !errors.Is(err, errWrong) || !strings.Contains(err.Error(), "not authenticated") {
		t.Errorf("%v", err)
	}
}
