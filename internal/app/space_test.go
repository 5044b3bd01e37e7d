package app

import (
	"errors"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/obs"
	"countersign/internal/sink"
)

// TestReserveIsReloaded: the reserve is that of the file. One beyond the disk is felt by clients, shown
// by health and metrics and recorded; without it mail goes on.
func TestReserveIsReloaded(t *testing.T) {
	w := startWorld(t, time.Now, "[store]\nreserve = \"900000GiB\"\n", func(sink.Message) error { return nil })
	if w.app.space.Fits(0, true) == nil {
		t.Fatal("the reserve of the start is not kept")
	}
	reload := func(extra string) {
		t.Helper()
		if restart, err := w.app.Reload(t.Context(), w.configure(extra)); err != nil || len(restart) > 0 {
			t.Fatal(restart, err)
		}
	}
	recorded := func(kind audit.Kind) func() bool {
		return func() bool {
			events, err := w.app.Store().Search(t.Context(), audit.Query{Kind: kind, Limit: 10})
			return err == nil && len(events) == 1
		}
	}
	w.until("the record of it", recorded(audit.StoreLow))
	if err := w.app.health.Run(t.Context())["space"]; !errors.As(err, new(obs.Warning)) {
		t.Errorf("health says %v", err)
	}
	if w.app.space.Free() <= 0 {
		t.Error("no free space is shown")
	}
	reload("[store]\nreserve = \"0\"\n")
	w.until("the record of the end", recorded(audit.StoreRegained))
	if err := w.app.space.Fits(1<<50, true); err != nil {
		t.Error(err)
	}
	reload("[store]\nreserve = \"900000GiB\"\n")
	if w.app.space.Fits(0, false) == nil {
		t.Error("a reserve that came with a reload is not kept")
	}
}
