package rule

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

const (
	// minDistinct is how many different characters what is left must have.
	minDistinct = 5
	// minInside is the fewest characters of a word that is taken out of the middle
	// of others; shorter ones are only where they stand alone.
	minInside = 4
)

// cut stands where something was taken out. No password has it, as it is a control
// character.
const cut = '\x00'

// rest is what is left of a password without that which everybody knows.
type rest struct {
	text string
	// own, year and again say whether names, years and repeated words were taken out.
	own, year, again bool
}

// without returns what is left of a password that is ASCII, without own words, years,
// words that stood there before, and the separators next to them. A word counts
// backwards too, and with digits and signs in the place of letters.
func without(password string, own []string) rest {
	text := []byte(strings.ToLower(password))
	r := rest{own: takeWords(text, own)}
	r.year = takeRuns(text, digits, isYear)
	seen := map[string]bool{}
	r.again = takeRuns(text, tokens, func(run []byte) bool {
		known := seen[string(run)]
		seen[string(run)] = true
		return known && len(run) > 1
	})
	// Two parts between which something was do not touch: what they were apart by is
	// nothing that has to be guessed, and neither is a pattern that they make now.
	r.text = strings.Trim(gaps.ReplaceAllString(blanks.ReplaceAllString(string(text), " "), ""), " ")
	return r
}

var (
	digits = regexp.MustCompile(`[0-9]+`)
	tokens = regexp.MustCompile(`[a-z0-9]+`)
	blanks = regexp.MustCompile(`\s+`)
	gaps   = regexp.MustCompile(`[^a-z0-9\x01-\x1f]*\x00[^a-z0-9\x01-\x1f]*`)
)

// isYear reports whether a number is a year of a life.
func isYear(run []byte) bool {
	return len(run) == 4 && (run[0] == '1' && run[1] == '9' || run[0] == '2' && run[1] == '0')
}

// takeRuns takes out those runs of a pattern that are to go, and reports whether one
// was.
func takeRuns(text []byte, pattern *regexp.Regexp, goes func(run []byte) bool) bool {
	taken := false
	for _, at := range pattern.FindAllIndex(text, -1) {
		if goes(text[at[0]:at[1]]) {
			blank(text, at[0], at[1])
			taken = true
		}
	}
	return taken
}

// takeWords takes the words out, long ones first, and reports whether one was there.
func takeWords(text []byte, own []string) bool {
	words := make([]string, 0, 2*len(own))
	for _, w := range own {
		if w = alike(ascii(w)); w != "" {
			words = append(words, w, backwards(w))
		}
	}
	slices.SortStableFunc(words, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	seen, taken := []byte(alike(string(text))), false
	for _, w := range words {
		for from := 0; ; {
			i := strings.Index(string(seen[from:]), w)
			if i < 0 {
				break
			}
			start, end := from+i, from+i+len(w)
			from = start + 1
			if len(w) >= minInside || isAlone(text, start, end) {
				blank(text, start, end)
				blank(seen, start, end)
				from, taken = end, true
			}
		}
	}
	return taken
}

// isAlone reports whether no letter is next to a part of a text.
func isAlone(text []byte, start, end int) bool {
	letter := func(i int) bool { return i >= 0 && i < len(text) && text[i] >= 'a' && text[i] <= 'z' }
	return !letter(start-1) && !letter(end)
}

func blank(text []byte, start, end int) {
	for i := start; i < end; i++ {
		text[i] = cut
	}
}

func backwards(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

// alike writes small letters for all that is written in their place, one for one.
func alike(s string) string {
	const signs, letters = "0134@5$7+!|i", "oleaassttlll"
	b := []byte(strings.ToLower(s))
	for i, c := range b {
		if at := strings.IndexByte(signs, c); at >= 0 {
			b[i] = letters[at]
		}
	}
	return string(b)
}

// distinct counts the different characters of a text, blanks aside.
func distinct(text string) int {
	seen := map[rune]bool{}
	for _, r := range text {
		seen[r] = r != ' '
	}
	delete(seen, ' ')
	return len(seen)
}
