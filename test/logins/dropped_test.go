package logins

import (
	"bufio"
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"testing"

	"countersign/test/harness"
)

// TestDisconnects: clients that go in the middle of an exchange, at each step of each
// mechanism, with and without saying so, leave nothing behind.
func TestDisconnects(t *testing.T) {
	w := newWorld(t, "")
	k := w.key()
	count := 0
	for i, d := range open(t, w.Gate).honest(k) {
		for n := range 1 + len(d.answers) {
			for _, reset := range []bool{false, true} {
				c := open(t, w.Gate)
				d := c.honest(k)[i]
				if n > 0 {
					c.lines(d, n)
				}
				// The next line is cut off in its middle.
				c.send(d.command()[:len(d.command())/2])
				if reset {
					c.raw.(*net.TCPConn).SetLinger(0) // ends with RST
				}
				c.raw.Close()
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
	harness.WaitFor(w.t, "the end of the sessions", func() bool { return w.metric("countersign_smtpserver_sessions") <= 1 })
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
	config := trust(t, w.Gate)
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	w.drop(k, config, exchanges/10) // what is made once is there
	w.quiet()
	goroutines, memory := w.metric("go_goroutines"), w.metric("process_resident_memory_bytes")
	w.drop(k, config, exchanges)
	w.quiet()
	harness.WaitFor(t, "the goroutines to end", func() bool { return w.metric("go_goroutines") <= goroutines+4 })
	const grown = 96 << 20
	if now := w.metric("process_resident_memory_bytes"); now > memory+grown {
		t.Errorf("it has %.0f MiB, %.0f MiB before", now/(1<<20), memory/(1<<20))
	}
	w.unharmed()
}

// drop begins exchanges of all mechanisms in turn that take more than one line, several
// on each connection: most are cancelled, the last is left.
func (w *world) drop(k key, config *tls.Config, exchanges int) {
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
func (w *world) dropSome(k key, config *tls.Config, turn int) bool {
	conn, err := tls.Dial("tcp", w.Submissions, config)
	if err != nil {
		w.t.Error(err)
		return false
	}
	defer conn.Close()
	c := &client{t: w.t, raw: conn, conn: conn, in: bufio.NewReader(conn)}
	var list []*dialogue
	for _, d := range c.honest(k) {
		if len(d.answers) > 0 && d.initial == nil || strings.HasPrefix(d.mechanism, "SCRAM-") {
			list = append(list, d)
		}
	}
	ok := c.gets("", "220 ") && c.gets("EHLO client.example", "250")
	for i := range perConnection {
		d := list[(turn+i)%len(list)]
		ok = ok && c.gets(d.command(), "334 ") && (i == perConnection-1 || c.gets("*", "501 "))
	}
	return ok
}

// gets sends a line, unless it is empty, and reports whether the reply is as it should
// be. It may be called by any goroutine.
func (c *client) gets(line, want string) bool {
	if line != "" {
		if _, err := c.conn.Write([]byte(line + "\r\n")); err != nil {
			c.t.Errorf("%.40q: %v", line, err)
			return false
		}
	}
	reply, err := c.read()
	if err != nil || !strings.HasPrefix(reply, want) {
		c.t.Errorf("%.40q: %q, %v", line, reply, err)
		return false
	}
	return true
}
