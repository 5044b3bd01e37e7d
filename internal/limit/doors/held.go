package doors

import (
	"context"
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

// connect asks the store once, and notes what passes as held, and known to it. known says that
// the store knew, under the name it judged by, what is held; where it did not, and that is
// asked again, nothing is noted but that the store has to be told.
func (d *Doors) connect(ctx context.Context, q *limit.Question, holds []limit.Subject, again bool) (decision limit.Decision, known bool, err error) {
	if err := d.turns.Acquire(ctx, 1); err != nil {
		return decision, false, fault.Wrap("limit.connect", fault.Canceled, err)
	}
	defer d.turns.Release(1)
	q.Self = ""
	decision, err = d.opt.Store.Connect(ctx, q)
	d.mu.Lock()
	known = q.Self == "" || q.Self == d.holder
	if err != nil && !busy(err) || err == nil && !known {
		d.doubt(holds)
	}
	d.mu.Unlock()
	if err == nil && decision.Passes() && (known || !again) {
		d.count(q, decision.At)
		d.come(holds)
	}
	return decision, known, err
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

// owes reports whether the store does not know how many of some are held; of a name that it
// has not heard yet it knows nothing.
func (d *Doors) owes(holds []limit.Subject) bool {
	name, _ := d.opt.Store.Holder()
	d.mu.Lock()
	defer d.mu.Unlock()
	return name != d.holder || slices.ContainsFunc(holds, func(s limit.Subject) bool {
		_, owes := d.untold[s]
		return owes
	})
}

// behind reports whether there is something that the store does not know.
func (d *Doors) behind() bool {
	name, _ := d.opt.Store.Holder()
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.untold) > 0 || name != d.holder
}

// tell tells the store what it does not know: how many are held, so that it does no harm where
// it is told twice.
func (d *Doors) tell(ctx context.Context) error {
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
