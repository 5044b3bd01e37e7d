package xtext

import (
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "abc": "abc", "a+20b": "a b", "+2B+3D": "+=", "rfc822;a@b": "rfc822;a@b", `a\x{e9}`: `a\x{e9}`,
	} {
		if got, ok := Decode(text); !ok || got != want {
			t.Errorf("Decode(%q) = %q, %v; want %q", text, got, ok, want)
		}
	}
	// Line ends and other control characters, lower case, and what has to be encoded.
	for _, text := range []string{"+", "+2", "+2b", "+0D", "+0A", "+00", "+7F", "+E9", "a=b", "a b", "a\r", "\u00e9", "+GG", "+ 2"} {
		if got, ok := Decode(text); ok {
			t.Errorf("Decode(%q) = %q, want a refusal", text, got)
		}
	}
}

func TestDecodeUTF8(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "abc": "abc", "\u00e9": "\u00e9", `\x{E9}`: "\u00e9", `a\x{20}b`: "a b", `\x{2B}`: "+", `\x{1F4E7}`: "\U0001f4e7",
	} {
		if got, ok := DecodeUTF8(text); !ok || got != want {
			t.Errorf("DecodeUTF8(%q) = %q, %v; want %q", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"a+2B", "a=b", "a b", `a\b`, `\x{`, `\x{E9`, `\x{e9}`, `\x{9}`, `\x{0D}`, `\x{0A}`, `\x{110000}`, `\x{D800}`, `\x{1234567}`, "\xff", "\r",
	} {
		if got, ok := DecodeUTF8(text); ok {
			t.Errorf("DecodeUTF8(%q) = %q, want a refusal", text, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"a+2Bb", `\x{E9}\x{20}`, "\u00e9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, decode := range []func(string) (string, bool){Decode, DecodeUTF8} {
			if text, ok := decode(s); ok && strings.ContainsAny(text, "\r\n\x00") {
				t.Errorf("%q hides a line end", s)
			}
		}
	})
}
