package doors

import (
	"context"
	"iter"
	"maps"
	"math"
	"slices"

	"countersign/internal/fault"
	"countersign/internal/limit"
)

const (
	// allTurns are taken by who tells the store what is held.
	allTurns = math.MaxInt64
	// unclear stands for a number of which nobody knows whether the store has it.
	unclear = -1
	// maxUntold bounds of how many subjects that nobody holds the store is still to hear.
	maxUntold = 100_000
	// here names this gate in what it has counted itself.
	here = "here"
)

// answer is what the store has said of a connection.
type answer struct {
	decision limit.Decision
	err      error
	// known says that the store knew, under the name it judged by, what is held.
	known bool
	// crossed says that the store was being told who has gone meanwhile, and may have judged before.
	crossed bool
}

// doubtful reports whether the store would say something else now.
func (a *answer) doubtful() bool {
	return a.err == nil && (!a.known || a.crossed && !a.decision.Passes())
}

// connect asks the store once, and notes what passes as held, and known to it. Where the store did
// not know what is held, and that is asked again, nothing is noted but that the store has to be told.
func (d *Doors) connect(ctx context.Context, q *limit.Question, holds []limit.Subject, again bool) (a answer) {
	if a.err = d.turns.Acquire(ctx, 1); a.err != nil {
		a.err = fault.Wrap("limit.connect", fault.Canceled, a.err)
		return a
	}
	defer d.turns.Release(1)
	d.mu.Lock()
	a.crossed = slices.ContainsFunc(holds, func(s limit.Subject) bool { return d.moving[s] > 0 })
	moved := d.take(slices.Values(holds))
	d.mu.Unlock()
	q.Self, q.Moved = "", moved
	a.decision, a.err = d.opt.Store.Connect(ctx, q)
	d.mu.Lock()
	a.known = q.Self == "" || q.Self == d.holder
	d.took(moved, a.err)
	if a.err != nil && !busy(a.err) || a.err == nil && !a.known {
		d.doubt(holds)
	}
	d.mu.Unlock()
	if a.err == nil && a.decision.Passes() && (a.known || !again) {
		d.count(q, a.decision.At)
		d.come(holds)
	}
	return a
}

// come notes that the store has let a connection in.
func (d *Doors) come(holds []limit.Subject) {
	d.mu.Lock()
	for _, s := range holds {
		if d.told[s] != unclear {
			d.told[s]++
		}
	}
	d.mu.Unlock()
	d.add(holds, 1)
}

// add notes that connections have come or gone, and where the store does not know that yet.
func (d *Doors) add(holds []limit.Subject, by int64) {
	d.mu.Lock()
	for _, s := range holds {
		if d.held[s] += by; d.held[s] == 0 {
			delete(d.held, s)
		}
		if c := d.own[s]; c != nil {
			c.Hold(here, by, d.opt.Now())
		}
		d.compare(s)
	}
	owes := len(d.untold) > 0
	d.mu.Unlock()
	if owes {
		d.signal()
	}
}

// compare notes whether the store knows how many are held. The caller holds mu.
func (d *Doors) compare(s limit.Subject) {
	if d.told[s] != d.held[s] {
		d.untold[s] = struct{}{}
		return
	}
	delete(d.untold, s)
	if d.held[s] == 0 {
		delete(d.told, s)
	}
}

// doubt notes that nobody knows what the store has of some. The caller holds mu.
func (d *Doors) doubt(of []limit.Subject) {
	for _, s := range of {
		if _, owed := d.untold[s]; owed || d.held[s] > 0 || len(d.untold) < maxUntold {
			d.told[s] = unclear
			d.compare(s)
		}
	}
}

// settled waits until the store has answered all that it is told and asked.
func (d *Doors) settled(ctx context.Context) error {
	if err := d.turns.Acquire(ctx, allTurns); err != nil {
		return fault.Wrap("limit.connect", fault.Canceled, err)
	}
	d.turns.Release(allTurns)
	return nil
}

// take returns by how much the store is to be told that what is held of some has moved, and notes
// that it will know. The caller holds mu.
func (d *Doors) take(of iter.Seq[limit.Subject]) (moved map[limit.Subject]int64) {
	for s := range of {
		by := d.held[s] - d.told[s]
		if d.told[s] == unclear || by == 0 {
			continue
		}
		if moved == nil {
			moved = map[limit.Subject]int64{}
		}
		moved[s] += by
		d.told[s] = d.held[s]
		d.moving[s]++
	}
	for s := range moved {
		d.compare(s)
	}
	return moved
}

// took notes what became of what was taken. The caller holds mu.
func (d *Doors) took(moved map[limit.Subject]int64, err error) {
	for s, by := range moved {
		if d.moving[s]--; d.moving[s] == 0 {
			delete(d.moving, s)
		}
		if err != nil && busy(err) && d.told[s] != unclear {
			d.told[s] -= by
			d.compare(s)
		}
	}
	if err != nil && !busy(err) {
		d.doubt(slices.Collect(maps.Keys(moved)))
	}
}

// owes reports whether nobody knows what the store has of some; of a name that it has not heard
// yet it knows nothing.
func (d *Doors) owes(holds []limit.Subject) bool {
	name, _ := d.opt.Store.Holder()
	d.mu.Lock()
	defer d.mu.Unlock()
	return name != d.holder || slices.ContainsFunc(holds, func(s limit.Subject) bool { return d.told[s] == unclear })
}

// unsure is owes of all of which it does not know how many are held.
func (d *Doors) unsure() bool {
	d.mu.Lock()
	of := slices.Collect(maps.Keys(d.untold))
	d.mu.Unlock()
	return d.owes(of)
}

// behind reports whether there is something that the store does not know.
func (d *Doors) behind() bool {
	name, _ := d.opt.Store.Holder()
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.untold) > 0 || name != d.holder
}

// tell tells the store what it does not know.
func (d *Doors) tell(ctx context.Context) error {
	if d.unsure() {
		return d.occupy(ctx)
	}
	return d.move(ctx)
}

// move tells the store who has come and gone.
func (d *Doors) move(ctx context.Context) error {
	if err := d.turns.Acquire(ctx, 1); err != nil {
		return fault.Wrap("limit.move", fault.Canceled, err)
	}
	defer d.turns.Release(1)
	d.mu.Lock()
	moved := d.take(maps.Keys(d.untold))
	d.mu.Unlock()
	if len(moved) == 0 {
		return nil
	}
	err := d.opt.Store.Move(ctx, moved)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.took(moved, err)
	return err
}

// occupy tells the store how many are held, so that it does no harm where it is told twice.
func (d *Doors) occupy(ctx context.Context) error {
	if err := d.turns.Acquire(ctx, allTurns); err != nil {
		return fault.Wrap("limit.occupy", fault.Canceled, err)
	}
	defer d.turns.Release(allTurns)
	now := d.next()
	if len(now) == 0 {
		return nil
	}
	err := d.opt.Store.Occupy(ctx, now)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.doubt(slices.Collect(maps.Keys(now)))
		return err
	}
	for s, n := range now {
		d.told[s] = n
		d.compare(s) // somebody may have gone meanwhile
	}
	return nil
}

// next returns what the store is to be told.
func (d *Doors) next() map[limit.Subject]int64 {
	name, _ := d.opt.Store.Holder()
	d.mu.Lock()
	defer d.mu.Unlock()
	if name != d.holder { // what it knew counts no more
		d.holder = name
		maps.DeleteFunc(d.told, func(_ limit.Subject, n int64) bool { return n != unclear })
		for s := range d.held {
			d.compare(s)
		}
	}
	now := make(map[limit.Subject]int64, len(d.untold))
	for s := range d.untold {
		now[s] = d.held[s]
	}
	return now
}
