package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/queue"
	"countersign/internal/soundness"
	"countersign/internal/store/sqlite/bodies"
	"countersign/internal/store/sqlite/database"
	"countersign/internal/store/sqlkit/inspection"
	"countersign/internal/store/storetest/unsound"
)

// openDamageable opens a store that SQL may damage.
func openDamageable(t *testing.T) (unsound.Opened, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data", "test.db")
	o := damageableAt(path)
	o.Store = openAt(t, path, true)
	return o, path
}

// damageableAt is a store that SQL may damage, which nobody has opened.
func damageableAt(path string) unsound.Opened {
	return unsound.Opened{
		Exec: func(t *testing.T, text string) {
			t.Helper()
			db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)") // without foreign keys
			if err == nil {
				_, err = db.Exec(text)
			}
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		},
		Check: func(t *testing.T) *soundness.Report { t.Helper(); return checked(t, path) },
	}
}

// filledOnce fills a store that SQL may damage, and returns what makes copies of it.
func filledOnce(t *testing.T) unsound.Opener {
	t.Helper()
	o, path := openDamageable(t)
	unsound.Fill(t, o.Store)
	if err := o.Store.Close(); err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T) unsound.Opened {
		t.Helper()
		folder := filepath.Join(t.TempDir(), "data")
		if err := os.CopyFS(folder, os.DirFS(filepath.Dir(path))); err != nil {
			t.Fatal(err)
		}
		return damageableAt(filepath.Join(folder, filepath.Base(path)))
	}
}

func checked(t *testing.T, path string) *soundness.Report {
	t.Helper()
	r, err := Check(t.Context(), path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSoundness(t *testing.T) {
	unsound.Run(t, func(t *testing.T) unsound.Opened {
		o, _ := openDamageable(t)
		return o
	}, filledOnce(t))
}

// TestDamagedFiles damages what is beside SQL: body files and pages.
func TestDamagedFiles(t *testing.T) {
	o, path := openDamageable(t)
	unsound.Fill(t, o.Store)
	folder := filepath.Join(filepath.Dir(path), BodiesName)
	files, err := filepath.Glob(filepath.Join(folder, "*", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	if err := os.Truncate(files[0], 5); err != nil {
		t.Fatal(err)
	}
	unsound.Want(t, o.Check(t), map[soundness.Kind]int64{soundness.BodySize: 1})

	// Not even root can read a file through a link that leads to itself.
	if err := errors.Join(os.Remove(files[0]), os.Symlink(filepath.Base(files[0]), files[0])); err != nil {
		t.Fatal(err)
	}
	unsound.Want(t, o.Check(t), map[soundness.Kind]int64{soundness.BodyUnreadable: 1})
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	unsound.Want(t, o.Check(t), map[soundness.Kind]int64{soundness.BodyMissing: 1})

	left := filepath.Join(folder, bodies.Name("01K000000000000000000EXTRA"))
	if err := errors.Join(os.MkdirAll(filepath.Dir(left), 0o700), os.WriteFile(left, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	unsound.Want(t, o.Check(t), map[soundness.Kind]int64{soundness.BodyMissing: 1}) // it may have been begun just now
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(left, old, old); err != nil {
		t.Fatal(err)
	}
	r := o.Check(t)
	unsound.Want(t, r, map[soundness.Kind]int64{soundness.BodyMissing: 1, soundness.UnusedBody: 1})
	name, err := filepath.Rel(filepath.Dir(path), files[0])
	if want := fmt.Sprintf("[submission %s (body %s)]", unsound.Large, name); err != nil || fmt.Sprint(r.Findings[0].Where) != want {
		t.Errorf("missing is %s, want %s", r.Findings[0].Where, want)
	}
	if r.Sound() {
		t.Error("a store without a body is sound")
	}
	n, err := o.Store.Drop(t.Context(), queue.Filter{Submission: unsound.Large}, audit.Event{At: time.Now().UTC(), Kind: audit.DeliveryDropped, Actor: "cli:tester"})
	if err != nil || n != 1 {
		t.Errorf("%d were dropped, %v", n, err)
	}
	unsound.Want(t, o.Check(t), map[soundness.Kind]int64{soundness.UnusedBody: 1})
}

// TestDamagedPages overwrites pages of the database: it is found, and what can be
// read is checked all the same.
func TestDamagedPages(t *testing.T) {
	o, path := openDamageable(t)
	unsound.Fill(t, o.Store)
	o.Exec(t, "DELETE FROM delivery WHERE n = 2 AND submission = '"+string(unsound.Partly)+"'")
	var page int64
	db, err := sql.Open("sqlite", "file:"+path)
	if err == nil {
		err = db.QueryRow("SELECT rootpage FROM sqlite_schema WHERE name = 'certificate'").Scan(&page)
	}
	if err := errors.Join(err, db.Close(), o.Store.Close()); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		_, err = file.WriteAt([]byte(strings.Repeat("x", 4096)), (page-1)*4096)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	r := checked(t, path)
	found := map[soundness.Kind]bool{}
	for _, f := range r.Findings {
		found[f.Kind] = true
	}
	if !found[soundness.DamagedPages] || !found[soundness.LostMail] {
		t.Errorf("got %+v", r)
	}
}

// TestCheckChangesNothing: it makes no database, and brings none up to date.
func TestCheckChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	if _, err := Check(t.Context(), path, time.Now); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) > 0 {
		t.Errorf("made %v, %v", files, err)
	}
	if err := os.WriteFile(path, []byte(fmt.Sprintf("%4096s", "x")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Check(t.Context(), path, time.Now); !fault.Is(err, fault.Corrupt) {
		t.Errorf("of a file that is no database: %v", err)
	}
}

// TestCheckPlans holds what looks at all of a large store to an order in which
// nothing is gathered, and to keys.
func TestCheckPlans(t *testing.T) {
	s := openNew(t)
	chains := explain(t, s, inspection.ChainsSQL(), nil)
	for _, want := range []string{"MERGE (UNION ALL)", "SCAN event USING INDEX event_submission", "SCAN delivery"} {
		if !strings.Contains(chains, want) {
			t.Errorf("the plan lacks %q:\n%s", want, chains)
		}
	}
	if strings.Contains(chains, "TEMP B-TREE") {
		t.Errorf("the plan sorts:\n%s", chains)
	}
	if unknown := explain(t, s, inspection.UnknownSQL(), bind(0)); !strings.Contains(unknown, "SEARCH e USING INDEX event_submission (submission=?)") {
		t.Errorf("acceptances are not looked up:\n%s", unknown)
	}
	for _, q := range inspection.Queries(newDialect()) {
		plan := explain(t, s, q.Text, nil)
		// There are as many of following as changes under way.
		// Nor is l a table: it is the lines of a text.
		if strings.Count(plan, "SCAN")-strings.Count(plan, "SCAN following")-strings.Count(plan, "SCAN l VIRTUAL") > 1 && !strings.Contains(plan, "EXCEPT") {
			t.Errorf("%s: for each row of one table all of another is read:\n%s\n%s", q.Kind, q.Text, plan)
		}
	}
}

// TestBodyOfOneJustFinished: a body that goes after the state that is looked at is
// not missed.
func TestBodyOfOneJustFinished(t *testing.T) {
	o, path := openDamageable(t)
	unsound.Fill(t, o.Store)
	k := &check{path: path, folder: bodies.New(filepath.Join(filepath.Dir(path), BodiesName)), begun: time.Now()}
	err := database.Look(t.Context(), path, migrations, func(c *conn) error {
		done := &queue.Report{Submission: unsound.Large, Outcomes: []queue.Outcome{{N: 1, State: queue.Delivered}}}
		if err := o.Store.Report(t.Context(), done); err != nil {
			return err
		}
		if files, err := filepath.Glob(filepath.Join(filepath.Dir(path), BodiesName, "*", "*")); err != nil || len(files) > 0 {
			t.Errorf("the body is still there: %v, %v", files, err)
		}
		return k.bodies(t.Context(), c)
	})
	if err != nil {
		t.Fatal(err)
	}
	unsound.Want(t, k.found.Result(), nil)
}
