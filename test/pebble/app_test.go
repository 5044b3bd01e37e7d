package pebble

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/textproto"
	"os"
	"path/filepath"
	"testing"
	"time"

	"countersign/internal/app"
	"countersign/internal/config/loading"
)

// host is the name that the gate gets a certificate for.
const host = "mx.example.org"

// startGate runs the whole gate on a folder, with a certificate from the
// authority, as an operator would configure it.
func (a *authority) startGate(t *testing.T, dir string) *app.App {
	t.Helper()
	text := fmt.Sprintf(`hostname = %q
data_dir = "data"
[metrics]
listen = ""
[[listener]]
name = "submissions"
kind = "submissions"
address = ["127.0.0.1:0"]
[[certificate]]
name = "main"
source = "acme"
terms_agreed = true
email = "postmaster@example.org"
directory = %q
ca_file = %q
tls_listen = %q
[dns]
servers = ["127.0.0.1:53"]
`, host, a.directory, a.rootsFile, a.tlsAddr)
	path := filepath.Join(dir, "countersign.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := loading.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	gate, err := app.New(cfg, app.Options{Version: "test", Stderr: testWriter{t}})
	if err != nil {
		t.Fatal(err)
	}
	if err := gate.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return gate
}

func stopGate(t *testing.T, gate *app.App) {
	t.Helper()
	if err := gate.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// certificate connects to the gate's listener for TLS, verifies its
// certificate and reads the greeting.
func (a *authority) certificate(gate *app.App) (*x509.Certificate, error) {
	conn, err := tls.Dial("tcp", gate.Addresses()["submissions"], &tls.Config{RootCAs: a.issued, ServerName: host})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(deadline)); err != nil {
		return nil, err
	}
	_, _, err = textproto.NewConn(conn).ReadResponse(220)
	return conn.ConnectionState().PeerCertificates[0], err
}

// waitCertificate waits until the gate serves a certificate that will do.
func (a *authority) waitCertificate(t *testing.T, gate *app.App, willDo func(*x509.Certificate) bool) *x509.Certificate {
	t.Helper()
	limit, tick := time.NewTimer(deadline), time.NewTicker(20*time.Millisecond)
	defer limit.Stop()
	defer tick.Stop()
	for {
		got, err := a.certificate(gate)
		if err == nil && willDo(got) {
			return got
		}
		select {
		case <-tick.C:
		case <-limit.C:
			stopGate(t, gate)
			t.Fatalf("in vain waited for a certificate: %v", err)
		}
	}
}

// TestGateWithAuthority starts a gate that has no certificate yet: it gets one
// while it runs, and has it at once at the next start.
func TestGateWithAuthority(t *testing.T) {
	a := startAuthority(t, 90*day)
	dir := t.TempDir()
	gate := a.startGate(t, dir)
	first := a.waitCertificate(t, gate, func(*x509.Certificate) bool { return true })
	stopGate(t, gate)

	orders := a.log.count(newOrder)
	gate = a.startGate(t, dir)
	defer stopGate(t, gate)
	again, err := a.certificate(gate)
	if err != nil {
		t.Fatalf("right after the restart: %v", err)
	}
	if !again.Equal(first) {
		t.Error("another certificate after a restart")
	}
	if n := a.log.count(newOrder); n != orders || n == 0 {
		t.Errorf("%d orders, then %d", orders, n)
	}
}

// TestGateRenews: a gate with short-lived certificates renews while it runs. A
// session that began before goes on, new ones see the new certificate.
func TestGateRenews(t *testing.T) {
	a := startAuthority(t, shortLife)
	gate := a.startGate(t, t.TempDir())
	defer stopGate(t, gate)
	first := a.waitCertificate(t, gate, func(*x509.Certificate) bool { return true })
	conn, err := tls.Dial("tcp", gate.Addresses()["submissions"], &tls.Config{RootCAs: a.issued, ServerName: host})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	session := textproto.NewConn(conn)
	say := func(line string, code int) {
		t.Helper()
		if err := conn.SetDeadline(time.Now().Add(deadline)); err != nil {
			t.Fatal(err)
		}
		if line != "" {
			if err := session.PrintfLine("%s", line); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		if _, _, err := session.ReadResponse(code); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	say("", 220)
	say("EHLO client.example", 250)
	second := a.waitCertificate(t, gate, func(c *x509.Certificate) bool { return !c.Equal(first) })
	if !second.NotAfter.After(first.NotAfter) {
		t.Errorf("the new certificate ends at %v, the old one at %v", second.NotAfter, first.NotAfter)
	}
	say("NOOP", 250)
	say("QUIT", 221)
}
