package bodies

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// stored makes a body and returns its id.
func stored(t *testing.T, b *Folder) mail.ID {
	t.Helper()
	f, err := b.Create()
	if err == nil {
		_, err = f.Write([]byte("content"))
	}
	if err := errors.Join(err, f.Seal()); err != nil {
		t.Fatal(err)
	}
	return f.ID()
}

// wantThere compares whether a body's file is there.
func wantThere(t *testing.T, b *Folder, id mail.ID, there bool) {
	t.Helper()
	_, err := os.Stat(b.path(id))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if (err == nil) != there {
		t.Fatalf("body %s is there: %v, want %v", id, err == nil, there)
	}
}

// TestKeep: while somebody keeps the folder nothing stored is removed, by whatever
// process; afterwards it is.
func TestKeep(t *testing.T) {
	root := filepath.Join(t.TempDir(), "bodies")
	backup, server, command := New(root), New(root), New(root)
	one, two, three := stored(t, server), stored(t, server), stored(t, server)
	release, err := backup.Keep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := server.RemoveStored([]mail.ID{one}); err != nil {
		t.Fatal(err)
	}
	if err := command.RemoveStored([]mail.ID{two}); err != nil {
		t.Fatal(err)
	}
	if n, err := server.RemovePutOff(); n != 1 || err != nil {
		t.Fatalf("%d removals wait, %v; want 1", n, err)
	}
	wantThere(t, server, one, true)
	wantThere(t, server, two, true)
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if n, err := server.RemovePutOff(); n != 0 || err != nil {
		t.Fatalf("%d removals wait after the end, %v", n, err)
	}
	wantThere(t, server, one, false)
	wantThere(t, server, two, true) // the command's, which the next start removes
	wantThere(t, server, three, true)
}

// TestKeepAtStart: a start that meets a backup removes what no submission names
// after it, and nothing that came meanwhile.
func TestKeepAtStart(t *testing.T) {
	b := New(filepath.Join(t.TempDir(), "bodies"))
	left, used := stored(t, b), stored(t, b)
	release, err := New(b.root).Keep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := b.RemoveOthers(map[mail.ID]bool{used: true}); n != 0 || err != nil {
		t.Fatalf("%d files were removed, %v", n, err)
	}
	wantThere(t, b, left, true)
	later := stored(t, b)
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if n, err := b.RemovePutOff(); n != 0 || err != nil {
		t.Fatalf("%d wait, %v", n, err)
	}
	wantThere(t, b, left, false)
	wantThere(t, b, used, true)
	wantThere(t, b, later, true)
}

// TestKeepIsForOne: a second backup is told who makes the first.
func TestKeepIsForOne(t *testing.T) {
	b := New(filepath.Join(t.TempDir(), "bodies"))
	release, err := b.Keep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lock, err := b.openLock()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := b.keptBy(lock); !fault.Is(err, fault.Conflict) {
		t.Errorf("got %v", err)
	}
	got := make(chan error)
	go func() {
		second, err := New(b.root).Keep(t.Context())
		if err == nil {
			err = second()
		}
		got <- err
	}()
	if err := release(); err != nil { // before its patience is over
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// TestOneThatCannotBeRemoved holds up no other.
func TestOneThatCannotBeRemoved(t *testing.T) {
	b := New(filepath.Join(t.TempDir(), "bodies"))
	bad, good := stored(t, b), stored(t, b)
	// A folder that is not empty cannot be removed, not even by root.
	if err := errors.Join(os.Remove(b.path(bad)), os.MkdirAll(filepath.Join(b.path(bad), "x"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := b.RemoveStored([]mail.ID{bad, good}); err == nil {
		t.Error("a failed removal was not told")
	}
	wantThere(t, b, good, false)
	if n, err := b.RemovePutOff(); n != 1 || err == nil {
		t.Errorf("%d wait, %v; want the one that failed", n, err)
	}
}

// TestLook sees what is there.
func TestLook(t *testing.T) {
	b := New(filepath.Join(t.TempDir(), "bodies"))
	id := stored(t, b)
	seen, err := b.Look(id)
	if err != nil || seen.Size != int64(len("content")) || time.Since(seen.Changed) > time.Minute {
		t.Errorf("got %+v, %v", seen, err)
	}
	var all []mail.ID
	err = b.Each(func(id mail.ID, _ time.Time) error {
		all = append(all, id)
		return nil
	})
	if err != nil || len(all) != 1 || all[0] != id {
		t.Errorf("got %v, %v", all, err)
	}
	if err := b.RemoveStored(all); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Look(id); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
}
