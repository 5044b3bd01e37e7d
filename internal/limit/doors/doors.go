// Package doors lets connections in as far as their limits have room: it asks the store, which
// counts for all gates, and tells it who has gone.
//
// While the store is away it decides by itself, as each limit says: open, closed, or by this
// gate's share of the limit. It counts no messages; these are counted where they are stored,
// and without the store there are none.
//
// Main types: Doors, Pass.
package doors

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"countersign/internal/fault"
	"countersign/internal/limit"
)

// Options are what Doors are made of. All but Logger are needed.
type Options struct {
	Store limit.Doors
	// Now is the clock.
	Now func() time.Time
	// Logger gets what no caller is told; nil means none.
	Logger *slog.Logger
}

const (
	// patience is for how long a connection waits for the store.
	patience = 3 * time.Second
	// probeEvery is how often a store that is away is asked all the same, by one connection.
	probeEvery = time.Second
	// maxOwn bounds of how many subjects the share is counted.
	maxOwn = 100_000
)

// Doors lets connections in. Make it with New. Its methods are safe for concurrent use.
type Doors struct {
	opt Options
	// wake has room for one: more wakings say nothing more.
	wake chan struct{}
	// telling is held by who tells the store what is held: one at a time, so that nothing is
	// told twice.
	telling chan struct{}

	mu sync.Mutex // guards what follows
	// held is how many connections of this gate are counted at once, untold by how many the
	// store does not know that yet; by what they are counted under.
	held, untold map[limit.Subject]int64
	// holder is under what name the store knows what is held.
	holder string
	// probe is when the store is asked again that is away; zero while it is not.
	probe time.Time
	// own counts what came in here of limits that are shared out while the store is away.
	own map[limit.Subject]*limit.Counter
}

// New returns Doors; Run keeps the store informed.
func New(opt Options) *Doors {
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Doors{
		opt: opt, wake: make(chan struct{}, 1), telling: make(chan struct{}, 1),
		held: map[limit.Subject]int64{}, untold: map[limit.Subject]int64{}, own: map[limit.Subject]*limit.Counter{},
	}
	d.holder, _ = opt.Store.Holder()
	return d
}

// Pass is a connection that was let in. The zero value is one that nobody counts.
type Pass struct {
	doors *Doors
	holds []limit.Subject
	once  *sync.Once
}

// Leave says that the connection has gone. A second call does nothing.
func (p Pass) Leave() {
	if p.doors != nil {
		p.once.Do(func() { p.doors.add(p.holds, -1, true) })
	}
}

// Enter judges a connection by those of its levels that are about connections; warn is as in
// limit.Question. Where the
// decision does not pass, the connection is over a limit. Errors: fault.Unavailable where
// the store is away and a limit is closed then, fault.Canceled.
func (d *Doors) Enter(ctx context.Context, levels []limit.Level, warn int) (Pass, limit.Decision, error) {
	q := limit.Connects(levels)
	if q == nil {
		return Pass{}, limit.Decision{}, nil
	}
	q.Warn = warn
	pass := Pass{doors: d, holds: q.Holds(), once: new(sync.Once)}
	if !d.asks() {
		return d.alone(pass, q)
	}
	decision, err := d.ask(ctx, q, pass.holds)
	switch {
	case err == nil:
		if decision.Passes() {
			d.count(q, decision.At)
			d.add(pass.holds, 1, false)
		} else {
			pass = Pass{}
		}
		return pass, decision, nil
	case fault.Is(err, fault.Canceled) && ctx.Err() != nil:
		return Pass{}, limit.Decision{}, err
	}
	d.lost(err)
	return d.alone(pass, q)
}

// ask asks the store, which hears before who has gone of the same.
func (d *Doors) ask(ctx context.Context, q *limit.Question, holds []limit.Subject) (limit.Decision, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if d.owes(holds) {
		if err := d.tell(ctx); err != nil {
			return limit.Decision{}, err
		}
	}
	decision, err := d.opt.Store.Connect(ctx, q)
	if err == nil {
		d.found()
	}
	return decision, err
}

// asks reports whether the store is to be asked: always, or while it is away now and then.
func (d *Doors) asks() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.opt.Now()
	if d.probe.IsZero() {
		return true
	}
	if now.Before(d.probe) {
		return false
	}
	d.probe = now.Add(probeEvery)
	return true
}

// lost notes that the store is away.
func (d *Doors) lost(err error) {
	d.mu.Lock()
	first := d.probe.IsZero()
	d.probe = d.opt.Now().Add(probeEvery)
	d.mu.Unlock()
	if first {
		d.opt.Logger.Warn("limits of connections cannot be asked for: they are judged here", "error", err)
	}
}

// found notes that it is there.
func (d *Doors) found() {
	d.mu.Lock()
	back := !d.probe.IsZero()
	d.probe = time.Time{}
	d.mu.Unlock()
	if back {
		d.opt.Logger.Info("limits of connections are asked for again")
		d.signal()
	}
}

// add notes that connections have come or gone, and where the store does not know that yet.
func (d *Doors) add(holds []limit.Subject, by int64, untold bool) {
	if len(holds) == 0 {
		return
	}
	d.mu.Lock()
	for _, s := range holds {
		put(d.held, s, by)
		if c := d.own[s]; c != nil {
			c.Hold(here, by, d.opt.Now())
		}
		if untold {
			put(d.untold, s, by)
		}
	}
	d.mu.Unlock()
	if untold {
		d.signal()
	}
}

// here names this gate in what it has counted itself.
const here = "here"

// put adds to a number, and forgets it at 0.
func put(m map[limit.Subject]int64, s limit.Subject, by int64) {
	if m[s] += by; m[s] == 0 {
		delete(m, s)
	}
}

func (d *Doors) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// owes reports whether the store does not know yet how many of some are held.
func (d *Doors) owes(holds []limit.Subject) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(holds, func(s limit.Subject) bool { return d.untold[s] != 0 })
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
	select {
	case d.telling <- struct{}{}:
		defer func() { <-d.telling }()
	case <-ctx.Done():
		return fault.Wrap("limit.occupy", fault.Unavailable, ctx.Err())
	}
	name, _ := d.opt.Store.Holder()
	d.mu.Lock()
	if name != d.holder { // what it knew counts no more
		d.holder, d.untold = name, maps.Clone(d.held)
	}
	by := d.untold
	d.untold = map[limit.Subject]int64{}
	d.mu.Unlock()
	if len(by) == 0 {
		return nil
	}
	err := d.opt.Store.Occupy(ctx, by)
	if err != nil {
		d.mu.Lock()
		for s, n := range by {
			put(d.untold, s, n)
		}
		d.mu.Unlock()
	}
	return err
}

// tellEvery is how often it is looked whether the store knows what is held, sweepEvery how often
// what nobody needs any more is forgotten.
const (
	tellEvery  = time.Second
	sweepEvery = 10 * time.Second
)

// Run keeps the store informed until ctx ends. It is called once.
func (d *Doors) Run(ctx context.Context) {
	tick, sweep := time.NewTicker(tellEvery), time.NewTicker(sweepEvery)
	defer tick.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			d.sweep()
			continue
		case <-tick.C:
		case <-d.wake:
		}
		if d.behind() && d.asks() {
			asked, cancel := context.WithTimeout(ctx, patience)
			err := d.tell(asked)
			cancel()
			switch {
			case err == nil:
				d.found()
			case ctx.Err() == nil:
				d.lost(err)
			}
		}
	}
}
