package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign/internal/fault"
)

// held makes a key file, its sealer and its holder.
func held(t *testing.T) (path string, s *Sealer, f *File) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "seal.key")
	s, err := LoadOrCreate(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f, err = Hold(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return path, s, f
}

// sealedBy seals something and says with which key.
func sealedBy(t *testing.T, s *Sealer) (sealed []byte, id string) {
	t.Helper()
	sealed, err := s.Seal(ACME, "x", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	return sealed, KeyOf(sealed)
}

// TestFollow changes the file under a sealer that is not told.
func TestFollow(t *testing.T) {
	path, s, f := held(t)
	running, err := LoadOrCreate(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	old, first := sealedBy(t, s)
	last, err := f.Add(false)
	if err != nil {
		t.Fatal(err)
	}
	if _, id := sealedBy(t, s); id != first {
		t.Errorf("sealed with %s after a key came last, want %s", id, first)
	}
	if err := f.Lead(last); err != nil {
		t.Fatal(err)
	}
	anew, id := sealedBy(t, s)
	if id != last {
		t.Errorf("sealed with %s, want %s, which leads", id, last)
	}
	for _, sealed := range [][]byte{anew, old} { // running has not looked yet
		if secret, err := running.Open(ACME, "x", sealed); err != nil || string(secret) != "secret" {
			t.Errorf("got %q, %v", secret, err)
		}
	}
	if ids := running.IDs(); !slices.Equal(ids, []string{last, first}) {
		t.Errorf("keys %v, want %s, %s", ids, last, first)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	before, err := f.Remove([]string{first})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", before, before, before, before); strings.Contains(text, "[") {
		t.Errorf("prints as %s", text)
	}
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(ACME, "x", old); !fault.Is(err, fault.Unavailable) {
		t.Errorf("with a removed key: %v", err)
	}
	if err := f.Restore(before); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(ACME, "x", old); err != nil {
		t.Errorf("after it came back: %v", err)
	}
}

// TestFollowBadFile damages the file under a sealer: what it has stays good.
func TestFollowBadFile(t *testing.T) {
	path, s, f := held(t)
	old, first := sealedBy(t, s)
	foreign, _ := sealedBy(t, newSealer(t, 7))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func() error{
		"damaged": func() error { return os.WriteFile(path, []byte(string(good)+"half a k"), 0o600) },
		"open":    func() error { return os.Chmod(path, 0o644) },
		"missing": func() error { return os.Remove(path) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			if _, id := sealedBy(t, s); id != first {
				t.Errorf("sealed with %s", id)
			}
			if _, err := s.Open(ACME, "x", old); err != nil {
				t.Errorf("open: %v", err)
			}
			_, err := s.Open(ACME, "x", foreign)
			if !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "half a k") {
				t.Errorf("of an unknown key: %v", err)
			}
			if err := s.Reload(); err == nil {
				t.Error("it is reloaded")
			}
			_, err = f.Add(true)
			if err == nil {
				t.Error("a key is added")
			}
			_ = os.Remove(path)
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := s.Reload(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestHoldIsAlone(t *testing.T) {
	path, _, f := held(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, link} {
		if _, err := Hold(name, rand.Reader); !fault.Is(err, fault.Conflict) {
			t.Errorf("a second time: %v", err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Hold(link, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	*f = *again // closed by held
	if _, err := f.Add(true); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", info.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := Hold(filepath.Join(t.TempDir(), "none"), rand.Reader); !fault.Is(err, fault.Invalid) {
		t.Errorf("without a file: %v", err)
	}
}

func TestChangesRefused(t *testing.T) {
	_, s, f := held(t)
	if _, err := f.Remove([]string{s.ID()}); !fault.Is(err, fault.Conflict) {
		t.Errorf("the first is removed: %v", err)
	}
	if err := f.Lead("0123456789abcdef"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown one leads: %v", err)
	}
	for range maxKeys - 1 {
		if _, err := f.Add(false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Add(false); !fault.Is(err, fault.Conflict) {
		t.Errorf("one too many: %v", err)
	}
	if err := s.Reload(); err != nil || len(s.IDs()) != maxKeys {
		t.Errorf("%d keys, %v", len(s.IDs()), err)
	}
}

// TestOwner keeps a file with whom it belongs to; it needs root, as the tests of the
// whole do.
func TestOwner(t *testing.T) {
	path, _, f := held(t)
	if os.Geteuid() == 0 {
		if err := os.Chown(path, 12345, 23456); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Add(true); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil || ownerOf(t, before) != ownerOf(t, after) || after.Mode() != before.Mode() || os.SameFile(before, after) {
		t.Errorf("%v became %v, %v", ownerOf(t, before), ownerOf(t, after), err)
	}
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := f.Touch(at); err != nil {
		t.Fatal(err)
	}
	if changed, err := f.Changed(); err != nil || !changed.Equal(at) {
		t.Errorf("changed at %v, %v", changed, err)
	}
}

func TestSeveralKeysInFile(t *testing.T) {
	line := func(octet byte) string {
		return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{octet}, 32)) + "\n"
	}
	for name, c := range map[string]struct {
		text string
		keys int
		kind fault.Kind
	}{
		"two":              {line(1) + line(2), 2, 0},
		"no last newline":  {line(1) + strings.TrimSpace(line(2)), 2, 0},
		"carriage returns": {strings.ReplaceAll(line(1)+line(2), "\n", "\r\n"), 2, 0},
		"twice the same":   {line(1) + line(1), 1, 0},
		"an empty line":    {line(1) + "\n" + line(2), 0, fault.Corrupt},
		"one is damaged":   {line(1) + "x" + line(2), 0, fault.Corrupt},
		"too long":         {strings.Repeat(line(1), 100), 0, fault.Corrupt},
	} {
		path := filepath.Join(t.TempDir(), "seal.key")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := LoadOrCreate(path, rand.Reader)
		switch {
		case c.keys == 0:
			if !fault.Is(err, c.kind) {
				t.Errorf("%s: got %v", name, err)
			}
		case err != nil || len(s.IDs()) != c.keys || s.ID() != newSealer(t, 1).ID():
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestReseal(t *testing.T) {
	_, s, f := held(t)
	old, _ := sealedBy(t, s)
	if same, changed, err := s.Reseal(ACME, "x", old); changed || err != nil || !bytes.Equal(same, old) {
		t.Errorf("with the same key: %v, %v", changed, err)
	}
	id, err := f.Add(true)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	anew, changed, err := s.Reseal(ACME, "x", old)
	if err != nil || !changed || KeyOf(anew) != id {
		t.Errorf("sealed by %s, %v, %v", KeyOf(anew), changed, err)
	}
	if secret, err := s.Open(ACME, "x", anew); err != nil || string(secret) != "secret" {
		t.Errorf("got %q, %v", secret, err)
	}
	if _, _, err := s.Reseal(ACME, "y", old); !fault.Is(err, fault.Corrupt) {
		t.Errorf("under another name: %v", err)
	}
}

// FuzzParse reads any text as that of a key file.
func FuzzParse(f *testing.F) {
	line := base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n"
	for _, seed := range []string{line, line + line, line + "\n", "\x00=\n", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parse("seal.key", text)
		switch {
		case err == nil && (len(c.keys) == 0 || len(c.keys) > maxKeys || len(c.keys) != len(c.secrets)):
			t.Errorf("%d keys of %d secrets", len(c.keys), len(c.secrets))
		case err != nil && !fault.Is(err, fault.Corrupt) && !fault.Is(err, fault.Invalid):
			t.Errorf("got %v", err)
		}
	})
}

// ownerOf returns user and group of a file.
func ownerOf(t *testing.T, info os.FileInfo) [2]uint32 {
	t.Helper()
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatalf("a file without owner: %T", info.Sys())
	}
	return [2]uint32{stat.Uid, stat.Gid}
}
