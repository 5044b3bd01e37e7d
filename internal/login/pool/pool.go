// Package pool runs costly work on a few workers and shares them out fairly
// among those who wait.
//
// Work comes with keys, one for each respect in which it shall be fair: the
// network that asks, the name that it asks about. In each respect those who
// wait stand in a ring, one place for each key whatever its number, and the
// turns go round the respects. So whoever is alone in any one respect waits for
// a few turns, not for the thousand that another has brought.
//
// There are three such lines: for those who are known, for those of whom nothing is
// known, and for those who have failed lately. Of four turns three are of a line, while one
// behind it is waited in, too; and what is in the last gives way first. As nobody may fill
// the first, what is more than a few with one key stands in another.
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
	lines   [3]line
	// came numbers the work in the order in which it came.
	came uint64
}

// line is one of the lines.
type line struct {
	// asked counts the turns that it could have had while one behind it was waited in.
	asked int
	// rings hold what waits, all of it in each of them, one for each respect.
	rings []ring
	// waiting counts what waits.
	waiting int
	// turn is the ring that the next free worker takes from.
	turn int
}

// The lines.
const (
	first = iota
	second
	third
)

// taken is how many of so many turns a line has before those behind it.
const taken, turns = 3, 4

// maxCompany is how much may wait in the first line with one key: else who is known once
// could fill it, and push out all of the second.
const maxCompany = 16

// New returns an idle Pool.
func New(opt Options) *Pool {
	p := &Pool{opt: opt}
	for i := range p.lines {
		p.lines[i].rings = make([]ring, max(opt.Respects, 1))
		for j := range p.lines[i].rings {
			p.lines[i].rings[j] = newRing()
		}
	}
	return p
}

// Ticket says whose work something is.
type Ticket struct {
	// Keys has one key for each respect; missing ones are "".
	Keys []string
	// First says that it stands in the first line, unless 16 with one of its keys do
	// already; Last that it stands in the last where it does not in the first. All else
	// stands in the second.
	First, Last bool
}

// key returns the key in a respect.
func (t *Ticket) key(respect int) string {
	if respect < len(t.Keys) {
		return t.Keys[respect]
	}
	return ""
}

// Do calls work when a worker is free; it runs in the caller's goroutine and is
// not interrupted once it has begun.
//
// In each line, work with some key begins at the latest when each other key in that respect
// that waits already has had one turn of each respect. Where too much waits,
// that of the last line in which anything waits, of that which has the most company in any respect gives
// way, the newest first, rather than the newcomer.
//
// Errors: fault.Busy without a reason where it gave way, fault.Canceled where
// ctx ended before it began.
func (p *Pool) Do(ctx context.Context, whose Ticket, work func()) error {
	const op = "pool.do"
	if ctx.Err() != nil {
		return fault.Wrap(op, fault.Canceled, ctx.Err())
	}
	if t := p.enter(whose); t != nil {
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
func (p *Pool) enter(whose Ticket) *ticket {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running < p.opt.Workers { // then nobody waits
		p.running++
		return nil
	}
	p.came++
	l := p.place(whose)
	t := &ticket{number: p.came, line: l, called: make(chan bool, 1), places: make([]place, len(l.rings))}
	for i := range l.rings {
		l.rings[i].add(t, i, whose.key(i))
	}
	l.waiting++
	if p.waiting() > p.opt.Waiting {
		loser := p.heaviest()
		loser.remove()
		loser.called <- false
	}
	return t
}

// place returns the line that whose stands in.
func (p *Pool) place(whose Ticket) *line {
	switch {
	case whose.First && !p.lines[first].crowded(whose):
		return &p.lines[first]
	case whose.Last:
		return &p.lines[third]
	}
	return &p.lines[second]
}

// crowded reports whether as much as may waits in the line with a key of whose.
func (l *line) crowded(whose Ticket) bool {
	for i := range l.rings {
		if g := l.rings[i].groups[whose.key(i)]; g != nil && g.tickets.Len() >= maxCompany {
			return true
		}
	}
	return false
}

// waiting counts what waits in all lines.
func (p *Pool) waiting() (n int) {
	for i := range p.lines {
		n += p.lines[i].waiting
	}
	return n
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
	t.remove()
	return true
}

// leave hands the worker on to who is next.
func (p *Pool) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting() == 0 {
		p.running--
		return
	}
	next := p.line().next()
	next.remove()
	next.called <- true
}

// line returns the line whose turn it is; one is waited in.
func (p *Pool) line() (turn *line) {
	behind := p.waiting()
	for i := range p.lines {
		l := &p.lines[i]
		if l.waiting == 0 {
			continue
		}
		behind -= l.waiting
		if turn = l; behind == 0 {
			break
		}
		l.asked++
		if l.asked%turns < taken {
			break
		}
	}
	return turn
}

// next returns the ticket whose turn it is, and gives its groups their turn.
func (l *line) next() *ticket {
	t := l.rings[l.turn].first()
	l.turn = (l.turn + 1) % len(l.rings)
	for i := range l.rings {
		l.rings[i].served(t.places[i].group)
	}
	return t
}

// remove takes a ticket out of its line.
func (t *ticket) remove() {
	for i := range t.line.rings {
		t.line.rings[i].remove(t, i)
	}
	t.gone = true
	t.line.waiting--
}

// heaviest returns the ticket that gives way: it has more company than all
// others in the respect in which it has most, or as much there and more in the
// next, or came last of those that are alike in all. It looks at all that wait in
// the last line in which anybody does, which Options bounds.
func (p *Pool) heaviest() *ticket {
	l := &p.lines[third]
	for n := second; n >= first && l.waiting == 0; n-- {
		l = &p.lines[n]
	}
	var worst *ticket
	most, counts := make([]int, 0, len(l.rings)), make([]int, 0, len(l.rings))
	for _, g := range l.rings[0].groups {
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
	return p.running, p.waiting()
}
