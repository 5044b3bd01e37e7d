// Package pool runs costly work on a few workers and shares them out fairly
// among those who wait.
//
// Work comes with keys, one for each respect in which it shall be fair: the
// network that asks, the name that it asks about. In each respect those who
// wait stand in a ring, one place for each key whatever its number, and the
// turns go round the respects. So whoever is alone in any one respect waits for
// a few turns, not for the thousand that another has brought.
//
// It does not know what the work or the keys are, and begins no goroutine.
// Main types: Pool, Options.
package pool

import (
	"context"
	"slices"
	"sync"

	"countersign/internal/fault"
)

// Options are what a Pool is made of.
type Options struct {
	// Workers is how much work runs at the same time, at least 1.
	Workers int
	// Waiting is how much may wait for a worker, 0 for none.
	Waiting int
	// Respects is how many keys come with each work, at least 1.
	Respects int
}

// Pool is safe for concurrent use.
type Pool struct {
	opt Options

	mu      sync.Mutex // guards all below
	running int
	// rings hold what waits, all of it in each of them, one for each respect.
	rings []ring
	// waiting counts what waits.
	waiting int
	// turn is the ring that the next free worker takes from.
	turn int
	// came numbers the work in the order in which it came.
	came uint64
}

// New returns an idle Pool.
func New(opt Options) *Pool {
	p := &Pool{opt: opt, rings: make([]ring, max(opt.Respects, 1))}
	for i := range p.rings {
		p.rings[i] = newRing()
	}
	return p
}

// Do calls work when a worker is free; it runs in the caller's goroutine and is
// not interrupted once it has begun. keys has one key for each respect; missing
// ones are "".
//
// Work with some key begins at the latest when each other key in that respect
// that waits already has had one turn of each respect. Where too much waits,
// that which has the most company in any respect gives way, the newest first,
// rather than the newcomer.
//
// Errors: fault.Busy without a reason where it gave way, fault.Canceled where
// ctx ended before it began.
func (p *Pool) Do(ctx context.Context, keys []string, work func()) error {
	const op = "pool.do"
	if ctx.Err() != nil {
		return fault.Wrap(op, fault.Canceled, ctx.Err())
	}
	if t := p.enter(keys); t != nil {
		if err := p.await(ctx, t); err != nil {
			return err
		}
	}
	defer p.leave()
	if ctx.Err() != nil {
		return fault.Wrap(op, fault.Canceled, ctx.Err())
	}
	work()
	return nil
}

// enter takes a free worker and returns nil, or a ticket that waits for one.
func (p *Pool) enter(keys []string) *ticket {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running < p.opt.Workers { // then nobody waits
		p.running++
		return nil
	}
	p.came++
	t := &ticket{number: p.came, called: make(chan bool, 1), places: make([]place, len(p.rings))}
	for i := range p.rings {
		key := ""
		if i < len(keys) {
			key = keys[i]
		}
		p.rings[i].add(t, i, key)
	}
	p.waiting++
	if p.waiting > p.opt.Waiting {
		loser := p.heaviest()
		p.remove(loser)
		loser.called <- false
	}
	return t
}

// await waits until t is called to a worker.
func (p *Pool) await(ctx context.Context, t *ticket) error {
	const op = "pool.do"
	var mine bool
	select {
	case mine = <-t.called:
	case <-ctx.Done():
		if p.withdraw(t) {
			return fault.Wrap(op, fault.Canceled, ctx.Err())
		}
		mine = <-t.called // it was called at this moment
	}
	if !mine {
		return fault.New(op, fault.Busy, "too much waits for %d workers", p.opt.Workers)
	}
	return nil
}

// withdraw takes back a ticket; false where it was called already.
func (p *Pool) withdraw(t *ticket) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.gone {
		return false
	}
	p.remove(t)
	return true
}

// leave hands the worker on to who is next.
func (p *Pool) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == 0 {
		p.running--
		return
	}
	next := p.rings[p.turn].first()
	p.turn = (p.turn + 1) % len(p.rings)
	for i := range p.rings {
		p.rings[i].served(next.places[i].group)
	}
	p.remove(next)
	next.called <- true
}

// remove takes a ticket out of all rings.
func (p *Pool) remove(t *ticket) {
	for i := range p.rings {
		p.rings[i].remove(t, i)
	}
	t.gone = true
	p.waiting--
}

// heaviest returns the ticket that gives way: it has more company than all
// others in the respect in which it has most, or as much there and more in the
// next, or came last of those that are alike in all. It looks at all that wait,
// which Options bounds.
func (p *Pool) heaviest() *ticket {
	var worst *ticket
	most, counts := make([]int, 0, len(p.rings)), make([]int, 0, len(p.rings))
	for _, g := range p.rings[0].groups {
		for e := g.tickets.Front(); e != nil; e = e.Next() {
			t := e.Value.(*ticket)
			counts = t.company(counts)
			c := slices.Compare(counts, most)
			if worst == nil || c > 0 || c == 0 && t.number > worst.number {
				worst, most, counts = t, counts, most
			}
		}
	}
	return worst
}

// Load returns how much runs and how much waits, for metrics.
func (p *Pool) Load() (running, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running, p.waiting
}
