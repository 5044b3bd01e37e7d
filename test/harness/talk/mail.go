package talk

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"countersign/test/harness"
)

// Envelope says MAIL as the gate's account, and RCPT.
func (c *Client) Envelope(to string) {
	c.T.Helper()
	c.Say("MAIL FROM:<"+harness.Login+">", "250 ")
	c.Say("RCPT TO:<"+to+">", "250 ")
}

// Message is a small message of the gate's account without its final dot.
func Message(subject, text string) string { return MessageOf(harness.Login, subject, text) }

// MessageOf is Message for any account.
func MessageOf(login, subject, text string) string {
	return fmt.Sprintf("From: <%s>\r\nTo: <b@example.com>\r\nSubject: %s\r\n\r\n%s\r\n", login, subject, text)
}

// Submit sends a message of the gate's account and returns the reply to its end, or to what
// was refused before.
func (c *Client) Submit(to, message string) string {
	c.T.Helper()
	return c.SubmitAs(harness.Login, to, message)
}

// SubmitAs is Submit for any account.
func (c *Client) SubmitAs(login, to, message string) string {
	c.T.Helper()
	for _, line := range []string{"MAIL FROM:<" + login + ">", "RCPT TO:<" + to + ">", "DATA"} {
		c.Send(line + "\r\n")
		if text := c.Reply(); strings.HasPrefix(text, "421 ") {
			return text // the session is over
		} else if text[0] != '2' && text[0] != '3' {
			c.Say("RSET", "250 ")
			return text
		}
	}
	c.Send(message + ".\r\n")
	return c.Reply()
}

// Bdat is one chunk with its command (RFC 3030 section 2).
func Bdat(chunk string, last bool) string {
	if last {
		return fmt.Sprintf("BDAT %d LAST\r\n%s", len(chunk), chunk)
	}
	return fmt.Sprintf("BDAT %d\r\n%s", len(chunk), chunk)
}

var queuedAs = regexp.MustCompile(`^250 2\.0\.0 queued as ([0-9A-Z]{26})$`)

// QueuedAs takes the id out of the reply that accepts a message; "" where it does not.
func QueuedAs(reply string) (id string) {
	if match := queuedAs.FindStringSubmatch(reply); match != nil {
		return match[1]
	}
	return ""
}

// Accepted is QueuedAs for a reply that must accept the message.
func Accepted(t testing.TB, reply string) (id string) {
	t.Helper()
	if id = QueuedAs(reply); id == "" {
		t.Fatalf("got %q, want the message to be queued", reply)
	}
	return id
}

// MustSubmit logs in, submits a message that must be accepted, and returns its id.
func MustSubmit(t testing.TB, g *harness.Gate, to, subject string) (id string) {
	t.Helper()
	c := LogIn(t, g)
	id = Accepted(t, c.Submit(to, Message(subject, "text")))
	c.Say("QUIT", "221 ")
	return id
}
