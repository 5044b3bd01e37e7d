package message

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func readAll(t *testing.T, text string) *Header {
	t.Helper()
	h, _, err := ReadHeader(strings.NewReader(text), Limits{MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestValues(t *testing.T) {
	h := readAll(t, "Received: one\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?b?IGhlcmU=?=\r\nreceived:\r\n two\r\nX: =?what?q?a?= b\r\nReceived: three\r\n\r\n")
	for name, want := range map[string][]string{
		"RECEIVED": {"one", "two"}, "Subject": {"Grüße here"}, "X": {"=?what?q?a?= b"}, "None": nil,
	} {
		if got := h.Values(name, 2, 100); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := h.Values("Subject", 1, 3); !slices.Equal(got, []string{"Gr"}) {
		t.Errorf("%q, want no part of a character", got)
	}
	if n := h.Count("received"); n != 3 {
		t.Errorf("%d fields", n)
	}
	if got := h.Below("received").Values("Received", 9, 9); !slices.Equal(got, []string{"two", "three"}) {
		t.Errorf("below: %q", got)
	}
	if got := h.Below("None").Values("Received", 9, 9); len(got) != 3 {
		t.Errorf("below nothing: %q", got)
	}
	c := h.Copy()
	c.remove("Received")
	if h.Count("Received") != 3 || c.Count("Received") != 0 {
		t.Error("a copy shares its fields")
	}
}

// FuzzValues looks for bodies that are not survived, or come out too long or broken.
func FuzzValues(f *testing.F) {
	f.Add("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", 4)
	f.Add("\r\n  ä", 1)
	f.Add(strings.Repeat("=?utf-8?b?w7w=?=\r\n ", 40), 17)
	f.Fuzz(func(t *testing.T, body string, octets int) {
		if octets < 0 || octets > 1<<16 {
			return
		}
		h := &Header{fields: []field{newField("A", body)}}
		for _, v := range h.Values("a", 1, octets) {
			if len(v) > octets {
				t.Errorf("%q is longer than %d", v, octets)
			}
			if utf8.ValidString(body) && !utf8.ValidString(v) {
				t.Errorf("%q of %q is cut within a character", v, body)
			}
		}
	})
}
