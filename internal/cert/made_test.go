package cert

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/seal"
)

// made is a certificate for tests and the clock it was made by.
type made struct {
	kind  string // "ecdsa" if empty
	bits  int    // of an RSA key; 2048 if 0
	hosts []string
	from  time.Time // now if zero
	life  time.Duration
}

// pems returns chain and key in PEM.
func (m made) pems(t testing.TB) (chain, key []byte) {
	t.Helper()
	signer := newKey(t, m.kind, m.bits)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	if m.from.IsZero() {
		m.from = time.Now()
	}
	if m.life == 0 {
		m.life = 90 * 24 * time.Hour
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "test"}, DNSNames: m.hosts,
		NotBefore: m.from.Add(-time.Minute), NotAfter: m.from.Add(m.life),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// files writes chain and key under dir and returns the Spec for them.
func (m made) files(t testing.TB, dir, name string) Spec {
	t.Helper()
	s := Spec{Name: name, Source: SourceFiles, CertFile: filepath.Join(dir, name+".pem"), KeyFile: filepath.Join(dir, name+".key")}
	chain, key := m.pems(t)
	write(t, s.CertFile, chain, 0o644)
	write(t, s.KeyFile, key, 0o600)
	return s
}

func newKey(t testing.TB, kind string, bits int) crypto.Signer {
	t.Helper()
	var signer crypto.Signer
	var err error
	switch kind {
	case "rsa":
		if bits == 0 {
			bits = 2048
		}
		signer, err = rsa.GenerateKey(rand.Reader, bits)
	case "ed25519":
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	default:
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// write replaces a file, as careful programs do, by a new one.
func write(t testing.TB, name string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := writeFile(name, data, mode); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, o Options, specs ...Spec) *Manager {
	t.Helper()
	if o.Sealer == nil {
		o.Sealer = testSealer(t)
	}
	m, err := Open(t.Context(), specs, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func tlsConfig(t *testing.T, m *Manager, names ...string) *tls.Config {
	t.Helper()
	c, err := m.TLSConfig(names, 0)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// handshake connects a client to a server configuration and returns what the
// client saw. One octet passes, so that tickets arrive.
func handshake(t testing.TB, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var srv sync.WaitGroup
	defer srv.Wait()
	defer near.Close() // before waiting, so that the server ends too
	srv.Go(func() {
		defer far.Close()
		s := tls.Server(far, server)
		if s.Handshake() == nil {
			_, _ = s.Write([]byte("x")) // the client tells if it does not come
		}
	})
	c := tls.Client(near, client)
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := c.Handshake(); err != nil {
		return tls.ConnectionState{}, err
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Errorf("after the handshake: %v", err)
	}
	return c.ConnectionState(), nil
}

// leaf makes a handshake that must succeed and returns the certificate.
func leaf(t *testing.T, server *tls.Config, name string) *x509.Certificate {
	t.Helper()
	st, err := handshake(t, server, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		t.Fatalf("server name %q: %v", name, err)
	}
	return st.PeerCertificates[0]
}

// testSealer seals what the tests keep, always with the same key.
func testSealer(t *testing.T) *seal.Sealer {
	t.Helper()
	s, err := seal.New(make([]byte, 32), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// logTo returns a logger and what it wrote.
func logTo() (*slog.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	return slog.New(slog.NewTextHandler(&out, nil)), &out
}

// memoryCache is a Cache for tests.
type memoryCache struct {
	mu   sync.Mutex
	data map[string][]byte
	// broken makes every method fail.
	broken bool
}

var errBroken = errors.New("store is away")

func (c *memoryCache) GetCertificate(_ context.Context, key string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return nil, errBroken
	}
	data, ok := c.data[key]
	if !ok {
		return nil, fault.New("cache.get", fault.NotFound, "no %s", key)
	}
	return data, nil
}

func (c *memoryCache) PutCertificate(_ context.Context, key string, data []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return errBroken
	}
	if c.data == nil {
		c.data = make(map[string][]byte)
	}
	c.data[key] = data
	return nil
}

func (c *memoryCache) DeleteCertificate(_ context.Context, key string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return errBroken
	}
	delete(c.data, key)
	return nil
}
