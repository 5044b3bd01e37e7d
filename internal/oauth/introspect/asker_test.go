package introspect

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
	"countersign/internal/login/pool"
	"countersign/internal/oauth/document"
	"countersign/internal/oauth/fetch"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// asker asks a provider that takes a second to find every token good; the value is how
// often it was asked.
func asker(t *testing.T, wait time.Duration) *Asker[int] {
	t.Helper()
	base, err := fetch.CheckURL("https://id.example.org", nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := fetch.New(fetch.Config{Base: base, Timeout: time.Minute, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		w := httptest.NewRecorder()
		w.WriteString(`{"active":true}`)
		return w.Result(), nil
	})})
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	a, err := New(Config[int]{
		Client: client, Endpoint: func(context.Context) (string, error) { return "https://id.example.org/x", nil }, Who: url.UserPassword("a", "b"),
		Judge: func(document.Object) Verdict[int] { asked++; return Verdict[int]{Good: true, Value: asked} },
		Now:   time.Now, Random: rand.Reader, Timeout: 10 * time.Second, Keep: time.Minute, Remembered: 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// TestMarks: what remembers a token is not the token, nor what another process makes
// of it.
func TestMarks(t *testing.T) {
	a, b := asker(t, 0), asker(t, 0)
	const token = "a-token-of-thirty-two-octets-....."
	first := a.mark(token)
	if first == b.mark(token) || first != a.mark(token) || first == a.mark(token+".") {
		t.Error("marks are wrong")
	}
	if _, err := a.Ask(t.Context(), token, pool.Ticket{}); err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%#v", a.good) + fmt.Sprintf("%#v", a.questions); strings.Contains(text, token) || bytes.Contains([]byte(text), []byte("thirty")) {
		t.Error("the token is kept")
	}
}

// TestHangingProvider is given up after the bound; Close gives up at once.
func TestHangingProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := asker(t, time.Hour)
		begin := time.Now()
		_, err := a.Ask(t.Context(), "x", pool.Ticket{})
		if !fault.Is(err, fault.Unavailable) || time.Since(begin) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		go func() {
			time.Sleep(time.Second)
			a.Close()
		}()
		begin = time.Now()
		_, err = a.Ask(t.Context(), "y", pool.Ticket{})
		if !fault.Is(err, fault.Unavailable) || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		_, err = a.Ask(t.Context(), "z", pool.Ticket{})
		if !fault.Is(err, fault.Unavailable) || time.Since(begin) != time.Second {
			t.Errorf("after Close: %v after %v", err, time.Since(begin))
		}
	})
}
