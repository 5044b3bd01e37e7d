package rule

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/trustelem/zxcvbn"
	"github.com/trustelem/zxcvbn/match"
	"golang.org/x/text/unicode/norm"
)

// maxJudged is how many characters of a password are judged. What they are worth
// the whole password is worth too, and the time grows with their third power.
const maxJudged = 40

// estimate is how hard a password is to guess.
type estimate struct {
	// score is from 0 to MaxScore.
	score int
	// found are the patterns that make it easy.
	found []*match.Match
	// rest is what was taken out of it before, where that is what makes it easy.
	rest rest
	// few says that it has too few different characters.
	few bool
}

// hardness estimates a password both as it is and by what is left of it without own
// words, years and repetition: what is left must suffice by itself.
func hardness(password string, own []string) estimate {
	e := judge(blanks.ReplaceAllString(strings.TrimSpace(password), " "), own)
	r := without(ascii(password), own)
	left := judge(r.text, own)
	left.few = distinct(r.text) < minDistinct
	if left.few {
		left.score = 0
	}
	if left.score < e.score || left.few {
		e.score, e.rest, e.few = left.score, r, left.few
		e.found = append(e.found, left.found...)
	}
	return e
}

// judge estimates a password, with the account's own words first among those that
// are tried.
func judge(password string, own []string) estimate {
	folded := make([]string, 0, len(own))
	for _, w := range own {
		folded = append(folded, fold(w))
	}
	result := zxcvbn.PasswordStrength(fold(password), folded)
	return estimate{score: result.Score, found: result.Sequence}
}

// fold is ascii, cut to what is judged.
func fold(s string) string {
	text := ascii(s)
	return text[:min(len(text), maxJudged)]
}

// ascii brings a text into ASCII. A letter with a mark becomes the bare one, as
// guessers try both. Any other character becomes a control character, neighbours
// different ones, that no list of words has; so it counts as one character that has
// to be guessed.
func ascii(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= utf8.RuneSelf {
			r = bare(r)
		}
		b.WriteByte(byte(r))
	}
	return b.String()
}

// bare returns the ASCII character that fold puts in the place of another.
func bare(r rune) rune {
	const controls = 0x1f // those from 1 on
	if first := norm.NFKD.String(string(r))[0]; first < utf8.RuneSelf {
		return rune(first)
	}
	return r%controls + 1
}

// What to change.
const (
	leaveNames  = "leave out the names of the account, its domain, its customer and this server"
	leaveRepeat = "avoid repetition"
	leaveDates  = "avoid dates and years"
)

// advice says what to change. It names kinds of patterns, never what was found.
func (e estimate) advice() string {
	var all []string
	add := func(applies bool, say string) {
		if applies && say != "" && !slices.Contains(all, say) {
			all = append(all, say)
		}
	}
	add(e.rest.own, leaveNames)
	for _, m := range e.found {
		add(true, adviceOn(m))
	}
	add(e.rest.year, leaveDates)
	add(e.rest.again, leaveRepeat)
	add(e.few, "use more different characters")
	if len(all) == 0 {
		return "add words or characters that nobody expects"
	}
	return strings.Join(all, ", ") + ", and add words that have nothing to do with each other"
}

// adviceOn is advice on one pattern, "" where there is none.
func adviceOn(m *match.Match) string {
	switch m.Pattern {
	case "dictionary":
		switch m.DictionaryName {
		case "user_inputs":
			return leaveNames
		case "passwords":
			return "leave out what many others choose"
		default:
			return "do not rely on a common word or name"
		}
	case "spatial":
		return "avoid keys that lie side by side"
	case "repeat":
		return leaveRepeat
	case "sequence":
		return "avoid sequences like abc or 123"
	case "regex", "date":
		return leaveDates
	}
	return ""
}
