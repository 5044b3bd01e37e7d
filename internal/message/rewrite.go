package message

import (
	"slices"
	"strings"

	"countersign/internal/mail"
)

// Rewriting says which senders of a header another address takes the place of.
type Rewriting struct {
	// Own takes their place.
	Own mail.Address
	// Fields are those whose addresses it takes the place of, by Identity.At.
	Fields []int
	// Sender has Own named in Sender, as who has sent what others have written (RFC 5322
	// section 3.6.2).
	Sender bool
}

// Rewritten is one field that Rewrite has changed, unfolded.
type Rewritten struct {
	// Field is its name; Before and After are its body, "" where it was not there.
	Field, Before, After string
}

// Rewrite puts an address in the place of others, and says what it changed. From and
// Resent-From keep the first display name, unless that shows an address other than r.Own. What
// stood in From is in Reply-To afterwards, where there was none. Sender goes where it says
// the same as From (RFC 5322 section 3.6.2: it should not be used then). Call it after
// EncodeRaw; what Identities returned before does not hold any more.
func (h *Header) Rewrite(r Rewriting) (changed []Rewritten) {
	for _, i := range r.Fields {
		old := h.fields[i]
		name := old.name()
		body := r.Own.String()
		if shown := keptName(old, r.Own); shown != "" && !old.is("Sender") && !old.is("Resent-Sender") {
			body = shown + " <" + body + ">"
		}
		h.fields[i] = foldedField(name, body)
		changed = append(changed, Rewritten{name, old.unfolded(), body})
	}
	for i := range changed {
		if strings.EqualFold(changed[i].Field, "From") && h.answerTo(r.Fields[i], changed[i].Before) {
			changed = append(changed, Rewritten{"Reply-To", "", changed[i].Before})
		}
	}
	before, after, settled := h.settleSender(r)
	if !settled {
		return changed
	}
	if i := slices.IndexFunc(changed, func(c Rewritten) bool { return strings.EqualFold(c.Field, "Sender") }); i >= 0 {
		changed[i].After = after
		return changed
	}
	return append(changed, Rewritten{"Sender", before, after})
}

// answerTo puts what stood in From into Reply-To, in front of From at that place, and
// reports whether it did: not where there is one.
func (h *Header) answerTo(from int, before string) bool {
	if old, _ := h.Value("Reply-To"); old != "" {
		return false
	}
	reply := foldedField("Reply-To", before)
	if i := slices.IndexFunc(h.fields, func(f field) bool { return f.is("Reply-To") }); i >= 0 {
		h.fields[i] = reply // which was empty
		return true
	}
	h.fields = slices.Insert(h.fields, from+1, reply)
	return true
}

// foldedField makes a field whose body is unfolded text, on lines as short as its white space
// allows (RFC 5322 section 2.2.3).
func foldedField(name, body string) field {
	out := []byte(name + ": ")
	column := len(out)
	for i, word := range splitWords([]byte(body)) {
		size := len(word.space) + len(word.word)
		switch {
		case i > 0 && column+size > maxEncodedLine && len(word.word) > 0:
			out = append(out, "\r\n"...)
			column = 0
		case i == 0 && column+size > maxLine:
			out = append(out, "\r\n "...)
			column = 1
		}
		out = append(append(out, word.space...), word.word...)
		column += size
	}
	return field{raw: append(out, '\r', '\n'), colon: len(name)}
}

// settleSender has Sender say what it has to after a rewriting; changed reports whether it
// says another thing than before.
func (h *Header) settleSender(r Rewriting) (before, after string, changed bool) {
	at := slices.IndexFunc(h.fields, func(f field) bool { return f.is("Sender") })
	own := r.Own.String()
	if at >= 0 {
		before = h.fields[at].unfolded()
	}
	switch {
	case r.Sender && at < 0:
		from := slices.IndexFunc(h.fields, func(f field) bool { return f.is("From") })
		h.fields = slices.Insert(h.fields, from+1, newField("Sender", own))
		return "", own, true
	case r.Sender && before != own:
		h.fields[at] = newField("Sender", own)
		return before, own, true
	case at >= 0 && before == own && h.author() == r.Own:
		h.remove("Sender")
		return before, "", true
	}
	return "", "", false
}

// author is the address of From where it is one alone, null for any other.
func (h *Header) author() mail.Address {
	text, _ := h.Value("From")
	boxes, err := parseMailboxes(toUTF8(text))
	if err != nil || len(boxes) != 1 {
		return mail.Address{}
	}
	return boxes[0].addr
}

// maxKeptName bounds the display name that is kept, in octets; a longer one goes.
const maxKeptName = 600

// keptName returns the display name before the first address of a field as it is written,
// comments included; "" where there is none, where it is very long, and where it shows an
// address that is not own.
func keptName(f field, own mail.Address) string {
	text := f.unfolded()
	boxes, err := parseMailboxes(toUTF8(text))
	if err != nil || len(boxes) == 0 {
		return ""
	}
	n, named := cutPhrase(text)
	name := strings.Trim(text[:n], " \t")
	if !named || name == "" || len(name) > maxKeptName {
		return ""
	}
	shown, err := shownAddresses(boxes[0].shown)
	if err != nil || slices.ContainsFunc(shown, func(a mail.Address) bool { return a.Key() != own.Key() }) {
		return ""
	}
	return name
}
