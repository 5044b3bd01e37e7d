package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/sink"
	"countersign/internal/testkit/pgcluster"
)

// TestNoNewKeyFileBesideAnotherGate: a second gate without the key file is told to
// copy it, and makes no new one while another gate works with the old.
func TestNoNewKeyFileBesideAnotherGate(t *testing.T) {
	cluster := pgcluster.Start(t, pgcluster.Options{NoSync: true})
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
