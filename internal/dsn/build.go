package dsn

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/message"
)

// Build writes the report. A Report without recipient or sender address is
// Invalid; an error of Original.Body or Random is Internal. The original is returned whole
// only where Return is FULL and a recipient failed, else its header alone (RFC 3461 section 4.3); where
// Return is not set, the header alone too, so that a report stays small.
func Build(r Report) (Message, error) {
	const op = "dsn.build"
	if len(r.Recipients) == 0 || r.To.IsNull() {
		return Message{}, fault.New(op, fault.Invalid, "a report needs a recipient to be about and a sender to go to")
	}
	var random [16]byte
	_, err := io.ReadFull(r.Random, random[:])
	if err != nil {
		return Message{}, fault.Wrap(op, fault.Internal, err)
	}
	body, err := r.originalBody()
	if err != nil {
		return Message{}, fault.Wrap(op, fault.Internal, err)
	}
	w := writer{report: &r, boundary: "=_cs_" + hex.EncodeToString(random[:]), utf8: r.international()}
	w.text(body == nil)
	w.status()
	w.original(body)
	w.body.WriteString("--" + w.boundary + "--\r\n")
	return Message{
		Head:     w.head(),
		Body:     w.body.Bytes(),
		EightBit: w.eightBit,
		SMTPUTF8: !r.To.IsASCII(),
	}, nil
}

// originalBody returns the body to give back, nil for none.
func (r *Report) originalBody() ([]byte, error) {
	o := r.Original
	if o.Envelope.Return != mail.ReturnFull || r.worst() != Failed || o.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(o.Body, o.MaxBody+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > o.MaxBody {
		return nil, nil
	}
	if body == nil {
		body = []byte{}
	}
	return body, nil
}

// writer builds one report.
type writer struct {
	report   *Report
	boundary string
	// utf8 says that the forms of RFC 6533 are used.
	utf8     bool
	body     bytes.Buffer
	eightBit bool
}

// head returns the header block of the report. It holds only what is ours,
// and the address, so that it is ASCII unless that is not.
func (w *writer) head() []byte {
	r := w.report
	subject := map[Action]string{
		Failed:    "Undelivered mail: returned to sender",
		Delayed:   "Delayed mail: still trying",
		Relayed:   "Mail passed on",
		Delivered: "Mail delivered",
	}[r.worst()]
	lines := []string{
		"From: Mail Delivery System <MAILER-DAEMON@" + r.Host.String() + ">",
		"To: <" + r.To.String() + ">",
		"Subject: " + subject,
		"Date: " + message.FormatDate(r.Date),
		"Message-ID: <" + r.ID.String() + "@" + r.Host.String() + ">",
		"Auto-Submitted: auto-replied", // RFC 3834 section 5
		"MIME-Version: 1.0",
		// RFC 6522 section 3.
		"Content-Type: multipart/report; report-type=" + w.statusType() + ";\r\n\tboundary=\"" + w.boundary + "\"",
	}
	if w.eightBit {
		lines = append(lines, "Content-Transfer-Encoding: 8bit") // RFC 2045 section 6.4
	}
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n")
}

// statusType is the subtype of the second part (RFC 3464 section 2, RFC 6533
// section 3).
func (w *writer) statusType() string {
	if w.utf8 {
		return "global-delivery-status"
	}
	return "delivery-status"
}

// part begins a part with the given header lines.
func (w *writer) part(lines ...string) {
	w.body.WriteString("--" + w.boundary + "\r\n")
	for _, line := range lines {
		w.body.WriteString(line + "\r\n")
	}
	w.body.WriteString("\r\n")
}

// content writes what fills a part, encoded where it may not be ASCII.
func (w *writer) content(text []byte, encode bool) {
	if encode {
		q := quotedprintable.NewWriter(&w.body)
		// A bytes.Buffer does not fail.
		q.Write(text) //nolint:errcheck
		q.Close()     //nolint:errcheck
	} else {
		w.body.Write(text)
	}
	// This line end belongs to the boundary that follows (RFC 2046 section 5.1.1).
	w.body.WriteString("\r\n")
}

// text writes the part for people.
func (w *writer) text(headerOnly bool) {
	var b strings.Builder
	r := w.report
	fmt.Fprintf(&b, "This is the mail server %s, with news of a message that you sent on\r\n%s.\r\n",
		r.Host, message.FormatDate(r.Original.Arrival))
	for _, rcpt := range r.Recipients {
		b.WriteString("\r\n<" + rcpt.To.String() + ">:\r\n")
		for _, line := range sentences(rcpt) {
			b.WriteString("    " + line + "\r\n")
		}
	}
	if r.Original.Envelope.EnvelopeID != "" && printable(r.Original.Envelope.EnvelopeID) {
		b.WriteString("\r\nYou named the message " + r.Original.Envelope.EnvelopeID + ".\r\n")
	}
	if headerOnly {
		b.WriteString("\r\nThe header of the message is attached.\r\n")
	} else {
		b.WriteString("\r\nThe message is attached.\r\n")
	}
	text := b.String()
	if w.utf8 {
		w.part("Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: quoted-printable")
	} else {
		w.part("Content-Type: text/plain; charset=us-ascii")
	}
	w.content([]byte(text), w.utf8)
}

// original writes the message as it was, or its header where body is nil.
func (w *writer) original(body []byte) {
	head := w.report.Original.Head
	if body == nil {
		mediaType := "text/rfc822-headers" // RFC 6522 section 4
		if w.utf8 {
			mediaType = "message/global-headers" // RFC 6533 section 6.3
		}
		head = bytes.TrimSuffix(head, []byte("\r\n")) // the blank line
		encode := not7Bit(head)
		w.part(encodedLines(mediaType, encode)...)
		w.content(head, encode)
		return
	}
	content := append(append([]byte(nil), head...), body...)
	if !w.utf8 {
		// RFC 2046 section 5.2.1: no encoding is allowed for message/rfc822.
		lines := []string{"Content-Type: message/rfc822"}
		if not7Bit(content) {
			w.eightBit = true
			lines = append(lines, "Content-Transfer-Encoding: 8bit")
		}
		w.part(lines...)
		w.content(content, false)
		return
	}
	encode := not7Bit(content)
	w.part(encodedLines("message/global", encode)...) // RFC 6532 section 3.7: may be encoded
	w.content(content, encode)
}

// encodedLines returns the header of a part that is encoded where needed.
func encodedLines(mediaType string, encode bool) []string {
	lines := []string{"Content-Type: " + mediaType}
	if encode {
		lines = append(lines, "Content-Transfer-Encoding: quoted-printable")
	}
	return lines
}

// not7Bit reports whether b holds an octet beyond ASCII.
func not7Bit(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return true
		}
	}
	return false
}
