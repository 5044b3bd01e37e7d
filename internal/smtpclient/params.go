package smtpclient

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"countersign/internal/mail"
)

// mailCommand returns the MAIL command with the parameters that the peer
// offers to take.
func (c *Client) mailCommand(m *Message) string {
	var b strings.Builder
	b.WriteString("MAIL FROM:<" + m.Envelope.From.String() + ">")
	if c.Offers("SIZE") && m.Size > 0 { // RFC 1870 section 4
		b.WriteString(" SIZE=" + strconv.FormatInt(m.Size, 10))
	}
	if c.Offers("8BITMIME") && m.Envelope.Body == mail.Body8Bit { // RFC 6152 section 3
		b.WriteString(" BODY=8BITMIME")
	}
	if m.needsUTF8() { // RFC 6531 section 3.4
		b.WriteString(" SMTPUTF8")
	}
	if c.Offers("DSN") { // RFC 3461 sections 4.3 and 4.4
		if m.Envelope.Return != mail.ReturnUnset {
			b.WriteString(" RET=" + string(m.Envelope.Return))
		}
		if m.Envelope.EnvelopeID != "" {
			b.WriteString(" ENVID=" + xtext(m.Envelope.EnvelopeID))
		}
	}
	return b.String()
}

// rcptCommand returns the RCPT command for one recipient.
func (c *Client) rcptCommand(m *Message, r mail.Recipient) string {
	line := "RCPT TO:<" + r.To.String() + ">"
	if !c.Offers("DSN") {
		return line
	}
	if r.Notify != mail.NotifyUnset { // RFC 3461 section 4.1
		line += " NOTIFY=" + notifyText(r.Notify)
	}
	if kind, address, ok := strings.Cut(r.Original, ";"); ok { // RFC 3461 section 4.2
		line += " ORCPT=" + kind + ";" + originalText(address, m.needsUTF8())
	}
	return line
}

// notifyText returns the value of NOTIFY (RFC 3461 section 4.1).
func notifyText(n mail.Notify) string {
	if n.Has(mail.NotifyNever) {
		return "NEVER"
	}
	var words []string
	for _, w := range []struct {
		member mail.Notify
		word   string
	}{{mail.NotifySuccess, "SUCCESS"}, {mail.NotifyFailure, "FAILURE"}, {mail.NotifyDelay, "DELAY"}} {
		if n.Has(w.member) {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, ",")
}

// xtext encodes s (RFC 3461 section 4): what is not printable, and "+" and
// "=", become "+HH".
func xtext(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < '!' || c > '~' || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// originalText encodes the address of ORCPT: as xtext while it is ASCII, else
// as utf-8-addr-unitext where the transaction is one of SMTPUTF8, and as
// utf-8-addr-xtext where it is not (RFC 6533 section 3).
func originalText(address string, smtpUTF8 bool) string {
	if strings.IndexFunc(address, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return xtext(address)
	}
	var b strings.Builder
	for _, r := range address {
		switch {
		case r >= utf8.RuneSelf && smtpUTF8:
			b.WriteRune(r)
		case r < '!' || r > '~' || r == '+' || r == '=' || r == '\\':
			fmt.Fprintf(&b, "\\x{%X}", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
