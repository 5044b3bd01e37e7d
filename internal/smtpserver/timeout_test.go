package smtpserver

import (
	"bufio"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/smtpserver/bounds"
)

// pipes is a listener of net.Pipe connections, for fake time. Errors put into
// fail are what Accept returns first.
type pipes struct {
	conns chan net.Conn
	fail  chan error
	done  chan struct{}
}

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn), fail: make(chan error, 10), done: make(chan struct{})}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case err := <-p.fail:
		return nil, err
	default:
	}
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.done:
	default:
		close(p.done)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// dial connects over a pipe; the client has no deadline.
func (p *pipes) dial(t *testing.T) *client {
	here, there := net.Pipe()
	p.conns <- there
	t.Cleanup(func() { here.Close() })
	return &client{t: t, raw: here, conn: here, in: bufio.NewReader(here)}
}

// pass lets fake time pass.
func pass(d time.Duration) { <-time.After(d) }

// inFakeTime runs f in a bubble with a server on pipes.
func inFakeTime(t *testing.T, kind ListenerKind, d *double, l bounds.Limits, f func(t *testing.T, srv *Server, p *pipes)) {
	testTLS() // outside the bubble, as it stays
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		srv := newServer(t, d, l)
		served := make(chan error, 1)
		go func() { served <- srv.Serve(p, ListenerConfig{Name: "pipe", Kind: kind, TLS: testTLS}) }()
		t.Cleanup(func() {
			srv.Close()
			if err := <-served; err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
		f(t, srv, p)
	})
}

// clockedLimits have a different time for everything.
func clockedLimits() bounds.Limits {
	l := testLimits()
	l.Timeouts = bounds.Timeouts{
		EarlyTalk: -1, Greeting: 11 * time.Second, Handshake: 13 * time.Second,
		Command: 17 * time.Second, DataProgress: 5 * time.Second, DataTotal: 31 * time.Second,
	}
	return l
}

func TestTimeouts(t *testing.T) {
	const expired = "< 421 4.4.2\n< EOF"
	tests := []struct {
		name   string
		kind   ListenerKind
		script string
		// drip is sent every 4 seconds for as long as it can be.
		drip   string
		end    string
		after  time.Duration
		closed string
	}{
		{name: "first command", script: "< 220", end: expired, after: 11 * time.Second, closed: "timeout"},
		{name: "first command, drop by drop", script: "< 220", drip: "N", end: expired, after: 11 * time.Second, closed: "timeout"},
		{name: "further command", script: "< 220\n> NOOP\n< 250", end: expired, after: 17 * time.Second, closed: "timeout"},
		{name: "further command, drop by drop", script: "< 220\n> NOOP\n< 250", drip: "N", end: expired, after: 17 * time.Second, closed: "timeout"},
		{name: "handshake after STARTTLS", script: "< 220\n> STARTTLS\n< 220", end: "< EOF", after: 13 * time.Second, closed: "tls-failed"},
		{name: "handshake, drop by drop", kind: Submissions, drip: "\x16", end: "< EOF", after: 13 * time.Second, closed: "tls-failed"},
		{name: "AUTH", script: strings.Replace(toReady, " AHVzZXIAc2VjcmV0\n< 235 2.7.0", "\n< 334", 1), end: expired, after: 17 * time.Second, closed: "timeout"},
		{name: "in a transaction", script: toReady + toChunks, end: expired, after: 17 * time.Second, closed: "timeout"},
		{name: "a silent message", script: toReady + toData, end: expired, after: 5 * time.Second, closed: "timeout"},
		{name: "a message, drop by drop", script: toReady + toData, drip: "x\r\n", end: expired, after: 31 * time.Second, closed: "timeout"},
		{name: "a silent chunk", script: toReady + toChunks + "> BDAT 100", end: expired, after: 5 * time.Second, closed: "timeout"},
		{name: "a chunk, drop by drop", script: toReady + toChunks + "> BDAT 100", drip: "x\r\n", end: expired, after: 31 * time.Second, closed: "timeout"},
		{name: "between chunks", script: toReady + toChunks + "> BDAT 0\n< 250", end: expired, after: 17 * time.Second, closed: "timeout"},
		{name: "a refused chunk", script: toReady + "> BDAT 100\n< 503", end: expired, after: 5 * time.Second, closed: "timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &double{}
			inFakeTime(t, tt.kind, d, clockedLimits(), func(t *testing.T, _ *Server, p *pipes) {
				c := p.dial(t)
				c.play(tt.script)
				start := time.Now()
				dripped := make(chan struct{})
				go func() {
					defer close(dripped)
					for err := error(nil); err == nil && tt.drip != ""; pass(4 * time.Second) {
						_, err = c.conn.Write([]byte(tt.drip))
					}
				}()
				c.play(tt.end)
				if got := time.Since(start); got != tt.after {
					t.Errorf("ended after %v, want %v", got, tt.after)
				}
				c.raw.Close()
				<-dripped
				d.session(t, 1).closedBecause(t, tt.closed)
				if got := d.kept(); len(got) != 0 {
					t.Errorf("kept %q", got)
				}
			})
		})
	}
}

// TestMessageTimeIsOneForAllChunks sends chunks quickly enough each, and for too long.
func TestMessageTimeIsOneForAllChunks(t *testing.T) {
	d := &double{}
	inFakeTime(t, Submission, d, clockedLimits(), func(t *testing.T, _ *Server, p *pipes) {
		c := p.dial(t)
		c.play(toReady + toChunks)
		start := time.Now()
		for range 3 {
			c.play("> BDAT 0\n< 250")
			pass(10 * time.Second)
		}
		c.play("< 421 4.4.2\n< EOF")
		if got := time.Since(start); got != 31*time.Second {
			t.Errorf("ended after %v", got)
		}
	})
}

// TestClientThatDoesNotRead is closed after the time for a command.
func TestClientThatDoesNotRead(t *testing.T) {
	d := &double{}
	inFakeTime(t, Submission, d, clockedLimits(), func(t *testing.T, srv *Server, p *pipes) {
		p.dial(t)
		start := time.Now()
		for srv.Sessions() > 0 || time.Since(start) == 0 {
			pass(time.Second)
		}
		if got := time.Since(start); got < 17*time.Second || got > 19*time.Second {
			t.Errorf("ended after %v", got)
		}
	})
}

// TestLimitsChangeWithinASession is a reload.
func TestLimitsChangeWithinASession(t *testing.T) {
	d := &double{}
	l := clockedLimits()
	inFakeTime(t, Submission, d, l, func(t *testing.T, srv *Server, p *pipes) {
		c := p.dial(t)
		c.play(toReady)
		l.MaxMessageBytes, l.MaxRecipients = 10, 1
		srv.SetLimits(l)
		c.play("> NOOP\n< 250") // the wait for this one had begun before
		c.play(`
			> EHLO c.test
			< 250
			<* SIZE 10
			<* RCPTMAX=1
			> MAIL FROM:<user@c.test> SIZE=11
			< 552`)
		l.Timeouts.Command = 2 * time.Second
		srv.SetLimits(l)
		c.play("> NOOP\n< 250")
		start := time.Now()
		c.play("< 421 4.4.2\n< EOF")
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("ended after %v", got)
		}
	})
}

// TestAcceptErrorsAreWaitedOut runs out of file descriptors ten times.
func TestAcceptErrorsAreWaitedOut(t *testing.T) {
	d := &double{}
	inFakeTime(t, Submission, d, clockedLimits(), func(t *testing.T, srv *Server, _ *pipes) {
		p := newPipes()
		for range 10 {
			p.fail <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
		}
		start := time.Now()
		done := make(chan error, 1)
		go func() { done <- srv.Serve(p, ListenerConfig{Name: "second", TLS: testTLS}) }()
		c := p.dial(t)
		if got := time.Since(start); got < time.Second || got > 10*time.Second {
			t.Errorf("accepted again after %v", got)
		}
		c.play("< 220\n> QUIT\n< 221")
		p.fail <- errors.New("gone for good")
		srv.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
