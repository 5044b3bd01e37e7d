package invented

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestExamples: what is found matches, and nothing is found for what nothing matches.
func TestExamples(t *testing.T) {
	for _, pattern := range []string{
		"abc", "^[A-Z]{3}-[0-9]{9}$", "(?i)invoice", "^(?:mail|mx)[.]example[.]org$", "a+b*c?", "[^a-z]", ".", "^$", "", `\d{2,4}\s\w`, "(a|b|c){2}", "^Gr\u00fc\u00dfe$", `\bfree\b`,
	} {
		found := Examples(pattern)
		matches := regexp.MustCompile(pattern).MatchString
		if len(found) == 0 || slices.ContainsFunc(found, func(s string) bool { return !matches(s) }) {
			t.Errorf("%q: %q", pattern, found)
		}
	}
	for _, pattern := range []string{"a$b", "(", "[^\\x00-\\x{10FFFF}]", "a{400}"} {
		if found := Examples(pattern); len(found) > 0 {
			t.Errorf("%q: %q", pattern, found)
		}
	}
	if found := Examples("^(?:mail|mx)$"); !slices.Contains(found, "mail") || !slices.Contains(found, "mx") {
		t.Errorf("of two alternatives there are %q", found)
	}
}

// TestNothingOverAndOver: what has no width is not repeated, however deep repetitions of it are nested.
func TestNothingOverAndOver(t *testing.T) {
	const depth = 60
	for inner, want := range map[string][]string{"^": {"x"}, "a?": {"x", "ax", "aax"}} {
		pattern := strings.Repeat("(", depth) + inner + strings.Repeat(")+", depth) + "x"
		found := make(chan []string, 1)
		go func() { found <- Examples(pattern) }()
		select {
		case list := <-found:
			if len(list) == 0 || list[0] != want[0] {
				t.Errorf("%q: %q, want %q", inner, list, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%q: there are no examples after 20 seconds", inner)
		}
	}
}

// TestNamed: what is named is drawn, in each form that it may have.
func TestNamed(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	s := New(now)
	for _, text := range []string{"info@", ".example.net", "gold", "10.0.0.0/8", "2030-01-02T03:04:05Z", "2020-01-01T00:00:00Z", strings.Repeat("x", MaxText+1)} {
		s.NameText(text)
	}
	s.NameNumber(2031)
	seen := map[string]bool{}
	for range 5000 {
		s.Near = s.Flag()
		a, word, at := s.Address(), s.Word(), s.Moment()
		if a.IsNull() || word == "" || len(word) > MaxText || at.Before(now) || s.Number(3) < 3 || s.Word("only") == "" {
			t.Fatalf("drawn were %v, %q, %v", a, word, at)
		}
		for _, drawn := range []string{a.String(), word, at.Format(time.RFC3339), s.Client().String()} {
			seen[drawn] = true
		}
		seen[time.Duration(s.Number(0)).String()] = true
		text := s.Text()
		seen["both"] = seen["both"] || strings.Contains(text, "info@") && strings.Contains(text, "gold")
		seen["none"] = seen["none"] || text == ""
	}
	for _, want := range []string{
		"info@example.com", "ann@x.example.net", "ann@gold", "gold", "10.0.0.0", "2001:db8::1", "ann@example.com",
		"2030-01-02T03:04:04Z", "2030-01-02T03:04:05Z", "2031-01-01T00:00:00Z", "2.03µs", "2.031µs", "both", "none",
	} {
		if !seen[want] {
			t.Errorf("%s was never drawn", want)
		}
	}
}
