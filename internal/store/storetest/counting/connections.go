package counting

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/limit"
	"countersign/internal/store/storetest/expect"
)

// connecting makes the question about a connection.
func connecting(levels ...limit.Level) *limit.Question { return limit.Connects(levels) }

// connect lets one come.
func (y *story) connect(q *limit.Question) bool {
	y.Helper()
	d, err := y.s.Connect(y.ctx, q)
	expect.Must(y, err)
	if d.Passes() != (d.Decisive == nil) || !d.Passes() && d.Action != limit.Defer {
		y.Errorf("a connection is to %s", d.Action)
	}
	return d.Passes()
}

// passed lets so many come, and says how many were let in.
func (y *story) passed(tries int, q func() *limit.Question) (in int) {
	y.Helper()
	for range tries {
		if y.connect(q()) {
			in++
		}
	}
	return in
}

// connectionsInWindow: so many come in a minute as the limit says, however many try at once, and
// messages of the same subject are counted apart.
func connectionsInWindow(y *story) {
	levels := []limit.Level{level(ann, limit.Defer, "connections/hour=30"), level(all, limit.Defer, "connections/hour=1000")}
	var passed atomic.Int64
	var trying sync.WaitGroup
	for range 10 {
		trying.Go(func() {
			for range 6 {
				if y.connect(connecting(levels...)) {
					passed.Add(1)
				}
			}
		})
	}
	trying.Wait()
	if passed.Load() != 30 {
		y.Errorf("%d connections came, want 30", passed.Load())
	}
	y.used(limit.ApartOf(ann), limit.Connections, 30)
	y.used(limit.ApartOf(all), limit.Connections, 30) // those that were refused are counted nowhere
	y.used(ann, limit.Connections, 0)
	expect.Must(y, y.s.Accept(y.ctx, y.message(1, level(ann, limit.Defer, "messages/hour=1"))))
	y.used(limit.ApartOf(ann), limit.Messages, 0)
}

// connectionsAtOnce: so many are held at once as the limit says, and who goes makes room.
func connectionsAtOnce(y *story) {
	q := func() *limit.Question { return connecting(level(ann, limit.Defer, "connections/at-once=3")) }
	for n := range 3 {
		if !y.connect(q()) {
			y.Fatalf("connection %d of 3 is refused", n+1)
		}
	}
	if y.connect(q()) {
		y.Error("a fourth comes")
	}
	expect.Must(y, y.s.Occupy(y.ctx, map[limit.Subject]int64{limit.ApartOf(ann): 1}))
	expect.Must(y, y.s.Occupy(y.ctx, map[limit.Subject]int64{limit.ApartOf(ann): 1})) // which says the same
	if y.passed(3, q) != 2 {
		y.Error("two that went have not made room for two")
	}
	expect.Must(y, y.s.Occupy(y.ctx, map[limit.Subject]int64{limit.ApartOf(ann): 0}))
	if !y.connect(q()) {
		y.Error("nobody is there, and nobody comes")
	}
	if d, err := y.s.Connect(y.ctx, connecting(level(ann, limit.Defer, "connections/at-once=0"))); err != nil || d.Passes() {
		y.Errorf("a limit of 0 lets somebody in: %v", err)
	}
	if name, gates := y.s.Holder(); name == "" || gates != 1 {
		y.Errorf("the holder is %q of %d", name, gates)
	}
}

// Outlived is what an engine must do about connections that a process held which is gone: they
// count no more. reopen ends the first store as a crash would, and opens it anew.
func Outlived(t *testing.T, first Store, reopen func() Store) {
	y := &story{T: t, s: first, ctx: t.Context()}
	q := func() *limit.Question {
		return connecting(level(ann, limit.Defer, "connections/at-once=2", "connections/day=5"))
	}
	if y.passed(3, q) != 2 {
		t.Fatal("the limit does not hold")
	}
	before, _ := first.Holder()
	y.s = reopen()
	if after, _ := y.s.Holder(); after == before {
		t.Errorf("both are %q", after)
	}
	if y.passed(3, q) != 2 {
		t.Error("what a process held that is gone is still counted, or nothing is")
	}
	list, at, err := y.s.Counted(y.ctx, []limit.Subject{limit.ApartOf(ann)})
	expect.Must(y, err)
	if n := list[0].Used(limit.Day, limit.Connections, at); n != 4 {
		t.Errorf("%d came in a day, want 4", n)
	}
	if n, err := y.s.PruneCounts(y.ctx, time.Now().Add(48*time.Hour), 10); err != nil || n != 0 {
		t.Errorf("%d counters with holders are removed (%v)", n, err)
	}
}
