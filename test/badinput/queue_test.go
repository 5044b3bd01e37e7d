package badinput

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// TestQueueWhileNextHopIsDown: everything an administrator does to what waits,
// with the server running, and what becomes of it when the next hop is back.
func TestQueueWhileNextHopIsDown(t *testing.T) {
	address := harness.FreePort(t)
	g := harness.Serve(t, address, "[queue]\nretry = [\"1h\"]\n")
	retried, held, dropped, released, left := talk.MustSubmit(t, g, "b@example.com", "retried"),
		talk.MustSubmit(t, g, "b@example.com", "held"),
		talk.MustSubmit(t, g, "b@example.com", "dropped"),
		talk.MustSubmit(t, g, "b@example.com", "released"),
		talk.MustSubmit(t, g, "b@example.com", "left")
	all := []string{retried, held, dropped, released, left}
	for _, id := range all {
		waitState(t, g, id, "deferred")
	}
	for _, e := range queued(t, g) {
		if e.Recipient != "b@example.com" || e.Attempts != 1 || e.Delivery != 1 {
			t.Errorf("the listing has %+v", e)
		}
	}
	table := g.Admin("", "queue", "list")
	shown := g.Admin("", "queue", "show", held)
	for _, id := range all {
		if !strings.Contains(table, id) {
			t.Errorf("queue list lacks %s:\n%s", id, table)
		}
	}
	for _, word := range []string{held, harness.Login, "b@example.com", "deferred", "451"} {
		if !strings.Contains(shown, word) {
			t.Errorf("queue show lacks %q:\n%s", word, shown)
		}
	}

	g.Admin("", "queue", "hold", held)
	g.Admin("", "queue", "hold", released)
	g.Admin("", "queue", "drop", dropped)
	if a, b, c := stateOf(t, g, held), stateOf(t, g, released), stateOf(t, g, dropped); a != "held" || b != "held" || c != "" {
		t.Errorf("states after hold, hold, drop: %q, %q, %q", a, b, c)
	}
	// What the administrator did is not forgotten with the process.
	g.Kill(syscall.SIGKILL)
	g.Start()
	if a, b := stateOf(t, g, held), stateOf(t, g, retried); a != "held" || b != "deferred" {
		t.Errorf("states after a restart: %q, %q", a, b)
	}

	next := listen(t, address, nil)
	g.Admin("", "queue", "release", released)
	g.Admin("", "queue", "retry", retried)
	next.waitFor(t, "released")
	next.waitFor(t, "retried")
	harness.WaitFor(t, "two deliveries to be left", func() bool { return len(queued(t, g)) == 2 })
	if a, b := stateOf(t, g, held), stateOf(t, g, left); a != "held" || b != "deferred" {
		t.Errorf("states of those that nobody released: %q, %q", a, b)
	}
	g.Admin("", "queue", "release", held)
	g.Admin("", "queue", "retry", left)
	waitEmpty(t, g)
	for _, subject := range []string{"retried", "released", "held", "left"} {
		if n := len(next.find(subject)); n != 1 {
			t.Errorf("%s arrived %d times", subject, n)
		}
	}
	if n := len(next.find("dropped")); n != 0 {
		t.Errorf("what was dropped arrived %d times", n)
	}
	story := g.Admin("", "trace", held)
	for _, kind := range []string{"submission.accepted", "delivery.deferred", "delivery.held", "delivery.released", "delivery.delivered"} {
		if !strings.Contains(story, kind) {
			t.Errorf("the story lacks %s:\n%s", kind, story)
		}
	}
	if out := g.Admin("", "trace", dropped); !strings.Contains(out, "delivery.dropped") {
		t.Errorf("the story of what was dropped:\n%s", out)
	}
	for _, act := range []string{"show", "hold", "release", "retry", "drop"} {
		refused(t, []string{"nothing waits"}, "queue", act, dropped, "--config", g.Config)
	}
}

// TestRetryRightAfterRepair: an administrator who repairs the next hop and
// asks for another attempt gets one, however short ago the last one failed.
func TestRetryRightAfterRepair(t *testing.T) {
	address := harness.FreePort(t)
	g := harness.Serve(t, address, "") // default retry times
	id := talk.MustSubmit(t, g, "b@example.com", "repaired")
	waitState(t, g, id, "deferred")
	next := listen(t, address, nil)
	began := time.Now()
	g.Admin("", "queue", "retry", id)
	next.waitFor(t, "repaired")
	waitEmpty(t, g)
	t.Logf("delivered after %v", time.Since(began).Round(time.Millisecond))
}

// TestSuspensionHoldsTheQueue: suspending an account stops what it has queued
// and what it would still send, in open sessions too; resuming lets it go on.
func TestSuspensionHoldsTheQueue(t *testing.T) {
	const other = "other@example.org"
	address := harness.FreePort(t)
	g := harness.Serve(t, address, "[queue]\nretry = [\"1s\"]\n")
	g.Admin(harness.Password+"\n", "account", "add", other)
	session, idle := talk.LogIn(t, g), talk.LogIn(t, g)
	id := talk.Accepted(t, session.Submit("b@example.com", talk.Message("suspended", "text")))
	c := talk.Open(t, g)
	c.Say(talk.Plain(other, harness.Password), "235 ")
	talk.Accepted(t, c.SubmitAs(other, "b@example.com", talk.MessageOf(other, "not suspended", "text")))
	waitState(t, g, id, "deferred")

	g.Admin("", "account", "suspend", harness.Login)
	if state := stateOf(t, g, id); state != "held" {
		t.Errorf("right after the suspension the delivery is %q", state)
	}
	// The store refuses at once; open sessions end at their next command within a second.
	began := time.Now()
	if reply := session.Submit("b@example.com", talk.Message("too late", "text")); !strings.HasPrefix(reply, "421 4.7.0 ") {
		t.Errorf("a message after the suspension was answered %q", reply)
	}
	harness.WaitFor(t, "the idle session to end", func() bool {
		idle.Send("NOOP\r\n")
		return strings.HasPrefix(idle.Reply(), "421 4.7.0 ")
	})
	if took := time.Since(began); took > 1500*time.Millisecond {
		t.Errorf("the open session noticed after %v, a second is promised", took)
	}
	next := listen(t, address, nil)
	next.waitFor(t, "not suspended")
	if n := len(next.find("suspended")); n != 0 || stateOf(t, g, id) != "held" {
		t.Errorf("the suspended account's message arrived %d times, state %q", n, stateOf(t, g, id))
	}

	g.Admin("", "account", "resume", harness.Login)
	next.waitFor(t, "suspended")
	talk.Accepted(t, talk.LogIn(t, g).Submit("b@example.com", talk.Message("resumed", "text")))
	next.waitFor(t, "resumed")
	waitEmpty(t, g)
}
