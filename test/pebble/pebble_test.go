package pebble

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"countersign/internal/cert"
	"countersign/internal/seal"
	"countersign/internal/store/sqlite"
	"countersign/internal/testkit"
)

// deadline bounds each wait for the authority.
const deadline = 25 * time.Second

// authority is a running Pebble.
type authority struct {
	// directory is its URL, trusted by the certificates in rootsFile.
	directory, rootsFile string
	// issued verifies what it issues.
	issued *x509.CertPool
	// httpAddr and tlsAddr are where it looks for challenges.
	httpAddr, tlsAddr string
	// log is what Pebble says.
	log *lines
	// down makes it end every connection without an answer.
	down atomic.Bool
}

const day = 24 * time.Hour

// startAuthority runs Pebble: every name resolves to 127.0.0.1, no waiting, no
// nonces refused for sport. Its certificates live as long as told.
func startAuthority(t *testing.T, life time.Duration) *authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	t.Setenv("PEBBLE_AUTHZREUSE", "0")

	a := &authority{httpAddr: testkit.FreeAddress(t), tlsAddr: testkit.FreeAddress(t), log: &lines{}}
	logger := log.New(a.log, "", 0)

	store := db.NewMemoryStore()
	authorityCA := ca.New(logger, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: uint64(life / time.Second)}})
	validator := va.New(logger, port(t, a.httpAddr), port(t, a.tlsAddr), false, resolver(t), store)
	front := wfe.New(logger, store, validator, authorityCA, []string{"pebble.test"}, false, false, 1, 1)
	srv := httptest.NewUnstartedServer(a.unlessDown(front.Handler()))
	srv.Config.ErrorLog = logger
	srv.StartTLS()
	t.Cleanup(srv.Close)

	a.directory = srv.URL + wfe.DirectoryPath
	a.rootsFile = filepath.Join(t.TempDir(), "roots.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(a.rootsFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	a.issued = x509.NewCertPool()
	if !a.issued.AppendCertsFromPEM(authorityCA.GetRootCert(0).PEM()) {
		t.Fatal("no root certificate")
	}
	return a
}

func (a *authority) unlessDown(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.down.Load() {
			panic(http.ErrAbortHandler) // ends the connection
		}
		h.ServeHTTP(w, r)
	})
}

// lines collects Pebble's log.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(p))
	return len(p), nil
}

// count says how many lines hold part.
func (l *lines) count(part string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.all {
		if strings.Contains(s, part) {
			n++
		}
	}
	return n
}

// resolver answers every A question with 127.0.0.1 and all else with nothing.
func resolver(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // Pebble asks over TCP
	if err != nil {
		t.Fatal(err)
	}
	srv := &dns.Server{Listener: ln, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			reply.Answer = append(reply.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET},
				A:   net.IPv4(127, 0, 0, 1),
			})
		}
		_ = w.WriteMsg(reply) // the asker asks again
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.ActivateAndServe() }()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}

func port(t *testing.T, address string) int {
	t.Helper()
	_, p, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// openStore opens the product's own store; a second open of the same folder
// finds what the first one kept.
func openStore(t *testing.T, dir string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "countersign.db"), Server: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// What Pebble logs for each new order and each new account.
const (
	newOrder   = "Added order"
	newAccount = "accounts in memory"
)

func (a *authority) spec(name string, c cert.Challenge, hosts ...string) cert.Spec {
	return cert.Spec{Name: name, Source: cert.SourceACME, Hosts: hosts, ACME: cert.ACMEOptions{
		DirectoryURL: a.directory, Email: "postmaster@example.org", AgreeTerms: true, Challenge: c,
		HTTPListen: a.httpAddr, ALPNListen: a.tlsAddr, RootCAsFile: a.rootsFile,
	}}
}

// open opens a Manager; what it logs is shown if the test fails.
func open(t *testing.T, store cert.Cache, specs ...cert.Spec) *cert.Manager {
	t.Helper()
	return openWith(t, store, cert.Options{Logger: slog.New(slog.NewTextHandler(testWriter{t}, nil))}, specs...)
}

// openWith opens a Manager that seals what it keeps, always with the same key.
func openWith(t *testing.T, store cert.Cache, o cert.Options, specs ...cert.Spec) *cert.Manager {
	t.Helper()
	sealer, err := seal.New(make([]byte, 32), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o.Cache, o.Sealer = store, sealer
	m, err := cert.Open(t.Context(), specs, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// wait waits until a condition on the certificates holds.
func wait(t *testing.T, m *cert.Manager, holds func([]cert.Status) bool) {
	t.Helper()
	limit := time.NewTimer(deadline)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds(m.Status()) {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("in vain waited; the certificates are %+v", m.Status())
		}
	}
}

func allWell(all []cert.Status) bool {
	return !slices.ContainsFunc(all, func(s cert.Status) bool { return !s.Usable || s.Err != nil })
}

// handshake makes a verified handshake and returns the server's certificate.
func (a *authority) handshake(t *testing.T, m *cert.Manager, client *tls.Config) *x509.Certificate {
	t.Helper()
	server, err := m.TLSConfig(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return // the client tells
		}
		defer conn.Close()
		_, _ = io.Copy(io.Discard, conn) // makes the handshake and waits for the end
	}()
	client.RootCAs = a.issued
	conn, err := tls.Dial("tcp", ln.Addr().String(), client)
	if err != nil {
		t.Fatalf("%s: %v", client.ServerName, err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

func TestChallenges(t *testing.T) {
	for _, challenge := range []cert.Challenge{cert.ChallengeHTTP, cert.ChallengeTLSALPN} {
		t.Run(string(challenge), func(t *testing.T) {
			a := startAuthority(t, 90*day)
			dir := t.TempDir()
			store := openStore(t, dir)
			spec := a.spec("mail", challenge, "mx.example.org", "smtp.example.org")
			spec.ACME.RSA = true
			m := open(t, store, spec)
			wait(t, m, allWell)
			served := map[string]*x509.Certificate{}
			for _, host := range spec.Hosts {
				got := a.handshake(t, m, &tls.Config{ServerName: host})
				if got.PublicKeyAlgorithm != x509.ECDSA {
					t.Errorf("%s: %v", host, got.PublicKeyAlgorithm)
				}
				served[host] = got
				old := &tls.Config{ServerName: host, MaxVersion: tls.VersionTLS12,
					CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}
				if got := a.handshake(t, m, old); got.PublicKeyAlgorithm != x509.RSA {
					t.Errorf("%s, RSA client: %v", host, got.PublicKeyAlgorithm)
				}
			}
			// Four certificates, none by the other challenge, no attempt in vain.
			// Pebble takes a host as proved by an earlier order now and then.
			if valid, invalid := a.log.count("set VALID"), a.log.count("set INVALID"); valid < len(spec.Hosts) || invalid != 0 {
				t.Errorf("%d validations, %d failed", valid, invalid)
			}
			if n := a.log.count("validate w/ HTTP"); (n > 0) != (challenge == cert.ChallengeHTTP) {
				t.Errorf("%d attempts over HTTP", n)
			}
			m.Close()
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			a.restart(t, dir, spec, served)
		})
	}
}

// restart opens another Manager on the store opened anew, which must serve the
// same certificates at once and order nothing. A host that is added is ordered
// with the account that there is.
func (a *authority) restart(t *testing.T, dir string, spec cert.Spec, served map[string]*x509.Certificate) {
	t.Helper()
	store := openStore(t, dir)
	orders := a.log.count(newOrder)
	again := open(t, store, spec)
	for host, before := range served {
		if after := a.handshake(t, again, &tls.Config{ServerName: host}); !after.Equal(before) {
			t.Errorf("%s: another certificate after a restart", host)
		}
	}
	wait(t, again, allWell)
	again.Close()
	if n := a.log.count(newOrder); n != orders {
		t.Errorf("a restart made %d orders for certificates that it had", n-orders)
	}

	spec.Hosts = append(slices.Clone(spec.Hosts), "new.example.org")
	more := open(t, store, spec)
	wait(t, more, allWell)
	a.handshake(t, more, &tls.Config{ServerName: "new.example.org"})
	if n := a.log.count(newOrder) - orders; n != 2 { // ECDSA and RSA
		t.Errorf("%d orders for one new host, want 2", n)
	}
	if n := a.log.count(newAccount); n != 1 {
		t.Errorf("%d accounts were made, want 1: the account's key is not kept", n)
	}
}

// TestUnreachable: the authority looks where nothing listens, and what it says
// about it reaches the operator.
func TestUnreachable(t *testing.T) {
	a := startAuthority(t, 90*day)
	spec := a.spec("mail", cert.ChallengeHTTP, "mx.example.org")
	spec.ACME.HTTPListen = testkit.FreeAddress(t)
	m := open(t, openStore(t, t.TempDir()), spec)
	wait(t, m, func(all []cert.Status) bool { return all[0].Err != nil })
	if err := m.Health(); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("health: %v", err)
	}
}
