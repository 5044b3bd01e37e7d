package rule

import (
	"slices"
	"strings"
	"unicode/utf8"

	"countersign/internal/mail"
)

const (
	// maxWords bounds how many words of an account are looked for.
	maxWords = 200
	// minWord is the fewest characters of a part of a name that is looked for.
	minWord = 2
)

// words are what an account is called, and what the gate is, whole and in parts, the
// most obvious first.
func words(about About, site []string) []string {
	var w wordList
	w.add(about.Login)
	w.add(about.Customer)
	w.address(about.Login)
	w.parts(about.Customer)
	for _, name := range site {
		w.add(name)
		w.parts(name)
	}
	for _, alias := range about.Aliases {
		if len(w.all) >= maxWords {
			break
		}
		w.add(alias)
		w.address(alias)
	}
	return w.all[:min(len(w.all), maxWords)]
}

// wordList gathers words, each once.
type wordList struct{ all []string }

func (w *wordList) add(word string) {
	word = strings.ToLower(word)
	if utf8.RuneCountInString(word) >= minWord && !slices.Contains(w.all, word) {
		w.all = append(w.all, word)
	}
}

// parts adds the parts of a name.
func (w *wordList) parts(name string) {
	apart := strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune(" .-_+@/", r) })
	for _, part := range apart[:min(len(apart), maxWords)] {
		w.add(part)
		w.add(strings.Trim(part, "0123456789"))
	}
}

// address adds the local part and the domain, whole and in parts; the domain both
// as people and as machines write it. What is no address is taken as a name.
func (w *wordList) address(text string) {
	a, err := mail.ParseAddress(text)
	if err != nil {
		w.parts(text)
		return
	}
	for _, name := range []string{a.Local, string(a.Domain), a.Domain.Unicode()} {
		w.add(name)
		w.parts(name)
	}
}
