package database

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"countersign/internal/fault"
)

// TestCopyUnderLoad copies a database that is written to all the time: each copy
// is one state, and whole.
func TestCopyUnderLoad(t *testing.T) {
	o := options(newPath(t))
	db := open(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	begun := make(chan struct{})
	writing.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			if err := db.Change(t.Context(), "test", add(fmt.Sprint(n))); err != nil {
				t.Error(err)
			}
			if n == 100 {
				close(begun)
			}
		}
	})
	<-begun
	for n := range 5 {
		to := filepath.Join(t.TempDir(), "copy.db")
		last, total := 0, 0
		err := Copy(t.Context(), o.Path, to, func(d, all int) { last, total = d, all })
		if err != nil {
			t.Fatal(err)
		}
		if last == 0 || last != total {
			t.Errorf("progress ended at %d of %d", last, total)
		}
		if left, err := filepath.Glob(to + "-*"); err != nil || len(left) > 0 {
			t.Errorf("beside the copy is %v, %v", left, err)
		}
		if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the copy has mode %v, %v", info.Mode(), err)
		}
		err = Look(t.Context(), to, o.Migrations, func(c *Conn) error {
			whole := ""
			err := c.Query(t.Context(), "PRAGMA integrity_check", nil, func(r *Row) error {
				whole = r.Text()
				return nil
			})
			if err != nil || whole != "ok" {
				return fmt.Errorf("copy %d is damaged: %s, %w", n, whole, err)
			}
			things, _, err := c.Number(t.Context(), "SELECT count(*) - (SELECT n FROM total) FROM thing", nil)
			if err != nil || things != 0 {
				return fmt.Errorf("copy %d is not one state: %d, %w", n, things, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	cancel()
	writing.Wait()
}

// TestLookChangesNothing: it neither makes a database nor brings one up to date.
func TestLookChangesNothing(t *testing.T) {
	path := newPath(t)
	never := func(*Conn) error { t.Error("there was something to look at"); return nil }
	if err := Look(t.Context(), path, steps(firstStep), never); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	if err := Copy(t.Context(), path, path+".copy", nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) > 0 {
		t.Errorf("made %v, %v", files, err)
	}
	open(t, options(path))
	newer := steps(firstStep, "CREATE TABLE more (n INTEGER) STRICT")
	if err := Look(t.Context(), path, newer, never); !fault.Is(err, fault.Conflict) {
		t.Errorf("an older schema: %v", err)
	}
	looked := false
	err := Look(t.Context(), path, nil, func(c *Conn) error {
		looked = true
		if err := c.once("INSERT INTO total VALUES (1)"); err == nil {
			t.Error("it can be written to")
		}
		return nil
	})
	if err != nil || !looked {
		t.Errorf("got %v", err)
	}
	if err := Copy(t.Context(), path, path, nil); !fault.Is(err, fault.Conflict) {
		t.Errorf("a copy onto itself: %v", err)
	}
}

// TestLock keeps a server away.
func TestLock(t *testing.T) {
	o := options(newPath(t))
	o.Server = true
	release, err := Lock(o.Path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), o); !fault.Is(err, fault.Conflict) {
		t.Errorf("got %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	open(t, o)
	if _, err := Lock(o.Path); !fault.Is(err, fault.Conflict) {
		t.Errorf("got %v", err)
	}
}

// TestCopyIsCanceled at once.
func TestCopyIsCanceled(t *testing.T) {
	o := options(newPath(t))
	open(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	started := time.Now()
	if err := Copy(ctx, o.Path, o.Path+".copy", nil); !fault.Is(err, fault.Canceled) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
