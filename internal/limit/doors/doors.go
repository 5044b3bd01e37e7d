// Package doors lets connections in as far as their limits have room: it asks the store, which
// counts for all gates, and tells it who has gone.
//
// While the store is away it decides by itself, as each limit says: open, closed, or by this
// gate's share of the limit. Where the store is there, and only does not come to it in time, the
// share holds for all limits. It counts no messages; these are counted where they are stored,
// and without the store there are none.
//
// Main types: Doors, Pass.
package doors

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

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
	// turns are taken by who asks the store: one each, and all of them by who tells it what is
	// held, so that a number it is told and a connection it counts meanwhile do not cross.
	turns *semaphore.Weighted

	mu sync.Mutex // guards what follows
	// held is how many connections of this gate are counted at once; by what they are counted
	// under.
	held map[limit.Subject]int64
	// told is how many of them the store knows, or unclear; untold are those of which that is
	// another number.
	told   map[limit.Subject]int64
	untold map[limit.Subject]struct{}
	// holder is under what name the store knows what is held.
	holder string
	// probe is when the store is asked again that is away; zero while it is not.
	probe time.Time
	// own counts what came in here, for the time when limits are shared out.
	own map[limit.Subject]*limit.Counter
}

// New returns Doors; Run keeps the store informed.
func New(opt Options) *Doors {
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Doors{
		opt: opt, wake: make(chan struct{}, 1), turns: semaphore.NewWeighted(allTurns),
		held: map[limit.Subject]int64{}, told: map[limit.Subject]int64{}, untold: map[limit.Subject]struct{}{}, own: map[limit.Subject]*limit.Counter{},
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
		p.once.Do(func() { p.doors.add(p.holds, -1) })
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
	case err == nil && decision.Passes():
		return pass, decision, nil
	case err == nil:
		return Pass{}, decision, nil
	case ctx.Err() != nil && fault.Is(err, fault.Canceled):
		return Pass{}, limit.Decision{}, err
	case busy(err):
		return d.alone(pass, shared(q))
	}
	d.lost(err)
	return d.alone(pass, q)
}

// busy reports whether the store is there and has only not come to it in time.
func busy(err error) bool { return fault.Is(err, fault.Canceled) || fault.Is(err, fault.Busy) }

// ask asks the store, which hears before who has gone of the same, and under another name than
// before what is held at all. Where the name has changed in between, the store did not know
// what is held when it judged, so it is told and asked once more; the connection then counts
// twice in the limits that have a window, which is on the safe side.
func (d *Doors) ask(ctx context.Context, q *limit.Question, holds []limit.Subject) (limit.Decision, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for again := true; ; again = false {
		if d.owes(holds) {
			if err := d.tell(ctx); err != nil {
				return limit.Decision{}, err
			}
		}
		decision, known, err := d.connect(ctx, q, holds, again)
		if err == nil && !known && again {
			continue
		}
		if err == nil {
			d.found()
		}
		return decision, err
	}
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

func (d *Doors) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
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
			case ctx.Err() == nil && !busy(err):
				d.lost(err)
			}
		}
	}
}
