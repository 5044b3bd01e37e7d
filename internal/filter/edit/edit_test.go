package edit

import (
	"bytes"
	"strings"
	"testing"

	"countersign/internal/filter"
	"countersign/internal/message"
)

const block = "From: a@example.org\r\nX-One: first\r\n\tfolded\r\nSubject: Hi\r\nx-one: second\r\n\r\n"

func TestHeader(t *testing.T) {
	for name, c := range map[string]struct {
		changes []filter.HeaderChange
		want    string
	}{
		"nothing": {nil, block},
		"add":     {[]filter.HeaderChange{{Act: filter.Add, Name: "X-New", Value: " v"}}, strings.TrimSuffix(block, "\r\n") + "X-New: v\r\n\r\n"},
		"insert": {[]filter.HeaderChange{{Act: filter.Insert, At: 0, Name: "X-Top", Value: " t"}, {Act: filter.Insert, At: 2, Name: "X-Two", Value: " w"}},
			"X-Top: t\r\nFrom: a@example.org\r\nX-Two: w\r\nX-One: first\r\n\tfolded\r\nSubject: Hi\r\nx-one: second\r\n\r\n"},
		"insert behind the end":    {[]filter.HeaderChange{{Act: filter.Insert, At: 99, Name: "X-End", Value: " e"}}, strings.TrimSuffix(block, "\r\n") + "X-End: e\r\n\r\n"},
		"change":                   {[]filter.HeaderChange{{Act: filter.Change, At: 2, Name: "X-ONE", Value: " other\n folded"}}, "From: a@example.org\r\nX-One: first\r\n\tfolded\r\nSubject: Hi\r\nX-ONE: other\r\n folded\r\n\r\n"},
		"change what is not there": {[]filter.HeaderChange{{Act: filter.Change, At: 3, Name: "X-One", Value: " third"}}, strings.TrimSuffix(block, "\r\n") + "X-One: third\r\n\r\n"},
		"remove":                   {[]filter.HeaderChange{{Act: filter.Change, At: 1, Name: "x-one"}}, "From: a@example.org\r\nSubject: Hi\r\nx-one: second\r\n\r\n"},
		"remove what is not there": {[]filter.HeaderChange{{Act: filter.Change, At: 1, Name: "X-Two"}}, block},
		"one after the other": {[]filter.HeaderChange{
			{Act: filter.Change, At: 1, Name: "X-One"}, {Act: filter.Change, At: 1, Name: "X-One"}, {Act: filter.Add, Name: "X-One", Value: " last"},
		}, "From: a@example.org\r\nSubject: Hi\r\nX-One: last\r\n\r\n"},
		"line ends at the end": {[]filter.HeaderChange{{Act: filter.Add, Name: "X-New", Value: " v\r\n w\r\n"}}, strings.TrimSuffix(block, "\r\n") + "X-New: v\r\n w\r\n\r\n"},
	} {
		got, err := Header([]byte(block), c.changes)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n%q, want\n%q", name, err, got, c.want)
		}
	}
}

// TestInjection: what would be more than a field, or none, is an error.
func TestInjection(t *testing.T) {
	for _, f := range [][2]string{
		{"X-A", " v\r\nBcc: x@example.com"}, {"X-A", " v\nBcc: x@example.com"}, {"X-A", " v\n\nbody"}, {"X-A", " v\r\n\r\n"[:3] + "\r x"},
		{"X-A", " v\rBcc: x"}, {"X-A", " v\x00"}, {"X-A", " v\x7f"}, {"X-A", " \x0b"}, {"X-A", "\nFrom: x"}, {"X-A", " v\n"},
		{"", " v"}, {"X A", " v"}, {"X-A:", " v"}, {"X\r\nBcc", " v"}, {"X\x00", " v"}, {"É", " v"}, {strings.Repeat("x", 201), " v"},
	} {
		for _, act := range []filter.HeaderAct{filter.Add, filter.Insert, filter.Change} {
			got, err := Header([]byte(block), []filter.HeaderChange{{Act: act, At: 1, Name: f[0], Value: f[1]}})
			if f[1] == " v\n" || f[1] == " v\r" {
				continue // a line end at the end is none
			}
			if err == nil {
				t.Errorf("%s %q: taken:\n%q", act, f, got)
			}
		}
	}
}

// FuzzHeader: what comes out is one header block, with as many fields as there must be.
func FuzzHeader(f *testing.F) {
	f.Add("X-A", " v\n w", 1, "add")
	f.Add("Subject", "", 1, "change")
	f.Add("X-A", " v\r\nBcc: x", 0, "insert")
	f.Fuzz(func(t *testing.T, name, value string, at int, act string) {
		got, err := Header([]byte(block), []filter.HeaderChange{{Act: filter.HeaderAct(act), At: at, Name: name, Value: value}})
		if err != nil {
			return
		}
		fields := split(got)
		if n := len(fields); n < 3 || n > 5 || !bytes.HasSuffix(got, []byte("\r\n\r\n")) || bytes.Contains(got[:len(got)-4], []byte("\r\n\r\n")) {
			t.Fatalf("%d fields in %q", n, got)
		}
		// The strict reader takes it as it is, or refuses it: it never sees a body.
		_, rest, err := message.ReadHeader(bytes.NewReader(got), message.Limits{MaxBytes: 1 << 30, MaxLine: 1 << 30})
		if err != nil {
			return
		}
		if n, _ := rest.Read(make([]byte, 1)); n != 0 {
			t.Errorf("%q has a body", got)
		}
	})
}
