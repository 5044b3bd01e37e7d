package doors

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
	"countersign/internal/limit"
)

// known is how many the store knows of.
func (w *world) known() (n int64) {
	w.store.set(func() {
		c := w.store.Counter(limit.ApartOf(limit.Subject{Kind: limit.Network, Name: "192.0.2.7"}))
		for _, name := range []string{"1#1", "1#2", "1#1#"} {
			if name != w.store.name {
				c.Occupy(name, 0, time.Now())
			}
		}
		n = c.Used(limit.AtOnce, limit.Connections, time.Now())
	})
	return n
}

// TestAnotherLeaseAtOnce: who comes first under the next lease finds counted what is held.
func TestAnotherLeaseAtOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		w.enter(true, "connections/at-once=2")
		w.enter(true, "connections/at-once=2")
		w.store.set(func() { w.store.name = "1#2" })
		w.enter(false, "connections/at-once=2")
		if w.store.asked != 3 {
			t.Errorf("the store was asked %d times about 3", w.store.asked)
		}
	})
}

// TestLeaseTurnsAsItJudges: so it does where the lease is another one only when the store judges.
func TestLeaseTurnsAsItJudges(t *testing.T) {
	inBubble(t, func(w *world) {
		w.enter(true, "connections/at-once=2")
		w.enter(true, "connections/at-once=2")
		w.store.set(func() { w.store.turns = 1 })
		w.enter(false, "connections/at-once=2")
		if n := w.known(); n != 2 {
			t.Errorf("the store knows %d of 2", n)
		}
		w.store.set(func() { w.store.turns = 2 })
		w.enter(true, "connections/at-once=3")
		time.Sleep(2 * time.Second)
		w.enter(false, "connections/at-once=3")
	})
}

// TestNobodyStaysBehind: who came as the lease changed is counted once, and goes.
func TestNobodyStaysBehind(t *testing.T) {
	inBubble(t, func(w *world) {
		w.store.set(func() { w.store.name = "1#2" })
		var all []Pass
		for range 4 {
			all = append(all, w.enter(true, "connections/at-once=4"))
		}
		time.Sleep(3 * time.Second)
		if n := w.known(); n != 4 {
			t.Errorf("the store knows %d of 4", n)
		}
		for _, p := range all {
			p.Leave()
		}
		time.Sleep(3 * time.Second)
		if n := w.known(); n != 0 {
			t.Errorf("nobody is there, and the store knows %d", n)
		}
	})
}

// TestToldTwice: a number whose answer was lost is told once more, and makes no room twice.
func TestToldTwice(t *testing.T) {
	inBubble(t, func(w *world) {
		first := w.enter(true, "connections/at-once=3")
		w.enter(true, "connections/at-once=3")
		w.enter(true, "connections/at-once=3")
		w.store.set(func() { w.store.unclear = true })
		first.Leave()
		synctest.Wait()
		time.Sleep(3 * time.Second)
		if n := w.known(); n != 2 {
			t.Errorf("the store knows %d of 2", n)
		}
		w.enter(true, "connections/at-once=3")
		w.enter(false, "connections/at-once=3")
	})
}

// TestBusyIsNotAway: where the store is there and only not come to, this gate's share of each limit
// holds, whatever that says of a store that is away, and the next one is asked about.
func TestBusyIsNotAway(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Canceled, fault.Busy} {
		for _, away := range []limit.Away{limit.AwayOpen, limit.AwayClosed, limit.AwayShare} {
			inBubble(t, func(w *world) {
				w.away = away
				w.store.set(func() { w.store.gates = 2 })
				w.enter(true, "connections/hour=9", "connections/at-once=4")
				w.store.set(func() { w.store.busy = fault.New("test", kind, "it has not begun") })
				w.enter(true, "connections/hour=9", "connections/at-once=4")
				w.enter(false, "connections/hour=9", "connections/at-once=4")
				w.store.set(func() { w.store.busy = nil })
				w.enter(true, "connections/hour=9", "connections/at-once=4")
				w.enter(true, "connections/hour=9", "connections/at-once=4")
				w.enter(false, "connections/hour=9", "connections/at-once=4")
				if w.store.asked != 6 {
					t.Errorf("it was asked %d times of 6", w.store.asked)
				}
			})
		}
	}
}

// crossing holds up a Connect until it is let go.
type crossing struct {
	*store
	begun, go_ chan struct{}
}

func (s *crossing) Connect(ctx context.Context, q *limit.Question) (limit.Decision, error) {
	s.begun <- struct{}{}
	<-s.go_
	d, err := s.store.Connect(ctx, q)
	s.begun <- struct{}{}
	<-s.go_
	return d, err
}

// TestNumbersDoNotCross: what is told while a connection is judged does not wipe that out.
func TestNumbersDoNotCross(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &crossing{newStore(), make(chan struct{}), make(chan struct{})}
		d := New(Options{Store: s, Now: time.Now})
		l, err := limit.Parse("connections/at-once=9")
		if err != nil {
			t.Fatal(err)
		}
		levels := []limit.Level{{Subject: limit.Subject{Kind: limit.Network, Name: "192.0.2.7"}, Limits: []limit.Limit{l}}}
		enter := func() (p Pass) {
			p, _, err := d.Enter(t.Context(), levels, 0)
			if err != nil {
				t.Error(err)
			}
			return p
		}
		var first Pass
		go func() { first = enter() }()
		for range 2 {
			<-s.begun
			s.go_ <- struct{}{}
		}
		synctest.Wait()
		go enter()
		<-s.begun
		s.go_ <- struct{}{}
		<-s.begun // the store has counted the second, and its answer is on the way
		first.Leave()
		go func() {
			if err := d.tell(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		s.go_ <- struct{}{}
		synctest.Wait()
		s.set(func() {
			if n := s.Counter(limit.ApartOf(levels[0].Subject)).Used(limit.AtOnce, limit.Connections, time.Now()); n != 1 {
				t.Errorf("the store knows %d of 1", n)
			}
		})
	})
}
