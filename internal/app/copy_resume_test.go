package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/app/upkeep"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit/tables"
	"countersign/internal/store/transfer"
	"countersign/internal/testkit/pgcluster"
)

// errCut ends a copy on purpose.
var errCut = errors.New("cut off")

// cutting is a target that is cut off at a change: before it is made, or after it
// was and before anybody learns of it.
type cutting struct {
	transfer.Target
	left  int
	after bool
}

func (c *cutting) step(do func() error) error {
	if c.left--; c.left != 0 {
		return do()
	}
	if c.after {
		return errors.Join(errCut, do())
	}
	return errCut
}

func (c *cutting) Begin(ctx context.Context, from transfer.Origin, anew bool) (resumed bool, err error) {
	err = c.step(func() (err error) {
		resumed, err = c.Target.Begin(ctx, from, anew)
		return err
	})
	return resumed, err
}

func (c *cutting) Write(ctx context.Context, t *tables.Table, rows []tables.Row) error {
	return c.step(func() error { return c.Target.Write(ctx, t, rows) })
}

// WriteBody is cut off in the middle of the body.
func (c *cutting) WriteBody(ctx context.Context, id mail.ID, content io.Reader) error {
	return c.step(func() error {
		if c.left == 0 {
			content = io.MultiReader(io.LimitReader(content, 70_000), cutReader{})
		}
		return c.Target.WriteBody(ctx, id, content)
	})
}

func (c *cutting) Finish(ctx context.Context, e audit.Event) error {
	return c.step(func() error { return c.Target.Finish(ctx, e) })
}

type cutReader struct{}

func (cutReader) Read([]byte) (int, error) { return 0, errCut }

// once copies and cuts the copy off at a change, 0 for never.
func once(from, to place, left int, after bool) (*transfer.Result, error) {
	from.t.Helper()
	ctx := from.t.Context()
	source, err := upkeep.OpenSide(ctx, from.at, nil, false)
	if err != nil {
		from.t.Fatal(err)
	}
	target, err := upkeep.OpenSide(ctx, to.at, nil, true)
	if err != nil {
		from.t.Fatal(err)
	}
	result, err := transfer.Run(ctx, transfer.Options{
		Source: source, Target: &cutting{target, left, after}, Batch: tables.Limit{Rows: 20, Bytes: 1 << 20},
	})
	if err := errors.Join(source.Close(), target.Close()); err != nil {
		from.t.Fatal(err)
	}
	return result, err
}

// TestCutOffAnywhere cuts a copy off at each change that it makes to its target,
// and goes on with it. What was stored is not stored again.
func TestCutOffAnywhere(t *testing.T) {
	cluster := shared.Cluster(t)
	inSQLite, inPostgres := inFile(t), inDatabase(t, cluster)
	fillPlace(inSQLite)
	other := inDatabase(t, cluster)
	copyTo(inSQLite, other)
	copyTo(other, inPostgres)
	wantSame(t, "PostgreSQL to PostgreSQL", inPostgres.dump(), inSQLite.dump())
	for name, c := range map[string]struct {
		from place
		to   func() place
	}{
		"SQLite to PostgreSQL": {inSQLite, func() place { return inDatabase(t, cluster) }},
		"PostgreSQL to SQLite": {inPostgres, func() place { return inFile(t) }},
	} {
		t.Run(name, func(t *testing.T) {
			earlier := 0
			want := c.from.dump(func(s Store) { earlier = copies(t, s) })
			cuts := 0
			for k := 1; ; k++ {
				to := c.to()
				_, err := once(c.from, to, k, k%2 == 0)
				if err == nil {
					break // there is no k-th change
				}
				if !errors.Is(err, errCut) {
					t.Fatalf("cut off at change %d: %v", k, err)
				}
				cuts++
				// Then to the end, at times with another cut on the way; Finish may have been made.
				rest := []int{4, 0}
				if k%4 != 0 {
					rest = rest[1:]
				}
				for i, left := range rest {
					_, err = once(c.from, to, left, i == 0)
					if err != nil && !errors.Is(err, errCut) && !strings.Contains(err.Error(), "the target is not empty") {
						t.Fatalf("the rest of a copy that was cut off at change %d: %v", k, err)
					}
				}
				got := to.dump(func(s Store) {
					if more := copies(t, s) - earlier; more != 1 {
						t.Errorf("cut off at change %d: %d events say that the store was copied", k, more)
					}
				})
				wantSame(t, fmt.Sprint("cut off at change ", k), got, want)
			}
			if cuts < 20 {
				t.Errorf("the copy made only %d changes", cuts)
			}
		})
	}
}

// copies counts the events that say that a store was copied.
func copies(t *testing.T, s Store) int {
	t.Helper()
	events, err := s.Search(t.Context(), audit.Query{Kind: audit.StoreCopied, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	return len(events)
}

// TestLostDatabaseIsSurvived restarts the server of either side in the middle of a
// copy, which ends, as a gate may have come meanwhile, and goes on with it.
func TestLostDatabaseIsSurvived(t *testing.T) {
	cluster := pgcluster.Start(t, pgcluster.Options{NoSync: true})
	inSQLite, inPostgres, last := inFile(t), inDatabase(t, cluster), inFile(t)
	fillPlace(inSQLite)
	for _, c := range []struct{ from, to place }{{inSQLite, inPostgres}, {inPostgres, last}} {
		restarted := false
		o := upkeep.CopyOptions{From: c.from.at, To: c.to.at, Progress: func(p transfer.Progress) {
			if p.Table == "submission" && !restarted {
				restarted = true
				cluster.Stop(t, pgcluster.Immediate)
				cluster.Start(t)
			}
		}}
		result, err := upkeep.Copy(t.Context(), o)
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "the connection that keeps gates away from postgres://") || !result.Begun {
			t.Fatalf("after a restart of the database: %v", err)
		}
		if result := copyTo(c.from, c.to); !result.Resumed {
			t.Error("the copy began anew")
		}
		wantSame(t, "the copy", c.to.dump(), inSQLite.dump())
	}
}

// TestFullDiskIsSurvived copies onto disks that are too small, makes room, and goes
// on.
func TestFullDiskIsSurvived(t *testing.T) {
	source := inFile(t)
	source.with(func(s Store) {
		f := &filler{t: t, s: s}
		for range 20 {
			f.message("", 1, 1<<20)
			f.message("", 1, 60<<10)
		}
	})
	want := source.dump()
	t.Run("PostgreSQL", func(t *testing.T) {
		cluster := pgcluster.Start(t, pgcluster.Options{NoSync: true})
		url, disk := cluster.DatabaseOnDisk(t, 48<<20)
		to := place{t, config.Store{URL: url}}
		to.with(func(Store) {})
		full := false
		result, err := upkeep.Copy(t.Context(), upkeep.CopyOptions{From: source.at, To: to.at, Progress: func(transfer.Progress) {
			if !full {
				full = true
				disk.Fill(t)
			}
		}})
		if !fault.Is(err, fault.Full) || !result.Begun {
			t.Fatalf("on a full disk: %v", err)
		}
		disk.Free(t)
		if result = copyTo(source, to); !result.Resumed {
			t.Error("the copy began anew")
		}
		wantSame(t, "the copy", to.dump(), want)
	})
	t.Run("SQLite", func(t *testing.T) {
		to := inFile(t)
		folder := filepath.Dir(to.at.Path())
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		mount := func(args ...string) {
			t.Helper()
			if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
				t.Fatalf("mount, which needs root: %v: %s", err, out)
			}
		}
		mount("-t", "tmpfs", "-o", "size=8m,mode=0700", "copy", folder)
		t.Cleanup(func() {
			if out, err := exec.Command("umount", folder).CombinedOutput(); err != nil {
				t.Errorf("umount: %v: %s", err, out)
			}
		})
		result, err := upkeep.Copy(t.Context(), upkeep.CopyOptions{From: source.at, To: to.at})
		if !fault.Is(err, fault.Full) || !result.Begun {
			t.Fatalf("on a full disk: %v", err)
		}
		mount("-o", "remount,size=64m", folder)
		if result = copyTo(source, to); !result.Resumed {
			t.Error("the copy began anew")
		}
		wantSame(t, "the copy", to.dump(), want)
	})
}
