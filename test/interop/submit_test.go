package interop

import (
	"strings"
	"testing"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// letter is a message that no ordinary client sends in just this form.
type letter struct {
	name string
	// params stand behind the path of MAIL.
	params string
	to     []string
	// head is what the header holds besides From, Date, Message-ID and the
	// Subject, which is the name.
	head string
	body string
	// chunked sends it by BDAT (RFC 3030) in pieces of this many octets; 0
	// means by DATA.
	chunked int
}

// text returns the whole message. It lacks no field that the gate would add.
func (l letter) text() string {
	return "From: <" + harness.Login + ">\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <" +
		strings.ReplaceAll(l.name, " ", "-") + "@example.org>\r\nSubject: " + l.name + "\r\n" + l.head + "\r\n" + l.body
}

// submit sends a letter over the port for TLS.
func submit(t *testing.T, g *harness.Gate, l letter) {
	t.Helper()
	c := talk.LogIn(t, g)
	c.Say("MAIL FROM:<"+harness.Login+">"+l.params, "250 ")
	for _, to := range l.to {
		c.Say("RCPT TO:<"+to+">", "250 ")
	}
	text := l.text()
	if l.chunked == 0 {
		c.Say("DATA", "354 ")
		// RFC 5321 section 4.5.2: a leading dot is doubled.
		stuffed := strings.ReplaceAll("\r\n"+text, "\r\n.", "\r\n..")[2:]
		c.Say(stuffed+".", "250 ")
	}
	for l.chunked > 0 {
		piece := text[:min(l.chunked, len(text))]
		text = text[len(piece):]
		c.Send(talk.Bdat(piece, text == ""))
		c.Expect("250 ")
		if text == "" {
			break
		}
	}
	c.Say("QUIT", "221 ")
}
