package badinput

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"countersign/test/harness"
)

// stopping is what clients hear when the gate stops.
const stopping = "421 4.3.2 "

// TestStopLetsTransactionsFinish: a first signal tells idle clients, takes no
// more connections, and lets a message that is being sent come to its end.
func TestStopLetsTransactionsFinish(t *testing.T) {
	next := listen(t, "127.0.0.1:0", nil)
	g := harness.Serve(t, next.addr(), "")
	process := pid(t, g)
	fresh := dial(t, g.Submission)
	fresh.expect("220 ")
	idle, busy, chunked := login(t, g), login(t, g), login(t, g)
	busy.envelope("b@example.com")
	busy.say("DATA", "354 ")
	busy.send("From: <" + harness.Login + ">\r\nSubject: in flight\r\n\r\nfirst half\r\n")
	chunked.envelope("b@example.com")
	part := "From: <" + harness.Login + ">\r\nSubject: in chunks\r\n\r\n"
	chunked.send(bdat(part, false))
	chunked.expect("250 ")

	signal(t, process, syscall.SIGTERM)
	for _, c := range []*client{fresh, idle} {
		c.expect(stopping)
		c.ended()
	}
	harness.WaitFor(t, "connections to be refused", func() bool {
		conn, err := net.Dial("tcp", g.Submissions)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	busy.send("second half\r\n.\r\n")
	accepted(t, busy.reply())
	chunked.send(bdat("text\r\n", true))
	accepted(t, chunked.reply())
	for _, c := range []*client{busy, chunked} {
		c.expect(stopping)
		c.ended()
	}
	waitGone(t, process)
	g.Kill(syscall.SIGTERM) // collects what is gone already
	if text := logText(t, g, 0); strings.Contains(text, "level=ERROR") {
		t.Errorf("a friendly stop is logged as an error:\n%s", text)
	}

	g.Start()
	next.waitFor(t, "in flight")
	next.waitFor(t, "in chunks")
	waitEmpty(t, g)
	if a, b := len(next.find("in flight")), len(next.find("in chunks")); a != 1 || b != 1 {
		t.Errorf("the messages arrived %d and %d times", a, b)
	}
}

// TestSecondSignalEndsAtOnce: who cannot wait for the grace time signals
// twice; what was not acknowledged is not there afterwards.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	next := listen(t, "127.0.0.1:0", nil)
	g := harness.Serve(t, next.addr(), "[session]\nshutdown_grace = \"1h\"\n")
	process := pid(t, g)
	idle, busy := login(t, g), login(t, g)
	busy.envelope("b@example.com")
	busy.say("DATA", "354 ")
	busy.send(message("never finished", "text"))
	signal(t, process, syscall.SIGTERM)
	idle.expect(stopping) // the first signal has been taken
	signal(t, process, syscall.SIGTERM)
	waitGone(t, process) // within the harness's patience, not within an hour
	g.Kill(syscall.SIGTERM)
	if text, err := busy.read(); err == nil && text[:3] != "421" {
		t.Errorf("the unfinished message was answered %q", text)
	} else if os.IsTimeout(err) {
		t.Error("the connection is still open")
	}

	g.Start()
	mustSubmit(t, g, "b@example.com", "after the restart")
	next.waitFor(t, "after the restart")
	waitEmpty(t, g)
	if n := len(next.find("never finished")); n != 0 {
		t.Errorf("a message that was not acknowledged arrived %d times", n)
	}
}
