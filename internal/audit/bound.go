package audit

import (
	"maps"
	"strings"
	"unicode/utf8"
)

// MaxText is the longest text of an event, and the longest value of its data,
// in octets. Whoever makes an event bounds what strangers chose more narrowly;
// this is for what nobody thought of: no client may decide how much is stored.
const MaxText = 1024

// cutMark ends what has been cut.
const cutMark = "…"

// Bounded returns e with every text and every value of its data within
// MaxText; what is longer is cut between two characters and ends in "…". The
// map of e is not changed. Record, Log and every store do it to each event.
func Bounded(e Event) Event {
	for _, text := range []*string{
		(*string)(&e.Kind), (*string)(&e.Session), (*string)(&e.Submission),
		&e.Login, &e.Actor, &e.Client, &e.Object, &e.Enhanced, &e.Reason, &e.Text,
	} {
		*text = bounded(*text)
	}
	copied := false
	for key, value := range e.Data {
		if len(value) <= MaxText {
			continue
		}
		if !copied {
			e.Data, copied = maps.Clone(e.Data), true
		}
		e.Data[key] = bounded(value)
	}
	return e
}

// bounded cuts a text to MaxText octets with its mark. What is returned does
// not keep the whole of it in memory.
func bounded(text string) string {
	if len(text) <= MaxText {
		return text
	}
	end := MaxText - len(cutMark)
	for back := 0; back < utf8.UTFMax-1 && !utf8.RuneStart(text[end]); back++ {
		end--
	}
	return strings.Clone(text[:end]) + cutMark
}
