package bodies

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// TestClaim lets two databases claim a folder: one has it, also when many claim it
// at once, and what it holds stays.
func TestClaim(t *testing.T) {
	b := New(filepath.Join(t.TempDir(), "data", "bodies"))
	if err := b.Belongs("a.db"); err != nil {
		t.Errorf("before: %v", err)
	}
	var claims sync.WaitGroup
	var errs [8]error
	for i := range errs {
		claims.Go(func() { errs[i] = New(b.root).Claim([]string{"a.db", "b.db"}[i%2]) })
	}
	claims.Wait()
	has, other := "a.db", "b.db"
	if owned, err := b.Owned(has); err != nil || !owned {
		has, other = other, has
	}
	for i, err := range errs {
		if won := []string{"a.db", "b.db"}[i%2] == has; won != (err == nil) || err != nil && !fault.Is(err, fault.Conflict) {
			t.Errorf("claim %d, which has it: %v, got %v", i, won, err)
		}
	}
	id := stored(t, b)
	for _, ask := range []func(string) error{b.Claim, b.Belongs} {
		if err := ask(has); err != nil {
			t.Error(err)
		}
		if err := ask(other); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), has) || !strings.Contains(err.Error(), b.root) {
			t.Errorf("the other: %v", err)
		}
	}
	wantThere(t, b, id, true)
	if name, err := b.Holds(); err != nil || name != string(id) {
		t.Errorf("holds %q, %v", name, err)
	}
	if err := b.RemoveEmpty(); err == nil {
		t.Error("a folder with a body was removed")
	}
	wantThere(t, b, id, true)
}

// TestRemoveEmpty leaves nothing of a folder that was claimed and never used.
func TestRemoveEmpty(t *testing.T) {
	b := New(filepath.Join(t.TempDir(), "bodies"))
	if err := errors.Join(b.RemoveEmpty(), b.Claim("a.db"), os.Mkdir(filepath.Join(b.root, "XX"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if name, err := b.Holds(); err != nil || name != "" {
		t.Errorf("holds %q, %v", name, err)
	}
	if err := b.RemoveEmpty(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(b.root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left: %v", err)
	}
}

// TestDisputed: bodies that no file says whose they are go to a database that is
// alone, and to none where another is beside.
func TestDisputed(t *testing.T) {
	folder := t.TempDir()
	b := New(filepath.Join(folder, "bodies"))
	id := stored(t, b)
	for _, name := range []string{"a.db", "a.db.lock", "gone.db.lock"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Claim("b.db"); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "a.db") {
		t.Errorf("beside another: %v", err)
	}
	if err := b.Claim("a.db"); err != nil {
		t.Error(err)
	}
	wantThere(t, b, id, true)
}

// TestStrangeOwner: what is no name of a database is not believed.
func TestStrangeOwner(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"empty":  func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"a link": func(path string) error { return os.Symlink("/dev/null", path) },
		"a pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		b := New(t.TempDir())
		if err := put(filepath.Join(b.root, ownerName)); err != nil {
			t.Fatal(err)
		}
		if err := b.Claim("a.db"); err == nil {
			t.Errorf("%s: claimed", name)
		}
		if err := b.Belongs("a.db"); err == nil {
			t.Errorf("%s: belongs", name)
		}
	}
}

// broken ends with an error after some octets.
type broken struct{ from io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if errors.Is(err, io.EOF) {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// TestImport puts a body in place of another of which a backup has a link: that
// has the old one, whole, however the import ends.
func TestImport(t *testing.T) {
	dir := t.TempDir()
	b := New(filepath.Join(dir, "bodies"))
	id := stored(t, b)
	linked := filepath.Join(dir, "linked")
	if err := os.Link(b.path(id), linked); err != nil {
		t.Fatal(err)
	}
	holds := func(path, want string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v, want %q", path, got, err, want)
		}
	}
	cut := strings.Repeat("cut off", 20_000)
	if err := b.Import(id, broken{strings.NewReader(cut)}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	holds(linked, "content")
	holds(b.path(id), "content")
	if files, err := os.ReadDir(b.folder(id)); err != nil || len(files) != 1 {
		t.Errorf("left %v, %v", files, err)
	}
	// What a crash has left is no hindrance, and goes at the next start.
	part := b.path(id) + importing
	if err := os.Link(linked, part); err != nil {
		t.Fatal(err)
	}
	if err := b.Import(id, bytes.NewReader([]byte("another"))); err != nil {
		t.Error(err)
	}
	holds(linked, "content")
	holds(b.path(id), "another")
	if err := os.WriteFile(part, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := b.RemoveOthers(map[mail.ID]bool{id: true}); err != nil || n != 1 {
		t.Errorf("removed %d, %v", n, err)
	}
	if _, err := os.Lstat(part); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left: %v", err)
	}
	holds(b.path(id), "another")
}

// TestLockOfAnother: a lock that leads elsewhere is refused, and the owner of one
// that was there stays.
func TestLockOfAnother(t *testing.T) {
	dir := t.TempDir()
	b := New(filepath.Join(dir, "bodies"))
	target := filepath.Join(dir, "target")
	err := errors.Join(os.WriteFile(target, []byte("text\n"), 0o600), os.Symlink(target, b.root+lockSuffix))
	if err != nil {
		t.Fatal(err)
	}
	if release, err := b.Keep(t.Context()); !fault.Is(err, fault.Conflict) {
		t.Errorf("kept: %v, %v", release != nil, err)
	}
	if err := b.RemoveStored([]mail.ID{stored(t, b)}); !fault.Is(err, fault.Conflict) {
		t.Errorf("removed: %v", err)
	}
	if text, err := os.ReadFile(target); err != nil || string(text) != "text\n" {
		t.Errorf("the target holds %q, %v", text, err)
	}
	if err := errors.Join(os.Remove(b.root+lockSuffix), os.Rename(target, b.root+lockSuffix)); err != nil {
		t.Fatal(err)
	}
	uid := os.Geteuid()
	if uid == 0 {
		uid = 65534 // the folder stays root's
		if err := os.Chown(b.root+lockSuffix, uid, -1); err != nil {
			t.Fatal(err)
		}
	}
	release, err := b.Keep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(b.root + lockSuffix)
	if err != nil || int(info.Sys().(*syscall.Stat_t).Uid) != uid {
		t.Errorf("the lock belongs to another now: %v", err)
	}
}
