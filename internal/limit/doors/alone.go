package doors

import (
	"slices"
	"time"

	"countersign/internal/fault"
	"countersign/internal/limit"
)

// shared is a question of which all limits are shared out among the gates.
func shared(q *limit.Question) *limit.Question {
	part := *q
	part.Levels = slices.Clone(q.Levels)
	for i := range part.Levels {
		l := &part.Levels[i]
		l.Limits = slices.Clone(l.Limits)
		for k := range l.Limits {
			l.Limits[k].Away = limit.AwayShare
		}
	}
	return &part
}

// alone judges a connection while the store is away, by what each limit says: closed ones
// refuse, shared ones have room while this gate's share has.
func (d *Doors) alone(pass Pass, q *limit.Question) (Pass, limit.Decision, error) {
	now := d.opt.Now()
	_, gates := d.opt.Store.Holder()
	d.mu.Lock()
	decision, closed := d.judge(q, now, int64(max(gates, 1)))
	d.mu.Unlock()
	switch {
	case closed:
		return Pass{}, decision, fault.New("limit.connect", fault.Unavailable, "the store is away, and a limit of connections is closed then")
	case !decision.Passes():
		return Pass{}, decision, nil
	}
	d.count(q, now)
	d.add(pass.holds, 1)
	return pass, decision, nil
}

// judge judges by what this gate has counted itself; closed says that a limit wants nobody in.
func (d *Doors) judge(q *limit.Question, now time.Time, gates int64) (decision limit.Decision, closed bool) {
	var levels []limit.Level
	for i, l := range q.Levels {
		part := limit.Level{Subject: l.Subject, Counter: d.own[q.Key(i)]}
		if part.Counter == nil {
			part.Counter = &limit.Counter{}
		}
		for _, k := range l.Limits {
			switch {
			case k.Shadow:
			case k.Away == limit.AwayClosed:
				closed = true
			case k.Away == limit.AwayShare:
				k.Max /= gates
				part.Limits = append(part.Limits, k)
			}
		}
		levels = append(levels, part)
	}
	return limit.Decide(levels, q.Want, 0, now), closed
}

// count counts a connection that was let in, for the time when limits are shared out.
func (d *Doors) count(q *limit.Question, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, l := range q.Levels {
		in := limit.Windowed(0)
		for _, k := range l.Limits {
			in = in.And(k.Window)
		}
		s := q.Key(i)
		c := d.own[s]
		if c == nil {
			if len(d.own) >= maxOwn {
				continue
			}
			c = &limit.Counter{}
			d.own[s] = c
		}
		c.Count(q.Want, in, at, at)
	}
}

// sweep brings what this gate has counted itself up to date, and forgets what no window sees
// any more.
func (d *Doors) sweep() {
	now := d.opt.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	for s, c := range d.own {
		if c.Forget(now); c.Empty() && d.held[s] == 0 {
			delete(d.own, s)
		}
	}
}
