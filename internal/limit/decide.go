package limit

import (
	"strings"
	"time"
)

// Subject is whom a limit bounds.
type Subject struct {
	Kind Kind
	// Name is the id or the key of what it is; "" for Everything.
	Name string
}

// String returns "account a@example.org".
func (s Subject) String() string { return strings.TrimSpace(s.Kind.String() + " " + s.Name) }

// Level is one subject of a message, with its limits and what was counted of it.
type Level struct {
	Subject Subject
	Limits  []Limit
	Counter *Counter
}

// Breach is one limit that a message is over.
type Breach struct {
	Subject Subject
	Limit   Limit
	// Used is what was counted, Want what the message would add.
	Used, Want int64
	// Room is from when on it would pass, if nothing else comes; zero for never.
	Room time.Time
}

// Decision is what becomes of a message.
type Decision struct {
	// Over are the limits that it is over, those in shadow mode among them.
	Over []Breach
	// Decisive is the one of Over that is told to the client: of the strictest action
	// that is not in shadow, the one that has room last. nil where there is none, so that
	// the message passes.
	Decisive *Breach
}

// Passes reports whether the message is accepted, perhaps to be slowed down or held.
func (d *Decision) Passes() bool { return d.Decisive == nil || d.Decisive.Limit.Action <= Hold }

// Decide judges amounts against all limits of all levels at a moment. It changes nothing.
func Decide(levels []Level, want Amounts, at time.Time) Decision {
	var d Decision
	for i := range levels {
		d.add(&levels[i], want, at)
	}
	for i := range d.Over {
		b := &d.Over[i]
		if !b.Limit.Shadow && (d.Decisive == nil || stricter(b, d.Decisive)) {
			d.Decisive = b
		}
	}
	return d
}

// add adds what amounts are over of one level.
func (d *Decision) add(level *Level, want Amounts, at time.Time) {
	for _, l := range level.Limits {
		n := want[l.Measure]
		if n == 0 {
			continue // what adds nothing is over nothing
		}
		used := level.Counter.Used(l.Window, at)[l.Measure]
		if n <= l.Max && used <= l.Max-n {
			continue
		}
		room, _ := level.Counter.RoomAt(l, n, at)
		d.Over = append(d.Over, Breach{Subject: level.Subject, Limit: l, Used: used, Want: n, Room: room})
	}
}

// stricter reports whether a comes before b.
func stricter(a, b *Breach) bool {
	switch {
	case a.Limit.Action != b.Limit.Action:
		return a.Limit.Action > b.Limit.Action
	case a.Room.IsZero() || b.Room.IsZero():
		return a.Room.IsZero() && !b.Room.IsZero()
	}
	return a.Room.After(b.Room)
}

// Count counts amounts in all levels.
func Count(levels []Level, amounts Amounts, at time.Time) {
	for _, l := range levels {
		l.Counter.Count(amounts, at)
	}
}
