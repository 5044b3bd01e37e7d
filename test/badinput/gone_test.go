package badinput

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"

	"countersign/test/harness"
)

// bdat is one chunk with its command.
func bdat(chunk string, last bool) string {
	if last {
		return fmt.Sprintf("BDAT %d LAST\r\n%s", len(chunk), chunk)
	}
	return fmt.Sprintf("BDAT %d\r\n%s", len(chunk), chunk)
}

// lastWord is one way for a client to come to its end: what it still does
// before it is gone.
type lastWord struct {
	name string
	// complete says that the message was sent to its end, so that the gate
	// may have accepted it.
	complete bool
	do       func(c *client, subject string)
}

// lastWords are the points of a session on the port with implicit TLS, behind
// login.
func lastWords() []lastWord {
	large := lines(300_000)
	data := func(c *client) {
		c.envelope("b@example.com")
		c.say("DATA", "354 ")
	}
	return []lastWord{
		{"logged in", false, func(*client, string) {}},
		{"half a command", false, func(c *client, _ string) { c.send("MAIL FR") }},
		{"MAIL unread", false, func(c *client, _ string) { c.send("MAIL FROM:<" + harness.Login + ">\r\n") }},
		{"MAIL", false, func(c *client, _ string) { c.say("MAIL FROM:<"+harness.Login+">", "250 ") }},
		{"RCPT", false, func(c *client, _ string) { c.envelope("b@example.com") }},
		{"DATA unread", false, func(c *client, _ string) { c.envelope("b@example.com"); c.send("DATA\r\n") }},
		{"DATA", false, func(c *client, _ string) { data(c) }},
		{"in the header", false, func(c *client, s string) { data(c); c.send(message(s, "")[:20]) }},
		{"in the body", false, func(c *client, s string) { data(c); c.send(message(s, "text")) }},
		{"in a large body", false, func(c *client, s string) { data(c); c.send(message(s, large)) }},
		{"before the dot's line end", false, func(c *client, s string) { data(c); c.send(message(s, "text") + ".") }},
		{"within the dot's line end", false, func(c *client, s string) { data(c); c.send(message(s, "text") + ".\r") }},
		{"at the dot", true, func(c *client, s string) { data(c); c.send(message(s, "text") + ".\r\n") }},
		{"at the dot of a large body", true, func(c *client, s string) { data(c); c.send(message(s, large) + ".\r\n") }},
		{"BDAT without its chunk", false, func(c *client, _ string) { c.envelope("b@example.com"); c.send("BDAT 1000 LAST\r\n") }},
		{"in a chunk", false, func(c *client, s string) {
			c.envelope("b@example.com")
			chunk := bdat(message(s, "text"), true)
			c.send(chunk[:len(chunk)-3])
		}},
		{"between chunks", false, func(c *client, s string) {
			c.envelope("b@example.com")
			c.send(bdat(message(s, "text"), false))
			c.expect("250 ")
		}},
		{"in the second chunk", false, func(c *client, s string) {
			c.envelope("b@example.com")
			c.send(bdat(message(s, large), false))
			c.expect("250 ")
			c.send("BDAT 4000 LAST\r\nmore")
		}},
		{"at the last chunk", true, func(c *client, s string) {
			c.envelope("b@example.com")
			c.send(bdat(message(s, "text"), true))
		}},
		{"QUIT unread", false, func(c *client, _ string) { c.send("QUIT\r\n") }},
		{"RSET in a transaction", false, func(c *client, _ string) { c.envelope("b@example.com"); c.send("RSET\r\n") }},
		{"AUTH once more", false, func(c *client, _ string) { c.send("AUTH LOGIN\r\n") }},
		{"all at once", true, func(c *client, s string) {
			c.send("MAIL FROM:<" + harness.Login + ">\r\nRCPT TO:<b@example.com>\r\n" + bdat(message(s, "text"), true) + "QUIT\r\n")
		}},
	}
}

// early are the points before login, each on a connection of its own.
func early(g *harness.Gate, config *tls.Config) []func(*testing.T) *client {
	plainText := func(t *testing.T) *client {
		c := dial(t, g.Submission)
		c.expect("220 ")
		return c
	}
	return []func(*testing.T) *client{
		func(t *testing.T) *client { return dial(t, g.Submission) },
		func(t *testing.T) *client { return dial(t, g.Submissions) },
		plainText,
		func(t *testing.T) *client { c := plainText(t); c.say("EHLO client.example", "250 "); return c },
		func(t *testing.T) *client {
			c := plainText(t)
			c.say("EHLO client.example", "250 ")
			c.say("STARTTLS", "220 ")
			return c
		},
		func(t *testing.T) *client { // the beginning of a TLS record that never ends
			c := dial(t, g.Submissions)
			c.send("\x16\x03\x01\x02\x00\x01")
			return c
		},
		func(t *testing.T) *client { c := dial(t, g.Submissions); c.secure(config); return c },
		func(t *testing.T) *client { return open(t, g) },
		func(t *testing.T) *client { // the same behind STARTTLS
			c := plainText(t)
			c.say("STARTTLS", "220 ")
			c.send("\x16\x03\x01\x02\x00\x01")
			return c
		},
		func(t *testing.T) *client { c := open(t, g); c.say("AUTH PLAIN", "334"); return c },
		func(t *testing.T) *client { c := open(t, g); c.say("AUTH PLAIN", "334"); c.send("AGFAZX"); return c },
		func(t *testing.T) *client { c := open(t, g); c.say("AUTH LOGIN", "334"); return c },
		func(t *testing.T) *client { // between name and password
			c := open(t, g)
			c.say("AUTH LOGIN", "334")
			c.say(base64.StdEncoding.EncodeToString([]byte(harness.Login)), "334")
			return c
		},
		func(t *testing.T) *client {
			c := open(t, g)
			c.send("AUTH PLAIN " + plain(harness.Login, harness.Password) + "\r\n")
			return c
		},
	}
}

// vanish ends the connection: the friendly way of TCP, or with a reset as when
// a machine or a firewall gives up.
func (c *client) vanish(reset bool) {
	c.t.Helper()
	if reset {
		if err := c.raw.(*net.TCPConn).SetLinger(0); err != nil {
			c.t.Fatal(err)
		}
	}
	c.raw.Close()
}

// TestClientGone: wherever a client vanishes, what it had not sent to its end
// is never delivered, what it had is delivered once or not at all, and the
// gate is as before: no session, no goroutine and nothing in the queue is left
// over.
func TestClientGone(t *testing.T) {
	next := listen(t, "127.0.0.1:0", nil)
	g := harness.Serve(t, next.addr(), "[delivery]\nidle_timeout = \"0s\"\n[session]\nmax_connections_per_prefix = 1000\n")
	config := &tls.Config{RootCAs: roots(t, g), ServerName: "localhost"}
	settled := func() {
		t.Helper()
		harness.WaitFor(t, "the end of all sessions", func() bool { return metric(t, g, "countersign_smtpserver_sessions") == 0 })
		waitEmpty(t, g)
	}
	round := func(number int) {
		for _, reset := range []bool{false, true} {
			for _, begin := range early(g, config) {
				begin(t).vanish(reset)
			}
			for _, w := range lastWords() {
				c := login(t, g)
				w.do(c, fmt.Sprintf("%d %v %s", number, reset, w.name))
				c.vanish(reset)
			}
		}
		settled()
	}
	// The first round makes what stays, such as workers.
	round(1)
	base := metric(t, g, "go_goroutines")
	round(2)
	round(3)
	harness.WaitFor(t, "the goroutines to be as many as before", func() bool { return metric(t, g, "go_goroutines") <= base+2 })
	ready(t, g)
	mustSubmit(t, g, "b@example.com", "after all that")
	next.waitFor(t, "after all that")

	delivered := 0
	for number := 1; number <= 3; number++ {
		for _, reset := range []bool{false, true} {
			for _, w := range lastWords() {
				n := len(next.find(fmt.Sprintf("%d %v %s", number, reset, w.name)))
				if n > 1 || n == 1 && !w.complete {
					t.Errorf("gone %s (reset %v): arrived %d times", w.name, reset, n)
				}
				delivered += n
			}
		}
	}
	t.Logf("%d of the messages sent to their end were delivered", delivered)
	if strings.Contains(logText(t, g, 0), "panic") {
		t.Error("the log tells of a panic")
	}
}
