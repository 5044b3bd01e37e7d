package book

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/access"
)

// feed is a store of which somebody has only the bans and their numbers.
type feed struct {
	mu      sync.Mutex // guards what follows
	list    []access.Ban
	number  uint64
	away    bool
	told    bool
	changed chan struct{}
	asked   int
}

// BansSince implements access.Feed: the last change has the number, the one before that
// less one.
func (f *feed) BansSince(_ context.Context, since uint64) ([]access.Ban, uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.away {
		return nil, 0, errors.New("away")
	}
	if since >= f.number {
		return nil, f.number, nil
	}
	from := len(f.list) - int(min(f.number-since, uint64(len(f.list))))
	return f.list[from:], f.number, nil
}

// BansChanged implements access.Feed.
func (f *feed) BansChanged() (<-chan struct{}, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed, f.told
}

// change adds changes, and tells of them where it does.
func (f *feed) change(list ...access.Ban) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list, f.number = append(f.list, list...), f.number+uint64(len(list))
	if f.told {
		close(f.changed)
		f.changed = make(chan struct{})
	}
}

// set does something to the feed.
func (f *feed) set(do func(*feed)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(f)
}

// following runs test within a bubble, with a book that follows f.
func following(t *testing.T, told bool, test func(f *feed, b *Book)) {
	synctest.Test(t, func(t *testing.T) {
		f, b := &feed{told: told, changed: make(chan struct{})}, New(nil)
		f.change(access.Ban{ID: "first", Prefix: netip.MustParsePrefix("192.0.2.0/24")})
		follower := Follow(f, b, Options{})
		if err := follower.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if b.Len() != 1 {
			t.Fatalf("%d bans are loaded", b.Len())
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { follower.Run(ctx); close(done) }()
		synctest.Wait()
		test(f, b)
		cancel()
		<-done
	})
}

// within wants n bans in the book after so long at the most.
func within(t *testing.T, b *Book, limit time.Duration, n int) {
	t.Helper()
	began := time.Now()
	for {
		synctest.Wait()
		if b.Len() == n {
			return
		}
		if time.Since(began) >= limit {
			t.Fatalf("after %v there are %d bans, want %d", limit, b.Len(), n)
		}
		time.Sleep(10 * time.Millisecond) // of the bubble
	}
}

var next = access.Ban{ID: "next", Prefix: netip.MustParsePrefix("198.51.100.0/24")}

func TestChangesAreFelt(t *testing.T) {
	following(t, false, func(f *feed, b *Book) {
		f.change(next)
		within(t, b, usualPoll, 2)
		lifted := next
		lifted.End = time.Now()
		f.change(lifted)
		within(t, b, usualPoll, 1)
	})
	following(t, true, func(f *feed, b *Book) {
		f.change(next)
		within(t, b, 0, 2)
	})
}

// TestMissedNotification: where a change is not told of although all are, it is felt
// within a second all the same.
func TestMissedNotification(t *testing.T) {
	following(t, true, func(f *feed, b *Book) {
		f.set(func(f *feed) { f.told = false })
		f.change(next)
		f.set(func(f *feed) { f.told = true })
		within(t, b, time.Second, 2)
	})
}

// TestStoreAway: what is known goes on, and what came meanwhile is taken afterwards.
func TestStoreAway(t *testing.T) {
	following(t, false, func(f *feed, b *Book) {
		f.set(func(f *feed) { f.away = true })
		f.change(next)
		time.Sleep(time.Hour) // of the bubble
		within(t, b, 0, 1)
		f.set(func(f *feed) { f.away = false })
		within(t, b, usualPoll, 2)
	})
}

// TestPutBack: a store that was put back from a copy counts anew.
func TestPutBack(t *testing.T) {
	following(t, false, func(f *feed, b *Book) {
		f.change(next, access.Ban{ID: "third", Prefix: netip.MustParsePrefix("203.0.113.0/24")})
		within(t, b, usualPoll, 3)
		f.set(func(f *feed) { f.list, f.number = f.list[1:2], 1 })
		within(t, b, usualPoll, 1)
		if b.Network(netip.MustParseAddr("198.51.100.1")) == nil {
			t.Error("the one that is left does not hold")
		}
	})
}

// TestEndedLeaveMemory: what has ended is removed without a change.
func TestEndedLeaveMemory(t *testing.T) {
	following(t, true, func(f *feed, b *Book) {
		short := next
		short.End = time.Now().Add(time.Second)
		f.change(short)
		within(t, b, 0, 2)
		within(t, b, 2*sweepEvery, 1)
	})
}

func TestLoadFails(t *testing.T) {
	if err := Follow(&feed{away: true}, New(nil), Options{}).Load(t.Context()); err == nil {
		t.Error("a store that is away loads")
	}
}
