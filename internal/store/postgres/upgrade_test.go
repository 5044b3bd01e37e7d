package postgres

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"countersign/internal/fault"
	"countersign/internal/node"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
)

// knownVersion is our newest step.
func knownVersion(t *testing.T) int {
	t.Helper()
	ours, err := sqlkit.Migrations(migrations)
	if err != nil {
		t.Fatal(err)
	}
	return len(ours)
}

// withStep is our schema and one more step.
func withStep(t *testing.T, text string) fs.FS {
	t.Helper()
	ours, err := sqlkit.Migrations(migrations)
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{"migrations/" + nextFile(t): &fstest.MapFile{Data: []byte(text)}}
	for _, m := range ours {
		files["migrations/"+m.Name] = &fstest.MapFile{Data: []byte(m.Text)}
	}
	return files
}

// What is said of the step that comes next, and of programs that do not know it.

func nextFile(t *testing.T) string { return fmt.Sprintf("%04d_next.sql", knownVersion(t)+1) }

func needsNext(t *testing.T) string {
	next := knownVersion(t) + 1
	return fmt.Sprintf("step %d of the schema (%s) needs that all nodes know schema version %d", next, nextFile(t), next)
}

func tooNew(t *testing.T) string {
	known := knownVersion(t)
	return fmt.Sprintf("schema version %d, this program knows up to %d", known+1, known)
}

const addingStep = "-- compatible: 2\nALTER TABLE delivery ADD COLUMN colour text NOT NULL DEFAULT 'none';"

func breakingStep(t *testing.T) string {
	return fmt.Sprintf("-- compatible: %d\nALTER TABLE delivery DROP COLUMN original;", knownVersion(t)+1)
}

// upgradeTo opens a database by a program that has one more step.
func upgradeTo(t *testing.T, url, id, step string) (*Store, error) {
	t.Helper()
	s, err := Open(t.Context(), Options{URL: url, Server: id != "", Node: id, Version: "9", steps: withStep(t, step)})
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}

// TestBreakingStepWaitsForOlderNodes: as long as a node is up that could not go on,
// the step is not applied, whoever comes with it, and the error names the node; one
// that is drained, whose process is still there, counts too, one that died does not
// keep its own successor back.
func TestBreakingStepWaitsForOlderNodes(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	a, b := joinAs(t, url, "a"), joinAs(t, url, "b")
	refused := func(id string, names ...string) {
		t.Helper()
		_, err := upgradeTo(t, url, id, breakingStep(t))
		if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), needsNext(t)) {
			t.Fatalf("node %q applies a breaking step: %v", id, err)
		}
		for _, name := range []string{"a", "b"} {
			in, want := strings.Contains(err.Error(), `node "`+name+`"`), strings.Contains(strings.Join(names, ""), name)
			if in != want {
				t.Errorf("node %q is named %v, want %v: %v", name, in, want, err)
			}
		}
	}
	refused("c", "a", "b")
	refused("a", "a", "b")
	refused("", "a", "b") // a command
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	refused("c", "a", "b") // its lease holds
	refused("a", "b")
	b.accept(1, 1, 1)
	if err := b.Leave(t.Context(), b.lease, true); err != nil {
		t.Fatal(err)
	}
	refused("a", "b") // drained
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	var s *Store
	var err error
	for deadline := time.Now().Add(10 * time.Second); ; { // the server notices a moment later that b is gone
		s, err = upgradeTo(t, url, "a", breakingStep(t))
		if err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Nodes(t.Context())
	if err != nil || len(list) != 2 || list[0].Schema != knownVersion(t)+1 || list[1].Schema != knownVersion(t) {
		t.Errorf("the nodes are %+v, %v", list, err)
	}
	_, err = Open(t.Context(), Options{URL: url})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), tooNew(t)) {
		t.Errorf("an older program: %v", err)
	}
}

// TestOlderNodeGoesOnBesideNewer: a node that runs while another adds to the schema
// goes on, and so does one that comes back.
func TestOlderNodeGoesOnBesideNewer(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	a := joinAs(t, url, "a")
	a.accept(1, 2, 1)
	newer, err := upgradeTo(t, url, "b", addingStep)
	if err != nil {
		t.Fatal(err)
	}
	a.accept(3, 2, 1)
	if err := a.Report(t.Context(), arrived(1)); err != nil {
		t.Error(err)
	}
	if n := a.due(); n != 3 {
		t.Errorf("%d are due of 3", n)
	}
	coloured := 0
	err = newer.db.Change(t.Context(), "test", func(tx *server.Tx) error {
		n, _, err := tx.Number("SELECT count(*) FROM delivery WHERE colour = 'none'", nil)
		coloured = int(n)
		return err
	})
	if err != nil || coloured != 3 {
		t.Errorf("%d have what the step adds, %v", coloured, err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	again := joinAs(t, url, "a")
	again.accept(5, 1, 1)
	if n := again.due(); n != 4 {
		t.Errorf("%d are due of 4", n)
	}
}

// TestNobodyJoinsASchemaTooNew: a node that had no lease while a breaking step came,
// as it slept, gets none any more.
func TestNobodyJoinsASchemaTooNew(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	a := joinAs(t, url, "a")
	next := knownVersion(t) + 1
	a.change(fmt.Sprintf("INSERT INTO schema_migration (version, name, checksum, compatible, applied) VALUES (%d, 'next', '', %[1]d, 0)", next))
	_, err := a.Join(t.Context(), node.Node{ID: "a"}, time.Minute)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), tooNew(t)) {
		t.Errorf("it joins: %v", err)
	}
}

// TestWrongClockChangesNothing: a gate whose clock is off does not make a schema, nor
// bring one up to date.
func TestWrongClockChangesNothing(t *testing.T) {
	late := func() time.Time { return time.Now().Add(-75 * time.Second) }
	refused := func(url string, steps fs.FS) {
		t.Helper()
		s, err := Open(t.Context(), Options{URL: url, Server: true, Node: "wrong", Now: late, steps: steps})
		if err == nil {
			s.Close()
		}
		if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "behind the database's") {
			t.Errorf("a gate whose clock is 75 s late starts: %v", err)
		}
	}
	url := shared.Cluster(t).Database(t)
	execAt(t, url, "CREATE SCHEMA empty")
	empty := url + "&search_path=empty"
	refused(empty, nil)
	if side, err := OpenSide(t.Context(), Options{URL: empty}, false); !fault.Is(err, fault.NotFound) {
		t.Errorf("it has made a store: %v", err)
		if err == nil {
			side.Close()
		}
	}
	older := openAt(t, url, false)
	refused(url, withStep(t, addingStep))
	if n := number(t, older, "SELECT max(version) FROM schema_migration"); n != int64(knownVersion(t)) {
		t.Errorf("it has brought the schema to step %d", n)
	}
}
