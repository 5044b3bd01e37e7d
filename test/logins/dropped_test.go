package logins

import (
	"crypto/tls"
	"strings"
	"sync"
	"testing"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// TestDisconnects: clients that go in the middle of an exchange, at each step of each
// mechanism, with and without saying so, leave nothing behind.
func TestDisconnects(t *testing.T) {
	w := newWorld(t, "")
	k := w.key()
	count := 0
	for _, d := range talk.Open(t, w.Gate).Honest(k) {
		for n := range 1 + len(d.Answers) {
			for _, reset := range []bool{false, true} {
				c := talk.Open(t, w.Gate)
				d := c.By(d.Mechanism, k)
				if n > 0 {
					c.Lines(d, n)
				}
				// The next line is cut off in its middle.
				c.Send(d.Command()[:len(d.Command())/2])
				c.Vanish(reset)
				count++
			}
		}
	}
	if count < 40 {
		t.Errorf("only %d clients have gone", count)
	}
	w.quiet()
	w.unharmed()
}

// quiet waits until nobody is connected but one.
func (w *world) quiet() {
	w.t.Helper()
	harness.WaitFor(w.t, "the end of the sessions", func() bool { return w.Metric("countersign_smtpserver_sessions") <= 1 })
}

// exchanges and perConnection say how many are begun and dropped.
const (
	exchanges     = 10_000
	perConnection = 10
)

// TestBegunAndDropped: ten thousand exchanges that are begun and dropped, cancelled or
// left with their connection, cost neither memory nor goroutines that stay.
func TestBegunAndDropped(t *testing.T) {
	w := newWorld(t, "")
	k := w.key()
	config := talk.Trust(t, w.Gate)
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	w.drop(k, config, exchanges/10) // what is made once is there
	w.quiet()
	goroutines, memory := w.Metric("go_goroutines"), w.Metric("process_resident_memory_bytes")
	w.drop(k, config, exchanges)
	w.quiet()
	harness.WaitFor(t, "the goroutines to end", func() bool { return w.Metric("go_goroutines") <= goroutines+4 })
	const grown = 96 << 20
	if now := w.Metric("process_resident_memory_bytes"); now > memory+grown {
		t.Errorf("it has %.0f MiB, %.0f MiB before", now/(1<<20), memory/(1<<20))
	}
	w.unharmed()
}

// drop begins exchanges of all mechanisms in turn that take more than one line, several
// on each connection: most are cancelled, the last is left.
func (w *world) drop(k talk.Key, config *tls.Config, exchanges int) {
	w.t.Helper()
	turns := make(chan int, exchanges/perConnection)
	for i := range cap(turns) {
		turns <- i
	}
	close(turns)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for turn := range turns {
				if !w.dropSome(k, config, turn) {
					return
				}
			}
		})
	}
	all.Wait()
}

// dropSome does it on one connection, and reports whether all went as it should.
func (w *world) dropSome(k talk.Key, config *tls.Config, turn int) bool {
	c, err := talk.Connect("", w.Submissions, config)
	if err != nil {
		w.t.Error(err)
		return false
	}
	defer c.Raw.Close()
	var list []*talk.Dialogue
	for _, d := range c.Honest(k) {
		if len(d.Answers) > 0 && d.Initial == nil || strings.HasPrefix(d.Mechanism, "SCRAM-") {
			list = append(list, d)
		}
	}
	ok := true
	for i := range perConnection {
		d := list[(turn+i)%len(list)]
		ok = ok && w.gets(c, d.Command(), "334 ") && (i == perConnection-1 || w.gets(c, "*", "501 "))
	}
	return ok
}

// gets sends a line and reports whether the reply is as it should be. It may be called by
// any goroutine.
func (w *world) gets(c *talk.Client, line, want string) bool {
	reply, err := c.Ask(line)
	if err != nil || !strings.HasPrefix(reply, want) {
		w.t.Errorf("%.40q: %q, %v", line, reply, err)
		return false
	}
	return true
}
