package upkeep

import (
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/seal"
)

// TestBackupOfPostgres: the commands for files say what to use instead.
func TestBackupOfPostgres(t *testing.T) {
	cfg := config.Default()
	cfg.DataDir, cfg.Store.URL = t.TempDir(), "postgres://user@127.0.0.1:1/db"
	cfg.Complete()
	o := BackupOptions{Folder: filepath.Join(t.TempDir(), "backup"), Now: time.Now}
	if _, err := BackUp(t.Context(), cfg, o); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "pg_dump") {
		t.Errorf("got %v", err)
	}
	if _, err := Restore(t.Context(), cfg, o); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "pg_restore") {
		t.Errorf("got %v", err)
	}
	if _, err := Check(t.Context(), cfg, time.Now); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a check without a server: %v", err)
	}
}

// TestKeyState compares the key file with what is needed, and never makes one.
func TestKeyState(t *testing.T) {
	cfg := config.Default()
	cfg.DataDir = t.TempDir()
	cfg.Complete()
	want := func(state string, keys ...string) {
		t.Helper()
		got, err := KeyState(cfg, keys)
		if err != nil || got != state {
			t.Errorf("with %v: %q, %v; want %q", keys, got, err, state)
		}
	}
	want("not needed")
	want("missing", "0123456789abcdef")
	want("missing", "0123456789abcdef") // it still is
	sealer, err := seal.LoadOrCreate(cfg.DKIM.KeyFile, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	want("there", sealer.ID())
	want("another", "0123456789abcdef")
	want("another", "0123456789abcdef", sealer.ID())
}
