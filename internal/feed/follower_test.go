package feed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// row is something with a name that holds until an end, zero for never.
type row struct {
	name string
	end  time.Time
}

func (r row) holds() bool { return r.end.IsZero() || time.Now().Before(r.end) }

// shelf is a Book.
type shelf struct {
	mu   sync.Mutex // guards what follows
	rows map[string]row
}

func (s *shelf) Replace(all []row) {
	s.mu.Lock()
	s.rows = map[string]row{}
	s.mu.Unlock()
	s.Apply(all)
}

func (s *shelf) Apply(changes []row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range changes {
		delete(s.rows, r.name)
		if r.holds() {
			s.rows[r.name] = r
		}
	}
}

func (s *shelf) Sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.rows, func(_ string, r row) bool { return !r.holds() })
}

func (s *shelf) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, is := s.rows[name]
	return is
}

func (s *shelf) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows)
}

// store is one of which somebody has only the rows and their numbers.
type store struct {
	mu      sync.Mutex // guards what follows
	list    []row
	number  uint64
	away    bool
	told    bool
	changed chan struct{}
}

// since is for Source: the last change has the number, the one before that less one.
func (f *store) since(_ context.Context, since uint64) ([]row, uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return nil, 0, errors.New("away")
	}
	if since >= f.number {
		return nil, f.number, nil
	}
	from := len(f.list) - int(min(f.number-since, uint64(len(f.list))))
	return f.list[from:], f.number, nil
}

// raised is for Source.
func (f *store) raised() (<-chan struct{}, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed, f.told
}

func (f *store) source() Source[row] {
	return Source[row]{What: "rows", Since: f.since, Changed: f.raised}
}

// change adds changes, and tells of them where it does.
func (f *store) change(list ...row) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list, f.number = append(f.list, list...), f.number+uint64(len(list))
	if f.told {
		close(f.changed)
		f.changed = make(chan struct{})
	}
}

// set does something to the store.
func (f *store) set(do func(*store)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(f)
}

// world is a store and a book that follows it, within a bubble.
type world struct {
	*testing.T
	*store
	book *shelf
	log  *bytes.Buffer
}

// following runs test within a bubble.
func following(t *testing.T, told bool, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t, &store{told: told, changed: make(chan struct{})}, new(shelf), new(bytes.Buffer)}
		w.change(row{name: "first"})
		follower := Follow(w.source(), w.book, Options{Logger: slog.New(slog.NewTextHandler(w.log, nil))})
		if err := follower.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if w.book.len() != 1 {
			t.Fatalf("%d are loaded", w.book.len())
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { follower.Run(ctx); close(done) }()
		synctest.Wait()
		test(w)
		cancel()
		<-done
	})
}

// within wants n rows in the book after so long at the most.
func (w *world) within(limit time.Duration, n int) {
	w.Helper()
	began := time.Now()
	for {
		synctest.Wait()
		if w.book.len() == n {
			return
		}
		if time.Since(began) >= limit {
			w.Fatalf("after %v there are %d, want %d", limit, w.book.len(), n)
		}
		time.Sleep(10 * time.Millisecond) // of the bubble
	}
}

func TestChangesAreFelt(t *testing.T) {
	following(t, false, func(w *world) {
		w.change(row{name: "next"})
		w.within(UsualPoll, 2)
		w.change(row{"next", time.Now()})
		w.within(UsualPoll, 1)
	})
	following(t, true, func(w *world) {
		w.change(row{name: "next"})
		w.within(0, 2)
	})
}

// TestMissedNotification: where a change is not told of although all are, it is felt
// within a second all the same.
func TestMissedNotification(t *testing.T) {
	following(t, true, func(w *world) {
		w.set(func(f *store) { f.told = false })
		w.change(row{name: "next"})
		w.set(func(f *store) { f.told = true })
		w.within(time.Second, 2)
	})
}

// TestStoreAway: what is known goes on, what came meanwhile is taken afterwards, and the
// log has it once.
func TestStoreAway(t *testing.T) {
	following(t, false, func(w *world) {
		w.set(func(f *store) { f.away = true })
		w.change(row{name: "next"})
		time.Sleep(time.Hour) // of the bubble
		w.within(0, 1)
		w.set(func(f *store) { f.away = false })
		w.within(UsualPoll, 2)
		if text := w.log.String(); strings.Count(text, "changes of rows cannot be asked for") != 1 || strings.Count(text, "changes of rows are known again") != 1 {
			t.Errorf("the log says %s", text)
		}
	})
}

// TestPutBack: a store that was put back from a copy counts anew.
func TestPutBack(t *testing.T) {
	following(t, false, func(w *world) {
		w.change(row{name: "next"}, row{name: "third"})
		w.within(UsualPoll, 3)
		w.set(func(f *store) { f.list, f.number = f.list[1:2], 1 })
		w.within(UsualPoll, 1)
		if !w.book.has("next") {
			t.Error("the one that is left does not hold")
		}
	})
}

// TestEndedLeaveMemory: what has ended is removed without a change.
func TestEndedLeaveMemory(t *testing.T) {
	following(t, true, func(w *world) {
		w.change(row{"next", time.Now().Add(time.Second)})
		w.within(0, 2)
		w.within(2*sweepEvery, 1)
	})
}

func TestLoadFails(t *testing.T) {
	if err := Follow((&store{away: true}).source(), new(shelf), Options{}).Load(t.Context()); err == nil {
		t.Error("a store that is away loads")
	}
}

// TestPrunedInPortions, every hour, also after it could not be.
func TestPrunedInPortions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, log := time.Now(), new(bytes.Buffer)
		var asked []time.Time
		portions := []int{portion, portion, 3, portion, -1, 0}
		p := &Pruner{What: "rows", Now: time.Now, Logger: slog.New(slog.NewTextHandler(log, nil)), Remove: func(_ context.Context, before time.Time, limit int) (int, error) {
			asked = append(asked, before)
			n := portions[len(asked)-1]
			if n < 0 {
				return 0, errors.New("no space")
			}
			return min(n, limit), nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { p.Run(ctx); close(done) }()
		time.Sleep(2*time.Hour + time.Minute) // of the bubble
		cancel()
		<-done
		for i, hour := range []int{0, 0, 0, 1, 1, 2} {
			if i >= len(asked) || !asked[i].Equal(began.Add(time.Duration(hour)*time.Hour-30*24*time.Hour)) {
				t.Fatalf("asked for what ended before %v", asked)
			}
		}
		if len(asked) != 6 || strings.Count(log.String(), "rows that ended long ago could not be removed yet") != 1 {
			t.Errorf("asked %d times, the log says %s", len(asked), log)
		}
	})
}

// TestAllOfAGateAskAtTheSameTime: whoever asks as often for one gate does so at the same moments,
// whenever it began; and none waits for longer than it asks every so often.
func TestAllOfAGateAskAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, node := range []string{"", "1", "mx-2.example.net"} {
			phase := Phase(node)
			for _, every := range []time.Duration{UsualPoll, UsualCalm, time.Hour} {
				for range 5 {
					time.Sleep(every * 3 / 11) // of the bubble
					wait := Pause(every, phase)
					if then := time.Now().Add(wait).Add(-phase); wait <= 0 || wait > every || !then.Equal(then.Truncate(every)) {
						t.Errorf("every %v: waits %v at %v", every, wait, time.Now())
					}
					time.Sleep(wait) // of the bubble
					if next := Pause(every, phase); next != every {
						t.Errorf("every %v: %v behind the last", every, next)
					}
				}
			}
		}
	})
}

// TestGatesAskAtOtherTimes: what one moment has of the questions of many gates is not much.
func TestGatesAskAtOtherTimes(t *testing.T) {
	const gates, parts = 100, 10
	for told, every := range map[bool]time.Duration{false: UsualPoll, true: UsualCalm} {
		synctest.Test(t, func(t *testing.T) {
			s := &store{told: told, changed: make(chan struct{})}
			var mu sync.Mutex // guards at
			var at [parts]int
			ctx, cancel := context.WithCancel(t.Context())
			var following sync.WaitGroup
			for n := range gates {
				source := s.source()
				source.Since = func(context.Context, uint64) ([]row, uint64, error) {
					mu.Lock()
					defer mu.Unlock()
					at[time.Duration(time.Now().UnixNano())%every*parts/every]++
					return nil, 0, nil
				}
				following.Go(func() { Follow(source, new(shelf), Options{Node: fmt.Sprintf("mx-%d", n)}).Run(ctx) })
			}
			synctest.Wait()
			clear(at[:])      // all have asked as they began
			time.Sleep(every) // of the bubble
			cancel()
			following.Wait()
			all := 0
			for _, n := range at {
				all += n
			}
			if most := slices.Max(at[:]); all != gates || most > 3*gates/parts {
				t.Errorf("every %v: %d have asked, %v of them in one part of %d", every, all, most, parts)
			}
		})
	}
}
