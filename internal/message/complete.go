package message

import (
	"slices"
	"strings"
	"time"

	"countersign/internal/mail"
)

// Completion is what Complete adds to a header.
type Completion struct {
	// Received is the whole trace field, see ReceivedField; "" adds none.
	Received string
	// Date is the value of a missing Date field.
	Date time.Time
	// ID and Domain make a missing Message-ID: "<ID@Domain>".
	ID     mail.ID
	Domain mail.Domain
}

// Complete makes the header ready to be signed. It removes Bcc and Resent-Bcc, so
// that no recipient learns of the others (RFC 5322 section 3.6.3, first way), and
// Return-Path, which only the final server adds (RFC 5321 section 4.4). It puts
// Received on top, and Date and Message-ID at the end where they are missing
// or empty (RFC 6409 sections 8.2 and 8.3).
func (h *Header) Complete(c Completion) {
	h.remove("Bcc")
	h.remove("Resent-Bcc")
	h.remove("Return-Path")
	h.dropResults(c.Domain)
	h.supply("Date", FormatDate(c.Date))
	h.supply("Message-ID", "<"+c.ID.String()+"@"+c.Domain.String()+">")
	if c.Received != "" {
		trace := field{raw: []byte(c.Received), colon: strings.IndexByte(c.Received, ':')}
		h.fields = append([]field{trace}, h.fields...)
	}
}

// dropResults removes Authentication-Results fields in our own name, which only
// we could have written and did not (RFC 8601 section 5).
func (h *Header) dropResults(own mail.Domain) {
	h.fields = slices.DeleteFunc(h.fields, func(f field) bool {
		if !f.is("Authentication-Results") {
			return false
		}
		id, _, _ := strings.Cut(f.unfolded(), ";")
		words := strings.Fields(id)
		return len(words) > 0 && strings.EqualFold(words[0], own.String())
	})
}

// supply adds a field unless there is one with a body.
func (h *Header) supply(name, body string) {
	if old, _ := h.Value(name); old != "" {
		return
	}
	h.remove(name)
	h.fields = append(h.fields, newField(name, body))
}

// FormatDate returns t as date-time (RFC 5322 section 3.3), in UTC.
func FormatDate(t time.Time) string {
	return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700")
}

// Trace is what our Received field tells.
type Trace struct {
	// Host is our own name.
	Host mail.Domain
	// Session and Submission are the ids under which our record has the rest.
	Session, Submission mail.ID
	// TLS is the protocol version, "TLS 1.3"; "" tells nothing of it.
	TLS string
	// SMTPUTF8 says that the message came with that parameter.
	SMTPUTF8 bool
	// At is when the message was accepted.
	At time.Time
}

// ReceivedField returns the trace field with its CRLF (RFC 5321 section 4.4).
// It has no "from" clause, which that section asks for: the client's name and address are in our record,
// under the ids, and not in the mail. The protocol word is that of an
// authenticated session over TLS (RFC 3848; with SMTPUTF8, RFC 6531 section 4.3), as
// there is no other.
func ReceivedField(t Trace) string {
	protocol := "ESMTPSA"
	if t.SMTPUTF8 {
		protocol = "UTF8SMTPSA"
	}
	comment := "session " + t.Session.String()
	if t.TLS != "" {
		comment += ", " + t.TLS
	}
	return "Received: by " + t.Host.String() + " (Countersign) with " + protocol +
		"\r\n\tid " + t.Submission.String() +
		"\r\n\t(" + comment + ");" +
		"\r\n\t" + FormatDate(t.At) + "\r\n"
}
