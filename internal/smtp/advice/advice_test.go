package advice

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"countersign/internal/smtp"
)

// TestEveryRefusalHasAdvice: or stands among those that have none, and not in both.
func TestEveryRefusalHasAdvice(t *testing.T) {
	seen := map[smtp.Reason]int{}
	for _, r := range Reasons() {
		seen[r]++
	}
	for _, r := range without() {
		seen[r]++
	}
	for _, r := range smtp.Reasons() {
		if seen[r] != 1 {
			t.Errorf("%s stands %d times among the refusals with advice and those without, want once", r, seen[r])
		}
		delete(seen, r)
	}
	for r := range seen {
		t.Errorf("%s is no refusal of the catalogue", r)
	}
	if _, found := For("no-such"); found {
		t.Error("advice about what is no refusal")
	}
}

// TestAdviceIsSentences: whole ones, with something to do, and nothing of what only the operator knows.
func TestAdviceIsSentences(t *testing.T) {
	for _, r := range Reasons() {
		a, found := For(r)
		if !found || a.Title == "" || strings.HasSuffix(a.Title, ".") || len(a.Title) > 70 {
			t.Errorf("%s: title %q", r, a.Title)
		}
		if len(a.You) == 0 {
			t.Errorf("%s: nothing that who sends can do", r)
		}
		texts := append([]string{a.Meaning}, a.You...)
		if a.Provider != "" {
			texts = append(texts, a.Provider)
		}
		for _, text := range texts {
			if !strings.HasSuffix(text, ".") || !unicode.IsUpper([]rune(text)[0]) && !strings.HasPrefix(text, "iPhone") {
				t.Errorf("%s: %q is not a sentence", r, text)
			}
			if strings.ContainsAny(text, "<>") && !strings.Contains(text, "<you@example.org>") {
				t.Errorf("%s: markup in %q", r, text)
			}
		}
	}
	permanent, _ := For(smtp.EAuthFailed)
	if !slices.ContainsFunc(permanent.You, func(s string) bool { return strings.Contains(s, "whole mail address") }) {
		t.Error("a failed login does not say what the user name is")
	}
}
