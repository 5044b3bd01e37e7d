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
// line, with each of its encoded words (RFC 2047) decoded that can be, and then cut to octets
// without cutting a character.
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

// readable returns the beginning of the body as people read it: a word that cannot be decoded
// stays as it is, the others do not. All of it is decoded before it is cut, as words may say nothing
// and be many.
func (f field) readable(octets int) string {
	text, _ := encoded.Resolve(f.unfolded(), func(w encoded.Word) (string, error) {
		if text, err := w.Decode(); err == nil {
			return text, nil
		}
		return w.Raw, nil
	})
	text = strings.ToValidUTF8(text, "\uFFFD")
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
