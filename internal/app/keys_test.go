package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/loadgen"
	"countersign/internal/sink"
)

// TestNoNewKeyFileBesideAnotherGate: a second gate without the key file is told to
// copy it, and makes no new one while another gate works with the old.
func TestNoNewKeyFileBesideAnotherGate(t *testing.T) {
	cluster := shared.Cluster(t)
	w := newWorld(t, onPostgres(cluster.Database(t), "gate-1"), func(sink.Message) error { return nil })
	s := w.reader(t)
	second := *w.app.cfg
	second.DKIM.KeyFile = filepath.Join(t.TempDir(), "seal.key")
	_, err := OpenSealer(t.Context(), &second, s)
	wantMissing(t, err, second.DKIM.KeyFile, "copy it from another gate")
	if !strings.Contains(err.Error(), "stop all gates") {
		t.Errorf("%v does not say what has to be stopped", err)
	}
	_, err = RenewSealer(t.Context(), &second, s)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), `node "gate-1" (gate.example.org) is up`) {
		t.Errorf("beside a gate that is up: %v", err)
	}
	if _, err := os.Stat(second.DKIM.KeyFile); err == nil {
		t.Fatal("a new key file was made")
	}
	if err := w.app.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := RenewSealer(t.Context(), &second, s); err != nil {
		t.Errorf("when all gates are stopped: %v", err)
	}
	if _, err := os.Stat(second.DKIM.KeyFile); err != nil {
		t.Error(err)
	}
}

// TestUnsignableIsNotReady: a gate that can sign for nobody it was asked to is not
// ready, and says of which domain.
func TestUnsignableIsNotReady(t *testing.T) {
	w := newWorld(t, "", func(sink.Message) error { return nil })
	ready := "http://" + w.app.Addresses()["metrics"] + "/readyz"
	if _, body := answerOf(t, ready); !strings.Contains(body, `"signing": "ok"`) {
		t.Errorf("at first: %s", body)
	}
	other := *w.app.cfg
	other.DKIM.KeyFile = filepath.Join(t.TempDir(), "seal.key")
	sealer, err := NewSealer(&other)
	if err != nil {
		t.Fatal(err)
	}
	d, err := w.app.Store().Domain(t.Context(), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := KeyMaker(w.app.cfg, sealer).Make(d.Name, d.Keys, w.app.opt.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.app.Admin("test").RekeyDomain(t.Context(), d, keys); err != nil {
		t.Fatal(err)
	}
	if res, err := loadgen.Run(t.Context(), w.load(1, 1)); err != nil || res.Accepted != 0 {
		t.Fatalf("%+v, %v", res, err)
	}
	if status, body := answerOf(t, ready); status != 503 || !strings.Contains(body, "mail of example.org is refused") {
		t.Errorf("ready: %d %s", status, body)
	}
}
