package message

import (
	"bytes"
	"strings"

	"countersign/internal/fault"
)

// The reasons under which a header is refused; package smtp has their replies.
const (
	ReasonMalformed    = "header-malformed"
	ReasonTooLarge     = "header-too-large"
	ReasonFromMissing  = "header-from-missing"
	ReasonFromMultiple = "header-from-multiple"
	ReasonRaw8Bit      = "header-8bit"
	ReasonControl      = "header-control-character"
	ReasonRepeated     = "header-field-repeated"
	ReasonName         = "header-name-misleading"
	ReasonHiddenLine   = "header-hidden-line"
	ReasonContent      = "content-ambiguous"
	ReasonLoop         = "loop-detected"
)

// Header is the header block of a message: its fields in order, each with its
// exact octets. It is used by one goroutine at a time.
type Header struct {
	fields []field
}

// field is one header field as it stands on the wire.
type field struct {
	// raw is name, colon, body and final CRLF, folds included.
	raw []byte
	// colon is the length of the name.
	colon int
}

// name returns the field's name as written.
func (f field) name() string { return string(f.raw[:f.colon]) }

// is reports whether the field is called name; case does not matter (RFC 5322
// section 1.2.2).
func (f field) is(name string) bool {
	return len(name) == f.colon && strings.EqualFold(string(f.raw[:f.colon]), name)
}

// body returns what follows the colon, without the final CRLF.
func (f field) body() []byte { return f.raw[f.colon+1 : len(f.raw)-2] }

// unfolded returns the body on one line (RFC 5322 section 2.2.3), without
// white space at either end.
func (f field) unfolded() string {
	return strings.Trim(strings.ReplaceAll(string(f.body()), "\r\n", ""), " \t")
}

// Bytes returns the header block with the blank line that ends it.
func (h *Header) Bytes() []byte {
	size := 2
	for _, f := range h.fields {
		size += len(f.raw)
	}
	out := make([]byte, 0, size)
	for _, f := range h.fields {
		out = append(out, f.raw...)
	}
	return append(out, '\r', '\n')
}

// Value returns the body of the first field of that name, unfolded, and
// whether there is one.
func (h *Header) Value(name string) (string, bool) {
	for _, f := range h.fields {
		if f.is(name) {
			return f.unfolded(), true
		}
	}
	return "", false
}

// Count returns how many fields of that name there are.
func (h *Header) Count(name string) int {
	n := 0
	for _, f := range h.fields {
		if f.is(name) {
			n++
		}
	}
	return n
}

// remove drops every field of that name.
func (h *Header) remove(name string) {
	kept := h.fields[:0]
	for _, f := range h.fields {
		if !f.is(name) {
			kept = append(kept, f)
		}
	}
	h.fields = kept
}

// newField makes a field of text that is ours; body may hold folds.
func newField(name, body string) field {
	return field{raw: []byte(name + ": " + body + "\r\n"), colon: len(name)}
}

// onceFields may appear once only: by the table of RFC 5322 section 3.6, and by
// RFC 2045 section 3 and RFC 2183 section 2, of whose fields one program believes the
// first and the next the last. From is not among them, as it must appear and
// has its own reasons; Bcc is removed anyway.
func onceFields() []string {
	return []string{
		"Date", "Sender", "Reply-To", "To", "Cc", "Message-ID",
		"In-Reply-To", "References", "Subject",
		"MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition",
		"Content-ID", "Content-Description",
	}
}

// Check reports what makes the message unfit to leave whoever sends it: no From
// field or several, any other field of RFC 5322 section 3.6 or of MIME more often than
// allowed, text that encoded words hide (checkHidden), content fields that are read in more than
// one way (checkContent), or more than maxReceived Received fields, which means that it loops (RFC
// 5321 section 6.3). The error is a *fault.Error with a reason.
func (h *Header) Check(maxReceived int) error {
	switch h.Count("From") {
	case 0:
		return refuse(ReasonFromMissing, "the message has no From field")
	case 1:
	default:
		return refuse(ReasonFromMultiple, "the message has more than one From field")
	}
	for _, name := range onceFields() {
		if h.Count(name) > 1 {
			return refuse(ReasonRepeated, "%s", name)
		}
	}
	err := h.checkHidden()
	if err != nil {
		return err
	}
	err = h.checkContent()
	if err != nil {
		return err
	}
	if n := h.Count("Received"); n > maxReceived {
		return refuse(ReasonLoop, "the message has passed %d servers already, at most %d allowed", n, maxReceived)
	}
	return nil
}

// refuse makes the error of a header that is refused for good.
func refuse(reason, format string, args ...any) *fault.Error {
	e := fault.New("message.header", fault.Invalid, format, args...)
	e.Reason = reason
	return e
}

// has8Bit reports whether b holds an octet beyond ASCII.
func has8Bit[T []byte | string](b T) bool {
	for i := 0; i < len(b); i++ {
		if b[i] >= 0x80 {
			return true
		}
	}
	return false
}

// isWSP reports whether c is a space or a tab (RFC 5234 appendix B.1).
func isWSP(c byte) bool { return c == ' ' || c == '\t' }

// onlyWSP reports whether b holds nothing but spaces and tabs.
func onlyWSP(b []byte) bool { return len(bytes.Trim(b, " \t")) == 0 }
