package seal

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"countersign/internal/fault"
)

func TestLoadOrCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal.key")
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			s, err := LoadOrCreate(path, rand.Reader)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = s.ID()
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("several keys were made: %v", ids)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(string(text), "\n"))
	if err != nil || len(key) != 32 {
		t.Errorf("the file holds %d octets, %v", len(key), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestLoadOrCreateRefuses(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(make([]byte, 32))
	cases := map[string]struct {
		content string
		mode    os.FileMode
		kind    fault.Kind
	}{
		"empty":            {"", 0o600, fault.Corrupt},
		"not base64":       {"hello!", 0o600, fault.Corrupt},
		"too short":        {good[:20], 0o600, fault.Corrupt},
		"readable by all":  {good, 0o644, fault.Invalid},
		"readable by some": {good, 0o640, fault.Invalid},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "seal.key")
			err := os.WriteFile(path, []byte(c.content), c.mode)
			if err != nil {
				t.Fatal(err)
			}
			err = os.Chmod(path, c.mode)
			if err != nil {
				t.Fatal(err)
			}
			_, err = LoadOrCreate(path, rand.Reader)
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), path) || strings.Count(err.Error(), "seal.keyfile") != 1 {
				t.Errorf("got %v", err)
			}
		})
	}
	_, err := LoadOrCreate(filepath.Join(t.TempDir(), "no", "seal.key"), rand.Reader)
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("no folder: %v", err)
	}
}

// TestLoaded: what a process has loaded is told once there is a sealer, and follows the
// file without a reload.
func TestLoaded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal.key")
	s, err := LoadOrCreate(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var l Loaded
	if ids := l.IDs(); ids != nil {
		t.Errorf("at first there are %v", ids)
	}
	if l.Set(s) != s {
		t.Error("another sealer came back")
	}
	f, err := Hold(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	id, err := f.Add(true)
	if err != nil {
		t.Fatal(err)
	}
	if ids := l.IDs(); len(ids) != 2 || ids[0] != id {
		t.Errorf("the file has %s in front, loaded are %v", id, ids)
	}
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if ids := l.IDs(); len(ids) != 2 || ids[0] != id {
		t.Errorf("with a damaged file %v are loaded", ids)
	}
}
