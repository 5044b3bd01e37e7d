package web

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/directory"
	"countersign/internal/fault"
)

var (
	key  = bytes.Repeat([]byte("k"), MinKey)
	noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	ask  = directory.Question{
		Login: "a@example.org", Password: "se<c>ret \u00fc", Client: netip.MustParseAddr("192.0.2.1"),
		Session: "01J9", Mechanism: "PLAIN",
	}
)

// callback starts a callback and a Web that asks it.
func callback(t testing.TB, handle http.HandlerFunc) *Web {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return asking(t, Options{URL: server.URL + "/ask?x=1", SendPassword: true})
}

// asking returns a Web with what its options lack.
func asking(t testing.TB, opt Options) *Web {
	t.Helper()
	opt.Name, opt.Key, opt.Connections, opt.Now = "panel", key, 2, func() time.Time { return noon }
	w, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// says is a callback that answers with a body.
func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, body)
	}
}

// fails wants an error of a kind that holds neither password nor hash.
func fails(t *testing.T, w *Web, kind fault.Kind, part string) {
	t.Helper()
	a, err := w.Ask(t.Context(), ask)
	if !fault.Is(err, kind) || a != nil {
		t.Errorf("%+v, %v; want %v", a, err, kind)
		return
	}
	if text := err.Error(); !strings.Contains(text, part) || strings.Contains(text, "se<c>ret") || strings.Contains(text, "SSHA") {
		t.Errorf("the error is %v; want %q in it, and no secret", err, part)
	}
}

// TestAnswer reads all that an answer may hold.
func TestAnswer(t *testing.T) {
	w := callback(t, says(` {"result":"found","login":"a@example.org","hash":"{SSHA}x","verified":false,"disabled":true,
		"plan":"p","customer":"c","aliases":["b@example.org"],"networks":["192.0.2.0/24","2001:db8::1"]} `))
	got, err := w.Ask(t.Context(), ask)
	want := &directory.Answer{
		Login: "a@example.org", Hash: "{SSHA}x", Disabled: true, Plan: "p", Customer: "c", Aliases: []string{"b@example.org"},
		Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")},
		Here:     true,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if w.Name() != "panel" {
		t.Errorf("its name is %q", w.Name())
	}
}

// TestResults: unknown and refused are so whatever else stands there.
func TestResults(t *testing.T) {
	fails(t, callback(t, says(`{"result":"unknown"}`)), fault.NotFound, "")
	fails(t, callback(t, says(`{"result":"refused","login":"a@example.org","verified":true}`)), fault.Unauthenticated, "")
	a, err := callback(t, says(`{"result":"found","login":"a@example.org","verified":true}`)).Ask(t.Context(), ask)
	if err != nil || !a.Verified {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestRequest: what arrives is what was asked, signed.
func TestRequest(t *testing.T) {
	var seen int
	w := callback(t, func(w http.ResponseWriter, r *http.Request) {
		seen++
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.Method != "POST" || r.URL.String() != "/ask?x=1" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		var got map[string]any
		if err := json.Unmarshal(body, &got); err != nil {
			t.Error(err)
		}
		want := map[string]any{
			"version": 1.0, "login": ask.Login, "password": ask.Password, "client": "192.0.2.1", "session": "01J9", "mechanism": "PLAIN",
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("it is asked %s", body)
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%d.%s", noon.Unix(), body)
		if got, want := r.Header.Get(SignatureHeader), fmt.Sprintf("t=%d,v1=%x", noon.Unix(), mac.Sum(nil)); got != want {
			t.Errorf("the signature is %s, want %s", got, want)
		}
		says(`{"result":"unknown"}`)(w, r)
	})
	fails(t, w, fault.NotFound, "")
	if seen != 1 {
		t.Errorf("asked %d times", seen)
	}
}

// TestSignature is a vector for those who write a callback; openssl says the same.
func TestSignature(t *testing.T) {
	got := Sign([]byte("0123456789abcdef0123456789abcdef"), time.Unix(1764158400, 0), []byte(`{"version":1,"login":"a@example.org"}`))
	const want = "t=1764158400,v1=6a28909df6725c217fb2367a292b4c718fd85faea3ef48e1144ba70ad03aba49"
	if got != want {
		t.Errorf("the signature is %s", got)
	}
	mac, err := hex.DecodeString(strings.TrimPrefix(got, "t=1764158400,v1="))
	if err != nil || len(mac) != sha256.Size {
		t.Errorf("%d octets, %v", len(mac), err)
	}
}

// TestPasswordIsKept: it is not sent where the callback has no need of it, and then
// nothing is believed to be verified.
func TestPasswordIsKept(t *testing.T) {
	var body atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		body.Store(string(text))
		says(`{"result":"found","login":"a@example.org","verified":true}`)(w, r)
	}))
	defer server.Close()
	fails(t, asking(t, Options{URL: server.URL}), fault.Corrupt, "not given")
	if text, _ := body.Load().(string); !strings.Contains(text, "a@example.org") || strings.Contains(text, "password") {
		t.Errorf("it is asked %s", text)
	}
}

// TestNoSense: what can be read in two ways, or in none, lets nobody in.
func TestNoSense(t *testing.T) {
	const found = `"result":"found","login":"a@example.org","hash":"{SSHA}x"`
	for body, part := range map[string]string{
		"":                                    "no JSON object",
		"null":                                "no JSON object",
		"[]":                                  "no JSON object",
		`"found"`:                             "no JSON object",
		"<html>":                              "no JSON object",
		"{":                                   "not JSON",
		"{" + found:                           "not JSON",
		"{" + found + ",}":                    "not JSON",
		"{" + found + "} {}":                  "behind",
		"{" + found + "} x":                   "behind",
		"{}":                                  "result",
		`{"result":""}`:                       "result",
		`{"result":"Found"}`:                  "result",
		"{" + found + `,"hash":"{SSHA}y"}`:    "twice",
		"{" + found + `,"verified":"true"}`:   "wrong type",
		"{" + found + `,"verified":1}`:        "wrong type",
		"{" + found + `,"disabled":null}`:     "wrong type",
		"{" + found + `,"Disabled":false}`:    "unknown",
		"{" + found + `,"more":1}`:            "unknown",
		"{" + found + `,"aliases":"x"}`:       "wrong type",
		"{" + found + `,"aliases":[["x"]]}`:   "wrong type",
		"{" + found + `,"networks":["home"]}`: "network",
		"{" + found + `,"plan":"` + "\xff\"}": "UTF-8",
		"{" + found + `,"networks":[` + strings.Repeat(`"192.0.2.1",`, directory.MaxNetworks) + `"192.0.2.1"]}`: "too many",
		"{" + found + `,"plan":` + strings.Repeat("[", 20000) + `}`:                                             "not JSON",
	} {
		t.Run(fmt.Sprintf("%.60s", body), func(t *testing.T) { fails(t, callback(t, says(body)), fault.Corrupt, part) })
	}
}

// TestDown: every status but 200, a redirect among them, another type and an answer
// without end are a directory that is down.
func TestDown(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		says(`{"result":"found","login":"a@example.org","verified":true}`)(w, r)
	}))
	defer other.Close()
	const good = `{"result":"found","login":"a@example.org","verified":true}`
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", other.URL)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			if code != http.StatusNoContent && code != http.StatusNotModified {
				_, _ = io.WriteString(w, good)
			}
		}
	}
	for name, handle := range map[string]http.HandlerFunc{
		"201": status(201), "204": status(204), "301": status(301), "302": status(302), "307": status(307), "308": status(308),
		"401": status(401), "404": status(404), "429": status(429), "500": status(500), "503": status(503),
		"another type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, good)
		},
		"no type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			_, _ = io.WriteString(w, good)
		},
		"broken off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, good)
		},
		"without end": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for {
				if _, err := io.WriteString(w, strings.Repeat(" ", 4096)); err != nil {
					return
				}
			}
		},
		"one octet too long": says(good + strings.Repeat(" ", MaxAnswer+1-len(good))),
		"a long header": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 2*maxHeader))
			says(good)(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) { fails(t, callback(t, handle), fault.Unavailable, "panel") })
	}
	if elsewhere.Load() != 0 {
		t.Error("a redirect was followed")
	}
	if _, err := callback(t, says(good+strings.Repeat(" ", MaxAnswer-len(good)))).Ask(t.Context(), ask); err != nil {
		t.Errorf("the longest answer: %v", err)
	}
}

// TestSlow: a question ends with its time, and says so; one that is given up too.
func TestSlow(t *testing.T) {
	came := make(chan struct{}, 1)
	hang := make(chan struct{})
	w := callback(t, func(_ http.ResponseWriter, r *http.Request) {
		came <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-hang:
		}
	})
	defer close(hang)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := w.Ask(ctx, ask); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "in time") {
		t.Errorf("too slow: %v", err)
	}
	select { // the first may have come before its end
	case <-came:
	default:
	}
	given, giveUp := context.WithCancel(t.Context())
	go func() { <-came; giveUp() }()
	if _, err := w.Ask(given, ask); !fault.Is(err, fault.Canceled) {
		t.Errorf("given up: %v", err)
	}
}

// TestGone: nobody listens any more.
func TestGone(t *testing.T) {
	server := httptest.NewServer(says(`{"result":"unknown"}`))
	w := asking(t, Options{URL: server.URL})
	fails(t, w, fault.NotFound, "")
	server.Close()
	fails(t, w, fault.Unavailable, "panel")
}

// TestTLS: the callback must have a certificate of the authority, for its address.
func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(says(`{"result":"unknown"}`))
	defer server.Close()
	server.Config.ErrorLog = nil
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, asking(t, Options{URL: server.URL, Authority: path}), fault.NotFound, "")
	fails(t, asking(t, Options{URL: server.URL}), fault.Unavailable, "certificate")
	// It is for example.com and 127.0.0.1, not for this other address of loopback.
	elsewhere := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	fails(t, asking(t, Options{URL: elsewhere, Authority: path}), fault.Unavailable, "certificate")
}

// TestOptions refuses what would send passwords in the clear, and keys that are
// none.
func TestOptions(t *testing.T) {
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := Options{Name: "panel", URL: "https://panel.example/ask", Key: key, Connections: 1}
	for _, u := range []string{"https://panel.example", "http://127.0.0.1:80/x", "http://[::1]/", "http://127.9.9.9/"} {
		o := good
		o.URL = u
		if _, err := New(o); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
	for name, spoil := range map[string]func(*Options){
		"no URL":             func(o *Options) { o.URL = "" },
		"http":               func(o *Options) { o.URL = "http://panel.example/" },
		"a name of loopback": func(o *Options) { o.URL = "http://localhost/" },
		"a look-alike":       func(o *Options) { o.URL = "http://127.0.0.1.example/" },
		"a user":             func(o *Options) { o.URL = "https://a:topsecret@panel.example/" },
		"no host":            func(o *Options) { o.URL = "https:///x" },
		"a broken one":       func(o *Options) { o.URL = "https://topsecret%zz" },
		"another scheme":     func(o *Options) { o.URL = "ftp://panel.example/" },
		"a short key":        func(o *Options) { o.Key = key[1:] },
		"no connections":     func(o *Options) { o.Connections = 0 },
		"no certificate":     func(o *Options) { o.Authority = file("empty", "") },
	} {
		o := good
		spoil(&o)
		if _, err := New(o); !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	good.Authority = filepath.Join(folder, "none")
	if _, err := New(good); !fault.Is(err, fault.Unavailable) {
		t.Errorf("no file: %v", err)
	}
	if got, err := ReadKey(file("key", "\n abc\n")); err != nil || string(got) != "abc" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := ReadKey(filepath.Join(folder, "none")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("no key: %v", err)
	}
	if _, err := ReadKey(file("huge", strings.Repeat("x", maxFile+1))); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a huge key: %v", err)
	}
}

// FuzzRead: no answer panics, and what is taken for one says so in so many words.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"result":"found","login":"a@example.org","hash":"{SSHA}x","aliases":["b"],"networks":["192.0.2.0/24"]}`))
	f.Add([]byte(`{"result":"unknown","result":"found"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := read(body)
		if err != nil {
			return
		}
		var plain map[string]any
		if err := json.Unmarshal(body, &plain); err != nil {
			t.Fatalf("taken though it is no JSON: %v", err)
		}
		if plain["result"] != a.Result {
			t.Errorf("the result %v is taken for %q", plain["result"], a.Result)
		}
		if verified, _ := plain["verified"].(bool); verified != a.Verified {
			t.Errorf("verified %v is taken for %v", plain["verified"], a.Verified)
		}
	})
}
