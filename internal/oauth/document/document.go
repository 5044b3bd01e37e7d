// Package document reads JSON objects that strangers wrote, so that two readers
// of one text can never see two things in it.
//
// Read refuses what RFC 8259 leaves open: a name that stands twice in one object,
// text that is not UTF-8, anything after the value; and it bounds depth and the
// number of values. Names are compared exactly, unlike encoding/json's structs,
// which take "ISS" for "iss". The caller bounds the length.
package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays may stand in each other, the outermost
// counted; MaxValues how many names and values a document may have in all.
const (
	MaxDepth  = 16
	MaxValues = 8192
)

// errForm says that a text is no document; it never quotes the text.
var errForm = errors.New("not one JSON object of bounded depth with distinct names")

// Object is a JSON object: its members by their exact names.
type Object map[string]json.RawMessage

// Read reads one object. The error says nothing of what the text holds.
func Read(text []byte) (Object, error) {
	// RFC 8259 section 8.1: UTF-8. encoding/json would put U+FFFD for the rest.
	if !utf8.Valid(text) {
		return nil, errForm
	}
	if err := walk(text); err != nil {
		return nil, err
	}
	var o Object
	if err := json.Unmarshal(text, &o); err != nil || o == nil {
		return nil, errForm
	}
	return o, nil
}

// level is an object or array that is open.
type level struct {
	// names are those that an object has so far; nil for an array.
	names map[string]bool
	// value says that an object's next text is a value and not a name.
	value bool
}

// walk looks at each token of the text once, without recursion.
func walk(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // a number's size is for whoever reads it
	var open []*level
	for count := 0; ; count++ {
		token, err := d.Token()
		if err == io.EOF && len(open) == 0 && count > 0 {
			return nil
		}
		if err != nil || count > MaxValues || len(open) == 0 && count > 0 {
			return errForm
		}
		open, err = step(open, token)
		if err != nil {
			return err
		}
	}
}

// step takes one token into account.
func step(open []*level, token json.Token) ([]*level, error) {
	delim, isDelim := token.(json.Delim)
	if isDelim && (delim == '}' || delim == ']') {
		return open[:len(open)-1], nil
	}
	if len(open) > 0 {
		in := open[len(open)-1]
		if in.names != nil && !in.value {
			name, _ := token.(string) // the decoder accepts nothing else here
			if in.names[name] {
				return nil, errForm // RFC 8259 section 4: what readers make of it differs
			}
			in.names[name], in.value = true, true
			return open, nil
		}
		in.value = false
	}
	if !isDelim {
		return open, nil
	}
	if len(open) == MaxDepth {
		return nil, errForm
	}
	l := &level{}
	if delim == '{' {
		l.names = map[string]bool{}
	}
	return append(open, l), nil
}

// Has reports whether there is such a member, null included.
func (o Object) Has(name string) bool {
	_, ok := o[name]
	return ok
}

// Text returns a member that is a string; there is false for any other.
func (o Object) Text(name string) (text string, there bool) {
	raw, ok := o[name]
	if !ok || len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	err := json.Unmarshal(raw, &text)
	return text, err == nil
}

// Texts returns a member that is a string or an array of strings; there is false
// for any other, an array with something else in it included.
func (o Object) Texts(name string) (texts []string, there bool) {
	if text, ok := o.Text(name); ok {
		return []string{text}, true
	}
	raw := o[name]
	if len(raw) == 0 || raw[0] != '[' {
		return nil, false
	}
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return nil, false
	}
	for _, part := range parts {
		text, ok := Object{"": part}.Text("")
		if !ok {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, true
}

// True reports whether a member is true, or the string "true", which some providers
// write in its place.
func (o Object) True(name string) bool {
	text, _ := o.Text(name)
	return text == "true" || string(o[name]) == "true"
}

// Number returns a member that is a number; there is false for any other, one that
// no float64 holds included.
func (o Object) Number(name string) (number float64, there bool) {
	raw := o[name]
	if len(raw) == 0 || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, false
	}
	err := json.Unmarshal(raw, &number)
	return number, err == nil
}
