package node

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
)

// memory is a Store whose clock is that of the bubble, and that can be away.
type memory struct {
	mu    sync.Mutex // guards all below
	away  bool
	epoch int64
	until time.Time
	state State
	// orphan is how many deliveries others have left, dead how many those own
	// whose lease ran out.
	orphan, dead int
	calls        []string
	// ahead is by how much the store's clock is, skew what a node said of that.
	ahead, skew time.Duration
	// keys are what a node said of its sealing keys.
	keys []string
	// slow is how long the store takes to tell its clock.
	slow time.Duration
}

var _ Store = (*memory)(nil)

func (m *memory) do(call string, fn func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, call)
	if m.away {
		return fault.New("memory", fault.Unavailable, "away")
	}
	return fn()
}

// fenced checks a lease. The lock is held.
func (m *memory) fenced(l Lease) error {
	if l.Epoch != m.epoch || !time.Now().Before(m.until) {
		return fault.New("memory", fault.Fenced, "epoch %d is over", l.Epoch)
	}
	return nil
}

func (m *memory) Clock(context.Context) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return time.Time{}, fault.New("memory", fault.Unavailable, "away")
	}
	time.Sleep(m.slow) // in the bubble
	return time.Now().Add(m.ahead - m.slow/2), nil
}

func (m *memory) Join(_ context.Context, n Node, length time.Duration) (r Renewal, err error) {
	err = m.do("join", func() error {
		m.epoch++
		m.until, m.state = time.Now().Add(length), Active
		r = Renewal{Lease: Lease{Node: n.ID, Epoch: m.epoch}, State: Active, Now: time.Now().Add(m.ahead)}
		return nil
	})
	return r, err
}

func (m *memory) Renew(_ context.Context, l Lease, length time.Duration, c Condition) (r Renewal, err error) {
	err = m.do("renew", func() error {
		if err := m.fenced(l); err != nil {
			return err
		}
		m.until, m.skew, m.keys = time.Now().Add(length), c.Skew, c.Keys
		r = Renewal{Lease: l, State: m.state, Now: time.Now().Add(m.ahead)}
		return nil
	})
	return r, err
}

func (m *memory) Leave(_ context.Context, l Lease, drained bool) error {
	return m.do("leave", func() error {
		m.until = time.Now()
		if drained {
			m.state = Drained
		}
		return nil
	})
}

func (m *memory) Adopt(_ context.Context, l Lease, limit int, dead bool) (shares []Share, err error) {
	err = m.do("adopt", func() error {
		if err := m.fenced(l); err != nil {
			return err
		}
		for _, s := range []struct {
			from *int
			Share
		}{{&m.orphan, Share{Node: "left"}}, {&m.dead, Share{Node: "dead", Dead: true}}} {
			if n := min(limit, *s.from); n > 0 && (dead || !s.Dead) {
				*s.from, limit, s.Deliveries = *s.from-n, limit-n, n
				shares = append(shares, s.Share)
			}
		}
		return nil
	})
	return shares, err
}

func (m *memory) Nodes(context.Context) ([]Node, error)                  { return nil, nil }
func (m *memory) Drain(context.Context, string, bool, audit.Event) error { return nil }
func (m *memory) Remove(context.Context, string, audit.Event) error      { return nil }

func (m *memory) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// bench is a Keeper that runs.
type bench struct {
	*Keeper
	store         *memory
	lost, drained atomic.Int32
}

func run(t *testing.T) (b *bench) {
	b = &bench{store: &memory{}}
	b.Keeper = NewKeeper(KeeperOptions{
		Store: b.store, Node: Node{ID: "a"}, Length: 10 * time.Second, Portion: 100,
		OnLost: func(string) { b.lost.Add(1) }, OnDrain: func() { b.drained.Add(1) },
	})
	if b.Holds() {
		t.Error("it holds a lease before it has joined")
	}
	if err := b.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

func TestLeaseIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t)
		for range 100 {
			time.Sleep(time.Second) // in the bubble
			if !b.Holds() {
				t.Fatal("the lease was lost although the store was there")
			}
		}
		if b.lost.Load() != 0 || b.Lease().Epoch != 1 {
			t.Errorf("lost %d times, epoch %d", b.lost.Load(), b.Lease().Epoch)
		}
	})
}

// TestLostBeforeTheStoreSaysSo: a node that cannot reach the store stops before
// anybody else may take what it owns, and goes on under a new epoch.
func TestLostBeforeTheStoreSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t)
		time.Sleep(5*time.Second + time.Millisecond) // in the bubble: just after a renewal
		b.store.set(func() { b.store.away = true })
		for b.Holds() {
			time.Sleep(10 * time.Millisecond) // in the bubble
		}
		var left time.Duration
		b.store.set(func() { left = time.Until(b.store.until) })
		if left < time.Second {
			t.Errorf("it stops %v before the store's lease ends; want a second at least", left)
		}
		time.Sleep(time.Minute) // in the bubble
		if b.lost.Load() != 1 {
			t.Errorf("lost %d times, want once", b.lost.Load())
		}
		b.store.set(func() { b.store.away = false })
		time.Sleep(5 * time.Second) // in the bubble
		if !b.Holds() || b.Lease().Epoch != 2 {
			t.Errorf("holds %v, epoch %d; want a new lease", b.Holds(), b.Lease().Epoch)
		}
	})
}

// TestShortAbsenceLosesNothing: a lease that was not used for a moment but not
// over either goes on.
func TestShortAbsenceLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t)
		time.Sleep(5*time.Second + time.Millisecond) // in the bubble
		b.store.set(func() { b.store.away = true })
		time.Sleep(6 * time.Second) // in the bubble: the lease goes on for 3 more, its last part has not begun
		b.store.set(func() { b.store.away = false })
		time.Sleep(2 * time.Second) // in the bubble
		if !b.Holds() || b.Lease().Epoch != 1 {
			t.Errorf("holds %v, epoch %d", b.Holds(), b.Lease().Epoch)
		}
	})
}

// TestFencedNodeJoinsAgain: the lease was given to another process meanwhile.
func TestFencedNodeJoinsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t)
		b.store.set(func() { b.store.epoch += 5 })
		time.Sleep(3 * time.Second) // in the bubble
		if b.lost.Load() != 1 || !b.Holds() || b.Lease().Epoch != 7 {
			t.Errorf("lost %d times, holds %v, epoch %d", b.lost.Load(), b.Holds(), b.Lease().Epoch)
		}
	})
}

func TestAdoptsInPortionsAndDrainsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t)
		b.store.set(func() { b.store.orphan = 950 })
		time.Sleep(3 * time.Second) // in the bubble
		b.store.set(func() {
			adopts := strings.Count(strings.Join(b.store.calls, " "), "adopt")
			if b.store.orphan != 0 || adopts != 10 {
				t.Errorf("%d are left after %d portions, want 0 after 10", b.store.orphan, adopts)
			}
		})
		b.store.set(func() { b.store.state, b.store.orphan = Draining, 10 })
		time.Sleep(10 * time.Second) // in the bubble
		b.store.set(func() {
			if b.drained.Load() != 1 || b.store.orphan != 10 {
				t.Errorf("asked to drain %d times, %d orphans left; want once, and none adopted", b.drained.Load(), b.store.orphan)
			}
		})
		err := b.Leave(t.Context(), true)
		b.store.set(func() {
			if err != nil || b.Holds() || b.store.state != Drained {
				t.Errorf("left: %v, holds %v, %s", err, b.Holds(), b.store.state)
			}
		})
	})
}

// TestJudgesWhenOthersHadTheirChance: that a lease ran out means nothing until a whole
// lease has passed since the node joined or the store came back. What others gave
// away is taken at once.
func TestJudgesWhenOthersHadTheirChance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t)
		// adopted returns how long the deliveries of a dead node wait from now on.
		adopted := func() time.Duration {
			began := time.Now()
			b.store.set(func() { b.store.dead = 10 })
			for left := 10; left > 0; {
				time.Sleep(10 * time.Millisecond) // in the bubble
				b.store.set(func() { left = b.store.dead })
			}
			return time.Since(began)
		}
		away := func(d time.Duration) {
			b.store.set(func() { b.store.away = true })
			time.Sleep(d) // in the bubble
			b.store.set(func() { b.store.away = false })
		}
		time.Sleep(time.Millisecond) // in the bubble: from here on just after a renewal
		b.store.set(func() { b.store.orphan = 10 })
		time.Sleep(2 * time.Second) // in the bubble
		b.store.set(func() {
			if b.store.orphan != 0 {
				t.Error("what others gave away waits")
			}
		})
		if took := adopted(); took < 7900*time.Millisecond || took > 8100*time.Millisecond {
			t.Errorf("after it joined, it judges others after 2s and %v, want 10s", took)
		}
		time.Sleep(time.Millisecond) // in the bubble
		if took := adopted(); took > 2*time.Second {
			t.Errorf("in quiet times, a dead node's deliveries wait for %v", took)
		}
		time.Sleep(time.Millisecond) // in the bubble
		away(3 * time.Second)        // and is missed once
		if took := adopted(); took > 2*time.Second {
			t.Errorf("after a moment without the store, a dead node's deliveries wait for %v", took)
		}
		time.Sleep(time.Millisecond) // in the bubble
		away(5 * time.Second)        // the lease goes on
		if took := adopted(); took < 10*time.Second || took > 12*time.Second {
			t.Errorf("after half a lease without the store it judges others after %v", took)
		}
		time.Sleep(time.Millisecond) // in the bubble
		away(time.Minute)
		if took := adopted(); took < 10*time.Second || took > 14*time.Second {
			t.Errorf("after a long time without the store it judges others after %v", took)
		}
		if b.Lease().Epoch != 2 {
			t.Errorf("epoch %d, want 2", b.Lease().Epoch)
		}
		b.store.set(func() { b.store.ahead += time.Hour }) // another server, with another clock
		time.Sleep(2 * time.Second)                        // in the bubble
		if took := adopted(); took < 7900*time.Millisecond {
			t.Errorf("after the store's clock was set it judges others after %v", took)
		}
	})
}

// TestLeftForGood: who has left does not come back by itself.
func TestLeftForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t)
		time.Sleep(time.Second) // in the bubble
		if err := b.Leave(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // in the bubble
		if err := b.Leave(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		b.store.set(func() {
			if calls := strings.Join(b.store.calls, " "); b.Holds() || calls != "join leave" || b.store.state != Drained {
				t.Errorf("holds %v after %q, %s", b.Holds(), calls, b.store.state)
			}
		})
	})
}

// TestSkew: a clock that is far off is known to the others, one that is too far
// off keeps the node from joining.
func TestSkew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t)
		b.store.set(func() { b.store.ahead = -3 * time.Second })
		time.Sleep(5 * time.Second) // in the bubble
		b.store.set(func() {
			if b.store.skew != 3*time.Second || b.Skew() != 3*time.Second {
				t.Errorf("the store knows a skew of %v, the node of %v", b.store.skew, b.Skew())
			}
		})
		late := &memory{ahead: 61 * time.Second}
		k := NewKeeper(KeeperOptions{Store: late, Node: Node{ID: "late"}})
		err := k.Join(t.Context())
		if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "1m1s behind the database's") || k.Holds() {
			t.Errorf("a node whose clock is a minute late joins: %v", err)
		}
		if calls := strings.Join(late.calls, " "); calls != "" || k.Skew() != -61*time.Second {
			t.Errorf("it did %q, and says its skew is %v", calls, k.Skew())
		}
		if err := RefuseSkew(t.Context(), late, time.Now); !fault.Is(err, fault.Conflict) {
			t.Errorf("who joins without a Keeper is told %v", err)
		}
		late.slow = 2 * time.Second // then only the joining tells
		err = k.Join(t.Context())
		if calls := strings.Join(late.calls, " "); !fault.Is(err, fault.Conflict) || calls != "join leave" || k.Holds() {
			t.Errorf("it did %q: %v", calls, err)
		}
		late.away = true
		if err := k.Join(t.Context()); !fault.Is(err, fault.Unavailable) {
			t.Errorf("while the store is away: %v", err)
		}
	})
}

// TestTheDeadAreNamed: the log names each node that is dead once, loudly, with all
// that was taken of it, and who has left quietly.
func TestTheDeadAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		store := &memory{}
		k := NewKeeper(KeeperOptions{
			Store: store, Node: Node{ID: "a"}, Length: 10 * time.Second, Portion: 100,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err := k.Join(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			k.Run(ctx)
		}()
		time.Sleep(15 * time.Second) // in the bubble: it may judge
		store.set(func() { store.dead, store.orphan = 250, 30 })
		time.Sleep(10 * time.Second) // in the bubble
		cancel()
		<-done
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		want := []string{
			`level=WARN msg="node dead is dead: its deliveries were shared out among the others" node=a dead=dead deliveries=250`,
			`level=INFO msg="deliveries of node left, which has left, were shared out among the others" node=a left=left deliveries=30`,
		}
		for i, line := range lines {
			if i >= len(want) || !strings.HasSuffix(line, want[i]) {
				t.Errorf("line %d: %s", i, line)
			}
		}
		if len(lines) != len(want) {
			t.Errorf("%d lines", len(lines))
		}
	})
}

// TestKeys: each renewal tells which sealing keys the process has then.
func TestKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		var keys []string
		k := NewKeeper(KeeperOptions{Store: store, Node: Node{ID: "a"}, Keys: func() []string { return keys }})
		if err := k.Join(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, now := range [][]string{{"old"}, {"new", "old"}, nil} {
			keys = now
			k.renew(t.Context())
			store.set(func() {
				if !slices.Equal(store.keys, now) {
					t.Errorf("the store knows %v, want %v", store.keys, now)
				}
			})
		}
	})
}
