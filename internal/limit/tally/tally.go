// Package tally judges what one connection sends by limits of one message and of one connection.
//
// Such limits need no counter that others see: what the message has is in it, and what the
// connection has sent is remembered here as long as there is the connection. All other limits are for the
// store, which judges by package limit.
//
// Main types: Tally.
package tally

import (
	"math"

	"countersign/internal/limit"
)

// Tally is what was accepted of one connection. The zero value is nothing. It is used by one
// goroutine at a time.
type Tally struct{ sent limit.Amounts }

// Add notes what was accepted; what was refused is never noted.
func (t *Tally) Add(a limit.Amounts) { t.sent = t.sent.Add(a) }

// Over lists the limits of one message or connection among those of levels, in shadow or not, that
// a message is over which has so much and wants so much more: Breach.Used is what it has, of a
// connection together with what was accepted before. Breach.Room is not set.
func (t *Tally) Over(levels []limit.Level, has, want limit.Amounts) (over []limit.Breach) {
	for i := range levels {
		for k := range levels[i].Limits {
			l := &levels[i].Limits[k]
			if !l.Window.Passing() || want[l.Measure] == 0 {
				continue // what adds nothing is over nothing
			}
			used := has[l.Measure]
			if l.Window == limit.PerConnection {
				used = t.sent.Add(has)[l.Measure]
			}
			if used > math.MaxInt64-want[l.Measure] || used+want[l.Measure] > l.Max {
				over = append(over, limit.Breach{Subject: levels[i].Subject, Limit: *l, Used: used, Want: want[l.Measure]})
			}
		}
	}
	return over
}

// Judge decides about a whole message, and does not note it. The decision is as that of a store,
// but that nothing is slowed down and nobody is warned.
func (t *Tally) Judge(levels []limit.Level, want limit.Amounts) limit.Decision {
	d := limit.Decision{Over: t.Over(levels, limit.Amounts{}, want)}
	if d.Decisive = limit.Strictest(d.Over); d.Decisive != nil {
		d.Action = d.Decisive.Action()
	}
	return d
}
