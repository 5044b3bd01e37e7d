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

// TestWordsHideNothing: a word that is broken or says nothing keeps no other from being read, and
// what is read is cut by what it says.
func TestWordsHideNothing(t *testing.T) {
	for body, want := range map[string]string{
		"=?utf-8?q?V=69agra?= =?x-none?q?.?=":                         "Viagra=?x-none?q?.?=",
		"=?utf-8?b?!?= =?utf-8?q?V=69agra?= now":                      "=?utf-8?b?!?=Viagra now",
		"a =?utf-8?q?=?= =?UTF-8*en?Q?V=69agra?=":                     "a =?utf-8?q?=?=Viagra",
		"=?X-none*en?Q?=69?=":                                         "=?X-none*en?Q?=69?=",
		strings.Repeat("=?utf-8?q??=\r\n ", 1400) + "Viagra":          " Viagra",
		strings.Repeat("=?utf-8?q?=F0=9F=98=80?=\r\n ", 5) + "Viagra": strings.Repeat("\U0001F600", 5) + " Viagra",
		strings.Repeat("=?utf-8?q?=F0=9F=98=80?=\r\n ", 9) + "Viagra": strings.Repeat("\U0001F600", 7),
	} {
		h := &Header{fields: []field{newField("Subject", body)}}
		if got := h.Values("Subject", 1, 30); len(got) != 1 || got[0] != want[:min(30, len(want))] {
			t.Errorf("%.60q is read as %q, want %q", body, got, want)
		}
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
