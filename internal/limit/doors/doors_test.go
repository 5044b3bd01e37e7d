package doors

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
	"countersign/internal/limit"
)

// store is a limit.Doors in memory, that can be away, and be told that its holder is another.
type store struct {
	mu       sync.Mutex // guards all
	away     bool
	name     string
	gates    int
	counters map[limit.Subject]*limit.Counter
	asked    int
	// unclear says that the next answer to Occupy is lost, after it was done.
	unclear bool
	// busy is what is answered in place of a decision.
	busy error
	// turns renames it as it judges, that often.
	turns int
}

func newStore() *store {
	return &store{name: "1#1", gates: 1, counters: map[limit.Subject]*limit.Counter{}}
}

func (s *store) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *store) Counter(of limit.Subject) *limit.Counter {
	if s.counters[of] == nil {
		s.counters[of] = &limit.Counter{}
	}
	return s.counters[of]
}

func (s *store) Met(limit.Contact) int64 { return 0 }

func (s *store) Connect(_ context.Context, q *limit.Question) (limit.Decision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.away {
		return limit.Decision{}, fault.New("test", fault.Unavailable, "away")
	}
	if s.busy != nil {
		return limit.Decision{}, s.busy
	}
	if s.turns > 0 {
		s.turns--
		s.name += "#"
	}
	q.Self, q.Alive = s.name, func(name string) bool { return name == s.name }
	d := q.Judge(s, time.Now())
	if d.Passes() {
		q.Count(&d)
	}
	return d, nil
}

func (s *store) Occupy(_ context.Context, held map[limit.Subject]int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return fault.New("test", fault.Fenced, "away")
	}
	for of, n := range held {
		s.Counter(of).Occupy(s.name, n, time.Now())
	}
	if s.unclear {
		s.unclear = false
		return fault.New("test", fault.Unavailable, "it was done, and nobody knows")
	}
	return nil
}

func (s *store) Holder() (string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.name, s.gates
}

// world is doors before that store, in a bubble.
type world struct {
	*testing.T
	store *store
	doors *Doors
	away  limit.Away
}

func inBubble(t *testing.T, run func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, store: newStore()}
		w.doors = New(Options{Store: w.store, Now: time.Now})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.doors.Run(ctx); close(done) }()
		run(w)
		cancel()
		<-done
	})
}

// enter wants a connection to be let in, or not, by limits written as people do.
func (w *world) enter(in bool, texts ...string) Pass {
	w.Helper()
	pass, _ := w.decide(in, texts...)
	return pass
}

func (w *world) decide(in bool, texts ...string) (Pass, limit.Decision) {
	w.Helper()
	level := limit.Level{Subject: limit.Subject{Kind: limit.Network, Name: "192.0.2.7"}}
	for _, text := range texts {
		l, err := limit.Parse(text)
		if err != nil {
			w.Fatal(err)
		}
		l.Away = w.away
		level.Limits = append(level.Limits, l)
	}
	pass, d, err := w.doors.Enter(w.Context(), []limit.Level{level}, 80)
	if got := err == nil && d.Passes(); got != in {
		w.Fatalf("let in: %v, want %v (%v, %+v)", got, in, err, d.Decisive)
	}
	synctest.Wait()
	return pass, d
}

func TestNobodyAsksWithoutLimits(t *testing.T) {
	inBubble(t, func(w *world) {
		w.enter(true, "messages/hour=0").Leave()
		if w.store.asked != 0 {
			t.Error("the store is asked about a connection without limits")
		}
	})
}

// TestWhoGoesMakesRoom: at once, also for somebody who comes before the store has heard.
func TestWhoGoesMakesRoom(t *testing.T) {
	inBubble(t, func(w *world) {
		first := w.enter(true, "connections/at-once=2")
		w.enter(true, "connections/at-once=2")
		_, d := w.decide(false, "connections/at-once=2")
		if text := d.Decisive.Describe(); !strings.Contains(text, "network") || strings.Contains(text, "room") {
			t.Errorf("they are told %q", text)
		}
		first.Leave()
		first.Leave() // which does nothing
		w.enter(true, "connections/at-once=2")
		w.enter(false, "connections/at-once=2")
	})
}

func TestSoManyInAMinute(t *testing.T) {
	inBubble(t, func(w *world) {
		for range 3 {
			w.enter(true, "connections/minute=3", "connections/at-once=1").Leave()
		}
		w.enter(false, "connections/minute=3", "connections/at-once=1")
		time.Sleep(62 * time.Second)
		w.enter(true, "connections/minute=3", "connections/at-once=1")
	})
}

// TestStoreAway: what each limit says is what happens, and the store hears later who came and
// went meanwhile.
func TestStoreAway(t *testing.T) {
	both := []string{"connections/hour=9", "connections/at-once=6"}
	t.Run("open", func(t *testing.T) {
		inBubble(t, func(w *world) {
			first := w.enter(true, both...)
			w.store.set(func() { w.store.away = true })
			for range 20 {
				w.enter(true, both...)
			}
			first.Leave()
			time.Sleep(3 * time.Second)
			w.store.set(func() { w.store.away = false })
			time.Sleep(3 * time.Second)
			w.store.set(func() {
				c := w.store.Counter(limit.ApartOf(limit.Subject{Kind: limit.Network, Name: "192.0.2.7"}))
				if n := c.Used(limit.AtOnce, limit.Connections, time.Now()); n != 20 {
					t.Errorf("the store knows %d, want 20", n)
				}
			})
			w.enter(false, both...) // they are there
		})
	})
	t.Run("closed", func(t *testing.T) {
		inBubble(t, func(w *world) {
			w.away = limit.AwayClosed
			w.enter(true, both...)
			w.store.set(func() { w.store.away = true })
			w.enter(false, both...)
			w.enter(true, "messages/hour=1") // no limit of connections
			w.store.set(func() { w.store.away = false })
			time.Sleep(3 * time.Second)
			w.enter(true, both...)
		})
	})
	t.Run("share", func(t *testing.T) {
		inBubble(t, func(w *world) {
			w.away = limit.AwayShare
			w.store.set(func() { w.store.gates = 3 })
			first := w.enter(true, both...)
			w.store.set(func() { w.store.away = true })
			w.enter(true, both...)
			w.enter(false, both...) // a third of six at once
			first.Leave()
			w.enter(true, both...) // a third of nine in an hour
			w.enter(false, both...)
			time.Sleep(62 * time.Minute)
			w.enter(false, both...) // those two are still there
		})
	})
}

// TestAwayIsNotWaitedFor: a store that is away is asked once in a second, not by everybody.
func TestAwayIsNotWaitedFor(t *testing.T) {
	inBubble(t, func(w *world) {
		w.store.set(func() { w.store.away = true })
		for range 100 {
			w.enter(true, "connections/hour=9")
		}
		if w.store.asked != 1 {
			t.Errorf("it was asked %d times", w.store.asked)
		}
		w.store.set(func() { w.store.away = false })
		time.Sleep(2 * time.Second)
		for range 9 {
			w.enter(true, "connections/hour=9")
		}
		w.enter(false, "connections/hour=9")
	})
}

// TestAnotherLease: under its next lease a gate says once more what it holds.
func TestAnotherLease(t *testing.T) {
	inBubble(t, func(w *world) {
		first := w.enter(true, "connections/at-once=2")
		w.enter(true, "connections/at-once=2")
		w.store.set(func() { w.store.name = "1#2" })
		time.Sleep(2 * time.Second)
		w.enter(false, "connections/at-once=2")
		first.Leave()
		w.enter(true, "connections/at-once=2")
		w.enter(false, "connections/at-once=2")
	})
}

// TestForgotten: what this gate has counted itself goes when no window sees it.
func TestForgotten(t *testing.T) {
	inBubble(t, func(w *world) {
		w.away = limit.AwayShare
		w.enter(true, "connections/minute=9", "connections/at-once=5").Leave()
		synctest.Wait()
		kept := func() int {
			w.doors.mu.Lock()
			defer w.doors.mu.Unlock()
			return len(w.doors.own) + len(w.doors.held) + len(w.doors.untold)
		}
		if n := kept(); n != 1 {
			t.Fatalf("%d are counted", n)
		}
		time.Sleep(2 * time.Minute)
		if n := kept(); n != 0 {
			t.Errorf("%d are kept", n)
		}
	})
}
