package backup

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/store/sqlite"
)

// TestManifestLies changes one thing in the manifest of a backup: it is not
// restored, and nothing is left.
func TestManifestLies(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "live", "test.db"), true)
	s.must(true)
	s.must(true)
	folder := filepath.Join(dir, "backup")
	if _, err := makeIn(t, s, folder); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(folder, manifestName)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(m map[string]any){
		"no bodies":         func(m map[string]any) { m["bodies"] = []any{} },
		"one body less":     func(m map[string]any) { m["bodies"] = m["bodies"].([]any)[1:] },
		"no list of bodies": func(m map[string]any) { delete(m, "bodies") },
		"one row less":      func(m map[string]any) { m["rows"].(map[string]any)["delivery"] = 3 },
		"a table less":      func(m map[string]any) { delete(m["rows"].(map[string]any), "certificate") },
		"a table more":      func(m map[string]any) { m["rows"].(map[string]any)["x"] = 0 },
		"another schema":    func(m map[string]any) { m["schema"] = 1 },
		"something more":    func(m map[string]any) { m["bodys"] = m["bodies"] },
		"nothing":           func(map[string]any) {},
	} {
		t.Run(what, func(t *testing.T) {
			m := map[string]any{}
			if err := json.Unmarshal(text, &m); err != nil {
				t.Fatal(err)
			}
			change(m)
			changed, err := json.Marshal(m)
			if err == nil {
				err = os.WriteFile(name, changed, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			place := t.TempDir()
			_, err = restoreTo(t, folder, filepath.Join(place, "test.db"), false)
			if what == "nothing" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !fault.Is(err, fault.Corrupt) {
				t.Errorf("got %v", err)
			}
			files, err := filepath.Glob(filepath.Join(place, "*[a-z]"))
			for _, left := range files {
				if !strings.HasSuffix(left, ".lock") {
					t.Errorf("left %s", left)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRestoreBeside restores to another name in the folder of a store that is in
// use, where an earlier restore seems to have been cut off: nothing of that store
// is touched.
func TestRestoreBeside(t *testing.T) {
	dir, s, folder := backedUp(t)
	late := s.must(true)
	other := filepath.Join(dir, "live", "other.db")
	for range 2 {
		if _, err := restoreTo(t, folder, other, false); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), `"test.db"`) {
			t.Errorf("got %v", err)
		}
		if err := s.check(late); err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(other+sqlite.RestoringSuffix, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRestoreReplacesNothing lets a database, or its log, appear while a backup is
// being restored: it stays as it is, and nothing else is left.
func TestRestoreReplacesNothing(t *testing.T) {
	_, _, folder := backedUp(t)
	for _, suffix := range []string{"", "-wal"} {
		place := t.TempDir()
		path := filepath.Join(place, "test.db")
		_, err := Restore(t.Context(), RestoreOptions{From: folder, Path: path, Now: time.Now, Progress: func(what string, _, _ int64) {
			if what == "restoring" {
				if err := os.WriteFile(path+suffix, []byte("precious"), 0o600); err != nil {
					t.Error(err)
				}
			}
		}})
		if !fault.Is(err, fault.Conflict) {
			t.Errorf("%q: got %v", suffix, err)
		}
		if text, err := os.ReadFile(path + suffix); err != nil || string(text) != "precious" {
			t.Errorf("%q holds %q, %v", suffix, text, err)
		}
		left, err := os.ReadDir(place)
		if err != nil || len(left) != 2 { // the other's, and the lock
			t.Errorf("left %v, %v", left, err)
		}
	}
}

// TestRestoreAtTheLastMoment lets the database appear when nothing is looked at any
// more but by the system.
func TestRestoreAtTheLastMoment(t *testing.T) {
	place := t.TempDir()
	path := filepath.Join(place, "test.db")
	r := &restore{path: path, place: place, database: path + sqlite.RestoringSuffix}
	body := filepath.Join(place, sqlite.BodiesName, "body")
	err := errors.Join(os.Mkdir(filepath.Dir(body), 0o700), os.WriteFile(body, nil, 0o600),
		os.WriteFile(r.database, []byte("restored"), 0o600), os.WriteFile(path, []byte("precious"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.nameDatabase(); !fault.Is(err, fault.Conflict) {
		t.Errorf("got %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("it holds %q, %v", text, err)
	}
	if _, err := os.Lstat(filepath.Join(r.bodies(), "body")); err != nil {
		t.Errorf("the bodies have kept the name: %v", err)
	}
	if err := r.move(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("without links: %v", err)
	}
	if err := errors.Join(os.Remove(path), r.move()); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "restored" {
		t.Errorf("it holds %q, %v", text, err)
	}
}

// TestStrangePartial puts what is not ours in the place of an unfinished backup: it
// is refused, and nothing in it is removed.
func TestStrangePartial(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "live", "test.db"), true)
	s.must(true)
	partial := filepath.Join(dir, ".one.partial")
	victim := filepath.Join(dir, "victim")
	inside := filepath.Join(victim, "precious", "x")
	for what, put := range map[string]func() error{
		"a link":                     func() error { return os.Symlink(victim, partial) },
		"a link to nothing":          func() error { return os.Symlink(victim+"2", partial) },
		"a file":                     func() error { return os.WriteFile(partial, nil, 0o700) },
		"a folder that all may read": func() error { return errors.Join(os.Rename(victim, partial), os.Chmod(partial, 0o755)) },
		"a folder of another user": func() error {
			if os.Geteuid() != 0 {
				return os.Symlink("/", partial)
			}
			return errors.Join(os.Rename(victim, partial), os.Chown(partial, 65534, -1))
		},
	} {
		err := errors.Join(os.RemoveAll(partial), os.RemoveAll(victim), os.MkdirAll(filepath.Dir(inside), 0o700), os.WriteFile(inside, nil, 0o600), put())
		if err != nil {
			t.Fatal(err)
		}
		_, err = makeIn(t, s, filepath.Join(dir, "one"))
		if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), partial) {
			t.Errorf("%s: got %v", what, err)
		}
		if _, err := os.Lstat(inside); err != nil {
			if _, err := os.Lstat(filepath.Join(partial, "precious", "x")); err != nil {
				t.Errorf("%s: what was in it is gone: %v", what, err)
			}
		}
		if _, err := os.Lstat(victim + "2"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: made what it leads to: %v", what, err)
		}
	}
}

// TestBackupByLink makes a backup of a store by a link to its database: the bodies
// are those beside that.
func TestBackupByLink(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "live", "test.db"), true)
	id := s.must(true)
	link := filepath.Join(dir, "link.db")
	if err := os.Symlink(s.path, link); err != nil {
		t.Fatal(err)
	}
	m, err := Make(t.Context(), Options{Path: link, To: filepath.Join(dir, "backup"), Now: time.Now})
	if err != nil || len(m.Bodies) != 1 || len(m.Missing) != 0 {
		t.Errorf("got %+v, %v; the body of %s is not in it", m, err, id)
	}
}
