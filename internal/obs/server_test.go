package obs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"countersign/internal/fault"
)

func startServer(t *testing.T, h *Health) (*Server, string) {
	t.Helper()
	reg := NewRegistry(Build{Version: "1.2.3", Revision: "abc"})
	extra := prometheus.NewCounter(prometheus.CounterOpts{Name: "countersign_test_things_total", Help: "x"})
	reg.MustRegister(extra)
	extra.Add(7)
	s := NewServer("127.0.0.1:0", reg, h, slog.New(slog.DiscardHandler))
	if s.Addr() != nil {
		t.Error("an address before Start")
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s, "http://" + s.Addr().String()
}

func get(t *testing.T, method, url string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(body)
}

func TestServer(t *testing.T) {
	defer goleak.VerifyNone(t)
	var h Health
	h.Add("store", func(context.Context) error { return nil })
	h.Add("certificates", func(context.Context) error { return errors.New("old") })
	h.Add("certificates", func(context.Context) error { return nil })
	s, base := startServer(t, &h)
	defer func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if _, err := http.Get(base + "/healthz"); err == nil {
			t.Error("it still answers after Stop")
		}
	}()

	code, _, body := get(t, "GET", base+"/metrics")
	for _, want := range []string{
		"countersign_test_things_total 7", "go_goroutines ", "process_open_fds ",
		`revision="abc",version="1.2.3"} 1`,
	} {
		if code != 200 || !strings.Contains(body, want) {
			t.Errorf("/metrics answers %d without %q", code, want)
		}
	}
	if code, _, body := get(t, "GET", base+"/healthz"); code != 200 || !strings.Contains(body, `"ok"`) {
		t.Errorf("/healthz: %d %s", code, body)
	}
	checkReady(t, base, 200, report{Status: "ok", Checks: map[string]string{"store": "ok", "certificates": "ok"}})

	h.Add("store", func(context.Context) error { return errors.New("disk full") })
	checkReady(t, base, 503, report{Status: "failing", Checks: map[string]string{"store": "disk full", "certificates": "ok"}})
	h.Add("store", func(context.Context) error { return fmt.Errorf("wrapped: %w", Warning("disk filling")) })
	checkReady(t, base, 200, report{Status: "ok", Checks: map[string]string{"store": "wrapped: warning: disk filling", "certificates": "ok"}})
	h.Add("store", func(context.Context) error { return errors.New("disk full") })
	if code, _, _ := get(t, "GET", base+"/healthz"); code != 200 {
		t.Errorf("/healthz answers %d where only a check fails", code)
	}
	for path, want := range map[string]int{"/": 404, "/metrics/x": 404, "/debug/pprof/": 404} {
		if code, _, _ := get(t, "GET", base+path); code != want {
			t.Errorf("%s answers %d", path, code)
		}
	}
	if code, _, _ := get(t, "POST", base+"/readyz"); code != http.StatusMethodNotAllowed {
		t.Errorf("POST answers %d", code)
	}
}

func checkReady(t *testing.T, base string, code int, want report) {
	t.Helper()
	gotCode, header, body := get(t, "GET", base+"/readyz")
	var got report
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if gotCode != code || got.Status != want.Status || len(got.Checks) != len(want.Checks) {
		t.Errorf("/readyz: %d %s", gotCode, body)
	}
	for k, v := range want.Checks {
		if got.Checks[k] != v {
			t.Errorf("check %s is %q, want %q", k, got.Checks[k], v)
		}
	}
	if header.Get("Content-Type") != "application/json" || header.Get("Cache-Control") != "no-store" {
		t.Errorf("header %v", header)
	}
}

func TestStartErrors(t *testing.T) {
	s, _ := startServer(t, &Health{})
	defer s.Stop(context.Background())
	second := NewServer(s.Addr().String(), NewRegistry(Build{}), &Health{}, slog.New(slog.DiscardHandler))
	err := second.Start()
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), s.Addr().String()) {
		t.Errorf("a taken port: %v", err)
	}
	if err := second.Stop(context.Background()); err != nil {
		t.Errorf("Stop without Start: %v", err)
	}
}

// TestLateCheck has a check that ends with its deadline, as one of a database does
// that is away: what is said is what it means.
func TestLateCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Health{}
		h.Add("store", func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("store: %w", ctx.Err())
		})
		h.Add("node", func(context.Context) error { return errors.New("no lease") })
		got := h.Run(t.Context())
		if got["store"] == nil || got["store"].Error() != "no answer within 3s" || got["node"] == nil || got["node"].Error() != "no lease" {
			t.Errorf("got %v", got)
		}
	})
}

// TestHealthHangs has a check that ignores its deadline: the answer comes all
// the same, and the check is not started again before it has come back.
func TestHealthHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Health
		release := make(chan struct{})
		var starts atomic.Int32
		h.Add("stuck", func(context.Context) error { starts.Add(1); <-release; return nil })
		h.Add("fine", func(context.Context) error { return nil })

		begin := time.Now()
		got := h.Run(t.Context())
		if !errors.Is(got["stuck"], errLate) || got["fine"] != nil || len(got) != 2 {
			t.Errorf("first run: %v", got)
		}
		if took := time.Since(begin); took != checkTimeout {
			t.Errorf("it took %v", took)
		}
		if got := h.Run(t.Context()); !errors.Is(got["stuck"], errBusy) || starts.Load() != 1 {
			t.Errorf("second run: %v after %d starts", got, starts.Load())
		}
		close(release)
		synctest.Wait()
		if got := h.Run(t.Context()); got["stuck"] != nil {
			t.Errorf("third run: %v", got)
		}
	})
}
