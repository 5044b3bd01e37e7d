package lockfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"countersign/internal/fault"
)

func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db.lock")
	for i, want := range []bool{true, false} {
		file, made, err := Open(path)
		if err != nil || made != want {
			t.Fatalf("open %d: made %v, %v", i+1, made, err)
		}
		info, err := file.Stat()
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("open %d: mode %v, %v", i+1, info.Mode(), err)
		}
		if _, err := file.WriteAt([]byte("1\n"), 0); err != nil {
			t.Error(err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := Open(filepath.Join(path, "x")); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("without a folder: %v", err)
	}
}

// TestStrange puts in the lock's place what another user could put there.
func TestStrange(t *testing.T) {
	for name, put := range map[string]func(path, other string) error{
		"a link to a file":    func(path, other string) error { return os.Symlink(other, path) },
		"a link to nothing":   func(path, other string) error { return os.Symlink(other+"2", path) },
		"a folder":            func(path, _ string) error { return os.Mkdir(path, 0o700) },
		"a pipe":              func(path, _ string) error { return syscall.Mkfifo(path, 0o600) },
		"a link to a device":  func(path, _ string) error { return os.Symlink("/dev/null", path) },
		"a link to this link": func(path, _ string) error { return os.Symlink(path, path) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			other := filepath.Join(dir, "other")
			if err := os.WriteFile(other, []byte("other\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "lock")
			if err := put(path, other); err != nil {
				t.Fatal(err)
			}
			if _, _, err := Open(path); !fault.Is(err, fault.Conflict) {
				t.Errorf("open: %v", err)
			}
			if text, err := os.ReadFile(other); err != nil || string(text) != "other\n" {
				t.Errorf("the other file holds %q, %v", text, err)
			}
			if _, err := os.Lstat(other + "2"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("what the link led to was made: %v", err)
			}
		})
	}
}
