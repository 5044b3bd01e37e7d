package badinput

import (
	"fmt"
	"strings"
	"testing"

	"countersign/test/harness"
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
	c := login(t, g)
	from := "MAIL FROM:<" + harness.Login + ">"
	begin := func(parameters string) {
		t.Helper()
		c.say(from+parameters, "250 ")
		c.say("RCPT TO:<b@example.com>", "250 ")
	}
	header := message("too large", "text")
	for _, step := range []struct {
		name string
		run  func()
	}{
		{"promised too much", func() { c.say(fmt.Sprintf("%s SIZE=%d", from, limit+1), tooLarge) }},
		{"promised little, sent more", func() {
			begin(" SIZE=1000")
			c.say("DATA", "354 ")
			c.send(header + lines(90_000) + ".\r\n")
			c.expect(tooLarge)
		}},
		{"promised nothing, sent too much", func() {
			begin("")
			c.say("DATA", "354 ")
			c.send(header + lines(limit) + ".\r\n")
			c.expect(tooLarge)
		}},
		{"too much in chunks", func() {
			begin("")
			chunk := header + lines(60_000)
			c.send(fmt.Sprintf("BDAT %d\r\n%s", len(chunk), chunk))
			c.expect("250 ")
			chunk = lines(60_000)
			c.send(fmt.Sprintf("BDAT %d LAST\r\n%s", len(chunk), chunk))
			c.expect(tooLarge)
		}},
		{"promised little, sent more in chunks", func() {
			begin(" SIZE=1000")
			chunk := header + lines(60_000)
			c.send(fmt.Sprintf("BDAT %d LAST\r\n%s", len(chunk), chunk))
			c.expect(tooLarge)
		}},
	} {
		t.Run(step.name, func(t *testing.T) {
			c.t = t
			step.run()
			// The session is where it was: no transaction, no command lost.
			c.say("RCPT TO:<b@example.com>", "503 ")
			accepted(t, c.submit("b@example.com", message("then "+step.name, "text")))
			next.waitFor(t, "then "+step.name)
		})
	}
	c.t = t
	waitEmpty(t, g)
	if n := len(next.find("too large")); n != 0 {
		t.Errorf("%d messages arrived that were refused", n)
	}
	// A message of the size that was promised, to the octet, is right.
	full := message("to the octet", strings.TrimSuffix(lines(limit/2), "\r\n"))
	c.say(fmt.Sprintf("%s SIZE=%d", from, len(full)), "250 ")
	c.say("RCPT TO:<b@example.com>", "250 ")
	c.say("DATA", "354 ")
	c.send(full + ".\r\n")
	accepted(t, c.reply())
	next.waitFor(t, "to the octet")
}
