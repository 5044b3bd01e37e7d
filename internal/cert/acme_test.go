package cert

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/cert/issuer"
	"countersign/internal/fault"
	"countersign/internal/seal"
	"countersign/internal/testkit"
)

// refusingAuthority is an ACME directory that answers everything with an
// error, which must be enough for a clear report and no more. asked gets one
// element for each request.
func refusingAuthority(t *testing.T) (o ACMEOptions, asked <-chan string) {
	t.Helper()
	requests := make(chan string, 100)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r.URL.Path
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"type":"urn:ietf:params:acme:error:unauthorized","detail":"closed for holidays"}`))
	}))
	t.Cleanup(srv.Close)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	write(t, roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o644)
	return ACMEOptions{
		DirectoryURL: srv.URL + "/directory", AgreeTerms: true, Challenge: ChallengeHTTP,
		HTTPListen: "127.0.0.1:0", ALPNListen: "127.0.0.1:0", RootCAsFile: roots,
	}, requests
}

// TestACMEFails: without a certificate, handshakes fail at once, other
// certificates serve, and the reason is told; handshakes ask nobody.
func TestACMEFails(t *testing.T) {
	o, asked := refusingAuthority(t)
	log, out := logTo()
	m := open(t, Options{Cache: &memoryCache{}, Logger: log},
		Spec{Name: "acme", Source: SourceACME, Hosts: []string{"mx.Example.org"}, ACME: o},
		made{hosts: []string{"files.example"}}.files(t, t.TempDir(), "files"))
	testkit.Until(t, "the failure", func() bool { return m.Status()[0].Err != nil })

	st := m.Status()[0]
	if st.Usable || !st.NotAfter.IsZero() || len(st.Hosts) != 1 || st.Hosts[0] != "mx.example.org" || st.Algorithm != "ecdsa" {
		t.Errorf("status %+v", st)
	}
	for _, text := range []string{st.Err.Error(), m.Health().Error()} {
		if !strings.Contains(text, "closed for holidays") {
			t.Errorf("the reason is missing in %q", text)
		}
	}
	if !fault.Is(m.Health(), fault.Unavailable) {
		t.Errorf("kind of %v", m.Health())
	}

	for len(asked) > 0 {
		<-asked
	}
	own := tlsConfig(t, m, "acme")
	for range 3 {
		if _, err := handshake(t, own, &tls.Config{ServerName: "mx.example.org"}); err == nil {
			t.Error("a handshake without a certificate")
		}
	}
	if got := leaf(t, tlsConfig(t, m), "mx.example.org"); got.DNSNames[0] != "files.example" {
		t.Errorf("instead %v", got.DNSNames)
	}
	if len(asked) > 0 {
		t.Errorf("a handshake asked the authority for %s", <-asked)
	}
	m.Close()
	if n := strings.Count(out.String(), "cannot be obtained"); n != 1 {
		t.Errorf("told %d times: %s", n, out)
	}
}

// TestACMERestore: what was obtained before a restart serves at once, also
// while the authority is away.
func TestACMERestore(t *testing.T) {
	o, _ := refusingAuthority(t)
	o.RSA = true
	cache := &memoryCache{}
	spec := Spec{Name: "acme", Source: SourceACME, Hosts: []string{"mx.example.org", "old.example.org"}, ACME: o}
	for key, c := range map[string]made{
		"mx.example.org":     {hosts: []string{"mx.example.org"}},
		"mx.example.org+rsa": {kind: "rsa", hosts: []string{"mx.example.org"}},
		"old.example.org":    {hosts: []string{"old.example.org"}, from: time.Now().Add(-48 * time.Hour), life: time.Hour},
	} {
		chain, private := c.pems(t)
		keep(t, cache, prefixOf(t, o)+key, append(private, chain...))
	}
	keep(t, cache, prefixOf(t, o)+"old.example.org+rsa", []byte("garbage"))
	log, out := logTo()
	m := open(t, Options{Cache: cache, Logger: log}, spec)
	server := tlsConfig(t, m)
	if got := leaf(t, server, "mx.example.org"); got.PublicKeyAlgorithm != x509.ECDSA {
		t.Errorf("got %v", got.PublicKeyAlgorithm)
	}
	st, err := handshake(t, server, rsaOnly("mx.example.org"))
	if err != nil || st.PeerCertificates[0].PublicKeyAlgorithm != x509.RSA {
		t.Errorf("RSA client: %v", err)
	}
	testkit.Until(t, "all outcomes", func() bool {
		all := m.Status()
		return len(all) == 4 && all[0].Usable && all[1].Usable && !all[2].Usable && !all[3].Usable &&
			all[0].Err == nil && all[1].Err == nil && all[2].Err != nil && all[3].Err != nil
	})

	m.Close()
	if text := out.String(); !strings.Contains(text, "is of no use and is made anew") || !strings.Contains(text, "old.example.org+rsa") {
		t.Errorf("the damaged one is not told: %s", text)
	}

	other, err := seal.New(bytes.Repeat([]byte{2}, 32), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), []Spec{spec}, Options{Cache: cache, Sealer: other})
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "another key file") || !strings.Contains(err.Error(), StartAnew) {
		t.Errorf("another key file: %v", err)
	}

	cache.mu.Lock()
	cache.broken = true
	cache.mu.Unlock()
	if _, err := Open(t.Context(), []Spec{spec}, Options{Cache: cache, Sealer: testSealer(t)}); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), errBroken.Error()) {
		t.Errorf("store away: %v", err)
	}
}

// keep puts an entry into the cache as an earlier process would have.
func keep(t *testing.T, cache *memoryCache, key string, data []byte) {
	t.Helper()
	sealed, err := testSealer(t).Seal(seal.ACME, key, data)
	if err != nil {
		t.Fatal(err)
	}
	if err := cache.PutCertificate(t.Context(), key, sealed); err != nil {
		t.Fatal(err)
	}
}

// prefixOf learns the part of the cache's keys that stands for the authority:
// the account key is the first thing kept.
func prefixOf(t *testing.T, o ACMEOptions) string {
	t.Helper()
	cache := &memoryCache{}
	m := open(t, Options{Cache: cache}, Spec{Name: "x", Source: SourceACME, Hosts: []string{"x.example.org"}, ACME: o})
	var prefix string
	testkit.Until(t, "the account key", func() bool {
		cache.mu.Lock()
		defer cache.mu.Unlock()
		for key := range cache.data {
			if p, ok := strings.CutSuffix(key, "acme_account+key"); ok {
				prefix = p
				return true
			}
		}
		return false
	})
	m.Close()
	return prefix
}

// TestDeliver: a failure does not take away what there is, and neither does a
// certificate that is out of date.
func TestDeliver(t *testing.T) {
	log, out := logTo()
	o, _ := refusingAuthority(t)
	a, err := newACMESource(t.Context(), Spec{Name: "acme", Source: SourceACME, Hosts: []string{"mx.example.org"}, ACME: o},
		Options{Cache: &memoryCache{}, Sealer: testSealer(t), Logger: log, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	give := func(m made, err error) Status {
		t.Helper()
		got := issuer.Outcome{Slot: issuer.Slot{Host: "mx.example.org"}, Err: err}
		if err == nil {
			chain, key := m.pems(t)
			c, err := tls.X509KeyPair(chain, key)
			if err != nil {
				t.Fatal(err)
			}
			got.Cert = &c
		}
		a.deliver(got)
		return a.status()[0]
	}
	expired := made{hosts: []string{"mx.example.org"}, from: time.Now().Add(-48 * time.Hour), life: time.Hour}
	if st := give(expired, nil); st.Usable || st.Err == nil || len(a.pairs()) != 0 {
		t.Errorf("expired: %+v", st)
	}
	if st := give(made{hosts: []string{"mx.example.org"}}, nil); !st.Usable || st.Err != nil {
		t.Errorf("good: %+v", st)
	}
	for _, st := range []Status{give(made{}, errBroken), give(expired, nil)} {
		if !st.Usable || st.Err == nil || len(a.pairs()) != 1 {
			t.Errorf("good, then bad: %+v", st)
		}
	}
	if n := strings.Count(out.String(), "certificate in force"); n != 1 {
		t.Errorf("log: %s", out)
	}
	if n := strings.Count(out.String(), "cannot be renewed; the one in force stays"); n != 2 {
		t.Errorf("log: %s", out)
	}
}

// TestACMEReload: an unchanged source goes on, a changed one is replaced, and
// challenge listeners follow the specs.
func TestACMEReload(t *testing.T) {
	o, _ := refusingAuthority(t)
	o.HTTPListen = testkit.FreeAddress(t)
	spec := func(name, host string) Spec {
		return Spec{Name: name, Source: SourceACME, Hosts: []string{host}, ACME: o}
	}
	m := open(t, Options{Cache: &memoryCache{}}, spec("one", "one.example.org"), spec("two", "two.example.org"))
	if len(m.responders) != 1 {
		t.Errorf("%d listeners for one address", len(m.responders))
	}
	before := m.table.Load()
	if err := m.Reload(t.Context(), []Spec{spec("one", "one.example.org"), spec("two", "other.example.org")}); err != nil {
		t.Fatal(err)
	}
	after := m.table.Load()
	if after.byName["one"] != before.byName["one"] || after.byName["two"] == before.byName["two"] {
		t.Error("the unchanged one was replaced, or the changed one not")
	}

	// A second address that is taken: nothing changes.
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	bad := spec("two", "two.example.org")
	bad.ACME.HTTPListen = busy.Addr().String()
	err = m.Reload(t.Context(), []Spec{spec("one", "one.example.org"), bad})
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), busy.Addr().String()) {
		t.Errorf("a taken address: %v", err)
	}
	if m.table.Load() != after || !listens(o.HTTPListen) {
		t.Error("a failed reload changed something")
	}
	good := spec("three", "three.example.org")
	good.ACME.HTTPListen = testkit.FreeAddress(t)
	if err = m.Reload(t.Context(), []Spec{good, bad}); err == nil || listens(good.ACME.HTTPListen) {
		t.Errorf("a failed reload (%v) leaves a listener", err)
	}

	files := made{hosts: []string{"mx.example"}}.files(t, t.TempDir(), "files")
	if err := m.Reload(t.Context(), []Spec{files}); err != nil {
		t.Fatal(err)
	}
	if listens(o.HTTPListen) {
		t.Error("the challenge listener outlives its last certificate")
	}
	if err := m.Reload(t.Context(), []Spec{spec("one", "one.example.org")}); err != nil {
		t.Fatal(err)
	}
	if !listens(o.HTTPListen) {
		t.Error("no challenge listener")
	}
	m.Close()
	if listens(o.HTTPListen) {
		t.Error("the challenge listener outlives the Manager")
	}
}

func listens(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
