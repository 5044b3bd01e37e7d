package issuer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"countersign/internal/fault"
)

// mapCache is a Cache of one goroutine.
type mapCache map[string][]byte

var errAway = errors.New("store is away")

func (c mapCache) GetCertificate(_ context.Context, key string) ([]byte, error) {
	if c == nil {
		return nil, errAway
	}
	if data, ok := c[key]; ok {
		return data, nil
	}
	return nil, fault.New("get", fault.NotFound, "none")
}

func (c mapCache) PutCertificate(_ context.Context, key string, data []byte) error {
	if c == nil {
		return errAway
	}
	c[key] = data
	return nil
}

func (c mapCache) DeleteCertificate(_ context.Context, key string) error {
	if c == nil {
		return errAway
	}
	if _, ok := c[key]; !ok {
		return fault.New("delete", fault.NotFound, "none")
	}
	delete(c, key)
	return nil
}

func TestCache(t *testing.T) {
	ctx := t.Context()
	store := mapCache{}
	production := newAuthorityCache(store, "https://one.example/", nil)
	staging := newAuthorityCache(store, "https://two.example/", nil)
	if err := staging.Put(ctx, "mx.example", []byte("a")); err != nil {
		t.Fatal(err)
	}
	if data, err := staging.Get(ctx, "mx.example"); string(data) != "a" || err != nil {
		t.Errorf("Get: %q, %v", data, err)
	}
	// autocert compares by ==.
	if _, err := production.Get(ctx, "mx.example"); err != autocert.ErrCacheMiss {
		t.Errorf("a certificate of another authority: %v", err)
	}
	for _, key := range []string{strings.Repeat("x", maxKey+1), "a b", "a\nb", "é"} {
		store[staging.prefix+key] = []byte("x")
		if _, err := staging.Get(ctx, key); err != autocert.ErrCacheMiss {
			t.Errorf("key %q reached the store: %v", key, err)
		}
	}
	for range 2 {
		if err := staging.Delete(ctx, "mx.example"); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}

	var told string
	away := newAuthorityCache(mapCache(nil), "https://one.example/", func(key string, err error) { told = key + " " + err.Error() })
	if _, err := away.Get(ctx, "mx.example"); !errors.Is(err, errAway) {
		t.Errorf("a store that is away must not be a miss: %v", err)
	}
	if err := away.Put(ctx, "mx.example", nil); !errors.Is(err, errAway) || told != "mx.example store is away" {
		t.Errorf("Put: %v, told %q", err, told)
	}
	if err := away.Delete(ctx, "mx.example"); !errors.Is(err, errAway) {
		t.Errorf("Delete: %v", err)
	}
}

func TestInspect(t *testing.T) {
	tr := newTransport(t.Context(), nil, ChallengeHTTP)
	plain := errors.New("no viable challenge")
	for _, body := range []string{"", "x", `[]`, `{"status":"ready"}`, `{"challenges":3}`, "-----BEGIN CERTIFICATE-----"} {
		if got := tr.inspect([]byte(body)); string(got) != body {
			t.Errorf("%q became %q", body, got)
		}
	}
	types := func(body string) (all []string) {
		t.Helper()
		var z struct {
			Status     string
			Challenges []struct{ Type string }
		}
		if err := json.Unmarshal(tr.inspect([]byte(body)), &z); err != nil || z.Status == "" {
			t.Fatalf("%v of %s", err, body)
		}
		for _, c := range z.Challenges {
			all = append(all, c.Type)
		}
		return all
	}
	pending := `{"status":"pending","challenges":[{"type":"tls-alpn-01","status":"pending"},{"type":"http-01","status":"pending"},{"type":"dns-01"}]}`
	if got := types(pending); len(got) != 1 || got[0] != "http-01" {
		t.Errorf("left: %v", got)
	}
	if err := tr.explain(plain); err != plain {
		t.Errorf("explained without a reason: %v", err)
	}
	types(`{"status":"invalid","challenges":[{"type":"http-01","status":"invalid","error":{"type":"urn:x:connection","detail":"no route"}}]}`)
	if err := tr.explain(plain); !errors.Is(err, plain) || !strings.Contains(err.Error(), "no route (urn:x:connection)") {
		t.Errorf("explained: %v", err)
	}
	types(pending)
	if err := tr.explain(plain); !strings.Contains(err.Error(), "no route") {
		t.Errorf("a new attempt forgets the reason: %v", err)
	}
	types(`{"status":"valid","challenges":[{"type":"http-01","status":"valid"}]}`)
	if err := tr.explain(plain); err != plain {
		t.Errorf("a success does not forget the reason: %v", err)
	}
}

// TestTransportEnds: nothing gets through once the Issuer is closed, and what
// hangs ends.
func TestTransportEnds(t *testing.T) {
	defer goleak.VerifyNone(t)
	arrived := make(chan struct{}, 1)
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer srv.Close()
	defer close(release)
	life, end := context.WithCancel(t.Context())
	tr := newTransport(life, nil, ChallengeHTTP)
	defer tr.closeIdle()
	go func() { <-arrived; end() }()
	for _, when := range []string{"under way", "afterwards"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.RoundTrip(req); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", when, err)
		}
	}
}

func TestWait(t *testing.T) {
	for failures, want := range map[int]time.Duration{
		0: time.Hour, 1: 2 * time.Minute, 2: 4 * time.Minute, 5: 32 * time.Minute, 9: 6 * time.Hour, 1000: 6 * time.Hour,
	} {
		if got := wait(failures); got != want {
			t.Errorf("after %d failures %v, want %v", failures, got, want)
		}
	}
}

func TestOverdue(t *testing.T) {
	i := New(Config{Cache: mapCache{}})
	defer i.Close()
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	leaf := func(life time.Duration) *x509.Certificate {
		return &x509.Certificate{NotBefore: begin, NotAfter: begin.Add(life)}
	}
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		life, age time.Duration
		late      bool
	}{
		"90 days, renewal begins": {90 * day, 61 * day, false},
		"90 days, late":           {90 * day, 71 * day, true},
		"a year, renewal begins":  {365 * day, 340 * day, false},
		"a year, late":            {365 * day, 346 * day, true},
		"6 days, in time":         {6 * day, 4 * day, false},
		"6 days, late":            {6 * day, 5 * day, true},
	} {
		if err := i.Overdue(leaf(c.life), begin.Add(c.age)); (err != nil) != c.late {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRetries: an authority that is away is asked at the planned times, and
// each outcome is delivered.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begin := time.Now()
		i := New(Config{
			Hosts: []string{"mx.example"}, DirectoryURL: "https://127.0.0.1:1/", Challenge: ChallengeHTTP, Cache: mapCache{},
			Deliver: func(o Outcome) {
				if o.Err == nil || o.Slot != (Slot{Host: "mx.example"}) {
					t.Errorf("outcome %+v", o)
				}
				at = append(at, time.Since(begin))
			},
		})
		i.transport.base.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, errAway }
		i.Start()
		time.Sleep(20 * time.Minute) // in the bubble's time
		i.Close()
		want := []time.Duration{0, 2 * time.Minute, 6 * time.Minute, 14 * time.Minute}
		if len(at) != len(want) {
			t.Fatalf("asked at %v", at)
		}
		for n := range want {
			if at[n] != want[n] {
				t.Errorf("asked at %v, want %v", at, want)
			}
		}
		// autocert forgets a failed order by a timer of a minute.
		time.Sleep(2 * time.Minute)
	})
}

func listen(t *testing.T, c Challenge) (*Responder, string) {
	t.Helper()
	r, err := Listen(c, "127.0.0.1:0", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r.Start()
	t.Cleanup(r.Close)
	return r, r.Addr().String()
}

func TestResponderHTTP(t *testing.T) {
	store := mapCache{}
	i := New(Config{Hosts: []string{"mx.example"}, DirectoryURL: "https://acme.example/", Challenge: ChallengeHTTP, Cache: store})
	defer i.Close()
	store[i.cache.prefix+"tok+http-01"] = []byte("tok.thumb")
	r, addr := listen(t, ChallengeHTTP)
	r.Route(map[string]*Issuer{"mx.example": i})
	const path = "/.well-known/acme-challenge/"
	for name, c := range map[string]struct {
		method, host, path string
		code               int
		body               string
	}{
		"answer":       {"GET", "mx.example", path + "tok", 200, "tok.thumb"},
		"with port":    {"GET", "MX.example:80", path + "tok", 200, "tok.thumb"},
		"other token":  {"GET", "mx.example", path + "other", 404, ""},
		"account key":  {"GET", "mx.example", path + "acme_account+key", 404, ""},
		"other host":   {"GET", "other.example", path + "tok", 404, ""},
		"other path":   {"GET", "mx.example", "/", 404, ""},
		"other method": {"POST", "mx.example", path + "tok", 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			req := httptest.NewRequestWithContext(t.Context(), c.method, "http://"+addr+c.path, nil)
			req.RequestURI, req.Host, req.Close = "", c.host, true
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body := make([]byte, 100)
			n, _ := res.Body.Read(body)
			if res.StatusCode != c.code || c.body != "" && string(body[:n]) != c.body {
				t.Errorf("%d %q", res.StatusCode, body[:n])
			}
		})
	}
}

func TestResponderTLSALPN(t *testing.T) {
	store := mapCache{}
	i := New(Config{Hosts: []string{"mx.example"}, DirectoryURL: "https://acme.example/", Challenge: ChallengeTLSALPN, Cache: store})
	defer i.Close()
	var asked atomic.Bool
	i.transport.base.DialContext = func(context.Context, string, string) (net.Conn, error) { asked.Store(true); return nil, errAway }
	r, addr := listen(t, ChallengeTLSALPN)
	r.Route(map[string]*Issuer{"mx.example": i})
	putChallenge(t, i, "mx.example")
	for name, c := range map[string]struct {
		host   string
		protos []string
		ok     bool
	}{
		"answer":          {"mx.example", []string{acme.ALPNProto}, true},
		"other host":      {"other.example", []string{acme.ALPNProto}, false},
		"no challenge":    {"mx.example", nil, false},
		"other protocols": {"mx.example", []string{acme.ALPNProto, "h2"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := tls.Dial("tcp", addr, &tls.Config{ServerName: c.host, NextProtos: c.protos, InsecureSkipVerify: true})
			if (err == nil) != c.ok {
				t.Fatalf("handshake: %v", err)
			}
			if err != nil {
				return
			}
			defer conn.Close()
			st := conn.ConnectionState()
			if st.NegotiatedProtocol != acme.ALPNProto || st.PeerCertificates[0].VerifyHostname(c.host) != nil {
				t.Errorf("state %+v", st)
			}
		})
	}
	if asked.Load() {
		t.Error("a handshake made the authority be asked")
	}
	// Close ends a connection that says nothing.
	idle, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	r.Close()
	if err := idle.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := idle.Read(make([]byte, 1)); errors.Is(err, context.DeadlineExceeded) || err == nil {
		t.Errorf("an idle connection after Close: %v", err)
	}
}

// putChallenge puts a challenge certificate where autocert looks for one that
// another node made.
func putChallenge(t *testing.T, i *Issuer, host string) {
	t.Helper()
	client := &acme.Client{Key: newKey(t)}
	c, err := client.TLSALPN01ChallengeCert("token", host)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.cache.Put(t.Context(), host+"+token", encode(t, c)); err != nil {
		t.Fatal(err)
	}
}
