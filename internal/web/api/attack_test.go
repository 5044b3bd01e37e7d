package api

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/web/api/client"
)

// TestAtOnce: of one client so many requests are worked on at a time, and others have theirs meanwhile.
func TestAtOnce(t *testing.T) {
	w := newWorld(t)
	begun, hold := make(chan struct{}), make(chan struct{})
	w.opt.Table = append(w.opt.Table, Operation{ID: "hang", Method: "GET", Path: "/hang", May: client.Read, Run: func(*Request) (any, error) {
		begun <- struct{}{}
		<-hold
		return nil, nil
	}})
	w.opt.Logger = slog.New(slog.DiscardHandler) // several write to it
	done := make(chan int, client.AtOnce)
	for range client.AtOnce {
		go func() { done <- w.ask("reader", "GET", "/api/v1/hang", "").Code }()
		<-begun
	}
	a := w.ask("reader", "GET", "/api/v1/things", "")
	problem(t, a, 503, "busy")
	if a.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if a := w.ask("all", "GET", "/api/v1/things", ""); a.Code != 200 {
		t.Errorf("another client: %d", a.Code)
	}
	close(hold)
	for range client.AtOnce {
		if code := <-done; code != 204 {
			t.Error(code)
		}
	}
	if a := w.ask("reader", "GET", "/api/v1/things", ""); a.Code != 200 {
		t.Errorf("afterwards: %d", a.Code)
	}
}

// TestNoText: what no store could be asked for is refused as a mistake, wherever it stands.
func TestNoText(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/api/v1/things/a%00b", "/api/v1/things/%ff"} {
		problem(t, w.ask("all", "GET", path, ""), 404, "not-found")
	}
	cursor := "MWEAYg" // of "1a\x00b"
	for _, query := range []string{"q=a%00b", "q=%ff", "cursor=" + cursor, "cursor=Mf8"} {
		problem(t, w.ask("all", "GET", "/api/v1/things?"+query, ""), 422, "invalid")
	}
	for _, body := range []string{`{"name":"a\u0000b"}`, `{"name":"a","list":["x","\u0000"]}`, `{"name":"a","in":{"inner":"\u0000"}}`} {
		if p := problem(t, w.ask("all", "POST", "/api/v1/things", body), 422, "invalid"); !strings.Contains(p.Detail, "NUL") {
			t.Errorf("%s: %s", body, p.Detail)
		}
	}
}

// TestBackendsAreNotNamed: what the gate lacks is named in its log, and not to clients.
func TestBackendsAreNotNamed(t *testing.T) {
	for _, k := range fault.Kinds() {
		p := problemOf(fault.New("x", k, "database at 10.0.0.5 is away"))
		if told := strings.Contains(fmt.Sprintf("%+v", p), "10.0.0.5"); told != (p.Status < 500) {
			t.Errorf("%s: %+v", k, p)
		}
	}
}

// TestBrowsers: no page of another site may use the API from a browser.
func TestBrowsers(t *testing.T) {
	w := newWorld(t)
	for _, method := range []string{"OPTIONS", "GET"} {
		r := httptest.NewRequestWithContext(context.Background(), method, "/api/v1/things", nil)
		r.TLS = &tls.ConnectionState{}
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "authorization")
		r.Header.Set("Cookie", "token="+w.tokens["all"])
		a := w.do(r)
		problem(t, a, 401, "token")
		for name := range a.Header() {
			if strings.HasPrefix(name, "Access-Control-") || name == "Set-Cookie" {
				t.Errorf("%s: %s is answered", method, name)
			}
		}
	}
	// A form of another site sends what needs no consent of ours (Fetch, CORS-safelisted content types).
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
		r := httptest.NewRequestWithContext(context.Background(), "POST", "/api/v1/things", strings.NewReader(`{"name":"a"}`))
		r.TLS = &tls.ConnectionState{}
		r.Header.Set("Authorization", "Bearer "+w.tokens["all"])
		r.Header.Set("Content-Type", kind)
		problem(t, w.do(r), 415, "media-type")
	}
}
