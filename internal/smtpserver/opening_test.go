package smtpserver

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	proxyproto "github.com/pires/go-proxyproto"

	"countersign/internal/fault"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver/bounds"
)

// patient lets the server wait long enough for a client that speaks first.
func patient(l *bounds.Limits, _ *ListenerConfig) { l.Timeouts.EarlyTalk = 10 * time.Second }

func TestEarlyTalkerIsNotedAndServed(t *testing.T) {
	t.Parallel()
	d := &double{}
	r := newRig(t, d, Submission, patient)
	c := r.dial()
	c.play(`
		> EHLO c.test
		< 220
		< 250-mx.test
		> QUIT
		< 221`)
	if _, ok := find(d.session(t, 1).observations(t), ObservedEarlyTalker); !ok {
		t.Error("an early talker was not noted")
	}
}

func TestEarlyTalkerOverTLS(t *testing.T) {
	t.Parallel()
	d := &double{}
	c := newRig(t, d, Submissions, patient).dial()
	c.startTLS()
	c.play("> EHLO c.test\n< 220\n< 250\n> QUIT\n< 221")
	if _, ok := find(d.session(t, 1).observations(t), ObservedEarlyTalker); !ok {
		t.Error("an early talker was not noted")
	}
}

func TestWaitingClientIsNoEarlyTalker(t *testing.T) {
	t.Parallel()
	d := &double{}
	r := newRig(t, d, Submission, func(l *bounds.Limits, _ *ListenerConfig) { l.Timeouts.EarlyTalk = time.Millisecond })
	r.dial().play("< 220\n> EHLO c.test\n< 250\n> QUIT\n< 221")
	if _, ok := find(d.session(t, 1).observations(t), ObservedEarlyTalker); ok {
		t.Error("a client that waited was noted as an early talker")
	}
}

// TestTLSOnPlainPort is a mail program set to SSL/TLS that connects to port 587.
func TestTLSOnPlainPort(t *testing.T) {
	for name, wait := range map[string]time.Duration{"before the greeting": 10 * time.Second, "after it": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &double{}
			r := newRig(t, d, Submission, func(l *bounds.Limits, _ *ListenerConfig) { l.Timeouts.EarlyTalk = wait })
			c := r.dial()
			if wait < 0 {
				c.play("< 220")
			}
			c.send("\x16\x03\x01\x00\x05hello")
			c.play("< 554 5.7.0 This port begins unencrypted\n< EOF")
			var plain tls.RecordHeaderError
			err := tls.Client(r.dial().raw, &tls.Config{InsecureSkipVerify: true}).Handshake()
			if !errors.As(err, &plain) {
				t.Errorf("a TLS library says %v, want that it met plain text", err)
			}
			checkWrongPort(t, d, "tls-on-plain", "wrong-port-tls")
		})
	}
}

// TestPlainOnTLSPort is a mail program set to STARTTLS or nothing that
// connects to port 465.
func TestPlainOnTLSPort(t *testing.T) {
	tests := []struct{ name, send, want, which, reason string }{
		{"speaks", "EHLO c.test\r\n", "554 5.7.0 This port is encrypted from the start", "plain-on-tls", "wrong-port-plain"},
		{"waits", "", "554 5.7.0 This port is encrypted from the start", "silent-on-tls", "wrong-port-plain"},
		{"browses", "GET / HTTP/1.1\r\n\r\n", "554 5.5.0", "plain-on-tls", "wrong-protocol"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := &double{}
			c := newRig(t, d, Submissions, func(l *bounds.Limits, _ *ListenerConfig) {
				if tt.send == "" {
					l.Timeouts.Handshake = 20 * time.Millisecond
				}
			}).dial()
			c.send(tt.send)
			c.play("< " + tt.want + "\n< EOF")
			checkWrongPort(t, d, tt.which, tt.reason)
		})
	}
}

// checkWrongPort checks what the backend has been told.
func checkWrongPort(t *testing.T, d *double, which, reason string) {
	t.Helper()
	s := d.session(t, 1)
	s.closedBecause(t, "wrong-port")
	o, ok := find(s.observations(t), ObservedWrongPort)
	if !ok || o.Text != which || o.Reason != reason || o.Code != 554 {
		t.Errorf("observed %+v", o)
	}
}

func TestFailedHandshakes(t *testing.T) {
	t.Run("a client that distrusts us", func(t *testing.T) {
		d := &double{}
		c := newRig(t, d, Submissions, nil).dial()
		if err := tls.Client(c.raw, &tls.Config{ServerName: "mx.test", MaxVersion: tls.VersionTLS12}).Handshake(); err == nil {
			t.Fatal("the handshake succeeded")
		}
		s := d.session(t, 1)
		s.closedBecause(t, "tls-failed")
		if o, ok := find(s.observations(t), ObservedTLSFailed); !ok || o.Err == nil {
			t.Errorf("observed %+v", o)
		}
	})
	t.Run("a client that connects and goes", func(t *testing.T) {
		d := &double{}
		r := newRig(t, d, Submissions, nil)
		r.dial().raw.Close()
		s := d.session(t, 1)
		s.closedBecause(t, "eof")
		if _, ok := find(s.observations(t), ObservedTLSFailed); ok {
			t.Error("a mere probe is recorded as a failed handshake")
		}
	})
	t.Run("no certificate at the moment", func(t *testing.T) {
		d := &double{}
		none := func(_ *bounds.Limits, lc *ListenerConfig) { lc.TLS = func() *tls.Config { return nil } }
		newRig(t, d, Submission, none).dial().play("< 220\n> STARTTLS\n< 454 4.7.0\n> NOOP\n< 250")
		newRig(t, d, Submissions, none).dial().play("< EOF")
	})
}

// TestInjectionBehindSTARTTLS sends a command in clear behind STARTTLS, late enough
// to pass the check of what is buffered: it must break the handshake and never run.
func TestInjectionBehindSTARTTLS(t *testing.T) {
	t.Parallel()
	d := &double{}
	c := newRig(t, d, Submission, nil).dial()
	c.play("< 220\n> STARTTLS\n< 220")
	c.send("EHLO evil.test\r\n")
	c.play("< EOF")
	all := d.session(t, 1).observations(t)
	if o, ok := find(all, ObservedHello); ok {
		t.Errorf("executed: %+v", o)
	}
}

func TestProxyHeaders(t *testing.T) {
	client, local := netip.MustParseAddrPort("192.0.2.7:40000"), netip.MustParseAddrPort("198.51.100.1:587")
	client6, local6 := netip.MustParseAddrPort("[2001:db8::7]:40000"), netip.MustParseAddrPort("[2001:db8::1]:587")
	tests := []struct {
		name   string
		header []byte
		client netip.AddrPort
		local  netip.AddrPort
	}{
		{"v1", header(t, 1, client, local), client, local},
		{"v2", header(t, 2, client, local), client, local},
		{"v1 IPv6", header(t, 1, client6, local6), client6, local6},
		{"v2 IPv6", header(t, 2, client6, local6), client6, local6},
		{"v1 unknown", []byte("PROXY UNKNOWN\r\n"), netip.AddrPort{}, netip.AddrPort{}},
		{"v2 local", append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x20, 0, 0, 0), netip.AddrPort{}, netip.AddrPort{}},
	}
	for _, tt := range tests {
		for _, kind := range []ListenerKind{Submission, Submissions} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				d := &double{}
				r := newRig(t, d, kind, func(_ *bounds.Limits, lc *ListenerConfig) { lc.Proxies = []netip.Prefix{loopback} })
				c := r.dial()
				c.send(string(tt.header))
				if kind == Submissions {
					c.startTLS()
				}
				c.play("< 220\n> EHLO c.test\n< 250\n> QUIT\n< 221\n< EOF")
				peer := d.session(t, 1).peer
				if !loopback.Contains(peer.Proxy.Addr()) {
					t.Errorf("proxy %v", peer.Proxy)
				}
				if !tt.client.IsValid() { // the proxy speaks for itself
					if !loopback.Contains(peer.Client.Addr()) {
						t.Errorf("client %v", peer.Client)
					}
					return
				}
				if peer.Client != tt.client || peer.Local != tt.local {
					t.Errorf("client %v local %v", peer.Client, peer.Local)
				}
			})
		}
	}
}

// header makes a PROXY header.
func header(t *testing.T, version byte, from, to netip.AddrPort) []byte {
	t.Helper()
	h := proxyproto.HeaderProxyFromAddrs(version, tcpAddr(from), tcpAddr(to))
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestProxyHeaderIsRequiredOfProxies(t *testing.T) {
	for name, send := range map[string]string{
		"none": "EHLO c.test\r\n", "broken": "PROXY TCP4 nonsense\r\n", "silence": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &double{}
			c := newRig(t, d, Submission, func(l *bounds.Limits, lc *ListenerConfig) {
				lc.Proxies = []netip.Prefix{loopback}
				if send == "" {
					l.Timeouts.Greeting = 20 * time.Millisecond
				}
			}).dial()
			c.send(send)
			c.play("< EOF")
			if len(d.sessions) != 0 {
				t.Error("a session was opened")
			}
			told := d.turnedAway()
			if len(told) != 1 || told[0].reason != smtp.EProxyHeaderMissing || told[0].peer.Proxy.String() != c.raw.LocalAddr().String() ||
				told[0].peer.Listener != "test" || told[0].peer.ID == "" {
				t.Errorf("the backend was told %+v", told)
			}
		})
	}
}

// TestProxyThatLooksIn connects and goes, as one does that only wants to know
// whether the port is open: that is nothing to record.
func TestProxyThatLooksIn(t *testing.T) {
	t.Parallel()
	d := &double{}
	r := newRig(t, d, Submission, func(_ *bounds.Limits, lc *ListenerConfig) { lc.Proxies = []netip.Prefix{loopback} })
	c := r.dial()
	if err := c.raw.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.play("< EOF")
	if told := d.turnedAway(); len(told) != 0 || r.srv.Refused() != 0 {
		t.Errorf("the backend was told %+v", told)
	}
}

// TestSlowProxyHeaderDoesNotBlock wants others served while one proxy is silent.
func TestSlowProxyHeaderDoesNotBlock(t *testing.T) {
	t.Parallel()
	d := &double{}
	r := newRig(t, d, Submission, func(_ *bounds.Limits, lc *ListenerConfig) { lc.Proxies = []netip.Prefix{loopback} })
	r.dial() // says nothing
	c := r.dial()
	c.play("> PROXY TCP4 192.0.2.7 198.51.100.1 40000 587\n< 220\n> QUIT\n< 221")
}

// TestSpoofedProxyHeader comes from a peer that is no named proxy: it must
// not change who the client is, and is refused.
func TestSpoofedProxyHeader(t *testing.T) {
	from, to := netip.MustParseAddrPort("192.0.2.7:40000"), netip.MustParseAddrPort("198.51.100.1:587")
	for version := byte(1); version <= 2; version++ {
		for _, kind := range []ListenerKind{Submission, Submissions} {
			d := &double{}
			r := newRig(t, d, kind, func(_ *bounds.Limits, lc *ListenerConfig) {
				lc.Proxies = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
			})
			c := r.dial()
			c.send(string(header(t, version, from, to)) + "EHLO c.test\r\n")
			text, _ := io.ReadAll(c.in)
			all := d.session(t, 1).observations(t)
			if _, ok := find(all, ObservedHello); ok {
				t.Errorf("v%d, kind %d: the session went on: %q", version, kind, text)
			}
			if peer := d.session(t, 1).peer; !loopback.Contains(peer.Client.Addr()) || peer.Proxy.IsValid() {
				t.Errorf("v%d, kind %d: peer %+v", version, kind, peer)
			}
		}
	}
}

func TestRefusedByTheBackend(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{fault.New("double", fault.Unavailable, "store away"), "421 4.3.0"},
		{fault.New("double", fault.Denied, "banned"), "554 5.7.1"},
	}
	for _, tt := range tests {
		for _, kind := range []ListenerKind{Submission, Submissions} {
			d := &double{open: func(Peer) error { return tt.err }}
			c := newRig(t, d, kind, nil).dial()
			if kind == Submissions {
				c.startTLS()
			}
			c.play("< " + tt.want + "\n< EOF")
		}
	}
}

func TestConnectionLimits(t *testing.T) {
	tests := []struct {
		name   string
		limits func(*bounds.Limits)
		want   string
	}{
		{"in all", func(l *bounds.Limits) { l.MaxConnections = 1 }, "421 4.7.0 Too many connections at"},
		{"from one network", func(l *bounds.Limits) { l.MaxPerPrefix = 1 }, "421 4.7.0 Too many connections from"},
	}
	for _, tt := range tests {
		for _, kind := range []ListenerKind{Submission, Submissions} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				d := &double{}
				r := newRig(t, d, kind, func(l *bounds.Limits, _ *ListenerConfig) { tt.limits(l) })
				first := r.ready()
				second := r.dial()
				if kind == Submissions {
					second.startTLS()
				}
				second.play("< " + tt.want + "\n< EOF")
				if r.srv.Sessions() > 2 || r.srv.Refused() != 1 || len(d.sessions) != 1 {
					t.Errorf("%d sessions, %d refused, %d opened", r.srv.Sessions(), r.srv.Refused(), len(d.sessions))
				}
				first.play("> QUIT\n< 221\n< EOF")
				eventually(t, func() bool { return r.srv.Sessions() == 0 })
				r.ready()
			})
		}
	}
}

// TestConnectionsPerNetwork counts clients behind a proxy by their own address.
func TestConnectionsPerNetwork(t *testing.T) {
	t.Parallel()
	d := &double{}
	r := newRig(t, d, Submission, func(l *bounds.Limits, lc *ListenerConfig) {
		l.MaxPerPrefix, l.PrefixV4, l.PrefixV6 = 1, 24, 64
		lc.Proxies = []netip.Prefix{loopback}
	})
	for _, tt := range []struct{ client, want string }{
		{"TCP4 192.0.2.1 198.51.100.1", "220"},
		{"TCP4 192.0.2.200 198.51.100.1", "421"},
		{"TCP4 192.0.3.1 198.51.100.1", "220"},
		{"TCP6 2001:db8::1 2001:db8::ffff", "220"},
		{"TCP6 2001:db8::2 2001:db8::ffff", "421"},
		{"TCP6 2001:db8:0:1::1 2001:db8::ffff", "220"},
	} {
		r.dial().play("> PROXY " + tt.client + " 40000 587\n< " + tt.want)
	}
}

// TestRefusingIsBounded wants more than maxRefusing silent clients beyond the
// limit to be closed at once, and their number not to grow.
func TestRefusingIsBounded(t *testing.T) {
	t.Parallel()
	d := &double{}
	r := newRig(t, d, Submissions, func(l *bounds.Limits, _ *ListenerConfig) { l.MaxConnections = 1 })
	r.ready()
	for range maxRefusing {
		r.dial()
	}
	eventually(t, func() bool { return r.srv.Refused() == maxRefusing })
	r.dial().play("< EOF")
}

func TestReplyFormIsRead(t *testing.T) {
	for _, bad := range []string{"250 x\n", "250-x\r\n", "25\r\n"} {
		if text, err := readReply(bufio.NewReader(strings.NewReader(bad))); err == nil {
			t.Errorf("%q taken as reply %q", bad, text)
		}
	}
}
