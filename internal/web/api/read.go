package api

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"countersign/internal/oauth/document"
)

// MaxBody bounds the body of a request in octets.
const MaxBody = 64 << 10

// maxQuery bounds the query of a request in octets.
const maxQuery = 8 << 10

// readQuery reads the parameters that an Operation takes: each at most once, and no other.
func readQuery(o *Operation, raw string) (map[string]string, []Finding) {
	if len(raw) > maxQuery {
		return nil, []Finding{{"query", "", "is too long"}}
	}
	given, err := url.ParseQuery(raw)
	if err != nil {
		return nil, []Finding{{"query", "", "cannot be read: what is no letter or digit is written %XX in it"}}
	}
	allowed := o.parameters()
	values := map[string]string{}
	var wrong []Finding
	for name, texts := range given {
		at := slices.IndexFunc(allowed, func(p Parameter) bool { return p.Name == name })
		switch {
		case at < 0:
			wrong = append(wrong, Finding{"query", clip(name), "is not a parameter of this"})
		case len(texts) > 1:
			wrong = append(wrong, Finding{"query", name, "is given more than once"})
		case !isText(texts[0]):
			wrong = append(wrong, Finding{"query", name, "is no text: it is to be UTF-8 without NUL"})
		case len(allowed[at].Among) > 0 && !slices.Contains(allowed[at].Among, texts[0]):
			wrong = append(wrong, Finding{"query", name, "is one of " + strings.Join(allowed[at].Among, ", ")})
		default:
			values[name] = texts[0]
		}
	}
	slices.SortFunc(wrong, func(a, b Finding) int { return strings.Compare(a.Name, b.Name) })
	return values, wrong
}

// parameters are those of an Operation, with those of pages.
func (o *Operation) parameters() []Parameter {
	if !o.Pages {
		return o.Query
	}
	return append(slices.Clone(o.Query),
		Parameter{Name: limitName, Text: "How many items at most, 1 to 500; 100 where nothing is said."},
		Parameter{Name: cursorName, Text: "Where to go on: what the page before had as next."})
}

// clip bounds what is quoted of a request.
func clip(text string) string {
	const most = 100
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "?")
}

// bodyError is what is wrong with a request as a whole, as with its body: a problem of that name.
type bodyError struct{ problem, text string }

func (e *bodyError) Error() string { return e.text }

// readBody reads the body of a request into a new value of the Operation's Body.
func readBody(o *Operation, h http.Header, body io.Reader) (any, []Finding, error) {
	if o.Body == nil {
		if n, _ := body.Read(make([]byte, 1)); n > 0 {
			return nil, nil, &bodyError{problemInvalid, "this takes no body"}
		}
		return nil, nil, nil
	}
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, nil, &bodyError{problemMediaType, "the body is to be JSON: Content-Type: application/json"}
	}
	text, err := io.ReadAll(io.LimitReader(body, MaxBody+1))
	switch {
	case err != nil:
		return nil, nil, &bodyError{problemInvalid, "the body did not come whole"}
	case len(text) > MaxBody:
		return nil, nil, &bodyError{problemTooLarge, "the body is larger than 64 KiB"}
	}
	object, err := document.Read(text)
	if err != nil {
		return nil, nil, &bodyError{problemInvalid, "the body is not one JSON object, in UTF-8, of bounded depth, in which each name stands once"}
	}
	into := reflect.New(reflect.TypeOf(o.Body))
	return into.Interface(), fill(into.Elem(), object, ""), nil
}

// member is a field of a struct, as JSON has it.
type member struct {
	name     string
	text     string
	required bool
	among    []string
	example  string
	omitted  bool
	octets   bool // a NUL may be in it
	index    []int
	kind     reflect.Type
}

// members are those of a struct, with those of structs embedded in it.
func members(t reflect.Type) (all []member) {
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" || !f.IsExported() || name == "-" || name == "" {
			continue
		}
		m := member{
			name: name, text: f.Tag.Get("text"), required: f.Tag.Get("required") == "yes", example: f.Tag.Get("example"),
			omitted: strings.Contains(options, "omit"), octets: f.Tag.Get("octets") == "any", index: f.Index, kind: f.Type,
		}
		if words := f.Tag.Get("among"); words != "" {
			m.among = strings.Split(words, ",")
		}
		all = append(all, m)
	}
	return all
}

// fill puts the members of an object into a struct, and says what is wrong with them. Names
// are compared exactly.
func fill(into reflect.Value, object document.Object, prefix string) (wrong []Finding) {
	known := members(into.Type())
	for name := range object {
		if !slices.ContainsFunc(known, func(m member) bool { return m.name == name }) {
			wrong = append(wrong, Finding{"body", prefix + clip(name), "is not a member of this"})
		}
	}
	for i := range known {
		m := &known[i]
		raw, given := object[m.name]
		switch {
		case !given && m.required:
			wrong = append(wrong, Finding{"body", prefix + m.name, "is missing"})
		case given:
			wrong = append(wrong, m.read(into.FieldByIndex(m.index), raw, prefix)...)
		}
	}
	slices.SortFunc(wrong, func(a, b Finding) int { return strings.Compare(a.Name, b.Name) })
	return wrong
}

// read puts one member into its field.
func (m *member) read(field reflect.Value, raw json.RawMessage, prefix string) []Finding {
	bad := func(text string) []Finding { return []Finding{{"body", prefix + m.name, text}} }
	if string(raw) == "null" {
		return bad("is null; leave out what is not to be said")
	}
	if m.kind.Kind() == reflect.Struct && m.kind != reflect.TypeFor[time.Time]() {
		object, err := document.Read(raw)
		if err != nil {
			return bad("is not an object")
		}
		return fill(field, object, prefix+m.name+".")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(field.Addr().Interface()); err != nil || holdsNull(field, raw) {
		return bad("is not " + wanted(m.kind))
	}
	if !m.octets && holdsNUL(field) {
		return bad("has a NUL in it")
	}
	if len(m.among) > 0 && !slices.Contains(m.among, reflect.Indirect(field).String()) {
		return bad("is one of " + strings.Join(m.among, ", "))
	}
	return nil
}

// holdsNUL reports whether a text, or one of a list, has a NUL in it.
func holdsNUL(field reflect.Value) bool {
	switch field = reflect.Indirect(field); field.Kind() {
	case reflect.String:
		return strings.IndexByte(field.String(), 0) >= 0
	case reflect.Slice:
		for i := range field.Len() {
			if holdsNUL(field.Index(i)) {
				return true
			}
		}
	}
	return false
}

// holdsNull reports whether a list has a null in it, of which encoding/json makes "".
func holdsNull(field reflect.Value, raw json.RawMessage) bool {
	var parts []json.RawMessage
	if field.Kind() != reflect.Slice || json.Unmarshal(raw, &parts) != nil {
		return false
	}
	return slices.ContainsFunc(parts, func(p json.RawMessage) bool { return string(p) == "null" })
}

// wanted says what a member of a type is.
func wanted(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "a time such as 2027-01-31T18:00:00Z (RFC 3339)"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Slice:
		return "a list of texts"
	case t.Kind() == reflect.String:
		return "a text"
	}
	return "a whole number in bounds"
}
