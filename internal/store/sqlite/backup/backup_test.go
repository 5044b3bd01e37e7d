package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlite"
	"countersign/internal/store/sqlite/bodies"
)

// store is a store that mail flows through.
type store struct {
	*sqlite.Store
	t    *testing.T
	path string
	ids  mail.IDSource
}

func openStore(t *testing.T, path string, server bool) *store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, Server: server})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &store{Store: s, t: t, path: path}
}

// accept stores a message for two recipients whose body is made of its id.
func (s *store) accept(large bool) (mail.ID, error) {
	id := s.ids.New()
	now := time.Now()
	a := &queue.Acceptance{
		Submission: queue.Submission{ID: id, Login: "a@example.org", Domain: "example.org", Customer: "acme", At: now, Expires: now.Add(time.Hour)},
		Content:    queue.Content{Head: []byte("A: b\r\n\r\n"), Body: []byte(id)},
		Events:     []audit.Event{{At: now, Kind: audit.Accepted, Submission: id, Data: map[string]string{"recipients": "2"}}},
	}
	for n := range 2 {
		a.Deliveries = append(a.Deliveries, queue.Delivery{
			Submission: id, N: n + 1, State: queue.Queued, Next: now,
			Recipient: mail.Recipient{To: mail.Address{Local: "b", Domain: "example.com"}},
		})
	}
	if large {
		f, err := s.NewBody(context.Background())
		if err == nil {
			_, err = f.Write(largeBody(id))
		}
		if err == nil {
			err = f.Seal()
		}
		if err != nil {
			return "", err
		}
		a.Content.Body, a.Content.Large = nil, f
	}
	return id, s.Accept(context.Background(), a)
}

func largeBody(id mail.ID) []byte { return bytes.Repeat([]byte(id+"\r\n"), 4000) }

// deliver reports both recipients of a submission as delivered.
func (s *store) deliver(id mail.ID) error {
	r := &queue.Report{Submission: id}
	for n := range 2 {
		r.Outcomes = append(r.Outcomes, queue.Outcome{N: n + 1, State: queue.Delivered})
		r.Events = append(r.Events, audit.Event{At: time.Now(), Kind: audit.DeliveryDelivered, Submission: id, Delivery: n + 1})
	}
	return s.Report(context.Background(), r)
}

// must returns what was accepted.
func (s *store) must(large bool) mail.ID {
	s.t.Helper()
	id, err := s.accept(large)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// check fails unless the content of a submission is whole.
func (s *store) check(id mail.ID) error {
	c, err := s.Content(context.Background(), id)
	if err != nil || c.Large == nil {
		return err
	}
	r, err := c.Large.Open()
	if err != nil {
		return err
	}
	var got bytes.Buffer
	_, err = got.ReadFrom(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	if !bytes.Equal(got.Bytes(), largeBody(id)) {
		return fmt.Errorf("the body of %s is not what was stored", id)
	}
	return nil
}

func makeIn(t *testing.T, s *store, to string) (*Manifest, error) {
	t.Helper()
	return Make(t.Context(), Options{Path: s.path, To: to, Version: "test", Now: time.Now})
}

func restoreTo(t *testing.T, from, path string, hold bool) (*Restored, error) {
	t.Helper()
	return Restore(t.Context(), RestoreOptions{From: from, Path: path, Hold: hold, Actor: "cli:tester", Now: time.Now})
}

// TestUnderLoad makes backups while messages with large bodies come and go as fast
// as they can, and restores each. What was accepted before a backup began and not
// delivered when it ended is in it, and every body that a backup names is whole.
func TestUnderLoad(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "live", "test.db"), true)
	stays := []mail.ID{s.must(true), s.must(false), s.must(true)}
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	passed := make(chan struct{}, 1)
	for range 4 {
		load.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id, err := s.accept(n%2 == 0)
				if err == nil {
					err = s.deliver(id)
				}
				if err != nil {
					t.Error(err)
					return
				}
				select {
				case passed <- struct{}{}:
				default:
				}
			}
		})
	}
	for n := range 5 {
		<-passed
		folder := filepath.Join(dir, fmt.Sprintf("backup-%d", n))
		m, err := makeIn(t, s, folder)
		if err != nil || len(m.Missing) > 0 {
			t.Fatalf("backup %d: %v, missing %v", n, err, m.Missing)
		}
		path := filepath.Join(dir, fmt.Sprintf("restored-%d", n), "test.db")
		if _, err := restoreTo(t, folder, path, false); err != nil {
			t.Fatalf("backup %d: %v", n, err)
		}
		checkRestored(t, path, stays, m)
	}
	cancel()
	load.Wait()
	waitBodies(t, filepath.Join(dir, "live"), 2)
}

// TestDeliveredMeanwhile: a message that is delivered between the copy of the
// database and that of its body is in the backup with its body, and leaves the
// server afterwards.
func TestDeliveredMeanwhile(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "live", "test.db"), true)
	id := s.must(true)
	delivered := false
	m, err := Make(t.Context(), Options{Path: s.path, To: filepath.Join(dir, "backup"), Now: time.Now, Progress: func(what string, _, _ int64) {
		if what != "bodies" || delivered {
			return
		}
		delivered = true
		if err := s.deliver(id); err != nil {
			t.Error(err)
		}
	}})
	if err != nil || !delivered || len(m.Missing) > 0 || len(m.Bodies) != 1 {
		t.Fatalf("delivered %v, %+v, %v", delivered, m, err)
	}
	if _, err := restoreTo(t, filepath.Join(dir, "backup"), filepath.Join(dir, "restored", "test.db"), false); err != nil {
		t.Fatal(err)
	}
	checkRestored(t, filepath.Join(dir, "restored", "test.db"), []mail.ID{id}, m)
	waitBodies(t, filepath.Join(dir, "live"), 0)
}

// TestOverDevices copies bodies where links do not reach.
func TestOverDevices(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "live", "test.db"), true)
	id := s.must(true)
	partial := filepath.Join(dir, "backup")
	if err := os.Mkdir(partial, 0o700); err != nil {
		t.Fatal(err)
	}
	w := &work{
		Options: Options{Now: time.Now}, pace: pace{ctx: t.Context()}, path: s.path, partial: partial,
		manifest: &Manifest{Format: Format, Made: time.Now()}, link: func(string, string) error { return syscall.EXDEV },
	}
	if err := w.run(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "restored", "test.db")
	if _, err := restoreTo(t, partial, path, false); err != nil {
		t.Fatal(err)
	}
	checkRestored(t, path, []mail.ID{id}, w.manifest)
}

// TestNobodyElseReads: all that is made is for the eyes of its owner.
func TestNobodyElseReads(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "live", "test.db"), true)
	s.must(true)
	folder, place := filepath.Join(dir, "backup"), filepath.Join(dir, "restored")
	if _, err := makeIn(t, s, folder); err != nil {
		t.Fatal(err)
	}
	if _, err := restoreTo(t, folder, filepath.Join(place, "test.db"), false); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{folder, place} {
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has the mode %v", path, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// waitBodies waits until a store has that many files of bodies.
func waitBodies(t *testing.T, place string, want int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(30 * time.Second); ; {
		files, err := filepath.Glob(filepath.Join(place, sqlite.BodiesName, "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == want {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("there are %d bodies, want %d", len(files), want)
		}
	}
}

// checkRestored looks at all that a restored store has.
func checkRestored(t *testing.T, path string, stays []mail.ID, m *Manifest) {
	t.Helper()
	s := openStore(t, path, true)
	items, err := s.List(t.Context(), queue.Filter{Limit: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(items)) != m.Rows["delivery"] {
		t.Errorf("%d deliveries are restored, the manifest has %d", len(items), m.Rows["delivery"])
	}
	var all []mail.ID
	for _, item := range items {
		all = append(all, item.Submission.ID)
		if err := s.check(item.Submission.ID); err != nil {
			t.Error(err)
		}
	}
	for _, id := range stays {
		if !slices.Contains(all, id) {
			t.Errorf("submission %s, which waited, is not in the backup", id)
		}
	}
	events, err := s.Search(t.Context(), audit.Query{Kind: audit.StoreRestored})
	if err != nil || len(events) != 1 || events[0].Actor != "cli:tester" || events[0].Data["made"] != m.Made.Format(time.RFC3339) {
		t.Errorf("the record has %+v, %v", events, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestHold restores what waits as held.
func TestHold(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "live", "test.db"), true)
	id := s.must(true)
	folder := filepath.Join(dir, "backup")
	if _, err := makeIn(t, s, folder); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "restored", "test.db")
	r, err := restoreTo(t, folder, path, true)
	if err != nil || r.Held != 2 {
		t.Fatalf("%d are held, %v", r.Held, err)
	}
	there := openStore(t, path, true)
	stats, err := there.Stats(t.Context())
	if err != nil || stats.Held != 2 || stats.Queued != 0 {
		t.Errorf("got %+v, %v", stats, err)
	}
	due, err := there.Due(t.Context(), time.Now().Add(time.Hour), queue.Position{}, 10)
	if err != nil || len(due) != 0 {
		t.Errorf("%d deliveries are due, %v", len(due), err)
	}
	n, err := there.Release(t.Context(), queue.Filter{Submission: id}, audit.Event{At: time.Now(), Kind: audit.DeliveryReleased})
	if err != nil || n != 2 {
		t.Errorf("%d were released, %v", n, err)
	}
}

// tree returns the files under a folder with their content, but for locks.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".lock") {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return all
}

// TestDamagedBackups: whatever is wrong with a backup is said, with the file, and
// nothing is changed.
func TestDamagedBackups(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "live", "test.db"), true)
	s.must(true)
	good := filepath.Join(dir, "good")
	m, err := makeIn(t, s, good)
	if err != nil || len(m.Bodies) != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	body := m.Bodies[0].Name
	edit := func(change func(m *Manifest)) func(string) error {
		return func(folder string) error {
			var changed Manifest
			text, err := os.ReadFile(filepath.Join(folder, manifestName))
			if err == nil {
				err = json.Unmarshal(text, &changed)
			}
			change(&changed)
			return errors.Join(err, os.Remove(filepath.Join(folder, manifestName)), changed.write(folder))
		}
	}
	flip := func(name string) func(string) error {
		return func(folder string) error {
			path := filepath.Join(folder, name)
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text[len(text)/2] ^= 1
			return os.WriteFile(path, text, 0o600)
		}
	}
	for name, c := range map[string]struct {
		damage func(folder string) error
		kind   fault.Kind
		says   string
	}{
		"no manifest":          {func(f string) error { return os.Remove(filepath.Join(f, manifestName)) }, fault.NotFound, "is no backup"},
		"half a manifest":      {func(f string) error { return os.Truncate(filepath.Join(f, manifestName), 50) }, fault.Corrupt, manifestName},
		"another format":       {edit(func(m *Manifest) { m.Format = 2 }), fault.Conflict, "format 2"},
		"a newer schema":       {edit(func(m *Manifest) { m.Schema = 99 }), fault.Conflict, "schema version 99"},
		"another database":     {edit(func(m *Manifest) { m.Database.Name = "/etc/passwd" }), fault.Corrupt, "/etc/passwd"},
		"a way out":            {edit(func(m *Manifest) { m.Bodies[0].Name = "bodies/../../x" }), fault.Corrupt, "../../x"},
		"a truncated database": {func(f string) error { return os.Truncate(filepath.Join(f, databaseName), 4096) }, fault.Corrupt, databaseName + " has 4096 octets instead of"},
		"a changed database":   {flip(databaseName), fault.Corrupt, databaseName + " has changed"},
		"no database":          {func(f string) error { return os.Remove(filepath.Join(f, databaseName)) }, fault.Corrupt, databaseName + " is missing"},
		"a truncated body":     {func(f string) error { return os.Truncate(filepath.Join(f, body), 7) }, fault.Corrupt, body + " has 7 octets instead of"},
		"a changed body":       {flip(body), fault.Corrupt, body + " has changed"},
		"no body":              {func(f string) error { return os.Remove(filepath.Join(f, body)) }, fault.Corrupt, body + " is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := filepath.Join(t.TempDir(), "bad")
			if err := os.CopyFS(bad, os.DirFS(good)); err != nil {
				t.Fatal(err)
			}
			if err := c.damage(bad); err != nil {
				t.Fatal(err)
			}
			place := filepath.Join(t.TempDir(), "data")
			_, err := restoreTo(t, bad, filepath.Join(place, "test.db"), false)
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
			if left := tree(t, place); len(left) != 0 {
				t.Errorf("left %v", left)
			}
		})
	}
	if _, err := restoreTo(t, good, filepath.Join(dir, "restored", "test.db"), false); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// backedUp opens a store at live/test.db of a folder, with a message in it, and makes
// a backup beside it.
func backedUp(t *testing.T) (dir string, s *store, folder string) {
	t.Helper()
	dir = t.TempDir()
	s = openStore(t, filepath.Join(dir, "live", "test.db"), true)
	s.must(true)
	folder = filepath.Join(dir, "backup")
	if _, err := makeIn(t, s, folder); err != nil {
		t.Fatal(err)
	}
	return dir, s, folder
}

// TestOccupied: nothing is restored over a store, beside a server, or where bodies
// of another are; and no backup is made into a folder with something in it.
func TestOccupied(t *testing.T) {
	dir, s, folder := backedUp(t)
	if _, err := makeIn(t, s, filepath.Join(dir, "nowhere", "backup")); !fault.Is(err, fault.NotFound) {
		t.Errorf("a backup in a folder that is not there: %v", err)
	}
	if _, err := makeIn(t, s, folder); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second backup in one folder: %v", err)
	}
	refused := func(what, path, why string) {
		t.Helper()
		before := tree(t, filepath.Dir(path))
		if _, err := restoreTo(t, folder, path, false); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", what, err)
		}
		after := tree(t, filepath.Dir(path))
		if len(before) != len(after) {
			t.Errorf("%s: files changed", what)
		}
	}
	refused("over a store in use", s.path, fmt.Sprintf("a server runs on %s, process %d: stop it", s.path, os.Getpid()))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	refused("over a store", s.path, "there is a database already")
	if err := os.Remove(s.path); err != nil {
		t.Fatal(err)
	}
	refused("beside another's bodies", s.path, "bodies of another database")
	log := filepath.Join(dir, "log", "test.db")
	if err := errors.Join(os.MkdirAll(filepath.Dir(log), 0o700), os.WriteFile(log+"-wal", []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	refused("beside another's log", log, "there is a database already ("+log+"-wal)")
}

// TestCutOff lets a restore end at each of its steps, as a crash would: nothing
// opens what is there, and another restore makes all of it.
func TestCutOff(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "live", "test.db"), true)
	id := s.must(true)
	folder := filepath.Join(dir, "backup")
	m, err := makeIn(t, s, folder)
	if err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(dir, "restored")
	path := filepath.Join(place, "test.db")
	r := &restore{
		RestoreOptions: RestoreOptions{From: folder, Path: path, Now: time.Now}, pace: pace{ctx: t.Context()},
		manifest: m, path: path, place: place, database: path + sqlite.RestoringSuffix,
	}
	unnamed := filepath.Join(place, restoringBodies)
	for i, step := range []func() error{
		func() error {
			return errors.Join(os.MkdirAll(place, 0o700), r.copyOne(m.Database, r.database))
		},
		func() error {
			to := filepath.Join(unnamed, strings.TrimPrefix(m.Bodies[0].Name, sqlite.BodiesName))
			return errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), r.copyOne(m.Bodies[0], to))
		},
		func() error { return bodies.New(unnamed).Claim("test.db") },
		func() error { _, err := r.finish(); return err },
		func() error { return os.Rename(unnamed, filepath.Join(place, sqlite.BodiesName)) },
		func() error { return os.Link(r.database, path) },
	} {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, Server: true})
		if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "not finished") {
			t.Fatalf("after step %d: %v, %v", i, s, err)
		}
	}
	if _, err := restoreTo(t, folder, path, false); err != nil {
		t.Fatal(err)
	}
	checkRestored(t, path, []mail.ID{id}, m)
}

// TestCanceled: a backup that is not finished leaves nothing, nor does one that was
// killed keep the next from being made.
func TestCanceled(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "live", "test.db"), true)
	s.must(true)
	folder := filepath.Join(dir, "to", "backup")
	if err := os.MkdirAll(filepath.Dir(folder), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Make(ctx, Options{Path: s.path, To: folder, Now: time.Now, Progress: func(what string, _, _ int64) {
		if what == "bodies" {
			cancel()
		}
	}})
	if !fault.Is(err, fault.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(folder)); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
	killed := filepath.Join(dir, "to", ".backup.partial", "bodies", "XX")
	if err := os.MkdirAll(killed, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := makeIn(t, s, folder); err != nil {
		t.Error(err)
	}
	if _, err := Verify(t.Context(), folder, nil); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "bodies", "XX")); !os.IsNotExist(err) {
		t.Error("what was left by another is in the backup")
	}
}

// TestCanceledRestore leaves the place as it was.
func TestCanceledRestore(t *testing.T) {
	dir, _, folder := backedUp(t)
	place := filepath.Join(dir, "restored")
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Restore(ctx, RestoreOptions{From: folder, Path: filepath.Join(place, "test.db"), Now: time.Now, Progress: func(what string, done, _ int64) {
		if what == "restoring" && done > 0 {
			cancel()
		}
	}})
	if !fault.Is(err, fault.Canceled) {
		t.Errorf("got %v", err)
	}
	if left := tree(t, place); len(left) != 0 {
		t.Errorf("left %d files", len(left))
	}
	openStore(t, filepath.Join(place, "test.db"), true) // or nothing could be opened there any more
}

// TestDamagedStore: what a damaged store still has is backed up, and what is
// missing is said.
func TestDamagedStore(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "live", "test.db"), true)
	ids := []mail.ID{s.must(true), s.must(true)}
	files, err := filepath.Glob(filepath.Join(dir, "live", "bodies", "*", "*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	if err := errors.Join(os.Remove(files[0]), os.Truncate(files[1], 3)); err != nil {
		t.Fatal(err)
	}
	m, err := makeIn(t, s, filepath.Join(dir, "backup"))
	for i, id := range ids { // in the order of the bodies, as the submissions are
		if want := "submission " + string(id) + " (body "; len(m.Missing) != 2 || !strings.HasPrefix(m.Missing[i], want) {
			t.Errorf("missing are %q, want %s…", m.Missing, want)
		}
	}
	if err != nil || len(m.Bodies) != 1 {
		t.Errorf("got %+v, %v", m, err)
	}
	if _, err := restoreTo(t, filepath.Join(dir, "backup"), filepath.Join(dir, "restored", "test.db"), false); err != nil {
		t.Error(err)
	}
}
