package app

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/app/upkeep"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/node"
	"countersign/internal/queue"
	"countersign/internal/store/transfer"
	"countersign/internal/testkit/pgcluster"
)

// gate lets a gate come and go.
func (p place) gate() error {
	s, err := OpenStore(p.t.Context(), p.config(), true)
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		p.t.Fatal(err)
	}
	p.endLeases()
	return nil
}

// endLeases lets those of gates that are gone end, as they do by themselves.
func (p place) endLeases() {
	if p.at.InPostgres() {
		p.exec("UPDATE node SET lease_until = 0")
	}
}

// wantMoved checks that an error says that a store was copied, where to, and what
// to do.
func wantMoved(t *testing.T, what string, err error, to string) {
	t.Helper()
	if !fault.Is(err, fault.Conflict) {
		t.Errorf("%s: %v", what, err)
		return
	}
	for _, part := range []string{"this store was copied to " + to + " at ", "(store.url)", `"countersign store reopen"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want it to say %q", what, err, part)
		}
	}
}

// eachEngine runs a test on a filled store of each engine, with a cluster for
// more.
func eachEngine(t *testing.T, test func(t *testing.T, p place, c *pgcluster.Cluster)) {
	cluster := shared.Cluster(t)
	for name, make := range map[string]func(t *testing.T) place{
		"SQLite":     func(t *testing.T) place { return inFile(t) },
		"PostgreSQL": func(t *testing.T) place { return inDatabase(t, cluster) },
	} {
		t.Run(name, func(t *testing.T) {
			p := make(t)
			fillPlace(p)
			test(t, p, cluster)
		})
	}
}

// TestCopiedStoreIsNotServed: gates stay away from a store that was copied, and
// no command changes it, also one that was there before; looking at it, backups,
// checks and further copies go on. The copy is served from. Reopening undoes it.
func TestCopiedStoreIsNotServed(t *testing.T) {
	eachEngine(t, func(t *testing.T, p place, c *pgcluster.Cluster) {
		before, err := p.open(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer before.Close()
		kept := inFile(t)
		if _, err := upkeep.Copy(t.Context(), upkeep.CopyOptions{From: p.at, To: kept.at, KeepSource: true}); err != nil {
			t.Fatal(err)
		}
		if err := p.gate(); err != nil {
			t.Errorf("a gate on a source that was to be kept: %v", err)
		}
		want := p.dump()
		copied := inDatabase(t, c)
		to := copyTo(p, copied).To
		wantMoved(t, "a gate", p.gate(), to)
		wantMoved(t, "a command that was there before", lift(t, before), to)
		p.with(func(s Store) { wantMoved(t, "a command", lift(t, s), to) })
		wantLooks(t, p)
		wantSame(t, "the source afterwards", p.dump(), want)
		if err := copied.gate(); err != nil {
			t.Errorf("a gate on the copy: %v", err)
		}
		again := inFile(t)
		second := copyTo(p, again).To
		wantSame(t, "another copy", again.dump(), want)
		if err := again.gate(); err != nil {
			t.Errorf("a gate on the second copy: %v", err)
		}
		wantMoved(t, "a gate", p.gate(), to)
		if err := p.gate(); err == nil || !strings.Contains(err.Error(), ", then to "+second+" at ") {
			t.Errorf("the second copy is not named: %v", err)
		}
		wantReopened(t, p, to, second)
	})
}

// lift changes a plan, which a command does.
func lift(t *testing.T, s Store) error {
	t.Helper()
	plan, err := s.Plan(t.Context(), "plan-active")
	if err != nil {
		t.Fatal(err)
	}
	plan.MaxRecipients++
	return s.PutPlan(t.Context(), plan, audit.Event{At: time.Now(), Kind: audit.AdminChanged, Actor: "test", Object: "plan"})
}

// wantLooks checks that all that only looks at a store works.
func wantLooks(t *testing.T, p place) {
	t.Helper()
	p.with(func(s Store) {
		items, err := s.List(t.Context(), queue.Filter{Limit: 1000})
		if err != nil || len(items) == 0 {
			t.Errorf("%d deliveries are listed, %v", len(items), err)
		}
		events, err := s.Search(t.Context(), audit.Query{Limit: 1000})
		if err != nil || len(events) == 0 {
			t.Errorf("%d events are found, %v", len(events), err)
		}
		if _, err := s.Nodes(t.Context()); err != nil {
			t.Error(err)
		}
	})
	report, err := upkeep.Check(t.Context(), p.config(), time.Now)
	if err != nil || report.Deliveries == 0 {
		t.Errorf("the check looks at %+v, %v", report, err)
	}
	if p.at.InPostgres() {
		return
	}
	u := upkeep.BackupOptions{Folder: filepath.Join(t.TempDir(), "backup"), Actor: "test", Now: time.Now}
	if _, err := upkeep.BackUp(t.Context(), p.config(), u); err != nil {
		t.Fatal(err)
	}
	restored := inFile(t)
	if _, err := upkeep.Restore(t.Context(), restored.config(), u); err != nil {
		t.Fatal(err)
	}
	if err := restored.gate(); !fault.Is(err, fault.Conflict) {
		t.Errorf("a gate serves from the backup of a store that was copied: %v", err)
	}
}

// wantReopened reopens a store that was copied to two others.
func wantReopened(t *testing.T, p place, first, second string) {
	t.Helper()
	name, moved, err := upkeep.Reopen(t.Context(), p.at, "cli:test", time.Now)
	if err != nil || len(moved) != 2 || moved[0].To != first || moved[1].To != second || moved[0].Actor != "cli:test" || name == "" {
		t.Fatalf("%s: %+v, %v", name, moved, err)
	}
	if err := p.gate(); err != nil {
		t.Errorf("a gate on the store that was reopened: %v", err)
	}
	p.with(func(s Store) {
		if err := lift(t, s); err != nil {
			t.Errorf("a command: %v", err)
		}
		events, err := s.Search(t.Context(), audit.Query{Kind: audit.StoreReopened, Limit: 10})
		if err != nil || len(events) != 1 || events[0].Actor != "cli:test" || events[0].Data["to"] != second || !strings.Contains(events[0].Text, first+" at ") {
			t.Errorf("the record has %+v, %v", events, err)
		}
	})
	if _, _, err := upkeep.Reopen(t.Context(), p.at, "cli:test", time.Now); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "is not marked as copied") {
		t.Errorf("it is reopened twice: %v", err)
	}
	if _, _, err := upkeep.Reopen(t.Context(), inFile(t).at, "cli:test", time.Now); !fault.Is(err, fault.NotFound) {
		t.Errorf("what is not there is reopened: %v", err)
	}
}

// marking is a source that is cut off at the mark: before it is set, after it was,
// or by a gate that may have come meanwhile.
type marking struct {
	upkeep.Side
	before, after, joined bool
	left                  bool
}

func (m *marking) Leave(ctx context.Context, to transfer.Moved) error {
	if m.before {
		return errCut
	}
	err := m.Side.Leave(ctx, to)
	m.left = true
	if m.after {
		err = errors.Join(errCut, err)
	}
	return err
}

func (m *marking) Alone(ctx context.Context) error {
	if m.joined && m.left {
		return errCut
	}
	return m.Side.Alone(ctx)
}

// unfinishing is a target that is cut off before its last change, or behind it.
type unfinishing struct {
	upkeep.Side
	before, after bool
}

func (u *unfinishing) Finish(ctx context.Context, e audit.Event) error {
	if u.before {
		return errCut
	}
	err := u.Side.Finish(ctx, e)
	if u.after {
		err = errors.Join(errCut, err)
	}
	return err
}

// TestCutOffAtTheMark cuts a copy off around the moment at which the one store
// closes and the other opens: gates never could serve from both, and the copy goes
// on, or has come to its end.
func TestCutOffAtTheMark(t *testing.T) {
	cuts := map[string]struct {
		source marking
		target unfinishing
		// closed and open say that gates stay away from the source, and come to the
		// target.
		closed, open bool
	}{
		"before the mark":             {source: marking{before: true}},
		"behind the mark":             {source: marking{after: true}, closed: true},
		"by a gate before the mark":   {source: marking{joined: true}, closed: true},
		"before the target is opened": {target: unfinishing{before: true}, closed: true},
		"when the target is open":     {target: unfinishing{after: true}, closed: true, open: true},
	}
	eachEngine(t, func(t *testing.T, p place, c *pgcluster.Cluster) {
		want := p.dump()
		for name, cut := range cuts {
			t.Run(name, func(t *testing.T) {
				to := inDatabase(t, c)
				if p.at.InPostgres() {
					to = inFile(t)
				}
				err := cutAt(t, p, to, cut.source, cut.target)
				if !errors.Is(err, errCut) {
					t.Fatalf("the copy was not cut off: %v", err)
				}
				if err := p.gate(); (err != nil) != cut.closed {
					t.Errorf("a gate on the source: %v, want it to stay away: %v", err, cut.closed)
				}
				if err := to.gate(); (err == nil) != cut.open {
					t.Errorf("a gate on the target: %v, want it to come: %v", err, cut.open)
				}
				if !cut.open {
					result, err := upkeep.Copy(t.Context(), upkeep.CopyOptions{From: p.at, To: to.at})
					if err != nil || !result.Resumed || !result.Marked {
						t.Fatalf("the rest of the copy: %+v, %v", result, err)
					}
				}
				wantSame(t, "the copy", to.dump(), want)
				if err := p.gate(); err == nil {
					t.Error("a gate serves from the source")
				}
				if err := to.gate(); err != nil {
					t.Errorf("a gate on the target: %v", err)
				}
				p.exec("DELETE FROM moved_to")
			})
		}
	})
}

// cutAt copies with a source and a target that are cut off.
func cutAt(t *testing.T, from, to place, m marking, u unfinishing) (err error) {
	t.Helper()
	if m.Side, err = upkeep.OpenSide(t.Context(), from.at, nil, false); err != nil {
		t.Fatal(err)
	}
	if u.Side, err = upkeep.OpenSide(t.Context(), to.at, nil, true); err != nil {
		t.Fatal(err)
	}
	_, err = transfer.Run(t.Context(), transfer.Options{Source: &m, Target: &u})
	if err := errors.Join(m.Close(), u.Close()); err != nil {
		t.Fatal(err)
	}
	return err
}

// TestNodeComesBackToACopiedStore lets a node sleep past its lease while its
// store is copied: it serves no more.
func TestNodeComesBackToACopiedStore(t *testing.T) {
	p := inDatabase(t, shared.Cluster(t))
	fillPlace(p)
	s, err := OpenStore(t.Context(), p.config(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p.endLeases()
	to := copyTo(p, inFile(t)).To
	_, err = s.Join(t.Context(), node.Node{ID: "gate-1"}, time.Minute)
	wantMoved(t, "the node", err, to)
	if err := s.Accept(t.Context(), &queue.Acceptance{}); err == nil {
		t.Error("it accepts")
	}
}

// TestCopyIntoWhatWasCopied: an empty store that was copied may become a copy, and
// is served from then.
func TestCopyIntoWhatWasCopied(t *testing.T) {
	eachEngine(t, func(t *testing.T, p place, c *pgcluster.Cluster) {
		for _, to := range []place{inFile(t), inDatabase(t, c)} {
			to.with(func(Store) {})
			other := copyTo(to, inFile(t)).To
			wantMoved(t, "a gate", to.gate(), other)
			if _, err := upkeep.Copy(t.Context(), upkeep.CopyOptions{From: p.at, To: to.at, KeepSource: true}); err != nil {
				t.Fatal(err)
			}
			if err := to.gate(); err != nil {
				t.Errorf("a gate on the copy: %v", err)
			}
		}
	})
}
