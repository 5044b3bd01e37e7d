package postgres

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/node"
	"countersign/internal/testkit/pgcluster"
)

// TestOneOfManyFirstStarts lets many processes start at once under one id: one of
// them is the node, and stays it. So it is where the id is new, where a process of
// it has just stopped, and where one was killed.
func TestOneOfManyFirstStarts(t *testing.T) {
	const many = 10
	start := func(t *testing.T, url string) *Store {
		t.Helper()
		var all sync.WaitGroup
		var mu sync.Mutex // guards passed
		var passed []*Store
		for range many {
			all.Go(func() {
				s, err := Open(context.Background(), Options{URL: url, Server: true, Node: "a"})
				switch {
				case err == nil:
					mu.Lock()
					defer mu.Unlock()
					passed = append(passed, s)
				case !fault.Is(err, fault.Conflict):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(passed) != 1 {
			t.Fatalf("%d of %d processes are node a", len(passed), many)
		}
		if err := passed[0].Accept(context.Background(), letterTo(int(time.Now().UnixNano()), 1)); err != nil {
			t.Errorf("the one that passed is not the node: %v", err)
		}
		return passed[0]
	}
	for n := range 3 {
		t.Run(fmt.Sprint("new ", n), func(t *testing.T) {
			url := shared.Cluster(t).Database(t)
			stopped := start(t, url)
			lease := node.Lease{Node: "a", Epoch: epochOf(t, stopped)}
			if err := errors.Join(stopped.Leave(t.Context(), lease, false), stopped.Close()); err != nil {
				t.Fatal(err)
			}
			killed := start(t, url)
			if err := killed.Close(); err != nil { // it leaves nothing, as if killed
				t.Fatal(err)
			}
			if err := start(t, url).Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// epochOf returns the epoch of node a.
func epochOf(t *testing.T, s *Store) int64 {
	t.Helper()
	return number(t, s, "SELECT epoch FROM node WHERE id = 'a'")
}

// TestAdoptersStarveNobody lets several nodes adopt without a pause: who joins,
// drains or leaves meanwhile does not wait for a gap between them.
func TestAdoptersStarveNobody(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	far, through := standBetween(t, url)
	delay := func(bool, []byte) bool {
		time.Sleep(time.Millisecond) // the way through a network
		return false
	}
	far.cut.Store(&delay)
	living := []*member{joinAs(t, through, "a"), joinAs(t, through, "b"), joinAs(t, through, "c"), joinAs(t, through, "d")}
	dead, watcher := joinAs(t, url, "dead"), joinAs(t, url, "watcher")
	dead.accept(0, 3000, 2)
	dead.expire()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	var adopted, turns atomic.Int64
	for _, m := range living {
		for range 6 { // their transactions overlap
			all.Go(func() {
				for ctx.Err() == nil {
					shares, err := m.Adopt(ctx, m.lease, 2, true)
					adopted.Add(int64(sum(shares)))
					turns.Add(1)
					if err != nil && ctx.Err() == nil && !fault.Is(err, fault.Fenced) {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	for adopted.Load() < 100 && !t.Failed() {
		runtime.Gosched()
	}
	e := audit.Event{At: time.Unix(1, 0), Kind: audit.AdminChanged, Object: "node"}
	longest := time.Duration(0)
	prompt := func(what string, do func(ctx context.Context) error) {
		t.Helper()
		bounded, end := context.WithTimeout(t.Context(), 5*time.Second)
		defer end()
		began := time.Now()
		if err := do(bounded); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		took := time.Since(began)
		longest = max(longest, took)
		if took > time.Second {
			t.Errorf("%s took %v", what, took)
		}
	}
	for range 12 {
		prompt("drain", func(ctx context.Context) error { return watcher.Drain(ctx, "b", false, e) })
		prompt("join", func(ctx context.Context) error {
			_, err := watcher.Join(ctx, node.Node{ID: "watcher"}, time.Hour)
			return err
		})
		prompt("join of the adopted", func(ctx context.Context) error {
			r, err := dead.Join(ctx, node.Node{ID: "dead"}, time.Hour)
			dead.lease = r.Lease
			return err
		})
		prompt("leave", func(ctx context.Context) error { return dead.Leave(ctx, dead.lease, false) })
	}
	t.Logf("the longest took %v", longest.Round(time.Millisecond))
	cancel()
	all.Wait()
	t.Logf("%d deliveries were adopted in %d turns", adopted.Load(), turns.Load())
}

// TestLocksComeBackAfterARestart: a restart of the server ends the locks that tell of a
// living process; its next renewal takes them again, and a second process is refused.
func TestLocksComeBackAfterARestart(t *testing.T) {
	c := pgcluster.Start(t, pgcluster.Options{NoSync: true, Prepare: prepare})
	url := c.Database(t)
	first := joinAs(t, url, "a")
	c.Restart(t, pgcluster.Fast)
	if _, err := first.Renew(t.Context(), first.lease, time.Hour, node.Condition{}); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Options{URL: url, Server: true, Node: "a"})
	wantFault(t, err, fault.Conflict, "another process")
	if err := first.Accept(t.Context(), letterTo(1, 1)); err != nil {
		t.Errorf("the first was harmed: %v", err)
	}
}
