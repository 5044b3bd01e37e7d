package pebble

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/cert"
)

// shortLife is a certificate's life that a test can wait for: two thirds of it
// pass until it is renewed, and a third is left for that.
const shortLife = 15 * time.Second

// echo listens with what m has and gives back what it gets.
func echo(t *testing.T, m *cert.Manager) string {
	t.Helper()
	server, err := m.TLSConfig(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return // the test is over
			}
			go func(conn net.Conn) {
				defer conn.Close()
				_, _ = io.Copy(conn, conn) // the client tells
			}(conn)
		}
	}()
	return ln.Addr().String()
}

// session is a verified connection to an echo.
type session struct {
	t    *testing.T
	conn *tls.Conn
}

func (a *authority) session(t *testing.T, addr, name string) *session {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: a.issued, ServerName: name})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	t.Cleanup(func() { conn.Close() })
	s := &session{t, conn}
	s.lives()
	return s
}

// lives wants an octet back.
func (s *session) lives() {
	s.t.Helper()
	if err := s.conn.SetDeadline(time.Now().Add(deadline)); err != nil {
		s.t.Fatal(err)
	}
	octet := []byte{'x'}
	if _, err := s.conn.Write(octet); err != nil {
		s.t.Fatalf("a session was dropped: %v", err)
	}
	if _, err := io.ReadFull(s.conn, octet); err != nil {
		s.t.Fatalf("a session was dropped: %v", err)
	}
}

func (s *session) leaf() *x509.Certificate { return s.conn.ConnectionState().PeerCertificates[0] }

// TestRenewal: short-lived certificates are renewed by either challenge, with
// ECDSA and RSA, without anybody asking. At no time does a handshake fail or
// show a certificate that has expired; a session from before goes on.
func TestRenewal(t *testing.T) {
	a := startAuthority(t, shortLife)
	byHTTP := a.spec("one", cert.ChallengeHTTP, "mx.example.org")
	byHTTP.ACME.RSA = true
	byALPN := a.spec("two", cert.ChallengeTLSALPN, "smtp.example.net")
	m := openWith(t, openStore(t, t.TempDir()), cert.Options{
		Logger: slog.New(slog.NewTextHandler(testWriter{t}, nil)), PollEvery: 20 * time.Millisecond,
	}, byHTTP, byALPN)
	wait(t, m, allWell)
	addr := echo(t, m)
	old := map[string]*session{}
	ends := map[int]time.Time{}
	for _, host := range []string{"mx.example.org", "smtp.example.net"} {
		old[host] = a.session(t, addr, host)
	}
	for i, s := range m.Status() {
		ends[i] = s.NotAfter
	}
	wait(t, m, func(all []cert.Status) bool {
		renewed := true
		for i, s := range all {
			if !s.Usable || s.Err != nil {
				t.Fatalf("certificate %d: %+v", i, s)
			}
			renewed = renewed && s.NotAfter.After(ends[i])
		}
		for host := range old {
			a.session(t, addr, host).conn.Close()
		}
		return renewed
	})
	for host, s := range old {
		s.lives()
		if now := a.session(t, addr, host).leaf(); now.Equal(s.leaf()) || !now.NotAfter.After(s.leaf().NotAfter) {
			t.Errorf("%s: a new handshake gets the old certificate", host)
		}
	}
	if n := a.log.count(newAccount); n != 1 {
		t.Errorf("%d accounts for two certificates that begin at once", n)
	}
	if n := a.log.count("set INVALID"); n != 0 {
		t.Errorf("%d failed validations", n)
	}
}

// clock is one that a test moves.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// TestRenewalFails: while the authority is away when a renewal is due, the old
// certificate serves, and log, status and metrics say so long before its end.
// When the authority is back, the next try succeeds.
func TestRenewalFails(t *testing.T) {
	for _, challenge := range []cert.Challenge{cert.ChallengeHTTP, cert.ChallengeTLSALPN} {
		t.Run(string(challenge), func(t *testing.T) {
			a := startAuthority(t, 90*day)
			var at clock
			log := &lines{}
			m := openWith(t, openStore(t, t.TempDir()), cert.Options{
				Logger: slog.New(slog.NewTextHandler(log, nil)), Now: at.now, PollEvery: 10 * time.Millisecond,
			}, a.spec("mail", challenge, host))
			wait(t, m, allWell)
			addr := echo(t, m)
			old := a.session(t, addr, host)
			wantHealthy(t, m, "1")

			a.down.Store(true)
			at.advance(61 * day)
			wait(t, m, func(all []cert.Status) bool { return all[0].Err != nil })
			st := m.Status()[0]
			if !st.Usable || !strings.Contains(st.Err.Error(), "EOF") || !st.NotAfter.Equal(old.leaf().NotAfter) {
				t.Errorf("status %+v", st)
			}
			if err := m.Health(); err != nil {
				t.Errorf("not ready although the old certificate serves: %v", err)
			}
			wantHealthy(t, m, "0")
			if n := log.count("cannot be renewed; the one in force stays"); n != 1 || log.count("EOF") == 0 {
				t.Errorf("the failure is told %d times", n)
			}
			if now := a.session(t, addr, host).leaf(); !now.Equal(old.leaf()) {
				t.Error("another certificate serves")
			}

			a.down.Store(false)
			at.advance(3 * time.Minute)
			wait(t, m, allWell)
			wantHealthy(t, m, "1")
			old.lives()
			if now := a.session(t, addr, host).leaf(); now.Equal(old.leaf()) {
				t.Error("a new handshake gets the old certificate")
			}
			if n := a.log.count(newAccount); n != 1 {
				t.Errorf("%d accounts", n)
			}
		})
	}
}

// wantHealthy wants a value of the metric that operators watch.
func wantHealthy(t *testing.T, m *cert.Manager, want string) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(m.Collector())
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, f := range families {
		if f.GetName() == "countersign_cert_healthy" {
			out.WriteString(f.String())
		}
	}
	if !strings.Contains(out.String(), "value:"+want) {
		t.Errorf("want countersign_cert_healthy %s in %s", want, out.String())
	}
}
