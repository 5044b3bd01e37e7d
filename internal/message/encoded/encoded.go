// Package encoded reads encoded words (RFC 2047), leniently, as programs do that show them: wherever
// they stand in a text, and of any charset that is known.
//
// It writes none (package message does), and does not judge what they say.
//
// Main types: Word.
package encoded

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
)

// What can be wrong with a word.
var (
	errCharset = errors.New("the charset of an encoded word is not known")
	errBroken  = errors.New("an encoded word cannot be decoded")
)

// Decode resolves encoded words (RFC 2047) wherever they stand, in quoted
// strings and glued to other text too, as lenient receivers do. An encoded word that cannot be
// decoded, and one in a charset that is not known, is an error.
func Decode(s string) (string, error) {
	return Resolve(s, Word.Decode)
}

// Resolve replaces each encoded word of s by what decode makes of it, and
// drops the white space between two of them.
func Resolve(s string, decode func(Word) (string, error)) (string, error) {
	var b strings.Builder
	afterWord := false
	// Behind the last "?=" no word ends, and none is looked for.
	ends := strings.LastIndex(s, "?=")
	for size := len(s); ; {
		start := strings.Index(s, "=?")
		if start < 0 || size-len(s)+start > ends {
			b.WriteString(s)
			return b.String(), nil
		}
		between := s[:start]
		w, ok := Cut(s[start:])
		if !ok {
			b.WriteString(s[:start+2])
			s = s[start+2:]
			afterWord = false
			continue
		}
		// RFC 2047 section 6.2: white space between encoded words is not shown.
		if !afterWord || strings.Trim(between, " \t") != "" {
			b.WriteString(between)
		}
		text, err := decode(w)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
		s = s[start+w.Size:]
		afterWord = true
	}
}

// Word is "=?charset?encoding?text?=".
type Word struct {
	Charset string
	// Method is 'b' or 'q'.
	Method byte
	Text   string
	// Size is the octets of the whole word, Raw the word as it stands.
	Size int
	Raw  string
}

// Cut takes the encoded word at the start of s, which begins with "=?".
func Cut(s string) (Word, bool) {
	charset, rest, ok := strings.Cut(s[2:], "?")
	if !ok || charset == "" || strings.ContainsAny(charset, " \t") {
		return Word{}, false
	}
	if len(rest) < 2 || rest[1] != '?' {
		return Word{}, false
	}
	method := rest[0] | 0x20
	if method != 'b' && method != 'q' {
		return Word{}, false
	}
	text, tail, ok := strings.Cut(rest[2:], "?=")
	if !ok {
		return Word{}, false
	}
	charset, _, _ = strings.Cut(charset, "*") // a language (RFC 2231 section 5)
	return Word{Charset: charset, Method: method, Text: text, Size: len(s) - len(tail), Raw: s[:len(s)-len(tail)]}, true
}

// Decode returns the word's text in UTF-8.
func (w Word) Decode() (string, error) {
	enc, err := htmlindex.Get(w.Charset)
	if err != nil || enc == encoding.Replacement {
		return "", errCharset
	}
	raw, ok := w.Octets()
	if !ok {
		return "", errBroken
	}
	text, err := enc.NewDecoder().String(raw)
	if err != nil {
		return "", errBroken
	}
	return text, nil
}

// Octets undoes the "B" or "Q" encoding (RFC 2047 section 4).
func (w Word) Octets() (string, bool) {
	if w.Method == 'b' {
		text := strings.TrimRight(strings.ReplaceAll(w.Text, " ", ""), "=")
		raw, err := base64.RawStdEncoding.DecodeString(text)
		return string(raw), err == nil
	}
	var b strings.Builder
	for i := 0; i < len(w.Text); i++ {
		switch c := w.Text[i]; c {
		case '_':
			b.WriteByte(' ')
		case '=':
			if i+3 > len(w.Text) {
				return "", false
			}
			octet, err := hex.DecodeString(w.Text[i+1 : i+3])
			if err != nil {
				return "", false
			}
			b.Write(octet)
			i += 2
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}
