package cert

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
)

func TestSelfSigned(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	log, out := logTo()
	o := Options{DataDir: dir, Logger: log, Now: func() time.Time { return now }}
	spec := Spec{Name: "quick", Source: SourceSelfSigned, Hosts: []string{"LOCALHOST", "127.0.0.1", "::1", "*.bücher.example"}}
	m := open(t, o, spec)
	server := tlsConfig(t, m)

	// Its file is all that a client needs to verify it.
	text, err := os.ReadFile(SelfSignedFile(dir, "quick"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatal("no certificate in the file")
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "x.xn--bcher-kva.example"} {
		if _, err := handshake(t, server, &tls.Config{ServerName: name, RootCAs: roots, Time: o.Now}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := handshake(t, server, &tls.Config{ServerName: "other.example", RootCAs: roots}); err == nil {
		t.Error("it verifies for a name that it is not for")
	}
	first := leaf(t, server, "localhost")
	if first.IsCA || first.KeyUsage&x509.KeyUsageCertSign != 0 {
		t.Error("who trusts it trusts what its key signs")
	}
	if info, err := os.Stat(filepath.Join(dir, "quick.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info.Mode(), err)
	}

	// It is kept over restarts, until shortly before its end, also where the
	// clock was set back.
	out.Reset()
	for _, later := range []time.Duration{0, -2 * time.Hour, 24 * time.Hour, 700 * 24 * time.Hour} {
		now = time.Now().Add(later)
		if got := leaf(t, tlsConfig(t, open(t, o, spec)), "localhost"); !got.Equal(first) {
			t.Errorf("another one after %v", later)
		}
	}
	if out.Len() > 0 {
		t.Errorf("log: %s", out)
	}
	now = first.NotAfter.Add(-29 * 24 * time.Hour)
	m.table.Load().order[0].poll()
	renewed := leaf(t, server, "localhost")
	if !renewed.NotAfter.After(first.NotAfter.Add(700*24*time.Hour)) || !strings.Contains(out.String(), "renewed") {
		t.Errorf("not renewed: until %v, log %s", renewed.NotAfter, out)
	}
	if !renewed.PublicKey.(*ecdsa.PublicKey).Equal(first.PublicKey) {
		t.Error("the key did not stay")
	}
	if got := leaf(t, tlsConfig(t, open(t, o, spec)), "localhost"); !got.Equal(renewed) {
		t.Error("the renewed one is not kept")
	}
	now = renewed.NotAfter.Add(24 * time.Hour) // long switched off
	if got := leaf(t, tlsConfig(t, open(t, o, spec)), "localhost"); got.Equal(renewed) {
		t.Error("a start keeps one that has expired")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left in the data directory: %v, %v", left, err)
	}
}

func TestSelfSignedChanges(t *testing.T) {
	dir := t.TempDir()
	o := Options{DataDir: dir}
	spec := Spec{Name: "quick", Source: SourceSelfSigned, Hosts: []string{"localhost"}}
	crt, key := filepath.Join(dir, "quick.crt"), filepath.Join(dir, "quick.key")
	current := func() *x509.Certificate {
		t.Helper()
		return leaf(t, tlsConfig(t, open(t, o, spec)), "localhost")
	}
	first := current()

	spec.Hosts = []string{"localhost", "10.0.0.1"}
	second := current()
	if second.Equal(first) || second.VerifyHostname("10.0.0.1") != nil {
		t.Error("a new host is not in it")
	}
	if err := os.Remove(crt); err != nil {
		t.Fatal(err)
	}
	if got := current(); !got.PublicKey.(*ecdsa.PublicKey).Equal(first.PublicKey) {
		t.Error("the key did not stay where only the certificate was lost")
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if got := current(); got.PublicKey.(*ecdsa.PublicKey).Equal(first.PublicKey) {
		t.Error("no new key where it was lost")
	}

	// What is damaged is not replaced silently.
	good, err := os.ReadFile(crt)
	if err != nil {
		t.Fatal(err)
	}
	write(t, crt, bytes.Replace(good, []byte("CERTIFICATE"), []byte("X"), 1), 0o644)
	_, err = Open(t.Context(), []Spec{spec}, o)
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), crt) || !strings.Contains(err.Error(), key) {
		t.Errorf("damaged: %v", err)
	}
	write(t, crt, good, 0o644)
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err = Open(t.Context(), []Spec{spec}, o); err == nil || !strings.Contains(err.Error(), "make it 0600") {
		t.Errorf("open key: %v", err)
	}

	o.DataDir = filepath.Join(dir, "none")
	if _, err = Open(t.Context(), []Spec{spec}, o); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no data directory: %v", err)
	}
}

// TestSelfSignedRenewalFails: with a data directory that went away the old
// one stays, the failure is told once.
func TestSelfSignedRenewalFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	log, out := logTo()
	m := open(t, Options{DataDir: dir, Logger: log, Now: func() time.Time { return now }},
		Spec{Name: "quick", Source: SourceSelfSigned, Hosts: []string{"localhost"}})
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(selfSignedLife - 24*time.Hour)
	src := m.table.Load().order[0]
	src.poll()
	src.poll()
	if n := strings.Count(out.String(), "cannot be renewed"); n != 1 {
		t.Errorf("told %d times: %s", n, out)
	}
	if st := m.Status()[0]; st.Err == nil || !st.Usable {
		t.Errorf("status %+v", st)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	src.poll()
	if st := m.Status()[0]; st.Err != nil {
		t.Errorf("after repair: %v", st.Err)
	}
}
