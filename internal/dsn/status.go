package dsn

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"countersign/internal/mail"
	"countersign/internal/message"
)

// maxDiagnostic bounds how much of a remote reply is passed on, in octets.
const maxDiagnostic = 900

// foldWidth is where long fields are folded (RFC 5322 section 2.1.1).
const foldWidth = 76

// status writes the part for programs: a group of fields about the message,
// then one about each recipient (RFC 3464 section 2.1).
func (w *writer) status() {
	r := w.report
	var b strings.Builder
	field := func(name, value string) {
		b.WriteString(foldField(name + ": " + value))
	}
	if id := r.Original.Envelope.EnvelopeID; id != "" && printable(id) {
		field("Original-Envelope-Id", id)
	}
	field("Reporting-MTA", "dns; "+r.Host.String())
	field("Arrival-Date", message.FormatDate(r.Original.Arrival))
	for _, rcpt := range r.Recipients {
		b.WriteString("\r\n")
		if rcpt.Original != "" && (printable(rcpt.Original) || w.utf8 && printableUTF8(rcpt.Original)) {
			field("Original-Recipient", rcpt.Original)
		}
		field("Final-Recipient", finalRecipient(rcpt.To))
		field("Action", string(rcpt.Action))
		field("Status", rcpt.Status)
		if rcpt.RemoteMTA != "" {
			field("Remote-MTA", "dns; "+clean(rcpt.RemoteMTA))
		}
		if rcpt.Diagnostic != "" {
			field("Diagnostic-Code", "smtp; "+clean(rcpt.Diagnostic))
		}
		if !rcpt.LastAttempt.IsZero() {
			field("Last-Attempt-Date", message.FormatDate(rcpt.LastAttempt))
		}
		if rcpt.Action == Delayed && !rcpt.WillRetryUntil.IsZero() {
			field("Will-Retry-Until", message.FormatDate(rcpt.WillRetryUntil))
		}
	}
	w.part(encodedLines("message/"+w.statusType(), w.utf8)...)
	w.content([]byte(b.String()), w.utf8)
}

// finalRecipient returns the value of Final-Recipient (RFC 3464 section
// 2.3.2, RFC 6533 section 3).
func finalRecipient(a mail.Address) string {
	if a.IsASCII() {
		return "rfc822; " + a.String()
	}
	return "utf-8; " + a.String()
}

// sentences puts into words what became of a recipient, in lines.
func sentences(rcpt Recipient) []string {
	var lines []string
	switch rcpt.Action {
	case Failed:
		lines = append(lines, "The message could not be delivered. We have given up.")
	case Delayed:
		lines = append(lines, "The message has not been delivered yet. We keep trying; there is no need to send it again.")
		if !rcpt.WillRetryUntil.IsZero() {
			lines = append(lines, "We shall give up on "+message.FormatDate(rcpt.WillRetryUntil)+".")
		}
	case Relayed:
		lines = append(lines, "The message was handed to a server that sends no confirmations of its own.")
	case Delivered:
		lines = append(lines, "The message was delivered.")
	}
	switch {
	case rcpt.Diagnostic != "" && rcpt.RemoteMTA != "":
		lines = append(lines, "The server "+clean(rcpt.RemoteMTA)+" said:")
		lines = append(lines, wrap(clean(rcpt.Diagnostic), foldWidth-8)...)
	case rcpt.Diagnostic != "":
		lines = append(lines, "The other server said:")
		lines = append(lines, wrap(clean(rcpt.Diagnostic), foldWidth-8)...)
	case rcpt.Reason != "":
		lines = append(lines, wrap("The reason: "+clean(rcpt.Reason)+".", foldWidth-8)...)
	}
	return lines
}

// foldField returns the field with its CRLF, folded at spaces.
func foldField(field string) string {
	return strings.Join(wrap(field, foldWidth), "\r\n ") + "\r\n"
}

// wrap breaks text into lines of at most width octets, at single spaces where
// there are any, else where the width is reached, between characters.
func wrap(text string, width int) []string {
	var lines []string
	for len(text) > width {
		cut := strings.LastIndexByte(text[:width+1], ' ')
		if cut > 0 {
			lines = append(lines, text[:cut])
			text = text[cut+1:]
			continue
		}
		next := strings.IndexByte(text, ' ')
		if next < 0 {
			break // one long word, such as an address, stays whole
		}
		lines = append(lines, text[:next])
		text = text[next+1:]
	}
	return append(lines, text)
}

// clean makes text of others fit for a field: one line of printable ASCII, white
// space reduced to single spaces, of bounded length.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\r' || r == '\n':
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxDiagnostic {
		text = text[:maxDiagnostic-4] + " ..."
	}
	return text
}

// printable reports whether s is printable ASCII. What a client said in ENVID or ORCPT and is
// not so is left out, rather than let it write fields of its own (RFC 3461 sections 4.2 and 4.4 allow nothing else).
func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// printableUTF8 reports whether s is text without control characters (RFC 6533
// section 3 for ORCPT of type utf-8).
func printableUTF8(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return utf8.ValidString(s)
}
