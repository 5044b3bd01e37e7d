package cluster

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"countersign/internal/loadgen"
	"countersign/test/harness"
)

// The schema of the next release: a column in the busiest table and a table, which
// programs of this release know nothing of; or something that takes away what they
// use.
const (
	addition = "-- compatible: 1\nALTER TABLE delivery ADD COLUMN colour TEXT NOT NULL DEFAULT 'none';\n" +
		"CREATE TABLE hue (name TEXT PRIMARY KEY);\nINSERT INTO hue (name) VALUES ('none');\n"
	breakage = "-- compatible: %d\nALTER TABLE delivery DROP COLUMN original;\n"
)

// nextVersion is that of the step which the next release has.
func nextVersion(t *testing.T) int {
	t.Helper()
	list, err := filepath.Glob("../../internal/store/postgres/migrations/*.sql")
	if err != nil || len(list) == 0 {
		t.Fatalf("no steps are found: %v", err)
	}
	return len(list) + 1
}

// nextRelease builds a release with one step more.
func nextRelease(t *testing.T, version, step string) string {
	t.Helper()
	files := map[string]string{}
	for _, engine := range []string{"sqlite", "postgres"} {
		files[fmt.Sprintf("internal/store/%s/migrations/%04d_next.sql", engine, nextVersion(t))] = step
	}
	return harness.Release(t, version, files)
}

// aheadOf is what an older program says in its log beside a newer schema.
const aheadOf = "which a newer release made"

// tooNew is what it says where it may not go on.
func tooNew(t *testing.T) string {
	next := nextVersion(t)
	return fmt.Sprintf("the database has schema version %d, this program knows up to %d; use a release at least as new", next, next-1)
}

// TestRollingUpgrade replaces three gates by the next release, one after the other,
// while clients send through all of them. Nothing is lost, and nothing is repeated,
// as no gate is killed; an old gate that is started again in the middle works
// beside the new ones.
func TestRollingUpgrade(t *testing.T) {
	next := nextRelease(t, "9.9.9-next", addition)
	c := newWorld(t, shared.Cluster(t).Database(t))
	var ends []func()
	for g := range c.gates {
		ends = append(ends, c.load(g, 2))
	}
	c.more(30, 0, 1, 2)
	for g := range c.gates {
		c.drainAndStop(g)
		c.gates[g].Program = next
		c.gates[g].Start()
		c.allReady()
		if g == 0 { // an old one beside it, which has been stopped, not drained
			c.more(20, 0, 1, 2)
			c.gates[2].Kill(syscall.SIGTERM)
			c.gates[2].Start()
			c.allReady()
			if n := strings.Count(c.gates[2].Log(), aheadOf); n != 1 {
				t.Errorf("the old gate says %d times that the schema is newer, want once", n)
			}
			if list := c.gates[2].Admin("", "node", "list"); strings.Count(list, "9.9.9-next") != 1 {
				t.Errorf("an old gate lists\n%s", list)
			}
		}
		c.more(20, 0, 1, 2)
	}
	for _, end := range ends {
		end()
	}
	if repeats := c.verdict(); len(repeats) > 0 {
		t.Errorf("no gate was killed, and yet there are repeats: %+v", repeats)
	}
	for id, n := range c.nodes() {
		if !n.Alive || n.Version != "9.9.9-next" || n.Schema != nextVersion(t) {
			t.Errorf("node %s is %+v", id, n)
		}
	}
	if strings.Contains(c.gates[1].Log(), aheadOf) {
		t.Error("a gate that was not started again finds the schema newer")
	}
}

// drainAndStop drains a gate by the command, while the others take mail, and ends it.
func (c *world) drainAndStop(g int) {
	c.t.Helper()
	other := (g + 1) % len(c.gates)
	id := fmt.Sprint("gate-", g)
	c.gates[other].Admin("", "node", "drain", id)
	harness.WaitFor(c.t, id+" to be drained", func() bool { return c.nodes()[id].Standing() == "drained" })
	c.more(20, other, (g+2)%len(c.gates))
	c.gates[g].Kill(syscall.SIGTERM)
}

// TestBreakingStepWaits: a release whose schema the others could not follow does not
// start beside them, says which they are, and changes nothing; the mail goes on.
// When they are gone it starts, and they do not.
func TestBreakingStepWaits(t *testing.T) {
	next := nextRelease(t, "9.9.9-breaking", fmt.Sprintf(breakage, nextVersion(t)))
	c := newWorld(t, shared.Cluster(t).Database(t))
	ends := []func(){c.load(0, 2), c.load(1, 2)}
	c.more(20, 0, 1)
	c.drainAndStop(2)
	c.gates[2].Program = next
	for _, command := range [][]string{{"serve"}, {"queue", "list"}} {
		text := c.gates[2].Refused(command...)
		for _, want := range []string{`node "gate-0"`, `node "gate-1"`, "stop or upgrade first", fmt.Sprintf("which knows %d", nextVersion(t)-1)} {
			if !strings.Contains(text, want) {
				t.Errorf("%v beside older gates says %s\nwant %s", command, text, want)
			}
		}
		if strings.Contains(text, `node "gate-2"`) {
			t.Errorf("%v names a gate that is gone: %s", command, text)
		}
	}
	c.more(20, 0, 1)
	for _, end := range ends {
		end()
	}
	if repeats := c.verdict(); len(repeats) > 0 {
		t.Errorf("repeats: %+v", repeats)
	}
	for _, g := range []int{0, 1} {
		c.gates[g].Kill(syscall.SIGTERM)
	}
	c.gates[2].Start()
	if text := c.gates[0].Refused("serve"); !strings.Contains(text, tooNew(t)) {
		t.Errorf("an old gate says %s", text)
	}
}

// TestOneMachineUpgrade upgrades a gate on SQLite, starts the old release again on
// the newer database, and lets commands of either release work beside either.
func TestOneMachineUpgrade(t *testing.T) {
	next := nextRelease(t, "9.9.9-next", addition)
	r, l := newReceivers(t, 1), newLedger(t)
	g := harness.Serve(t, r.hops[0].Addr(), "")
	first := 0
	send := func(n int) {
		t.Helper()
		o := g.Load(n, 2)
		base := first
		first += n
		o.Number = func(n int) int { return base + n }
		o.Ledger = func(n int, ok bool, reply string) { l.note(base+n, ok, reply) }
		if _, err := loadgen.Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	send(20)
	g.Program = next
	g.Admin("", "customer", "add", "later") // a command of the new release, beside the old server
	send(20)
	g.Kill(syscall.SIGTERM)
	g.Start()
	send(20)
	g.Kill(syscall.SIGTERM)
	g.Program = ""
	g.Start() // back
	send(20)
	g.Program = next
	if list := g.Admin("", "customer", "list"); !strings.Contains(list, "later") {
		t.Errorf("the customers are %s", list)
	}
	if n := strings.Count(g.Log(), aheadOf); n != 1 {
		t.Errorf("the old release says %d times that the schema is newer, want once", n)
	}
	acked := l.acknowledged(t)
	if len(acked) != 80 {
		t.Errorf("%d messages were taken, want 80", len(acked))
	}
	harness.WaitFor(t, "everything to arrive", func() bool { return len(r.missing(acked)) == 0 })
	if n := len(r.arrivals()); n != 80 {
		t.Errorf("%d messages arrived, want 80", n)
	}
}

// TestOneMachineBreakingStep: a release whose schema the running server could not
// follow says so and changes nothing; the old one does not start on its database,
// and changes nothing either.
func TestOneMachineBreakingStep(t *testing.T) {
	next := nextRelease(t, "9.9.9-breaking", fmt.Sprintf(breakage, nextVersion(t)))
	r := newReceivers(t, 1)
	g := harness.Serve(t, r.hops[0].Addr(), "")
	pid := g.Process()
	g.Program = next
	if text := g.Refused("customer", "list"); !strings.Contains(text, "process "+strconv.Itoa(pid)+", knows schema version") || !strings.Contains(text, "stop it first") {
		t.Errorf("beside the running server a command says %s", text)
	}
	if _, err := loadgen.Run(t.Context(), g.Load(5, 1)); err != nil {
		t.Fatal(err)
	}
	harness.WaitFor(t, "the mail of the running server", func() bool { return len(r.arrivals()) == 5 })
	g.Kill(syscall.SIGTERM)
	g.Start()
	if _, err := loadgen.Run(t.Context(), g.Load(5, 1)); err != nil {
		t.Fatal(err)
	}
	g.Kill(syscall.SIGTERM)
	before := digests(t, filepath.Join(g.Dir, "data"))
	g.Program = ""
	for _, command := range []string{"serve", "customer"} {
		args := []string{command}
		if command == "customer" {
			args = append(args, "add", "nobody")
		}
		if text := g.Refused(args...); !strings.Contains(text, tooNew(t)) {
			t.Errorf("%v says %s", args, text)
		}
	}
	if after := digests(t, filepath.Join(g.Dir, "data")); after != before {
		t.Errorf("what is refused changes the data:\n%s\nwas\n%s", after, before)
	}
}

// digests sums up what a folder holds, but for the lock, which is not data.
func digests(t *testing.T, folder string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".lock") {
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %x\n", path, sha256.Sum256(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
