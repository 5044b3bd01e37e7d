package sqlite

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// TestOneFolderOneDatabase opens a second database beside one with large bodies, as
// a server and otherwise: it is refused, makes no file, and takes none away.
func TestOneFolderOneDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "test.db")
	s := openAt(t, path, true)
	var ids mail.IDSource
	id := ids.New()
	if err := acceptOne(io.Discard, s, id, 10); err != nil { // a large one
		t.Fatal(err)
	}
	before := bodyFiles(t, path)
	other := filepath.Join(filepath.Dir(path), "other.db")
	for _, server := range []bool{true, false} {
		two, err := Open(t.Context(), Options{Path: other, Server: server})
		if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), `"test.db"`) {
			t.Errorf("server %v: %v, %v", server, two, err)
		}
	}
	if _, err := OpenSide(t.Context(), Options{Path: other}, true); !fault.Is(err, fault.Conflict) {
		t.Errorf("the target of a copy: %v", err)
	}
	if _, err := os.Lstat(other); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a file: %v", err)
	}
	if n := bodyFiles(t, path); n != before || n == 0 {
		t.Errorf("%d bodies before, %d after", before, n)
	}
	checkBody(t, s, id)
}

// TestLinks opens a database by links that lead to it in several ways, before there
// is a file and afterwards: it has one lock and one folder of bodies.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "data", "test.db")
	links := map[string]string{
		"absolute":              path,
		"relative":              filepath.Join("..", "data", "test.db"),
		"to a link":             "absolute",
		"by the folder of one":  "folder/../data/test.db",
		"by a link to a folder": filepath.Join("straight", "test.db"),
	}
	place := filepath.Join(dir, "links")
	if err := errors.Join(os.MkdirAll(place, 0o700), os.MkdirAll(filepath.Join(dir, "far", "folder"), 0o700), os.MkdirAll(filepath.Dir(path), 0o700)); err != nil {
		t.Fatal(err)
	}
	// far/data is where "folder/.." leads, and not links/data.
	err := errors.Join(os.Symlink(filepath.Join("..", "far", "folder"), filepath.Join(place, "folder")),
		os.Symlink(filepath.Join("..", "data"), filepath.Join(dir, "far", "data")), os.Symlink(filepath.Dir(path), filepath.Join(place, "straight")))
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(place, name)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(t.Context(), Options{Path: filepath.Join(place, "relative"), Server: true}) // a link to nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	var ids mail.IDSource
	id := ids.New()
	if err := acceptOne(io.Discard, s, id, 10); err != nil {
		t.Fatal(err)
	}
	for name := range links {
		link := filepath.Join(place, name)
		two, err := Open(t.Context(), Options{Path: link, Server: true})
		if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "already used by process") {
			t.Errorf("%s: a second server: %v, %v", name, two, err)
		}
		command, err := Open(t.Context(), Options{Path: link})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkBody(t, command, id)
		if err := command.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := os.WriteFile(path+RestoringSuffix, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Path: filepath.Join(place, "absolute")}); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "not finished") {
		t.Errorf("beside an unfinished restore: %v", err)
	}
	if err := os.Symlink("round", filepath.Join(place, "round")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Path: filepath.Join(place, "round")}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a link to itself: %v", err)
	}
	if files, err := filepath.Glob(filepath.Join(place, "*.lock")); err != nil || len(files) > 0 {
		t.Errorf("locks beside the links: %v, %v", files, err)
	}
}
