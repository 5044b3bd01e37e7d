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
	// Version is another number as soon as a rule of limits has changed; nil where none does. What was found
	// before is out of date then: in between there may have been room for more, which others have used.
	Version func() uint64

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
	// version is that of the rules by then.
	version uint64
}

// version is that of the rules now.
func (m *Memory) version() uint64 {
	if m.Version == nil {
		return 0
	}
	return m.Version()
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
	version := m.version()
	for _, list := range lists {
		for i := range list {
			// What was wanted does not matter: of a limit that is used up one is too many.
			b := list[i]
			b.Want, b.Room = b.Left()+1, b.Next
			if refuses(&b) && b.Room.After(d.At) {
				m.put(known{b, now.Add(b.Room.Sub(d.At)), version}, now)
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
	if found && before.version == k.version && before.Limit.Max == k.Limit.Max && before.Want <= k.Want && !before.until.Before(k.until) {
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

// forget forgets a limit.
func (m *Memory) forget(key limit.Key) {
	delete(m.known, key)
	m.size.Store(int64(len(m.known)))
}

// Empty reports whether nothing is remembered, so that nobody need ask.
func (m *Memory) Empty() bool { return m.size.Load() == 0 }

// Over returns the limit, of those that levels have now, that a message with so many recipients
// is over for certain; nil for none that is known. What was found by other rules, or of another number, is
// forgotten: it says neither what is used nor until when, also once the number is the same again.
func (m *Memory) Over(levels []limit.Level, recipients int64, now time.Time) *limit.Breach {
	version := m.version()
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range levels {
		for _, l := range levels[i].Limits {
			b := limit.Breach{Subject: levels[i].Subject, Limit: l}
			k, found := m.known[b.Key()]
			switch {
			case !found, l.Shadow: // beside which the one that is known may stand
				continue
			case !now.Before(k.until), k.version != version, l.Max != k.Limit.Max:
				m.forget(b.Key())
				continue
			case l.Action < limit.Defer:
				continue
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
