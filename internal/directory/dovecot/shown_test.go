package dovecot

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"countersign/internal/directory"
	"countersign/internal/fault"
)

// helloAll is the greeting of a Dovecot that verifies tokens and takes names from the gate.
const helloAll = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tXOAUTH2\tplaintext\nMECH\tOAUTHBEARER\tplaintext\nMECH\tEXTERNAL\nDONE\n"

const token = "s3cret.token-of_a~user+/="

// takesToken has a double asked about tokens.
func takesToken(o *Options) { o.Tokens = true }

func asksToken(t *testing.T, d *Dovecot, login, token string) (*directory.Answer, error) {
	t.Helper()
	a, err := d.AskToken(t.Context(), directory.Question{Login: login, Client: netip.MustParseAddr("192.0.2.1"), Session: "01J9"}, token)
	if err != nil && strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the error holds the token: %v", err)
	}
	return a, err
}

// said returns the last field of the line that began an exchange, decoded.
func said(t *testing.T, line string) string {
	t.Helper()
	_, response, _ := strings.Cut(line, "\tresp=")
	text, err := base64.StdEncoding.DecodeString(response)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return string(text)
}

// TestToken: what is asked, and who it opens.
func TestToken(t *testing.T) {
	s := start(t, helloAll, says("OK\t%s\tuser=A@Example.org\tplan=basic\ttoken="+token+"\n"))
	d := s.asking(takesToken)
	a, err := asksToken(t, d, "a=b,c@example.org", token)
	if err != nil || a.Login != "a@example.org" || !a.Verified || a.Plan != "basic" { // whose it is, package login compares
		t.Fatalf("%+v, %v", a, err)
	}
	line := s.seen("AUTH\t")
	if want := "AUTH\t1\tOAUTHBEARER\tservice=smtp\tsecured=tls\tnologin\tno-penalty\trip=192.0.2.1\tsession=01J9\tresp="; !strings.HasPrefix(line, want) {
		t.Errorf("it is asked %q", line)
	}
	if got := said(t, line); got != "n,a=a=3Db=2Cc@example.org,\x01auth=Bearer "+token+"\x01\x01" {
		t.Errorf("it is shown %q", got)
	}
	old := start(t, strings.Replace(helloAll, "MECH\tOAUTHBEARER\tplaintext\n", "", 1), says("OK\t%s\tuser=a@example.org\n"))
	if a, err := asksToken(t, old.asking(takesToken), "a@example.org", token); err != nil || a.Login != "a@example.org" {
		t.Errorf("%+v, %v", a, err)
	}
	if got := said(t, old.seen("AUTH\t")); got != "user=a@example.org\x01auth=Bearer "+token+"\x01\x01" {
		t.Errorf("by XOAUTH2 it is shown %q", got)
	}
}

// document is a Dovecot's, which is its own matter.
var document = base64.StdEncoding.EncodeToString([]byte(`{"status":"invalid_token","scope":"s3cret"}`))

// TestTokenRefused: a refusal is a document first, to which the gate has nothing to say; what
// goes on after that is none.
func TestTokenRefused(t *testing.T) {
	for name, c := range map[string]struct {
		lines []string
		kind  fault.Kind
		why   error
	}{
		"a document":          {[]string{"CONT\t%s\t" + document + "\n", "FAIL\t%s\tuser=a@example.org\n"}, fault.Unauthenticated, errNo},
		"no document":         {[]string{"FAIL\t%s\tuser=a@example.org\treason=s3cret.token\n"}, fault.Unauthenticated, errNo},
		"its provider's away": {[]string{"FAIL\t%s\tuser=a@example.org\tcode=temp_fail\treason=s3cret\n"}, fault.Unavailable, errTrouble},
		"disabled":            {[]string{"FAIL\t%s\tcode=user_disabled\n"}, fault.Unauthenticated, ErrDisabled},
		"not here":            {[]string{"OK\t%s\tuser=a@example.org\tproxy\n"}, fault.Unauthenticated, ErrElsewhere},
		"CONT without end":    {[]string{"CONT\t%s\t" + document + "\n", "CONT\t%s\t" + document + "\n", "CONT\t%s\t\n"}, fault.Corrupt, nil},
		"yes after no":        {[]string{"CONT\t%s\t" + document + "\n", "OK\t%s\tuser=a@example.org\n"}, fault.Corrupt, nil},
		"yes to nobody":       {[]string{"OK\t%s\n"}, fault.Corrupt, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, helloAll, steps(c.lines...))
			d := s.asking(takesToken)
			a, err := asksToken(t, d, "a@example.org", token)
			wants(t, err, c.kind, "")
			if a != nil || c.why != nil && !errors.Is(err, c.why) {
				t.Errorf("%+v, %v", a, err)
			}
			if strings.HasPrefix(c.lines[0], "CONT") && s.seen("CONT\t") != "CONT\t1\tAQ==" {
				t.Errorf("the gate says %q", s.seen("CONT\t"))
			}
			if name == "CONT without end" {
				s.seen("CANCEL\t1")
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.open != 0 {
				t.Errorf("%d exchanges are under way", d.open)
			}
		})
	}
}

// TestTokenMidExchange: a Dovecot that goes away after its document has not refused.
func TestTokenMidExchange(t *testing.T) {
	s := start(t, helloAll, nil)
	s.answers = func(line string) string {
		if strings.HasPrefix(line, "AUTH\t") {
			return fmt.Sprintf("CONT\t%s\t%s\n", idOf(line), document)
		}
		s.hangUp()
		return ""
	}
	_, err := asksToken(t, s.asking(takesToken), "a@example.org", token)
	wants(t, err, fault.Unavailable, "has broken")
}

// TestTokensThatAreNone are not sent: what would begin a part of its own in the message, and
// what is longer than a line.
func TestTokensThatAreNone(t *testing.T) {
	s := start(t, helloAll, says("OK\t%s\tuser=a@example.org\n"))
	d := s.asking(takesToken)
	if _, err := d.Mechanisms(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{"a@example.org", ""}, {"a@example.org", "s3cret\x01auth=Bearer other"}, {"a@example.org", "s3cret\x01\x01"}, {"a@example.org", "s3cret x"},
		{"a@example.org", "s3cret\tvalid-client-cert"}, {"a@example.org", "s3cret\nAUTH\t9"}, {"a@example.org", "s3cret\x00"}, {"a@example.org", "s3crét"},
		{"a@example.org", strings.Repeat("s3cret", 12<<10/6)}, {"a@example.org", strings.Repeat("x", directory.MaxToken+1)},
		{"a@example.org,\x01auth=Bearer s3cret\x01\x01", token}, {"a\x01user=b@example.org", token}, {"a\x00@example.org", token}, {"a\t@example.org", token}, {"", token}, {"a\x7f@example.org", token},
	} {
		a, err := asksToken(t, d, c[0], c[1])
		wants(t, err, fault.Unauthenticated, "")
		if a != nil {
			t.Errorf("%q: %+v", c, a)
		}
	}
	s.mu.Lock()
	sent := strings.Join(s.lines, "\n")
	s.mu.Unlock()
	if strings.Contains(sent, "AUTH\t") {
		t.Errorf("it was asked: %q", sent)
	}
	if a, err := asksToken(t, d, strings.Repeat("=", 64)+"@example.org", strings.Repeat("x", directory.MaxToken)); err != nil || a == nil {
		t.Errorf("the longest: %v", err)
	}
	if n := len(s.seen("AUTH\t")) + 1; n > MaxLine || s.connections() != 1 {
		t.Errorf("a line of %d octets, %d connections", n, s.connections())
	}
}

// TestTakesTokens where it is wanted and offered; before it is known, a question finds out.
func TestTakesTokens(t *testing.T) {
	for greeting, want := range map[string]bool{helloAll: true, hello: false} {
		s := start(t, greeting, says("FAIL\t%s\n"))
		d, off := s.asking(takesToken), s.asking(nil)
		if !d.TakesTokens() || off.TakesTokens() {
			t.Error("before it is known")
		}
		_, err := asksToken(t, d, "a@example.org", token)
		if kind := map[bool]fault.Kind{true: fault.Unauthenticated, false: fault.Invalid}[want]; !fault.Is(err, kind) {
			t.Errorf("%v", err)
		}
		if d.TakesTokens() != want {
			t.Errorf("%q: %v", greeting, !want)
		}
	}
}

func believes(o *Options) { o.External = true }

// TestProven: Dovecot takes the name from the gate, in a field of its own.
func TestProven(t *testing.T) {
	s := start(t, helloAll, says("OK\t%s\tuser=a@example.org\tplan=basic\n"))
	d := s.asking(believes)
	q := directory.Question{Login: "a@example.org", Client: netip.MustParseAddr("192.0.2.1"), Session: "01J9"}
	a, err := d.AskProven(t.Context(), q)
	if err != nil || a.Login != "a@example.org" || !a.Verified || a.Plan != "basic" {
		t.Fatalf("%+v, %v", a, err)
	}
	const want = "AUTH\t1\tEXTERNAL\tservice=smtp\tsecured=tls\tnologin\tno-penalty\trip=192.0.2.1\tsession=01J9\tvalid-client-cert\tcert_username=a@example.org\tresp=="
	if line := s.seen("AUTH\t"); line != want {
		t.Errorf("it is asked %q\nwant %q", line, want)
	}
	standing, err := d.Standing(t.Context(), q)
	if err != nil || standing.Login != "a@example.org" || !standing.Here || standing.Disabled || !d.Witnesses() || !d.Believes() {
		t.Errorf("%+v, %v", standing, err)
	}
	for _, login := range []string{"", "a\tuser=b", "a\nAUTH", "a\x01b", "a\x00b"} {
		q.Login = login
		_, err := d.AskProven(t.Context(), q)
		wants(t, err, fault.Unauthenticated, "")
	}
	// Its clients never get there, and neither does a gate that was not told.
	_, err = d.Begin(t.Context(), "EXTERNAL", Info{})
	wants(t, err, fault.Invalid, "does not offer")
	off := s.asking(nil)
	_, err = off.AskProven(t.Context(), question)
	wants(t, err, fault.Invalid, "word")
	if off.Believes() || off.Witnesses() {
		t.Error("it believes without being told to")
	}
}

// TestNotProven: every way in which Dovecot does not say yes.
func TestNotProven(t *testing.T) {
	for reply, kind := range map[string]fault.Kind{
		"FAIL\t%s\tuser=a@example.org\n":               fault.Unauthenticated,
		"FAIL\t%s\tcode=temp_fail\n":                   fault.Unavailable,
		"OK\t%s\tuser=a@example.org\tnologin\n":        fault.Unauthenticated,
		"OK\t%s\tuser=a@example.org\tproxy\n":          fault.Unauthenticated,
		"OK\t%s\tuser=a@example.org\tauth_user=root\n": fault.Unauthenticated,
		"OK\t%s\n":         fault.Corrupt,
		"CONT\t%s\t\n":     fault.Corrupt,
		"CONT\t%s\tAAAA\n": fault.Corrupt,
	} {
		s := start(t, helloAll, says(reply))
		standing, err := s.asking(believes).Standing(t.Context(), directory.Question{Login: "a@example.org"})
		wants(t, err, kind, "")
		if standing.Login != "" {
			t.Errorf("%q: %+v", reply, standing)
		}
	}
	s := start(t, hello, says("OK\t%s\tuser=a@example.org\n"))
	_, err := s.asking(believes).Standing(t.Context(), directory.Question{Login: "a@example.org"})
	wants(t, err, fault.Invalid, "does not offer")
}

// TestCheck finds a Dovecot that would let everybody in.
func TestCheck(t *testing.T) {
	both := func(o *Options) { o.External, o.Tokens = true, true }
	answering := func(external, token string) func(string) string {
		return func(line string) string {
			switch {
			case strings.Contains(line, "\tEXTERNAL\t"):
				return fmt.Sprintf(external, idOf(line))
			case strings.Contains(line, "\tOAUTHBEARER\t"):
				return fmt.Sprintf(token, idOf(line))
			}
			return ""
		}
	}
	const yes, no, trouble = "OK\t%s\tuser=" + directory.ProbeLogin + "\n", "FAIL\t%s\n", "FAIL\t%s\tcode=temp_fail\n"
	for name, c := range map[string]struct {
		hello, external, token string
		more                   func(*Options)
		kind                   fault.Kind
		part                   string
	}{
		"well":                 {hello: helloAll, external: no, token: no, more: both},
		"not asked":            {hello: helloAll, external: yes, token: yes},
		"lets everybody in":    {helloAll, yes, no, both, fault.Invalid, "which nobody has"},
		"takes any token":      {helloAll, no, yes, both, fault.Invalid, "made-up token"},
		"no EXTERNAL":          {hello, no, no, both, fault.Invalid, "auth_mechanisms"},
		"cannot look up":       {helloAll, trouble, no, both, fault.Unavailable, "trouble"},
		"its provider is away": {helloAll, no, trouble, both, fault.Unavailable, "trouble"},
		"nothing to try":       {hello: hello, external: no, token: no, more: takesToken},
	} {
		t.Run(name, func(t *testing.T) {
			err := start(t, c.hello, answering(c.external, c.token)).asking(c.more).Check(t.Context())
			if c.part == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wants(t, err, c.kind, c.part)
		})
	}
}

// FuzzBearing: whatever a client has named and shown, the message has one user and one token,
// those, or there is none.
func FuzzBearing(f *testing.F) {
	f.Add("a@example.org", token)
	f.Add("a=2C,n,,\x01auth=Bearer x\x01\x01", "x\x01user=b")
	f.Fuzz(func(t *testing.T, login, token string) {
		for _, mechanism := range []string{oauthBearer, xoauth2} {
			message, err := bearing(mechanism, login, token)
			if err != nil {
				continue
			}
			parts := strings.Split(string(message), "\x01")
			if len(parts) != 4 || parts[1] != "auth=Bearer "+token || parts[2] != "" || parts[3] != "" {
				t.Fatalf("%q", message)
			}
			name, ok := strings.CutPrefix(parts[0], "user=")
			if mechanism == oauthBearer {
				fields := strings.Split(parts[0], ",")
				if len(fields) != 3 || fields[0] != "n" || fields[2] != "" {
					t.Fatalf("%q", message)
				}
				name, ok = strings.CutPrefix(fields[1], "a=")
				name = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(name)
			}
			if !ok || name != login {
				t.Fatalf("%q names %q", message, name)
			}
		}
	})
}

// TestTokenGivenUp: the context is heeded in mid-exchange.
func TestTokenGivenUp(t *testing.T) {
	s := start(t, helloAll, steps("CONT\t%s\t"+document+"\n"))
	d := s.asking(takesToken)
	ctx, giveUp := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := d.AskToken(ctx, directory.Question{Login: "a@example.org"}, token)
		failed <- err
	}()
	if line := s.seen("CONT\t"); line != "CONT\t1\tAQ==" {
		t.Errorf("the gate says %q", line)
	}
	giveUp()
	wants(t, <-failed, fault.Canceled, "")
	s.seen("CANCEL\t1")
}
