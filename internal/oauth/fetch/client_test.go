package fetch

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
)

func TestCheckURL(t *testing.T) {
	secure, plain := &url.URL{Scheme: "https", Host: "id.example.org"}, &url.URL{Scheme: "http", Host: "127.0.0.1:9998"}
	for _, c := range []struct {
		text string
		base *url.URL
		good bool
	}{
		{"https://id.example.org", nil, true}, {"https://id.example.org/realm/", nil, true}, {"https://id.example.org:8443", nil, true},
		{"http://127.0.0.1:9998/", nil, true}, {"http://[::1]:9998/", nil, true}, {"http://localhost:9998", nil, true}, {"http://127.1.2.3", nil, true},
		{"http://id.example.org", nil, false}, {"http://10.0.0.1", nil, false}, {"http://localhost.example.org", nil, false}, {"http://127.1", nil, false}, {"http://0.0.0.0", nil, false},
		{"ftp://127.0.0.1", nil, false}, {"file:///etc/passwd", nil, false}, {"//id.example.org", nil, false}, {"id.example.org", nil, false}, {"https:id.example.org", nil, false}, {"https://", nil, false}, {"", nil, false},
		{"https://id.example.org?a=b", nil, false}, {"https://id.example.org?", nil, false}, {"https://id.example.org#a", nil, false}, {"https://u@id.example.org", nil, false}, {"https://u:p@id.example.org", secure, false},
		{"https://id.example.org/\x00", nil, false}, {"https://" + strings.Repeat("a", 3000), nil, false},
		{"https://other.example/keys?a=b", secure, true}, {"http://127.0.0.1/keys", secure, false}, {"http://127.0.0.1/keys", plain, true}, {"http://id.example.org/keys", plain, false}, {"https://id.example.org/keys", plain, true},
	} {
		if _, err := CheckURL(c.text, c.base); (err == nil) != c.good {
			t.Errorf("%.80q from %v: %v", c.text, c.base, err)
		}
	}
}

func TestSameHost(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"https://a.example/x", "https://A.example:443/y", true}, {"https://a.example", "https://b.example", false}, {"https://a.example", "https://a.example:8443", false},
		{"http://127.0.0.1:80", "https://127.0.0.1:80", false}, {"https://a.example", "https://a.example.b.example", false},
	} {
		a, _ := url.Parse(c.a)
		b, _ := url.Parse(c.b)
		if SameHost(a, b) != c.same {
			t.Errorf("%s, %s", c.a, c.b)
		}
	}
}

// server is a real one on loopback with TLS, the file of its CA, and a Client for it
// that has time.
func server(t *testing.T, handler http.HandlerFunc) (srv *httptest.Server, ca string, c *Client) {
	t.Helper()
	srv = httptest.NewTLSServer(handler)
	t.Cleanup(srv.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return srv, ca, client(t, srv.URL, ca, time.Minute)
}

func client(t *testing.T, base, ca string, timeout time.Duration) *Client {
	t.Helper()
	u, err := CheckURL(base, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{Base: u, CAFile: ca, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestRealServer asks over TLS, with the CA of the file and no other.
func TestRealServer(t *testing.T) {
	srv, _, c := server(t, func(w http.ResponseWriter, r *http.Request) {
		id, secret, ok := r.BasicAuth()
		w.Write([]byte(r.Method + " " + r.FormValue("token") + " " + id + " " + secret))
		if r.Method == "GET" && (ok || r.ContentLength > 0) {
			t.Error("a GET has a body or a secret")
		}
	})
	if text, err := c.Get(t.Context(), srv.URL+"/x"); err != nil || string(text) != "GET   " {
		t.Errorf("%q, %v", text, err)
	}
	text, err := c.Post(t.Context(), srv.URL, url.Values{"token": {"a&b"}}, url.UserPassword("i d", "p:ä"))
	if err != nil || string(text) != "POST a&b i+d p%3A%C3%A4" {
		t.Errorf("%q, %v", text, err)
	}
	stranger := client(t, srv.URL, "", time.Minute)
	if _, err := stranger.Get(t.Context(), srv.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
	if _, err := c.Get(t.Context(), "http://127.0.0.1:1/"); err == nil || !strings.Contains(err.Error(), "https") {
		t.Errorf("got %v", err)
	}
}

// TestAnswersThatAreNone: too long, another status, elsewhere, nothing, never.
func TestAnswersThatAreNone(t *testing.T) {
	hang := make(chan struct{})
	srv, ca, c := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/limit":
			w.Write(make([]byte, MaxAnswer))
		case "/long":
			w.Write(make([]byte, MaxAnswer+1))
		case "/header":
			w.Header().Set("X", strings.Repeat("x", 2*maxHeader))
		case "/away":
			http.Redirect(w, r, "/limit", http.StatusFound)
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/broken":
			w.Header().Set("Content-Length", "5")
			w.Write([]byte("a"))
		case "/hang":
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		case "/trickle":
			w.Write([]byte("a"))
			w.(http.Flusher).Flush()
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}
	})
	defer close(hang)
	if text, err := c.Get(t.Context(), srv.URL+"/limit"); err != nil || len(text) != MaxAnswer {
		t.Errorf("%d octets, %v", len(text), err)
	}
	for _, path := range []string{"/long", "/header", "/away", "/empty", "/broken", "/hang", "/trickle"} {
		asking := c
		if path == "/hang" || path == "/trickle" {
			asking = client(t, srv.URL, ca, 300*time.Millisecond)
		}
		text, err := asking.Get(t.Context(), srv.URL+path+"?token=s3cr3t")
		if err == nil || text != nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %q, %v", path, text, err)
		}
		if (path == "/away" || path == "/empty") != errors.Is(err, ErrStatus) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestEndlessAnswer: no more is read than is needed to see that it is too long.
func TestEndlessAnswer(t *testing.T) {
	sent := make(chan int, 1)
	srv, _, c := server(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk, total := make([]byte, 64<<10), 0
		for {
			n, err := w.Write(chunk)
			total += n
			if err != nil {
				break
			}
		}
		sent <- total
	})
	_, err := c.Get(t.Context(), srv.URL)
	if err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
	if n := <-sent; n > 32<<20 { // what lies in the buffers of the system is in it
		t.Errorf("%d octets were taken", n)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := ReadFile(path, 5); err != nil || string(text) != "12345" {
		t.Errorf("%q, %v", text, err)
	}
	for _, bad := range []string{path, dir, "/dev/zero", filepath.Join(dir, "none")} {
		if text, err := ReadFile(bad, 4); err == nil || text != nil {
			t.Errorf("%s: %q, %v", bad, text, err)
		}
	}
	for _, bad := range []string{path, dir, filepath.Join(dir, "none")} {
		if _, err := New(Config{CAFile: bad}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), bad) {
			t.Errorf("got %v", err)
		}
	}
}
