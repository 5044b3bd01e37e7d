package message

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"countersign/internal/fault"
)

// mustRead reads the header of text, which must be good.
func mustRead(t testing.TB, text string) *Header {
	t.Helper()
	h, _, err := ReadHeader(strings.NewReader(text), Limits{})
	if err != nil {
		t.Fatalf("ReadHeader(%q): %v", text, err)
	}
	return h
}

func TestReadHeaderRoundTrip(t *testing.T) {
	long := strings.Repeat("x", 998-len("Subject: "))
	cases := map[string]struct{ in, head, body string }{
		"plain":              {"From: a@b.example\r\nTo: c\r\n\r\nbody\r\n", "From: a@b.example\r\nTo: c\r\n\r\n", "body\r\n"},
		"folded":             {"Subject: one\r\n two\r\n\tthree\r\n\r\n", "Subject: one\r\n two\r\n\tthree\r\n\r\n", ""},
		"odd spaces stay":    {"sUBJECT:  two  \t\r\n\r\nx", "sUBJECT:  two  \t\r\n\r\n", "x"},
		"no blank line":      {"From: a\r\nTo: b\r\n", "From: a\r\nTo: b\r\n\r\n", ""},
		"no final CRLF":      {"From: a\r\nTo: b", "From: a\r\nTo: b\r\n\r\n", ""},
		"empty message":      {"", "\r\n", ""},
		"no header":          {"\r\nbody\r\n", "\r\n", "body\r\n"},
		"empty field body":   {"Subject:\r\n\r\n", "Subject:\r\n\r\n", ""},
		"longest line":       {"Subject: " + long + "\r\n\r\n", "Subject: " + long + "\r\n\r\n", ""},
		"8-bit":              {"Subject: \xfc \xc3\xbc\r\n\r\n", "Subject: \xfc \xc3\xbc\r\n\r\n", ""},
		"blank line in body": {"A: b\r\n\r\n\r\n", "A: b\r\n\r\n", "\r\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{
				strings.NewReader(c.in),
				iotest.OneByteReader(strings.NewReader(c.in)),
				bufio.NewReaderSize(strings.NewReader(c.in), 16),
			} {
				h, rest, err := ReadHeader(r, Limits{})
				if err != nil {
					t.Fatal(err)
				}
				if got := string(h.Bytes()); got != c.head {
					t.Errorf("header %q, want %q", got, c.head)
				}
				body, err := io.ReadAll(rest)
				if err != nil || string(body) != c.body {
					t.Errorf("body %q, %v, want %q", body, err, c.body)
				}
			}
		})
	}
}

func TestReadHeaderRefuses(t *testing.T) {
	small := Limits{MaxBytes: 60, MaxFields: 2, MaxLine: 30}
	cases := map[string]struct {
		in     string
		limits Limits
		reason string
	}{
		"no colon":            {"From: a\r\nhello there\r\n\r\n", Limits{}, ReasonMalformed},
		"body without blank":  {"From: a\r\nhello there\r\n", Limits{}, ReasonMalformed},
		"mbox line":           {"From a@b Thu Jan  1 00:00:00 1970\r\nTo: b\r\n\r\n", Limits{}, ReasonMalformed},
		"space before colon":  {"From : a\r\n\r\n", Limits{}, ReasonMalformed},
		"tab before colon":    {"From\t: a\r\n\r\n", Limits{}, ReasonMalformed},
		"folded before colon": {"From\r\n : a\r\n\r\n", Limits{}, ReasonMalformed},
		"empty name":          {": a\r\n\r\n", Limits{}, ReasonMalformed},
		"8-bit name":          {"Fr\xc3\xb6m: a\r\n\r\n", Limits{}, ReasonMalformed},
		"begins with fold":    {" From: a\r\n\r\n", Limits{}, ReasonMalformed},
		"white space line":    {"From: a\r\n \r\nTo: b\r\n\r\n", Limits{}, ReasonMalformed},
		"bare LF":             {"From: a\nTo: b\r\n\r\n", Limits{}, ReasonMalformed},
		"bare CR":             {"From: a\rTo: b\r\n\r\n", Limits{}, ReasonMalformed},
		"CR at the end":       {"From: a\r", Limits{}, ReasonMalformed},
		"NUL":                 {"From\x00: a\r\n\r\n", Limits{}, ReasonMalformed},
		"NUL in body":         {"From: a\x00\r\n\r\n", Limits{}, ReasonMalformed},
		"line of 999":         {"S: " + strings.Repeat("x", 996) + "\r\n\r\n", Limits{}, ReasonTooLarge},
		"line without end":    {strings.Repeat("x", 5000), Limits{}, ReasonTooLarge},
		"too many fields":     {"A: a\r\nB: b\r\nC: c\r\n\r\n", small, ReasonTooLarge},
		"too many octets":     {"A: " + strings.Repeat("a\r\n ", 30) + "\r\n\r\n", small, ReasonTooLarge},
		"line over own limit": {"A: " + strings.Repeat("a", 28) + "\r\n\r\n", small, ReasonTooLarge},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, _, err := ReadHeader(strings.NewReader(c.in), c.limits)
			if got := fault.ReasonOf(err); got != c.reason {
				t.Errorf("reason %q (%v), want %q", got, err, c.reason)
			}
		})
	}
}

func TestReadHeaderPassesReadErrorsOn(t *testing.T) {
	broken := errors.New("connection reset")
	r := io.MultiReader(strings.NewReader("From: a\r\nTo:"), iotest.ErrReader(broken))
	_, _, err := ReadHeader(r, Limits{})
	if !errors.Is(err, broken) || fault.ReasonOf(err) != "" {
		t.Errorf("got %v, want the reader's own error", err)
	}
}

func TestCheck(t *testing.T) {
	const from = "From: a@b.example\r\n"
	cases := map[string]struct{ in, reason string }{
		"good":             {from + "To: x\r\nDate: d\r\nReceived: 1\r\nReceived: 2\r\nX-A: 1\r\nX-A: 2\r\n", ""},
		"no From":          {"To: x\r\n", ReasonFromMissing},
		"two From":         {from + from, ReasonFromMultiple},
		"two From by case": {from + "fROM: c@d.example\r\n", ReasonFromMultiple},
		"two Sender":       {from + "Sender: x\r\nSENDER: y\r\n", ReasonRepeated},
		"two Subject":      {from + "Subject: x\r\nSubject: y\r\n", ReasonRepeated},
		"two Date":         {from + "Date: x\r\nDate: y\r\n", ReasonRepeated},
		"two Message-ID":   {from + "Message-ID: x\r\nMessage-Id: y\r\n", ReasonRepeated},
		"two To":           {from + "To: x\r\nTo: y\r\n", ReasonRepeated},
		"two Cc":           {from + "Cc: x\r\nCC: y\r\n", ReasonRepeated},
		"two Reply-To":     {from + "Reply-To: x\r\nReply-To: y\r\n", ReasonRepeated},
		"several Bcc":      {from + "Bcc: x\r\nBcc: y\r\n", ""},
		"several Resent":   {from + "Resent-From: x\r\nResent-From: y\r\n", ""},
		"three hops":       {from + strings.Repeat("Received: x\r\n", 3), ReasonLoop},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := mustRead(t, c.in).Check(2)
			if got := fault.ReasonOf(err); got != c.reason {
				t.Errorf("reason %q (%v), want %q", got, err, c.reason)
			}
		})
	}
}

func FuzzHeader(f *testing.F) {
	f.Add("From: a@b.example\r\nSubject: x\r\n y\r\n\r\nbody\r\n")
	f.Add("From: a\r\nBcc: b\r\n\r\n")
	f.Add("From : a\r\n \r\n")
	f.Add("\r\n")
	f.Add("A:\r\n\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		h, rest, err := ReadHeader(strings.NewReader(in), Limits{})
		if err != nil {
			if fault.ReasonOf(err) == "" {
				t.Fatalf("an error without reason: %v", err)
			}
			return
		}
		body, err := io.ReadAll(rest)
		if err != nil {
			t.Fatal(err)
		}
		out := string(h.Bytes()) + string(body)
		// A message that ended within its header has got line ends added.
		if out != in && out != in+"\r\n" && out != in+"\r\n\r\n" {
			t.Fatalf("%q came out as %q", in, out)
		}
		again := mustRead(t, out)
		if string(again.Bytes()) != string(h.Bytes()) {
			t.Fatalf("%q reads back differently", out)
		}
	})
}
