package badinput

import (
	"fmt"
	"strings"
	"testing"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// tooLarge is the answer to what is too large, at whatever point.
const tooLarge = "552 5.3.4 "

// lines is a body of at least n octets.
func lines(n int) string {
	const line = "All work and no play makes the gate a dull gate, and so on and on.\r\n"
	return strings.Repeat(line, n/len(line)+1)
}

// TestTooLarge: what is larger than was promised, or than is taken at all, is
// refused wherever that shows first, and the session goes on as if nothing had
// been.
func TestTooLarge(t *testing.T) {
	const limit = 100_000 // octets
	next := listen(t, "127.0.0.1:0", nil)
	g := harness.Serve(t, next.addr(), fmt.Sprintf("[message]\nmax_header_size = \"16KiB\"\n[session]\nmax_message_size = \"%dB\"\n", limit))
	c := talk.LogIn(t, g)
	from := "MAIL FROM:<" + harness.Login + ">"
	begin := func(parameters string) {
		t.Helper()
		c.Say(from+parameters, "250 ")
		c.Say("RCPT TO:<b@example.com>", "250 ")
	}
	header := talk.Message("too large", "text")
	for _, step := range []struct {
		name string
		run  func()
	}{
		{"promised too much", func() { c.Say(fmt.Sprintf("%s SIZE=%d", from, limit+1), tooLarge) }},
		{"promised little, sent more", func() {
			begin(" SIZE=1000")
			c.Say("DATA", "354 ")
			c.Send(header + lines(90_000) + ".\r\n")
			c.Expect(tooLarge)
		}},
		{"promised nothing, sent too much", func() {
			begin("")
			c.Say("DATA", "354 ")
			c.Send(header + lines(limit) + ".\r\n")
			c.Expect(tooLarge)
		}},
		{"too much in chunks", func() {
			begin("")
			chunk := header + lines(60_000)
			c.Send(fmt.Sprintf("BDAT %d\r\n%s", len(chunk), chunk))
			c.Expect("250 ")
			chunk = lines(60_000)
			c.Send(fmt.Sprintf("BDAT %d LAST\r\n%s", len(chunk), chunk))
			c.Expect(tooLarge)
		}},
		{"promised little, sent more in chunks", func() {
			begin(" SIZE=1000")
			chunk := header + lines(60_000)
			c.Send(fmt.Sprintf("BDAT %d LAST\r\n%s", len(chunk), chunk))
			c.Expect(tooLarge)
		}},
	} {
		t.Run(step.name, func(t *testing.T) {
			c.T = t
			step.run()
			// The session is where it was: no transaction, no command lost.
			c.Say("RCPT TO:<b@example.com>", "503 ")
			talk.Accepted(t, c.Submit("b@example.com", talk.Message("then "+step.name, "text")))
			next.waitFor(t, "then "+step.name)
		})
	}
	c.T = t
	waitEmpty(t, g)
	if n := len(next.find("too large")); n != 0 {
		t.Errorf("%d messages arrived that were refused", n)
	}
	// A message of the size that was promised, to the octet, is right.
	full := talk.Message("to the octet", strings.TrimSuffix(lines(limit/2), "\r\n"))
	c.Say(fmt.Sprintf("%s SIZE=%d", from, len(full)), "250 ")
	c.Say("RCPT TO:<b@example.com>", "250 ")
	c.Say("DATA", "354 ")
	c.Send(full + ".\r\n")
	talk.Accepted(t, c.Reply())
	next.waitFor(t, "to the octet")
}
