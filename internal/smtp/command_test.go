package smtp

import (
	"encoding/base64"
	"errors"
	"math"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// asReply returns the start of the reply that err is: code and enhanced code.
func asReply(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var reply Reply
	if !errors.As(err, &reply) {
		t.Fatalf("%v is no Reply", err)
	}
	if _, found := lookup(reply.Reason); !found {
		t.Errorf("%v has a reason outside the catalogue", reply)
	}
	wire := string(reply.AppendTo(nil))
	if !strings.HasPrefix(wire, reply.Error()[:10]) || strings.Count(wire, "\r\n") != 1 {
		t.Errorf("wire form %q", wire)
	}
	return reply.Error()[:len("501 5.5.2")]
}

func TestParseCommand(t *testing.T) {
	cases := []struct{ line, verb, args, err string }{
		{"QUIT", "QUIT", "", ""},
		{"quit", "QUIT", "", ""},
		{"QUIT  ", "QUIT", "", ""},
		{"mAiL FROM:<a@b>", "MAIL", "FROM:<a@b>", ""},
		{"MAIL FROM:<a@b> ", "MAIL", "FROM:<a@b>", ""},
		{"MAIL  FROM:<a@b>", "MAIL", " FROM:<a@b>", ""},
		{"STARTTLS", "STARTTLS", "", ""},
		{"STARTTLSX", "STARTTLSX", "", ""},
		{"STARTTLS X", "STARTTLS", "X", ""},
		{"RCPT TO:<ü@b>", "RCPT", "TO:<ü@b>", ""},
		{"", "", "", "500 5.5.2"},
		{" ", "", "", "500 5.5.2"},
		{" QUIT", "", "", "500 5.5.2"},
		{"QUIT\t", "", "", "500 5.5.2"},
		{"NOOP a\tb", "", "", "500 5.5.2"},
		{"NOOP \x7f", "", "", "500 5.5.2"},
		{"NOOP a\rb", "", "", "500 5.5.2"},
		{"NOOP \x00", "", "", "500 5.5.2"},
		{"NOOP \xff", "", "", "500 5.5.2"},
		{"\x16\x03\x01", "", "", "500 5.5.2"},
		{"X-FOO", "", "", "500 5.5.1"},
		{"STARTTLS;", "", "", "500 5.5.1"},
		{"MAIL:FROM", "", "", "500 5.5.1"},
		{"ÜBER", "", "", "500 5.5.1"},
	}
	for _, c := range cases {
		t.Run(c.line, func(t *testing.T) {
			got, err := ParseCommand([]byte(c.line))
			if asReply(t, err) != c.err || got.Verb != c.verb || got.Args != c.args {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestParseHello(t *testing.T) {
	good := []string{
		"mx.example.org", "localhost", "DESKTOP-1", "my_laptop", "[192.0.2.1]", "[IPv6:2001:db8::1]", "[fe80::1%en0]",
		"192.0.2.1", "2001:db8::1", "mx.example.org.", strings.Repeat("a", 255),
	}
	for _, args := range good {
		if got, err := ParseHello(args); err != nil || got != args {
			t.Errorf("%q: %q, %v", args, got, err)
		}
	}
	bad := []string{
		"", "[]", "a b", " a", "a<b>", "a\"b", "(a)", "a@b", "a;b", "a[b", "[a", "a]", "[[a]]", "bücher.example", "a\x00b", strings.Repeat("a", 256),
	}
	for _, args := range bad {
		if got, err := ParseHello(args); got != "" || asReply(t, err) != "501 5.5.4" {
			t.Errorf("%q: %q, %v", args, got, err)
		}
	}
}

func TestParseBdat(t *testing.T) {
	cases := []struct {
		args string
		n    int64
		last bool
		ok   bool
	}{
		{"0", 0, false, true}, {"10", 10, false, true}, {"0 LAST", 0, true, true}, {"10 last", 10, true, true},
		{"0010", 10, false, true}, {"9223372036854775806", math.MaxInt64 - 1, false, true},
		{"", 0, false, false}, {"LAST", 0, false, false}, {"10 ", 0, false, false}, {"10  LAST", 0, false, false},
		{"10 LAST ", 0, false, false}, {"10 FIRST", 0, false, false}, {"-1", 0, false, false}, {"+1", 0, false, false},
		{"0x10", 0, false, false}, {"1e3", 0, false, false}, {"9223372036854775807", 0, false, false},
		{"99999999999999999999", 0, false, false}, {"000000000000000000001", 0, false, false}, {"१०", 0, false, false},
	}
	for _, c := range cases {
		n, last, err := ParseBdat(c.args)
		if n != c.n || last != c.last || (err == nil) != c.ok {
			t.Errorf("%q: %d, %v, %v", c.args, n, last, err)
		}
		if !c.ok && asReply(t, err) != "501 5.5.2" {
			t.Errorf("%q: %v", c.args, err)
		}
	}
}

func TestParseAuth(t *testing.T) {
	cases := []struct{ args, mechanism, initial, err string }{
		{"PLAIN", "PLAIN", "none", ""},
		{"plain AHUAcA==", "PLAIN", "\x00u\x00p", ""},
		{"SCRAM-SHA-256", "SCRAM-SHA-256", "none", ""},
		{"LOGIN =", "LOGIN", "", ""},
		{"", "", "none", "501 5.5.2"},
		{" PLAIN", "", "none", "501 5.5.2"},
		{"PLA!N", "", "none", "501 5.5.2"},
		{strings.Repeat("A", 21), "", "none", "501 5.5.2"},
		{"PLAIN ", "", "none", "501 5.5.2"},
		{"PLAIN  =", "", "none", "501 5.5.2"},
		{"PLAIN *", "", "none", "501 5.5.2"},
		{"PLAIN AHUAcA", "", "none", "501 5.5.2"},
		{"PLAIN AHUAcA==A", "", "none", "501 5.5.2"},
		{"PLAIN AHUAcB==", "", "none", "501 5.5.2"},
		{"PLAIN AHUA cA==", "", "none", "501 5.5.2"},
		{"PLAIN AHUA\r\ncA==", "", "none", "501 5.5.2"},
		{"PLAIN ====", "", "none", "501 5.5.2"},
	}
	for _, c := range cases {
		t.Run(c.args, func(t *testing.T) {
			mechanism, initial, hasInitial, err := ParseAuth(c.args)
			got := "none"
			if hasInitial && err == nil {
				got = string(initial)
				if initial == nil {
					t.Error("an initial response that is nil")
				}
			}
			if mechanism != c.mechanism || got != c.initial || asReply(t, err) != c.err {
				t.Errorf("%q, %q, %v", mechanism, got, err)
			}
			if err != nil && strings.Contains(err.Error(), "AHU") {
				t.Errorf("the secret is in the reply: %v", err)
			}
		})
	}
}

func TestParseAuthResponse(t *testing.T) {
	cases := []struct{ line, want, err string }{
		{"dXNlcg==", "user", ""},
		{"", "", ""},
		{"*", "", "501 5.7.0"},
		{"=", "", ""},
		{"==", "", "501 5.5.2"},
		{"dXNlcg", "", "501 5.5.2"},
		{"dXN lcg==", "", "501 5.5.2"},
		{"**", "", "501 5.5.2"},
	}
	for _, c := range cases {
		got, err := ParseAuthResponse([]byte(c.line))
		if string(got) != c.want || asReply(t, err) != c.err || (err == nil && got == nil) {
			t.Errorf("%q: %q, %v", c.line, got, err)
		}
	}
}

func FuzzParseCommand(f *testing.F) {
	f.Add([]byte("AUTH PLAIN AHUAcA=="))
	f.Add([]byte("BDAT 10 LAST"))
	f.Add([]byte("EHLO [192.0.2.1]"))
	verb := regexp.MustCompile(`^[A-Z]+$`)
	hello := regexp.MustCompile(`^(\[[A-Za-z0-9._:%-]+\]|[A-Za-z0-9._:%-]+)$`)
	f.Fuzz(func(t *testing.T, line []byte) {
		c, err := ParseCommand(line)
		if err != nil {
			asReply(t, err)
			return
		}
		whole := c.Verb
		if c.Args != "" {
			whole += " " + c.Args
		}
		if !verb.MatchString(c.Verb) || !strings.EqualFold(whole, strings.TrimRight(string(line), " ")) {
			t.Fatalf("%q read as %+v", line, c)
		}
		if !utf8.ValidString(c.Args) || strings.ContainsAny(c.Args, "\x00\r\n\t\x7f") {
			t.Fatalf("arguments %q", c.Args)
		}
		name, err := ParseHello(c.Args)
		if (err == nil) != (hello.MatchString(c.Args) && len(c.Args) <= 255) || err == nil && name != c.Args {
			t.Fatalf("hello %q: %v", c.Args, err)
		}
		if n, _, err := ParseBdat(c.Args); n < 0 || err != nil && n != 0 {
			t.Fatalf("chunk of %d, %v", n, err)
		}
		_, initial, has, err := ParseAuth(c.Args)
		if err == nil && has && len(initial) > 0 && !strings.HasSuffix(c.Args, " "+base64.StdEncoding.EncodeToString(initial)) {
			t.Fatalf("%q decoded to %q", c.Args, initial)
		}
	})
}
