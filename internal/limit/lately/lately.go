// Package lately remembers which limits were found to be used up, and until when, so that who
// is over one hears it before the content of a message.
//
// It is one gate's memory of what the store has decided, and decides nothing by itself: what
// it knows to be over would be refused by the store as well. What it does not know is found
// out where the message is stored.
//
// Main types: Memory.
package lately

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"countersign/internal/limit"
)

// most bounds how many limits are remembered.
const most = 50_000

// Memory remembers limits. The zero value remembers none. It is safe for concurrent use.
type Memory struct {
	size atomic.Int64 // of known
	mu   sync.Mutex   // guards known
	// known are the limits, with how much had no room.
	known map[limit.Key]known
}

// known is a limit that had no room for Want, one more than it had room for.
type known struct {
	limit.Breach
	// until is when it may have room, by the gate's clock.
	until time.Time
}

// Note takes what the store has decided by levels, of a message that passed or not; now is the
// gate's time. It remembers nothing where something slows messages down: by the time at which
// they go, what has no room now may have it. What one that passed was over is in nobody's way.
func (m *Memory) Note(d *limit.Decision, levels []limit.Level, now time.Time) {
	lists := [][]limit.Breach{d.Full}
	if !d.Passes() {
		lists = append(lists, d.Over)
	}
	if slows(levels) {
		return
	}
	for _, list := range lists {
		for i := range list {
			// What was wanted does not matter: of a limit that is used up one is too many.
			b := list[i]
			b.Want, b.Room = b.Left()+1, b.Next
			if refuses(&b) && b.Room.After(d.At) {
				m.put(known{b, now.Add(b.Room.Sub(d.At))}, now)
			}
		}
	}
}

// slows reports whether a limit of some levels slows down what is over it.
func slows(levels []limit.Level) bool {
	return slices.ContainsFunc(levels, func(l limit.Level) bool {
		return slices.ContainsFunc(l.Limits, func(k limit.Limit) bool { return k.Action == limit.Slow && !k.Shadow })
	})
}

// refuses reports whether a limit refuses whatever else a message is: nobody knows before
// how many octets it has, and whether its recipients are new or will fail.
func refuses(b *limit.Breach) bool {
	l := &b.Limit
	if l.Shadow || l.Action < limit.Defer || b.Of.Kind != 0 {
		return false
	}
	switch l.Measure {
	case limit.Messages, limit.Recipients:
		return true
	case limit.Bytes:
		return b.Want == 1
	}
	return false
}

// put remembers a limit, where it says more than what is known of it.
func (m *Memory) put(k known, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[limit.Key]known{}
	}
	key := k.Key()
	before, found := m.known[key]
	if found && before.Limit.Max == k.Limit.Max && before.Want <= k.Want && !before.until.Before(k.until) {
		return
	}
	if !found && len(m.known) >= most {
		maps.DeleteFunc(m.known, func(_ limit.Key, k known) bool { return !now.Before(k.until) })
		if len(m.known) >= most {
			clear(m.known) // they are found out again
		}
	}
	m.known[key] = k
	m.size.Store(int64(len(m.known)))
}

// Empty reports whether nothing is remembered, so that nobody need ask.
func (m *Memory) Empty() bool { return m.size.Load() == 0 }

// Over returns the limit, of those that levels have now, that a message with so many recipients
// is over for certain; nil for none that is known.
func (m *Memory) Over(levels []limit.Level, recipients int64, now time.Time) *limit.Breach {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range levels {
		for _, l := range levels[i].Limits {
			b := limit.Breach{Subject: levels[i].Subject, Limit: l}
			k, found := m.known[b.Key()]
			switch {
			case !found:
				continue
			case !now.Before(k.until):
				delete(m.known, b.Key())
				m.size.Store(int64(len(m.known)))
				continue
			case l.Max != k.Limit.Max, l.Shadow, l.Action < limit.Defer:
				continue // it was changed, and what was found of another number says neither what is used nor until when
			case l.Measure == limit.Recipients && recipients < k.Want:
				continue
			case l.Action == limit.Refuse && k.Want > 1:
				continue // for good only what would be refused whatever its other recipients
			}
			b = k.Breach
			b.Limit = l
			return &b
		}
	}
	return nil
}
