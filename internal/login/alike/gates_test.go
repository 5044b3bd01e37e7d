package alike

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/login/shape"
)

// Whatever two gates of a store have seen, each for itself, in whatever order: at any moment
// both show one and the same challenge for a name that nobody has, and so does one that was
// started just then.
func TestGatesShowOneChallenge(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 0))
		clock := time.Unix(1_800_000_000, 0)
		now := func() time.Time { return clock }
		store := &shape.Memory{}
		gates := []*stood{beside(t, store, lasting("a"), now), beside(t, store, lasting("a"), now)}
		seen := map[int]bool{}
		for step := range 200 {
			g := r.IntN(len(gates))
			switch r.IntN(5) {
			case 0:
				gates[g] = beside(t, store, lasting("a"), now) // a restart
			case 1:
				gates[g].LearnOwn(16, 10_000+1000*r.IntN(3))
			default:
				gates[g].Learn(fmt.Sprintf("real%d@example.org", r.IntN(4)), challenge("s", 12+4*r.IntN(3), 4096+r.IntN(2)), time.Millisecond)
			}
			clock = clock.Add(time.Duration(r.IntN(3600)) * time.Second)
			restarted := beside(t, store, lasting("a"), now)
			for n := range 8 {
				name := fmt.Sprintf("unknown%d@example.org", n)
				want, iterations := restarted.Salt(name)
				seen[iterations] = true
				for _, gate := range gates {
					if salt, i := gate.Salt(name); string(salt) != string(want) || i != iterations {
						t.Fatalf("seed %d, step %d: %s shows %x, %d at one gate, %x, %d after a restart", seed, step, name, salt, i, want, iterations)
					}
				}
			}
		}
		if len(seen) < 3 {
			t.Errorf("seed %d: all show %v", seed, seen)
		}
	}
}

// The first guess is every gate's, until accounts are known to show something.
func TestTheFirstGuessIsEveryGates(t *testing.T) {
	store := &shape.Memory{}
	a, b := beside(t, store, lasting("a"), time.Now), beside(t, store, lasting("a"), time.Now)
	a.Learn("one@example.org", challenge("s", 20, 5000), 0)
	b.Learn("two@example.org", challenge("s", 24, 6000), 0)
	for _, gate := range []*stood{a, b} {
		if salt, iterations := gate.Salt("x@example.org"); len(salt) != 20 || iterations != 5000 {
			t.Errorf("%d octets, %d", len(salt), iterations)
		}
	}
	b.Learn("two@example.org", challenge("s", 24, 6000), 0) // the same salt again
	if salt, iterations := a.Salt("x@example.org"); len(salt) != 24 || iterations != 6000 {
		t.Errorf("then %d octets, %d", len(salt), iterations)
	}
}

// fickle is a store that takes nothing while it is away.
type fickle struct {
	shape.Memory
	mu    sync.Mutex // guards what follows
	away  bool
	times int
}

func (s *fickle) KeepShape(ctx context.Context, p shape.Place, l shape.Shape, at time.Time) error {
	s.mu.Lock()
	s.times++
	away := s.away
	s.mu.Unlock()
	if away {
		return errors.New("it is away")
	}
	return s.Memory.KeepShape(ctx, p, l, at)
}

func (s *fickle) Shapes(ctx context.Context, p shape.Place) ([]shape.Shape, error) {
	s.mu.Lock()
	away := s.away
	s.mu.Unlock()
	if away {
		return nil, errors.New("it is away")
	}
	return s.Memory.Shapes(ctx, p)
}

// What is learned is kept at once, later where the store is away, and at the end; what is
// seen again and again is told once an hour.
func TestWhatIsLearnedIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &fickle{}
		f := NewFronts(lasting("a"), store, time.Now)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { f.Run(ctx) })
		front := f.Of("d", "SCRAM-SHA-256")
		view, err := front.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			view.Learn("real@example.org", challenge("s", 20, 5000), 0)
		}
		has := func(what string, want int) {
			t.Helper()
			synctest.Wait()
			list, err := store.Memory.Shapes(t.Context(), front.place)
			if err != nil || len(list) != want {
				t.Errorf("%s: %v, %v", what, list, err)
			}
		}
		has("at once", 2)
		if store.times != 2 {
			t.Errorf("told %d times", store.times)
		}
		store.mu.Lock()
		store.away = true
		store.mu.Unlock()
		for range 2 {
			view.Learn("other@example.org", challenge("s", 30, 5000), 0)
		}
		has("while it is away", 2)
		if _, err := front.View(t.Context()); err == nil {
			t.Error("while the store is away there is something to be shown")
		}
		store.mu.Lock()
		store.away = false
		store.mu.Unlock()
		time.Sleep(keepAgain)
		has("later", 3)
		time.Sleep(2 * noteAgain)
		before := store.times
		view.Learn("other@example.org", challenge("s", 30, 5000), 0)
		has("after hours", 3)
		if store.times != before+1 {
			t.Errorf("what is seen again is told %d times", store.times-before)
		}
		stop()
		running.Wait()
		view.Learn("other@example.org", challenge("s", 31, 5000), 0)
		view.Learn("other@example.org", challenge("s", 31, 5000), 0)
		ended, end := context.WithCancel(t.Context())
		end()
		f.Run(ended)
		has("at the end", 4)
	})
}
