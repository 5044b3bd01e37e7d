package app

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"countersign/internal/sink"
)

// TestWebIsServed: it is there where it is configured, and gone after Stop.
func TestWebIsServed(t *testing.T) {
	w := newWorld(t, "[web]\nlisten = [\"127.0.0.1:0\"]\n", func(sink.Message) error { return nil })
	where := w.app.Addresses()["web"]
	res, err := http.Get("http://" + where + "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("/ answers %d", res.StatusCode)
	}
	if text := get(t, "http://"+w.app.Addresses()["metrics"]+"/metrics"); !strings.Contains(text, `countersign_web_requests_total{code="404",part="none"} 1`) {
		t.Error("it is not counted")
	}
	if err := w.app.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", where); err == nil {
		t.Error("it still listens after Stop")
	}
}
