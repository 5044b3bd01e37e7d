// Package visible knows what the eye gets of a text that names a sender: which characters look
// like others there, which show nothing, and which mislead.
//
// It knows no addresses and no header (package message does). It has no main types; Text and
// Misleads are all.
package visible

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Text reduces text to what the eye gets: compatibility forms (full-width
// letters, "\uff20", "\ufe6b") become plain, what looks like a dot becomes one, and what shows
// as nothing or as a sliver of space goes. It is not ok where it holds what misleads.
func Text(text string) (seen string, ok bool) {
	// Before NFKC, which makes every space a plain one.
	text = strings.Map(func(r rune) rune {
		if blank(r) {
			return -1
		}
		return r
	}, text)
	ok = true
	seen = strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case Misleads(r):
			ok = false
			return -1
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cf, r):
			return -1
		case strings.ContainsRune(likeDots, r):
			return '.'
		}
		return r
	}, middleDots(norm.NFKC.String(text)))
	return seen, ok
}

// likeDots are characters that NFKC leaves alone and that look like a full stop: the
// ideographic one, which separates labels too (RFC 5895 section 2), those of Arabic, Syriac,
// Lisu, Vai and Kharoshthi, and points that stand alone.
const likeDots = "\u3002\u06d4\u0701\u0702\ua4f8\ua60e\U00010a50\U0001d16d\u2027\u2219\u22c5"

// blank reports whether r shows nothing, or so narrow a space that an address around it reads
// as one. Controls are not for it to judge, and a plain space, one that does not break
// and the ideographic one part words for everybody.
func blank(r rune) bool {
	switch r {
	case ' ', '\u00a0', '\u3000':
		return false
	case '\u2800', '\U0001d159': // an empty pattern of Braille, a note without a head
		return true
	}
	return unicode.IsSpace(r) && !Misleads(r) && r != '\t'
}

// middleDots makes each U+00B7 a dot but between two "l", where domains of Catalan have it
// (RFC 5892 appendix A.3).
func middleDots(text string) string {
	const middle = "\u00b7"
	if !strings.Contains(text, middle) {
		return text
	}
	parts := strings.Split(text, middle)
	var b strings.Builder
	for i, part := range parts {
		if i > 0 {
			if strings.HasSuffix(strings.ToLower(parts[i-1]), "l") && strings.HasPrefix(strings.ToLower(part), "l") {
				b.WriteString(middle)
			} else {
				b.WriteByte('.')
			}
		}
		b.WriteString(part)
	}
	return b.String()
}

// Misleads reports whether r ends a name early in some programs, or makes it
// look like another: control characters (Unicode category Cc), line and
// paragraph separators, embeddings, overrides and isolates of the writing direction, and
// the format characters that Unicode has deprecated or keeps for annotations. Marks that
// scripts and emoji need are none of these: joiners (U+200C, U+200D), and the direction
// marks U+200E, U+200F and U+061C, which order nothing but themselves.
func Misleads(r rune) bool {
	switch {
	case r == '\t':
		return false
	case unicode.IsControl(r):
		return true
	case '\u2028' <= r && r <= '\u202e': // separators, embeddings, overrides
		return true
	case '\u2066' <= r && r <= '\u206f': // isolates, deprecated
		return true
	}
	return '\ufff9' <= r && r <= '\ufffb' // interlinear annotations
}
