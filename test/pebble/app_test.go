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
	"countersign/internal/config"
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
	cfg, _, err := config.Load(path)
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

// TestGateWithAuthority starts a gate that has no certificate yet: it gets one
// while it runs, and has it at once at the next start.
func TestGateWithAuthority(t *testing.T) {
	a := startAuthority(t)
	dir := t.TempDir()
	gate := a.startGate(t, dir)
	limit, tick := time.NewTimer(deadline), time.NewTicker(20*time.Millisecond)
	defer limit.Stop()
	defer tick.Stop()
	first, err := a.certificate(gate)
	for err != nil {
		select {
		case <-tick.C:
			first, err = a.certificate(gate)
		case <-limit.C:
			stopGate(t, gate)
			t.Fatalf("in vain waited for a certificate: %v", err)
		}
	}
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
