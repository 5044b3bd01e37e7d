package database

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"countersign/internal/fault"
	"countersign/internal/store/sqlkit"
)

// count is what the transactions of these tests keep in memory.
type count struct{ added int }

const firstStep = "CREATE TABLE thing (name TEXT PRIMARY KEY, value BLOB) STRICT; CREATE TABLE total (n INTEGER NOT NULL) STRICT; INSERT INTO total VALUES (0);"

// steps is a schema whose steps all programs may work on, but for those that begin
// with a line that says otherwise.
func steps(texts ...string) fs.FS {
	files := fstest.MapFS{}
	for i, text := range texts {
		if !strings.HasPrefix(text, "-- compatible: ") {
			text = "-- compatible: 1\n" + text
		}
		files[fmt.Sprintf("migrations/%04d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

func options(path string) Options[count] {
	return Options[count]{
		Path: path, Readers: 2, Migrations: steps(firstStep), Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Flush: func(t *Tx, c *count) error {
			if c.added == 0 {
				return nil
			}
			return t.Exec("UPDATE total SET n = n + ?", Bind(c.added))
		},
	}
}

func newPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "test.db")
}

func open(t *testing.T, o Options[count]) *DB[count] {
	t.Helper()
	db, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// add makes a change that inserts a thing.
func add(name string) func(*Tx, *count) error {
	return func(t *Tx, c *count) error {
		c.added++
		return t.Exec("INSERT INTO thing (name, value) VALUES (?, ?)", Bind(name, []byte("x")))
	}
}

// number reads one integer.
func number(t *testing.T, db *DB[count], text string) int64 {
	t.Helper()
	var n int64
	err := db.Read(t.Context(), "test", func(c *Conn) (err error) {
		n, _, err = c.Number(t.Context(), text, nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// stored checks how many things there are, and that the total agrees.
func stored(t *testing.T, db *DB[count], want int64) {
	t.Helper()
	things, total := number(t, db, "SELECT count(*) FROM thing"), number(t, db, "SELECT n FROM total")
	if things != want || total != want {
		t.Errorf("there are %d things and the total is %d, want %d", things, total, want)
	}
}

// batch puts changes into one transaction: the first one holds the writer until
// all others wait.
func batch(t *testing.T, db *DB[count], changes ...func(*Tx, *count) error) []error {
	t.Helper()
	taken, others := make(chan struct{}), make(chan struct{})
	var once sync.Once
	errs := make([]error, len(changes))
	var wg sync.WaitGroup
	wg.Go(func() {
		err := db.Change(t.Context(), "test", func(*Tx, *count) error {
			once.Do(func() { close(taken) })
			<-others
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-taken
	for i, c := range changes {
		wg.Go(func() { errs[i] = db.Change(t.Context(), "test", c) })
	}
	waitQueued(t, db, len(changes))
	close(others)
	wg.Wait()
	return errs
}

// waitQueued returns when n changes wait for the writer.
func waitQueued(t *testing.T, db *DB[count], n int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		waiting := db.writer.changes.Waiting()
		if waiting == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d changes wait, want %d", waiting, n)
		}
	}
}

func TestOneFailureLeavesTheOthers(t *testing.T) {
	db := open(t, options(newPath(t)))
	refused := errors.New("refused")
	runs := 0
	errs := batch(t, db,
		add("a"),
		func(tx *Tx, c *count) error { // fails before it writes
			c.added += 10
			return refused
		},
		func(tx *Tx, c *count) error { // fails after it wrote
			runs++
			if err := add("b")(tx, c); err != nil {
				return err
			}
			return refused
		},
		add("c"),
		add("a"), // or the first: the name is taken by one of them
	)
	if !errors.Is(errs[1], refused) || !errors.Is(errs[2], refused) || errs[3] != nil {
		t.Errorf("got %v", errs)
	}
	if (errs[0] == nil) == (errs[4] == nil) {
		t.Errorf("both or none of the two got the name: %v, %v", errs[0], errs[4])
	}
	if runs != 2 {
		t.Errorf("the change that had to be undone ran %d times, want once without and once with a savepoint", runs)
	}
	stored(t, db, 2)
}

func TestFullStopsOnlyWhatNeedsRoom(t *testing.T) {
	db := open(t, options(newPath(t)))
	large := func(name string) func(*Tx, *count) error {
		return func(tx *Tx, c *count) error {
			c.added++
			return tx.Exec("INSERT INTO thing (name, value) VALUES (?, zeroblob(40000))", Bind(name))
		}
	}
	limit := func(pages int) func(*Tx, *count) error {
		return func(tx *Tx, _ *count) error { return tx.Exec(fmt.Sprint("PRAGMA max_page_count = ", pages), nil) }
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(db.Change(t.Context(), "test", large("old")))
	must(db.Change(t.Context(), "test", limit(20)))
	errs := batch(t, db, large("b"), add("c"), large("d"), add("e"))
	for i, wantFull := range []bool{true, false, true, false} {
		if fault.Is(errs[i], fault.Full) != wantFull || (errs[i] == nil) == wantFull {
			t.Errorf("change %d: %v", i, errs[i])
		}
	}
	stored(t, db, 3)
	// Room made by one serves the next.
	must(db.Change(t.Context(), "test", func(tx *Tx, c *count) error {
		c.added--
		return tx.Exec("DELETE FROM thing WHERE name = 'old'", nil)
	}))
	must(db.Change(t.Context(), "test", large("f")))
	if err := db.Change(t.Context(), "test", large("g")); !fault.Is(err, fault.Full) {
		t.Fatalf("got %v", err)
	}
	must(db.Change(t.Context(), "test", limit(1000)))
	must(db.Change(t.Context(), "test", large("g")))
	stored(t, db, 4)
}

// TestAFailedCommitIsNobodysSuccess lets the commit itself fail, by a
// reference that is checked only then.
func TestAFailedCommitIsNobodysSuccess(t *testing.T) {
	o := options(newPath(t))
	o.Migrations = steps(firstStep, "CREATE TABLE owner (name TEXT PRIMARY KEY REFERENCES thing (name) DEFERRABLE INITIALLY DEFERRED) STRICT")
	db := open(t, o)
	dangling := func(tx *Tx, _ *count) error { return tx.Exec("INSERT INTO owner (name) VALUES ('nothing')", nil) }
	for i, err := range batch(t, db, add("a"), dangling, add("b")) {
		if err == nil {
			t.Errorf("change %d was told that it is stored", i)
		}
	}
	stored(t, db, 0)
	if err := db.Change(t.Context(), "test", add("c")); err != nil {
		t.Errorf("the writer does not recover: %v", err)
	}
	stored(t, db, 1)
}

func TestWhoLeavesInTimeIsNotStored(t *testing.T) {
	db := open(t, options(newPath(t)))
	ctx, cancel := context.WithCancel(t.Context())
	errs := batch(t, db, func(*Tx, *count) error { cancel(); return nil }, add("a"))
	if errs[1] != nil {
		t.Error(errs[1])
	}
	// Canceled before the writer takes it.
	if err := db.Change(ctx, "test", add("b")); !fault.Is(err, fault.Canceled) {
		t.Errorf("got %v", err)
	}
	// Canceled while the writer has it: the answer is what became of it.
	ctx, cancel = context.WithCancel(t.Context())
	err := db.Change(ctx, "test", func(tx *Tx, c *count) error { cancel(); return add("c")(tx, c) })
	if err != nil {
		t.Errorf("got %v", err)
	}
	// Canceled while it waits behind another.
	ctx, cancel = context.WithCancel(t.Context())
	hold, held := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := db.Change(t.Context(), "test", func(*Tx, *count) error { close(held); <-hold; return nil })
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	wg.Go(func() { waitQueued(t, db, 1); cancel() })
	if err := db.Change(ctx, "test", add("d")); !fault.Is(err, fault.Canceled) {
		t.Errorf("got %v", err)
	}
	close(hold)
	wg.Wait()
	stored(t, db, 2)
}

func TestAfterCloseNothingWorks(t *testing.T) {
	db := open(t, options(newPath(t)))
	for range 2 {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Change(t.Context(), "test", add("a")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("change: %v", err)
	}
	if err := db.Read(t.Context(), "test", func(*Conn) error { return nil }); !fault.Is(err, fault.Unavailable) {
		t.Errorf("read: %v", err)
	}
}

func TestReadersCannotWrite(t *testing.T) {
	db := open(t, options(newPath(t)))
	err := db.Read(t.Context(), "test", func(c *Conn) error {
		_, err := c.exec("INSERT INTO thing (name) VALUES ('x')", nil)
		return err
	})
	if err == nil {
		t.Error("a reader wrote")
	}
	stored(t, db, 0)
}

func TestTwoProcessesShareADatabase(t *testing.T) {
	path := newPath(t)
	server := options(path)
	server.Server = true
	one, two := open(t, server), open(t, options(path))
	var wg sync.WaitGroup
	for i, db := range []*DB[count]{one, two} {
		for j := range 4 {
			wg.Go(func() {
				for k := range 25 {
					if err := db.Change(t.Context(), "test", add(fmt.Sprint(i, j, k))); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	stored(t, one, 200)
	stored(t, two, 200)
}

func TestOneServerOnly(t *testing.T) {
	o := options(newPath(t))
	o.Server = true
	first := open(t, o)
	_, err := Open(t.Context(), o)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), fmt.Sprintf("%s is already used by process %d;", o.Path, os.Getpid())) {
		t.Errorf("got %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, o)
}

// breaking makes of the n-th step one that no earlier program may work on.
func breaking(n int, text string) string { return fmt.Sprintf("-- compatible: %d\n%s", n, text) }

func TestMigrations(t *testing.T) {
	third := breaking(2, "CREATE TABLE third (x INTEGER) STRICT")
	second := "ALTER TABLE thing ADD COLUMN more TEXT NOT NULL DEFAULT ''"
	failing := "CREATE TABLE other (x INTEGER); CREATE TABLE thing (x INTEGER)"
	at := func(path string, texts ...string) error {
		o := options(path)
		o.Migrations = steps(texts...)
		db, err := Open(t.Context(), o)
		if err != nil {
			return err
		}
		return db.Close()
	}
	for name, c := range map[string]struct {
		before, after []string
		kind          fault.Kind
		text          string // "" for success
	}{
		"upgrade":         {[]string{firstStep}, []string{firstStep, second}, 0, ""},
		"again":           {[]string{firstStep, second}, []string{firstStep, second}, 0, ""},
		"newer database":  {[]string{firstStep, breaking(2, second)}, []string{firstStep}, fault.Conflict, "schema version 2, this program knows up to 1; use a release at least as new as the one that wrote it, or restore a backup from before the upgrade (which loses what was accepted since)"},
		"newer, usable":   {[]string{firstStep, second}, []string{firstStep}, 0, ""},
		"one step of two": {[]string{firstStep, second, third}, []string{firstStep}, fault.Conflict, "schema version 3, this program knows up to 1"},
		"usable from two": {[]string{firstStep, second, third}, []string{firstStep, second}, 0, ""},
		"changed step":    {[]string{firstStep, second}, []string{firstStep + " ", second}, fault.Conflict, "schema step 1 of this database is not the one"},
		"a step that can": {[]string{firstStep}, []string{firstStep, failing}, fault.Unavailable, "0002_step.sql"},
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			if err := at(path, c.before...); err != nil {
				t.Fatal(err)
			}
			err := at(path, c.after...)
			if c.text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, %v", fault.KindOf(err), err)
			}
			if err := at(path, c.before...); err != nil {
				t.Errorf("the failed upgrade left traces: %v", err)
			}
		})
	}
}

// TestOlderProgramBesideNewerSchema: a program whose schema a newer one has added
// to goes on, also where it runs meanwhile, says so once, and changes nothing about
// it; where the step does not allow it, the newer one is told who is in the way.
func TestOlderProgramBesideNewerSchema(t *testing.T) {
	second := "ALTER TABLE thing ADD COLUMN more TEXT NOT NULL DEFAULT 'none'"
	o := options(newPath(t))
	o.Server = true
	older := open(t, o)
	if err := older.Change(t.Context(), "test", add("a")); err != nil {
		t.Fatal(err)
	}
	beside := options(o.Path)
	beside.Migrations = steps(firstStep, breaking(2, second))
	_, err := Open(t.Context(), beside)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), fmt.Sprintf("process %d, knows schema version 1, and step 2", os.Getpid())) {
		t.Fatalf("a step that the running server cannot follow: %v", err)
	}
	if n := number(t, older, "SELECT count(*) FROM schema_migration"); n != 1 {
		t.Fatalf("%d steps are applied", n)
	}
	beside.Migrations = steps(firstStep, second)
	newer := open(t, beside)
	if n := number(t, newer, "SELECT count(*) FROM thing WHERE more = 'none'"); n != 1 {
		t.Errorf("%d rows have what the step adds", n)
	}
	if err := older.Change(t.Context(), "test", add("b")); err != nil {
		t.Error("the server that runs:", err)
	}
	if err := older.Close(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	o.Logger = slog.New(slog.NewTextHandler(&said, nil))
	older = open(t, o)
	if err := older.Change(t.Context(), "test", add("c")); err != nil {
		t.Error("the server that was started again:", err)
	}
	stored(t, older, 3)
	if n := strings.Count(said.String(), "schema version 2, which a newer release made; this program knows up to 1"); n != 1 || strings.Count(said.String(), "\n") != 1 {
		t.Errorf("the log says %s", said.String())
	}
	if n := number(t, older, "SELECT count(*) FROM schema_migration"); n != 2 {
		t.Errorf("%d steps are applied", n)
	}
}

func TestMigrationFilesAreInOrder(t *testing.T) {
	file := func(line string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(line + "\nSELECT 1;\n")} }
	good := file("-- compatible: 1")
	if _, err := sqlkit.Migrations(fstest.MapFS{"migrations/0001_a.sql": good, "migrations/0002_b.sql": file("-- compatible: 2")}); err != nil {
		t.Error(err)
	}
	for name, files := range map[string]fstest.MapFS{
		"gap":              {"migrations/0001_a.sql": good, "migrations/0003_b.sql": good},
		"no name":          {"migrations/readme.txt": good},
		"none":             {},
		"no line":          {"migrations/0001_a.sql": file("-- What it does.")},
		"line below":       {"migrations/0001_a.sql": file("\n-- compatible: 1")},
		"no number":        {"migrations/0001_a.sql": file("-- compatible: all")},
		"nobody's version": {"migrations/0001_a.sql": good, "migrations/0002_b.sql": file("-- compatible: 0")},
		"a later version":  {"migrations/0001_a.sql": good, "migrations/0002_b.sql": file("-- compatible: 3")},
	} {
		t.Run(name, func(t *testing.T) {
			if list, err := sqlkit.Migrations(files); err == nil {
				t.Errorf("got %v", list)
			}
		})
	}
}

func TestUnusableFiles(t *testing.T) {
	folder := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	theirs := func(name, text string) string {
		path := filepath.Join(folder, name)
		c, err := openConn(path)
		if err == nil {
			err = errors.Join(c.once(text), c.close())
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		path string
		kind fault.Kind
		text string
	}{
		"not a database":   {write("text.db", []byte(strings.Repeat("this is not a database\n", 100))), fault.Corrupt, "is damaged or not a database; restore it"},
		"another's":        {theirs("foreign.db", "CREATE TABLE users (name TEXT)"), fault.Conflict, "belongs to another program"},
		"another's view":   {theirs("view.db", "CREATE VIEW users AS SELECT 1"), fault.Conflict, "belongs to another program"},
		"another's steps":  {theirs("steps.db", "CREATE TABLE schema_migration (version INTEGER, dirty INTEGER)"), fault.Conflict, "belongs to another program"},
		"a file as folder": {filepath.Join(write("file", nil), "x.db"), fault.Unavailable, "not in a folder that this process can write to"},
		"no such place":    {"/proc/nowhere/x.db", fault.Unavailable, "not in a folder that this process can write to"},
		"a folder":         {folder, fault.Unavailable, "cannot be opened"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), options(c.path))
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), filepath.Base(c.path)) && c.kind != fault.Conflict {
				t.Errorf("got %v, %v", fault.KindOf(err), err)
			}
		})
	}
}

func TestDamagedPagesAreReported(t *testing.T) {
	path := newPath(t)
	db := open(t, options(path))
	for i := range 200 {
		if err := db.Change(t.Context(), "test", add(fmt.Sprint("name ", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	// All but the schema's page becomes noise.
	_, err = file.WriteAt([]byte(strings.Repeat("\xa5", int(info.Size())-4096)), 4096)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), options(path))
	if !fault.Is(err, fault.Corrupt) {
		t.Errorf("got %v, %v", fault.KindOf(err), err)
	}
}

func TestFilesAreForOurEyesOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "test.db")
	db := open(t, options(path))
	if err := db.Change(t.Context(), "test", add("a")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"": 0o700 | fs.ModeDir, "test.db": 0o600, "test.db-wal": 0o600, "test.db-shm": 0o600} {
		info, err := os.Stat(filepath.Join(filepath.Dir(path), name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%q has mode %v, want %v", name, info.Mode(), want)
		}
	}
}

func TestConnectionsAreSetUp(t *testing.T) {
	db := open(t, options(newPath(t)))
	for text, want := range map[string]int64{"PRAGMA synchronous": 2, "PRAGMA wal_autocheckpoint": 1000, "PRAGMA foreign_keys": 1, "PRAGMA busy_timeout": 5000} {
		err := db.Change(t.Context(), "test", func(tx *Tx, _ *count) error {
			n, _, err := tx.Number(text, nil)
			if n != want {
				t.Errorf("%s is %d, want %d", text, n, want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestFailureKinds(t *testing.T) {
	for err, want := range map[error]fault.Kind{
		context.Canceled:         fault.Canceled,
		context.DeadlineExceeded: fault.Canceled,
		ErrDamaged:               fault.Corrupt,
		errors.New("else"):       fault.Internal,
		&fs.PathError{Op: "write", Err: syscall.ENOSPC}:    fault.Full,
		&fs.PathError{Op: "write", Err: syscall.EIO}:       fault.Unavailable,
		fault.New("inner", fault.Denied, "no"):             fault.Denied,
		fmt.Errorf("x: %w", fault.New("", fault.Busy, "")): fault.Busy,
	} {
		if got := Failure("test", err); fault.KindOf(got) != want {
			t.Errorf("%v became %v, want %v", err, fault.KindOf(got), want)
		}
	}
	if Failure("test", nil) != nil {
		t.Error("no error became one")
	}
}

func TestValuesComeBack(t *testing.T) {
	db := open(t, options(newPath(t)))
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 3600))
	err := db.Read(t.Context(), "test", func(c *Conn) error {
		args := Bind(7, true, false, at, time.Time{}, "tëxt", []byte{0, 255}, []byte(nil), []byte{}, int64(-1))
		return c.Query(t.Context(), "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?", args, func(r *Row) error {
			if r.Int() != 7 || !r.Bool() || r.Bool() || !r.Time().Equal(at) || !r.Time().IsZero() || r.Text() != "tëxt" || string(r.Blob()) != "\x00\xff" ||
				r.Blob() != nil || len(r.Blob()) != 0 || r.Int64() != -1 {
				t.Error("a value changed on the way")
			}
			return nil
		})
	})
	if err != nil {
		t.Error(err)
	}
	for name, read := range map[string]func(*Row){
		"text as number": func(r *Row) { r.Int64() }, "text as blob": func(r *Row) { r.Blob() }, "too many": func(r *Row) { r.Text(); r.Text() },
	} {
		err := db.Read(t.Context(), "test", func(c *Conn) error {
			return c.Query(t.Context(), "SELECT 'x'", nil, func(r *Row) error { read(r); return nil })
		})
		if !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
