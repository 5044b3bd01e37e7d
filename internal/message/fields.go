package message

import (
	"slices"
	"strings"
	"unicode/utf8"

	"countersign/internal/message/encoded"
)

// Copy returns a header of its own with the same fields: what is done to one does not show in the
// other.
func (h *Header) Copy() *Header { return &Header{fields: slices.Clone(h.fields)} }

// Values returns the bodies of the first fields of that name, at most most of them, each on one
// line, with its encoded words (RFC 2047) decoded where they can be, and cut to octets without
// cutting a character.
func (h *Header) Values(name string, most, octets int) (list []string) {
	for _, f := range h.fields {
		if len(list) == most {
			break
		}
		if f.is(name) {
			list = append(list, f.readable(octets))
		}
	}
	return list
}

// longestWord is as long as an encoded word may be and more (RFC 2047 section 2).
const longestWord = 100

// wordFactor is how much longer than its text an encoded word may be, its frame and folds
// included.
const wordFactor = 8

// readable returns the beginning of the body as people read it.
func (f field) readable(octets int) string {
	body := f.body()
	short := field{raw: f.raw[:f.colon+1+min(len(body), wordFactor*octets+longestWord)+2], colon: f.colon}
	text := short.unfolded()
	if decoded, err := encoded.Decode(text); err == nil {
		text = strings.ToValidUTF8(decoded, "\uFFFD")
	}
	if len(text) <= octets {
		return text
	}
	text = text[:octets]
	for len(text) > 0 {
		if r, width := utf8.DecodeLastRuneInString(text); r != utf8.RuneError || width > 1 {
			break
		}
		text = text[:len(text)-1]
	}
	return text
}

// Below returns the header without the fields that stand before the first one of that name, and
// without that one; all of it where there is none.
func (h *Header) Below(name string) *Header {
	at := slices.IndexFunc(h.fields, func(f field) bool { return f.is(name) })
	return &Header{fields: slices.Clone(h.fields[at+1:])}
}
