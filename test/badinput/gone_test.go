package badinput

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// lastWord is one way for a client to come to its end: what it still does
// before it is gone.
type lastWord struct {
	name string
	// complete says that the message was sent to its end, so that the gate
	// may have accepted it.
	complete bool
	do       func(c *talk.Client, subject string)
}

// lastWords are the points of a session on the port with implicit TLS, behind
// login.
func lastWords() []lastWord {
	large := lines(300_000)
	data := func(c *talk.Client) {
		c.Envelope("b@example.com")
		c.Say("DATA", "354 ")
	}
	return []lastWord{
		{"logged in", false, func(*talk.Client, string) {}},
		{"half a command", false, func(c *talk.Client, _ string) { c.Send("MAIL FR") }},
		{"MAIL unread", false, func(c *talk.Client, _ string) { c.Send("MAIL FROM:<" + harness.Login + ">\r\n") }},
		{"MAIL", false, func(c *talk.Client, _ string) { c.Say("MAIL FROM:<"+harness.Login+">", "250 ") }},
		{"RCPT", false, func(c *talk.Client, _ string) { c.Envelope("b@example.com") }},
		{"DATA unread", false, func(c *talk.Client, _ string) { c.Envelope("b@example.com"); c.Send("DATA\r\n") }},
		{"DATA", false, func(c *talk.Client, _ string) { data(c) }},
		{"in the header", false, func(c *talk.Client, s string) { data(c); c.Send(talk.Message(s, "")[:20]) }},
		{"in the body", false, func(c *talk.Client, s string) { data(c); c.Send(talk.Message(s, "text")) }},
		{"in a large body", false, func(c *talk.Client, s string) { data(c); c.Send(talk.Message(s, large)) }},
		{"before the dot's line end", false, func(c *talk.Client, s string) { data(c); c.Send(talk.Message(s, "text") + ".") }},
		{"within the dot's line end", false, func(c *talk.Client, s string) { data(c); c.Send(talk.Message(s, "text") + ".\r") }},
		{"at the dot", true, func(c *talk.Client, s string) { data(c); c.Send(talk.Message(s, "text") + ".\r\n") }},
		{"at the dot of a large body", true, func(c *talk.Client, s string) { data(c); c.Send(talk.Message(s, large) + ".\r\n") }},
		{"BDAT without its chunk", false, func(c *talk.Client, _ string) { c.Envelope("b@example.com"); c.Send("BDAT 1000 LAST\r\n") }},
		{"in a chunk", false, func(c *talk.Client, s string) {
			c.Envelope("b@example.com")
			chunk := talk.Bdat(talk.Message(s, "text"), true)
			c.Send(chunk[:len(chunk)-3])
		}},
		{"between chunks", false, func(c *talk.Client, s string) {
			c.Envelope("b@example.com")
			c.Send(talk.Bdat(talk.Message(s, "text"), false))
			c.Expect("250 ")
		}},
		{"in the second chunk", false, func(c *talk.Client, s string) {
			c.Envelope("b@example.com")
			c.Send(talk.Bdat(talk.Message(s, large), false))
			c.Expect("250 ")
			c.Send("BDAT 4000 LAST\r\nmore")
		}},
		{"at the last chunk", true, func(c *talk.Client, s string) {
			c.Envelope("b@example.com")
			c.Send(talk.Bdat(talk.Message(s, "text"), true))
		}},
		{"QUIT unread", false, func(c *talk.Client, _ string) { c.Send("QUIT\r\n") }},
		{"RSET in a transaction", false, func(c *talk.Client, _ string) { c.Envelope("b@example.com"); c.Send("RSET\r\n") }},
		{"AUTH once more", false, func(c *talk.Client, _ string) { c.Send("AUTH LOGIN\r\n") }},
		{"all at once", true, func(c *talk.Client, s string) {
			c.Send("MAIL FROM:<" + harness.Login + ">\r\nRCPT TO:<b@example.com>\r\n" + talk.Bdat(talk.Message(s, "text"), true) + "QUIT\r\n")
		}},
	}
}

// early are the points before login, each on a connection of its own.
func early(g *harness.Gate, config *tls.Config) []func(*testing.T) *talk.Client {
	plainText := func(t *testing.T) *talk.Client {
		c := talk.Dial(t, g.Submission)
		c.Expect("220 ")
		return c
	}
	return []func(*testing.T) *talk.Client{
		func(t *testing.T) *talk.Client { return talk.Dial(t, g.Submission) },
		func(t *testing.T) *talk.Client { return talk.Dial(t, g.Submissions) },
		plainText,
		func(t *testing.T) *talk.Client { c := plainText(t); c.Say(talk.Hello, "250 "); return c },
		func(t *testing.T) *talk.Client {
			c := plainText(t)
			c.Say(talk.Hello, "250 ")
			c.Say("STARTTLS", "220 ")
			return c
		},
		func(t *testing.T) *talk.Client { // the beginning of a TLS record that never ends
			c := talk.Dial(t, g.Submissions)
			c.Send("\x16\x03\x01\x02\x00\x01")
			return c
		},
		func(t *testing.T) *talk.Client { c := talk.Dial(t, g.Submissions); c.Secure(config); return c },
		func(t *testing.T) *talk.Client { return talk.Open(t, g) },
		func(t *testing.T) *talk.Client { // the same behind STARTTLS
			c := plainText(t)
			c.Say("STARTTLS", "220 ")
			c.Send("\x16\x03\x01\x02\x00\x01")
			return c
		},
		func(t *testing.T) *talk.Client { c := talk.Open(t, g); c.Say("AUTH PLAIN", "334"); return c },
		func(t *testing.T) *talk.Client {
			c := talk.Open(t, g)
			c.Say("AUTH PLAIN", "334")
			c.Send("AGFAZX")
			return c
		},
		func(t *testing.T) *talk.Client { c := talk.Open(t, g); c.Say("AUTH LOGIN", "334"); return c },
		func(t *testing.T) *talk.Client { // between name and password
			c := talk.Open(t, g)
			c.Say("AUTH LOGIN", "334")
			c.Say(talk.Encode([]byte(harness.Login)), "334")
			return c
		},
		func(t *testing.T) *talk.Client {
			c := talk.Open(t, g)
			c.Send(talk.Plain(harness.Login, harness.Password) + "\r\n")
			return c
		},
	}
}

// TestClientGone: wherever a client vanishes, what it had not sent to its end
// is never delivered, what it had is delivered once or not at all, and the
// gate is as before: no session, no goroutine and nothing in the queue is left
// over.
func TestClientGone(t *testing.T) {
	next := listen(t, "127.0.0.1:0", nil)
	g := harness.Serve(t, next.addr(), "[delivery]\nidle_timeout = \"0s\"\n[session]\nmax_connections_per_prefix = 1000\n")
	config := talk.Trust(t, g)
	settled := func() {
		t.Helper()
		harness.WaitFor(t, "the end of all sessions", func() bool { return g.Metric("countersign_smtpserver_sessions") == 0 })
		waitEmpty(t, g)
	}
	round := func(number int) {
		for _, reset := range []bool{false, true} {
			for _, begin := range early(g, config) {
				begin(t).Vanish(reset)
			}
			for _, w := range lastWords() {
				c := talk.LogIn(t, g)
				w.do(c, fmt.Sprintf("%d %v %s", number, reset, w.name))
				c.Vanish(reset)
			}
		}
		settled()
	}
	// The first round makes what stays, such as workers.
	round(1)
	base := g.Metric("go_goroutines")
	round(2)
	round(3)
	harness.WaitFor(t, "the goroutines to be as many as before", func() bool { return g.Metric("go_goroutines") <= base+2 })
	ready(t, g)
	talk.MustSubmit(t, g, "b@example.com", "after all that")
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
