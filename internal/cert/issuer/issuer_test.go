package issuer

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/acme"

	"countersign/internal/fault"
	"countersign/internal/seal"
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

// sealerOf makes a sealer whose key is one octet repeated.
func sealerOf(t *testing.T, octet byte) *seal.Sealer {
	t.Helper()
	s, err := seal.New(bytes.Repeat([]byte{octet}, 32), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newIssuer fills in what a test does not care about. A test that is told
// something it did not ask for fails.
func newIssuer(t *testing.T, c Config) *Issuer {
	t.Helper()
	if c.Hosts == nil {
		c.Hosts = []string{"mx.example"}
	}
	if c.DirectoryURL == "" {
		c.DirectoryURL = "https://acme.example/"
	}
	if c.Sealer == nil {
		c.Sealer = sealerOf(t, 1)
	}
	c.Now, c.Every, c.Account = time.Now, time.Second, new(sync.Mutex)
	told := func(key string, err error) { t.Errorf("told of %s: %v", key, err) }
	if c.Unkept == nil {
		c.Unkept = told
	}
	if c.Dropped == nil {
		c.Dropped = told
	}
	i := New(c)
	t.Cleanup(i.Close)
	return i
}

// put keeps an entry of an Issuer.
func put(t *testing.T, i *Issuer, key string, data []byte) {
	t.Helper()
	if err := i.vault.put(t.Context(), key, data); err != nil {
		t.Fatal(err)
	}
}

func TestVault(t *testing.T) {
	ctx := t.Context()
	store := mapCache{}
	production := newIssuer(t, Config{Cache: store, DirectoryURL: "https://one.example/"}).vault
	staging := newIssuer(t, Config{Cache: store, DirectoryURL: "https://two.example/"})
	secret := []byte("the private key")
	put(t, staging, "mx.example", secret)
	if data, err := staging.vault.get(ctx, "mx.example"); !bytes.Equal(data, secret) || err != nil {
		t.Errorf("get: %q, %v", data, err)
	}
	for key, data := range store {
		if bytes.Contains(data, secret) {
			t.Errorf("%s lies open in the store", key)
		}
	}
	if _, err := production.get(ctx, "mx.example"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a certificate of another authority: %v", err)
	}
	for _, key := range []string{strings.Repeat("x", maxKey+1), "a b", "a\nb", "é"} {
		store[staging.vault.prefix+key] = []byte("x")
		if _, err := staging.vault.get(ctx, key); !fault.Is(err, fault.NotFound) {
			t.Errorf("key %q reached the store: %v", key, err)
		}
	}
	for range 2 {
		staging.vault.remove(ctx, "mx.example")
		if _, err := staging.vault.get(ctx, "mx.example"); !fault.Is(err, fault.NotFound) {
			t.Errorf("removed: %v", err)
		}
	}

	var told string
	away := newIssuer(t, Config{Cache: mapCache(nil), Unkept: func(key string, err error) { told = key + " " + err.Error() }}).vault
	if _, err := away.get(ctx, "mx.example"); !errors.Is(err, errAway) {
		t.Errorf("a store that is away must not be a miss: %v", err)
	}
	if err := away.put(ctx, "mx.example", nil); !errors.Is(err, errAway) || told != "mx.example store is away" {
		t.Errorf("put: %v, told %q", err, told)
	}
}

// TestEntriesOfNoUse: what was not sealed here for this very place counts as
// absent, and is told.
func TestEntriesOfNoUse(t *testing.T) {
	ctx := t.Context()
	for name, spoil := range map[string]func(i *Issuer, store mapCache, key string){
		"not sealed": func(_ *Issuer, store mapCache, key string) {
			store[key] = []byte("-----BEGIN PRIVATE KEY-----\n" + strings.Repeat("x", 64))
		},
		"damaged":         func(_ *Issuer, store mapCache, key string) { store[key][len(store[key])-1] ^= 1 },
		"cut":             func(_ *Issuer, store mapCache, key string) { store[key] = store[key][:5] },
		"of another host": func(i *Issuer, store mapCache, key string) { store[key] = store[i.vault.prefix+"other.example"] },
		"of another authority": func(i *Issuer, store mapCache, key string) {
			store[key] = mustSeal(t, i, seal.ACME, "acme/0000/mx.example")
		},
		"a signing key": func(i *Issuer, store mapCache, key string) { store[key] = mustSeal(t, i, seal.DKIM, key) },
	} {
		t.Run(name, func(t *testing.T) {
			store := mapCache{}
			var told []string
			i := newIssuer(t, Config{Cache: store, Dropped: func(key string, err error) {
				if !fault.Is(err, fault.Corrupt) {
					t.Errorf("told %v", err)
				}
				told = append(told, key)
			}})
			put(t, i, "mx.example", []byte("one"))
			put(t, i, "other.example", []byte("two"))
			spoil(i, store, i.vault.prefix+"mx.example")
			if data, err := i.vault.get(ctx, "mx.example"); !fault.Is(err, fault.NotFound) {
				t.Errorf("got %q, %v", data, err)
			}
			if len(told) != 1 || told[0] != "mx.example" {
				t.Errorf("told of %v", told)
			}
		})
	}
}

func mustSeal(t *testing.T, i *Issuer, p seal.Purpose, name string) []byte {
	t.Helper()
	sealed, err := i.c.Sealer.Seal(p, name, []byte("three"))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// TestWrongKeyFile: with another key file than the one that sealed the account
// or a certificate, nothing is restored, the authority is not asked, and
// nothing is overwritten. With the right one back all is as before.
func TestWrongKeyFile(t *testing.T) {
	for name, key := range map[string]string{"account": accountKey, "certificate": "mx.example"} {
		t.Run(name, func(t *testing.T) {
			store := mapCache{}
			right := newIssuer(t, Config{Cache: store, Deliver: func(Outcome) {}, Dropped: func(string, error) {}})
			put(t, right, key, []byte("anything"))
			before := maps.Clone(store)
			outcomes := make(chan error, 1)
			wrong := newIssuer(t, Config{Cache: store, Sealer: sealerOf(t, 2), Deliver: func(o Outcome) { outcomes <- o.Err }})
			wrong.base.DialContext = func(context.Context, string, string) (net.Conn, error) {
				t.Error("the authority is asked")
				return nil, errAway
			}
			err := wrong.Restore(t.Context())
			wrong.Start()
			for _, err := range []error{err, <-outcomes} {
				if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "another key file: "+right.c.Sealer.ID()) || !strings.Contains(err.Error(), StartAnew) {
					t.Errorf("told %v", err)
				}
			}
			wrong.Close()
			if !maps.EqualFunc(store, before, bytes.Equal) {
				t.Error("the store was changed")
			}
			if err := right.Restore(t.Context()); err != nil {
				t.Errorf("with the right key: %v", err)
			}
		})
	}
}

// TestCloseEndsAnOrder: nothing gets through once the Issuer is closed, and
// what hangs ends.
func TestCloseEndsAnOrder(t *testing.T) {
	defer goleak.VerifyNone(t)
	arrived := make(chan struct{}, 1)
	release := make(chan struct{})
	srv := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer srv.Close()
	defer close(release)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	i := newIssuer(t, Config{
		Cache: mapCache{}, DirectoryURL: srv.URL, Roots: roots, Challenge: ChallengeHTTP,
		Deliver: func(o Outcome) { t.Errorf("after the end: %+v", o) },
	})
	i.Start()
	<-arrived
	began := time.Now()
	i.Close()
	if d := time.Since(began); d >= closeWait {
		t.Errorf("the end took %v", d)
	}
	select {
	case <-i.done:
	default:
		t.Error("the loop goes on")
	}
}

// TestBoundedReply: an answer without end is not read to the end.
func TestBoundedReply(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, maxReply+1))
	}))
	defer srv.Close()
	base := newTransport(nil)
	defer base.CloseIdleConnections()
	res, err := (&http.Client{Transport: bounded{base}}).Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if n, err := io.Copy(io.Discard, res.Body); err == nil || n > maxReply {
		t.Errorf("%d octets were read, %v", n, err)
	}
}

func TestSchedule(t *testing.T) {
	limited := &acme.Error{StatusCode: 429, ProblemType: "urn:ietf:params:acme:error:rateLimited", Header: http.Header{"Retry-After": {"36000"}}}
	for name, c := range map[string]struct {
		failures int
		err      error
		want     time.Duration
	}{
		"first":         {1, errAway, 2 * time.Minute},
		"second":        {2, errAway, 4 * time.Minute},
		"fifth":         {5, errAway, 32 * time.Minute},
		"ninth":         {9, errAway, 6 * time.Hour},
		"many":          {1000, errAway, 6 * time.Hour},
		"rate limit":    {1, fmt.Errorf("order: %w", limited), 10 * time.Hour},
		"no limit told": {1, &acme.Error{StatusCode: 403}, 2 * time.Minute},
	} {
		if got := retryAfter(c.failures, c.err); got != c.want {
			t.Errorf("%s: after %d failures %v, want %v", name, c.failures, got, c.want)
		}
	}
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for life, want := range map[time.Duration]time.Duration{90 * day: 60 * day, 365 * day: 335 * day, 6 * day: 4 * day, 15 * time.Second: 10 * time.Second} {
		if got := renewAt(&x509.Certificate{NotBefore: begin, NotAfter: begin.Add(life)}).Sub(begin); got != want {
			t.Errorf("a life of %v is renewed after %v, want %v", life, got, want)
		}
	}
	for n, want := range map[int]time.Duration{1: 500 * time.Millisecond, 4: 4 * time.Second, 5: -1} {
		if got := backoff(n, nil, &http.Response{StatusCode: http.StatusServiceUnavailable}); got != want {
			t.Errorf("request %d is made again after %v, want %v", n, got, want)
		}
	}
	if got := backoff(1, nil, &http.Response{StatusCode: http.StatusTooManyRequests}); got > 0 {
		t.Errorf("too many requests are answered by another after %v", got)
	}
}

// TestRetries: an authority that is away is asked at the planned times, and
// each outcome is delivered.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begin := time.Now()
		i := newIssuer(t, Config{
			DirectoryURL: "https://127.0.0.1:1/", Challenge: ChallengeHTTP, Cache: mapCache{},
			Deliver: func(o Outcome) {
				if o.Err == nil || o.Slot != (Slot{Host: "mx.example"}) {
					t.Errorf("outcome %+v", o)
				}
				at = append(at, time.Since(begin))
			},
		})
		i.base.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, errAway }
		i.Start()
		time.Sleep(20 * time.Minute) // in the bubble's time
		i.Close()
		want := []time.Duration{0, 2 * time.Minute, 6 * time.Minute, 14 * time.Minute}
		if !slices.Equal(at, want) {
			t.Errorf("asked at %v, want %v", at, want)
		}
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
	i := newIssuer(t, Config{Challenge: ChallengeHTTP, Cache: store})
	put(t, i, "tok+http-01", []byte("tok.thumb"))
	put(t, i, accountKey, []byte("the account's key"))
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
	i := newIssuer(t, Config{Challenge: ChallengeTLSALPN, Cache: store})
	var asked atomic.Bool
	i.base.DialContext = func(context.Context, string, string) (net.Conn, error) { asked.Store(true); return nil, errAway }
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

// putChallenge puts a challenge certificate where another node would.
func putChallenge(t *testing.T, i *Issuer, host string) {
	t.Helper()
	key, err := newKey(false)
	if err != nil {
		t.Fatal(err)
	}
	client := &acme.Client{Key: key}
	name, answer, err := answerTo(client, &acme.Challenge{Type: string(ChallengeTLSALPN), Token: "token"}, host)
	if err != nil {
		t.Fatal(err)
	}
	put(t, i, name, answer)
}
