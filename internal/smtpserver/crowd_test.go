package smtpserver

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/smtp"
	"countersign/internal/smtpserver/bounds"
	"countersign/internal/testkit"
)

// from is a connection that says where it comes from.
type from struct {
	net.Conn
	client netip.AddrPort
}

func (c from) RemoteAddr() net.Addr { return tcpAddr(c.client) }

// dialFrom connects from an address over a pipe that holds what the server says.
func (p *pipes) dialFrom(t *testing.T, client string) *client {
	here, there := testkit.Pipe()
	p.conns <- from{there, netip.AddrPortFrom(netip.MustParseAddr(client), 40000)}
	t.Cleanup(func() { here.Close() })
	return newFakeClient(t, here)
}

func newFakeClient(t *testing.T, conn net.Conn) *client {
	return &client{t: t, raw: conn, conn: conn, in: bufio.NewReader(conn)}
}

// ends returns why each session of the double has ended, "" for those that
// have not.
func (d *double) ends() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]string, len(d.sessions))
	for i, s := range d.sessions {
		if o, closed := find(s.seen, ObservedClose); closed {
			all[i] = o.Text
		}
	}
	return all
}

// TestNobodyStaysWithoutLoggingIn wants an end after the time for it, whatever
// the client does meanwhile, and none for one that has logged in.
func TestNobodyStaysWithoutLoggingIn(t *testing.T) {
	const limit = 3 * time.Minute // the default
	const over = "< 421 4.4.2 Nobody has logged in\n< EOF"
	tests := []struct {
		name   string
		kind   ListenerKind
		script string
		// again is played every 20 seconds for as long as the session lasts.
		again, end, closed string
	}{
		{name: "one NOOP at a time", script: "< 220", again: "> NOOP\n< 250", end: over, closed: "login-timeout"},
		{name: "silent after EHLO", script: "< 220\n> EHLO c.test\n< 250", end: over, closed: "login-timeout"},
		{name: "over TLS", kind: Submissions, script: "~ tls\n< 220", again: "> EHLO c.test\n< 250", end: over, closed: "login-timeout"},
		{name: "within AUTH", script: strings.Replace(toReady, " AHVzZXIAc2VjcmV0\n< 235 2.7.0", "\n< 334", 1), end: over, closed: "login-timeout"},
		{name: "AUTH after AUTH", script: strings.Replace(toReady, "> AUTH PLAIN AHVzZXIAc2VjcmV0\n< 235 2.7.0", "", 1),
			again: "> AUTH PLAIN AHVzZXIAYnVzeQ==\n< 454", end: over, closed: "login-timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &double{}
			l := testLimits()
			l.MaxAuthFailures = 0
			inFakeTime(t, tt.kind, d, l, func(t *testing.T, srv *Server, p *pipes) {
				start := time.Now()
				c := p.dialFrom(t, "192.0.2.1")
				pass(10 * time.Second)
				c.play(tt.script)
				for tt.again != "" && time.Since(start) < limit-20*time.Second {
					pass(20 * time.Second)
					c.play(tt.again)
				}
				c.play(tt.end)
				if got := time.Since(start); got != limit {
					t.Errorf("ended after %v, want %v", got, limit)
				}
				d.session(t, 1).closedBecause(t, tt.closed)
			})
		})
	}
	t.Run("logged in", func(t *testing.T) {
		inFakeTime(t, Submission, &double{}, testLimits(), func(t *testing.T, _ *Server, p *pipes) {
			c := p.dialFrom(t, "192.0.2.1")
			c.play(toReady)
			for range 3 {
				pass(4 * time.Minute)
				c.play("> NOOP\n< 250")
			}
		})
	})
}

// TestHandshakeIsWithinTheTimeToLogIn begins one shortly before that is over.
func TestHandshakeIsWithinTheTimeToLogIn(t *testing.T) {
	d := &double{}
	inFakeTime(t, Submission, d, testLimits(), func(t *testing.T, srv *Server, p *pipes) {
		start := time.Now()
		c := p.dialFrom(t, "192.0.2.1")
		c.play("< 220\n> NOOP\n< 250")
		pass(170 * time.Second)
		c.play("> STARTTLS\n< 220\n< EOF")
		if got := time.Since(start); got != 3*time.Minute {
			t.Errorf("ended after %v", got)
		}
	})
}

// TestCrowdMakesRoom takes all places from one IPv6 /48, one session of a /64,
// and wants others to be served, at the cost of its strangers alone.
func TestCrowdMakesRoom(t *testing.T) {
	for _, kind := range []ListenerKind{Submission, Submissions} {
		const places = 40
		d := &double{}
		l := testLimits()
		l.MaxConnections = places
		inFakeTime(t, kind, d, l, func(t *testing.T, srv *Server, p *pipes) {
			crowd := make([]*client, places)
			for i := range crowd {
				crowd[i] = p.dialFrom(t, fmt.Sprintf("2001:db8:1:%x::1", i))
				if i == 3 && kind == Submission {
					crowd[i].play(toReady)
				}
				synctest.Wait()
			}
			p.dialFrom(t, "2001:db8:1:ffff::1").refused(kind, "421 4.7.0 Too many connections at")
			for i, from := range []string{"192.0.2.1", "2001:db8:2::1", "198.51.100.1"} {
				newcomer := p.dialFrom(t, from)
				if kind == Submissions {
					newcomer.startTLS()
				}
				newcomer.play("< 220")
				synctest.Wait()
				if n := srv.Sessions(); n != places {
					t.Errorf("%d sessions after newcomer %d", n, i)
				}
				if got := d.ends()[:i+2]; got[i] != "made-room" || got[i+1] != "" {
					t.Errorf("after newcomer %d the oldest have ended by %q", i, got)
				}
			}
			if kind == Submissions {
				crowd[0].play("< EOF") // within its handshake nobody can be told
				return
			}
			crowd[0].play("< 220\n< 421 4.3.2 The server is full\n< EOF")
			o, told := find(d.session(t, 1).observations(t), ObservedRefusal)
			if !told || o.Reason != string(smtp.EMadeRoom) || o.Code != 421 {
				t.Errorf("observed %+v", o)
			}
			p.dialFrom(t, "203.0.113.1").play("< 220") // the fourth of the crowd has logged in
			crowd[3].play("> NOOP\n< 250")
		})
	}
}

// refused plays a client that is turned away.
func (c *client) refused(kind ListenerKind, want string) {
	c.t.Helper()
	if kind == Submissions {
		c.startTLS()
	}
	c.play("< " + want + "\n< EOF")
}

// TestLoginOfOneThatHasMadeRoom displaces a session while its password is checked.
func TestLoginOfOneThatHasMadeRoom(t *testing.T) {
	d := &double{secure: true}
	l := testLimits()
	l.MaxConnections = 1
	var p *pipes
	d.watch = func(o Observation) {
		if o.Kind != ObservedAuthOK {
			return
		}
		newcomer, there := testkit.Pipe()
		p.conns <- from{there, netip.MustParseAddrPort("198.51.100.1:1")}
		io.ReadFull(newcomer, make([]byte, len("220"))) // it has the place now
	}
	inFakeTime(t, Submission, d, l, func(t *testing.T, srv *Server, pipes *pipes) {
		p = pipes
		c := p.dialFrom(t, "192.0.2.1")
		c.play(strings.Replace(toReady, "235 2.7.0", "421 4.3.2", 1) + "< EOF")
	})
}

// TestWideNetworkIsLimited counts clients behind a proxy, over sockets.
func TestWideNetworkIsLimited(t *testing.T) {
	t.Parallel()
	r := newRig(t, &double{}, Submission, func(l *bounds.Limits, lc *ListenerConfig) {
		l.MaxPerWide = 2
		lc.Proxies = []netip.Prefix{loopback}
	})
	for _, tt := range []struct{ client, want string }{
		{"TCP4 192.0.2.1 198.51.100.1", "220"},
		{"TCP4 192.0.2.2 198.51.100.1", "220"},
		{"TCP4 192.0.2.3 198.51.100.1", "421 4.7.0 Too many connections from your network"},
		{"TCP4 192.0.3.1 198.51.100.1", "220"},
		{"TCP6 2001:db8:0:1::1 2001:db8::ffff", "220"},
		{"TCP6 2001:db8:0:2::1 2001:db8::ffff", "220"},
		{"TCP6 2001:db8:0:3::1 2001:db8::ffff", "421 4.7.0 Too many connections from your network"},
		{"TCP6 2001:db8:1::1 2001:db8::ffff", "220"},
	} {
		r.dial().play("> PROXY " + tt.client + " 40000 587\n< " + tt.want)
	}
}

// TestCrowdMakesRoomOverSockets is a crowd behind a proxy that all have EHLO behind
// them, and a newcomer who logs in.
func TestCrowdMakesRoomOverSockets(t *testing.T) {
	t.Parallel()
	const places = 30
	d := &double{}
	r := newRig(t, d, Submission, func(l *bounds.Limits, lc *ListenerConfig) {
		l.MaxConnections = places
		lc.Proxies = []netip.Prefix{loopback}
	})
	crowd := make([]*client, places)
	for i := range crowd {
		crowd[i] = r.dial()
		crowd[i].play(fmt.Sprintf("> PROXY TCP6 2001:db8:1:%x::1 2001:db8::ffff 40000 587\n< 220\n> EHLO x\n< 250", i))
	}
	r.dial().play("> PROXY TCP6 2001:db8:1:ff::1 2001:db8::ffff 40000 587\n< 421 4.7.0")
	r.dial().play("> PROXY TCP4 192.0.2.7 198.51.100.1 40000 587" + toReady + toData + "> hi\n> .\n< 250 2.0.0")
	crowd[0].play("< 421 4.3.2\n< EOF")
	crowd[1].play("> NOOP\n< 250")
}

// TestConnectionsAreBounded wants those that never become sessions to be
// bounded too: here, of a proxy that does not name its clients.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, &double{}, Submission, func(l *bounds.Limits, lc *ListenerConfig) {
		l.MaxConnections = 2
		lc.Proxies = []netip.Prefix{loopback}
	})
	for range 2*2 + maxRefusing {
		r.dial()
	}
	eventually(t, func() bool {
		r.srv.mu.Lock()
		defer r.srv.mu.Unlock()
		return len(r.srv.wires) == 2*2+maxRefusing
	})
	r.dial().play("< EOF")
	if r.srv.Refused() != 1 || r.srv.Sessions() != 0 {
		t.Errorf("%d refused, %d sessions", r.srv.Refused(), r.srv.Sessions())
	}
}
