package app

import (
	"crypto/rand"
	"os"
	"slices"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/loadgen"
	"countersign/internal/seal"
	"countersign/internal/sink"
)

// TestReloadTakesKeys changes the key file of a gate that runs, and then damages it.
func TestReloadTakesKeys(t *testing.T) {
	w := newWorld(t, "", func(sink.Message) error { return nil })
	cfg := w.configure("")
	file, err := seal.Hold(cfg.DKIM.KeyFile, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	old := w.app.Sealer().ID()
	id, err := file.Add(true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.app.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if ids := w.app.Sealer().IDs(); !slices.Equal(ids, []string{id, old}) {
		t.Errorf("the gate has %v, want %s, %s", ids, id, old)
	}
	if err := os.WriteFile(cfg.DKIM.KeyFile, []byte("damaged\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.app.Reload(t.Context(), w.configure("[session]\nmax_recipients = 1\n")); !fault.Is(err, fault.Corrupt) {
		t.Errorf("with a damaged key file: %v", err)
	}
	o := w.load(1, 1)
	o.To = []string{"b@example.com", "c@example.com"} // more than the refused change allows
	if res, err := loadgen.Run(t.Context(), o); err != nil || res.Accepted != 1 {
		t.Errorf("the gate sends %+v, %v", res, err)
	}
	if ids := w.app.Sealer().IDs(); len(ids) != 2 {
		t.Errorf("the gate has %v", ids)
	}
}
