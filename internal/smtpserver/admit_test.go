package smtpserver

import (
	"crypto/tls"
	"net/netip"
	"sync/atomic"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver/bounds"
)

// banned is a refusal as the backend makes it.
func banned(reason smtp.Reason) error {
	e := fault.Refuse("double", fault.Denied, string(reason))
	e.Detail = "guessing passwords"
	return e
}

// TestNotAdmitted: who is not admitted reads why in plain text, and gets no handshake where
// it waits for one; the backend opens nothing, and no place is taken.
func TestNotAdmitted(t *testing.T) {
	for _, kind := range []ListenerKind{Submission, Submissions} {
		d := &double{admit: func(Peer) error { return banned(smtp.EBanned) }}
		r := newRig(t, d, kind, func(l *bounds.Limits, _ *ListenerConfig) { l.MaxConnections, l.MaxPerPrefix = 1, 1 })
		for range 3 { // all places stay free
			if kind == Submissions {
				conn, err := tls.Dial("tcp", r.addr, &tls.Config{InsecureSkipVerify: true})
				if err == nil {
					conn.Close()
					t.Error("there is a handshake")
				}
				continue
			}
			r.dial().play("< 554 5.7.1 Connections from your network are refused here (guessing passwords);\n< EOF")
		}
		eventually(t, func() bool { return r.srv.Refused() == 3 })
		if len(d.sessions) > 0 || len(d.turnedAway()) > 0 || r.srv.Sessions() != 0 {
			t.Errorf("kind %d: %d sessions, told of %v", kind, len(d.sessions), d.turnedAway())
		}
	}
}

// TestClientOfAProxyIsAdmitted or not, whoever the proxy is.
func TestClientOfAProxyIsAdmitted(t *testing.T) {
	d := &double{admit: func(p Peer) error {
		if p.Client.Addr().Unmap() == netip.MustParseAddr("192.0.2.1") {
			return banned(smtp.EBanned)
		}
		return nil
	}}
	r := newRig(t, d, Submission, func(_ *bounds.Limits, lc *ListenerConfig) { lc.Proxies = []netip.Prefix{loopback} })
	for _, tt := range []struct{ client, want string }{
		{"TCP4 192.0.2.1 198.51.100.1", "554 5.7.1"},
		{"TCP4 192.0.2.2 198.51.100.1", "220"},
		{"TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.1", "554 5.7.1"},
		{"TCP6 2001:db8::2 2001:db8::ffff", "220"},
	} {
		r.dial().play("> PROXY " + tt.client + " 40000 587\n< " + tt.want)
	}
}

// TestNotAdmittedIsBounded: no more than maxRefusing are being told at once.
func TestNotAdmittedIsBounded(t *testing.T) {
	d := &double{admit: func(Peer) error { return banned(smtp.EBanned) }}
	r := newRig(t, d, Submission, nil)
	for range maxRefusing {
		r.srv.refusing <- struct{}{}
	}
	r.dial().play("< EOF")
	<-r.srv.refusing
	r.dial().play("< 554 5.7.1\n< EOF")
}

// TestStandingEndsSessions: the next command of a session that may not go on is answered
// with 421, before its login too, and whatever it is but QUIT.
func TestStandingEndsSessions(t *testing.T) {
	for _, command := range []string{"EHLO c.test", "STARTTLS", "NOOP", "RSET", "AUTH PLAIN =", "MAIL FROM:<a@a.test>", "HELP"} {
		var over atomic.Bool
		d := &double{standing: func() error {
			if over.Load() {
				return banned(smtp.EBannedNow)
			}
			return nil
		}}
		c := newRig(t, d, Submission, nil).dial()
		c.play("< 220\n> EHLO c.test\n< 250")
		over.Store(true)
		c.play("> " + command + "\n< 421 4.7.0 Connections from your network are refused from now on (guessing passwords);\n< EOF")
		d.session(t, 1).closedBecause(t, string(smtp.EBannedNow))
	}
	var over atomic.Bool
	d := &double{standing: func() error {
		if over.Load() {
			return banned(smtp.EBannedNow)
		}
		return nil
	}}
	c := newRig(t, d, Submission, nil).dial()
	c.play("< 220")
	over.Store(true)
	c.play("> QUIT\n< 221\n< EOF")
}
