package badinput

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// stopping is what clients hear when the gate stops.
const stopping = "421 4.3.2 "

// TestStopLetsTransactionsFinish: a first signal tells idle clients, takes no
// more connections, and lets a message that is being sent come to its end.
func TestStopLetsTransactionsFinish(t *testing.T) {
	next := listen(t, "127.0.0.1:0", nil)
	g := harness.Serve(t, next.addr(), "")
	process := pid(t, g)
	fresh := talk.Dial(t, g.Submission)
	fresh.Expect("220 ")
	idle, busy, chunked := talk.LogIn(t, g), talk.LogIn(t, g), talk.LogIn(t, g)
	busy.Envelope("b@example.com")
	busy.Say("DATA", "354 ")
	busy.Send("From: <" + harness.Login + ">\r\nSubject: in flight\r\n\r\nfirst half\r\n")
	chunked.Envelope("b@example.com")
	part := "From: <" + harness.Login + ">\r\nSubject: in chunks\r\n\r\n"
	chunked.Send(talk.Bdat(part, false))
	chunked.Expect("250 ")

	signal(t, process, syscall.SIGTERM)
	for _, c := range []*talk.Client{fresh, idle} {
		c.Expect(stopping)
		c.Ended()
	}
	harness.WaitFor(t, "connections to be refused", func() bool {
		conn, err := net.Dial("tcp", g.Submissions)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	busy.Send("second half\r\n.\r\n")
	talk.Accepted(t, busy.Reply())
	chunked.Send(talk.Bdat("text\r\n", true))
	talk.Accepted(t, chunked.Reply())
	for _, c := range []*talk.Client{busy, chunked} {
		c.Expect(stopping)
		c.Ended()
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
	idle, busy := talk.LogIn(t, g), talk.LogIn(t, g)
	busy.Envelope("b@example.com")
	busy.Say("DATA", "354 ")
	busy.Send(talk.Message("never finished", "text"))
	signal(t, process, syscall.SIGTERM)
	idle.Expect(stopping) // the first signal has been taken
	signal(t, process, syscall.SIGTERM)
	waitGone(t, process) // within the harness's patience, not within an hour
	g.Kill(syscall.SIGTERM)
	if text, err := busy.Read(); err == nil && text[:3] != "421" {
		t.Errorf("the unfinished message was answered %q", text)
	} else if os.IsTimeout(err) {
		t.Error("the connection is still open")
	}

	g.Start()
	talk.MustSubmit(t, g, "b@example.com", "after the restart")
	next.waitFor(t, "after the restart")
	waitEmpty(t, g)
	if n := len(next.find("never finished")); n != 0 {
		t.Errorf("a message that was not acknowledged arrived %d times", n)
	}
}
