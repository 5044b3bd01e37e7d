package limit

import (
	"slices"
	"time"
)

// apart is what the name of a subject begins with whose connections are counted: no login, domain,
// network or id, and no name of a customer or node, begins with a blank. Most may end in anything.
const apart = " connections "

// Key is under which subject a level is counted.
func (q *Question) Key(level int) Subject {
	s := q.Levels[level].Subject
	if q.Apart {
		return ApartOf(s)
	}
	return s
}

// ApartOf is under what the connections of a subject are counted, apart from its messages: who
// only connects keeps no message waiting.
func ApartOf(s Subject) Subject { return Subject{s.Kind, apart + s.Name} }

// Count counts what has passed.
func (q *Question) Count(d *Decision) {
	Count(q.Levels, q.Want, d)
	d.Full = full(q.Levels, d.At)
	if q.Self == "" {
		return
	}
	for i := range q.Levels {
		if slices.ContainsFunc(q.Levels[i].Limits, func(l Limit) bool { return l.Window == AtOnce }) {
			q.Levels[i].Counter.Hold(q.Self, q.Want[Connections], d.At)
		}
	}
}

// full lists the limits that have no room for one more.
func full(levels []Level, at time.Time) (list []Breach) {
	for i := range levels {
		for _, l := range levels[i].Limits {
			if l.Shadow || !l.Window.Lasts() || l.Measure.fails() || l.Max == 0 || levels[i].Counter.far(l, 1) {
				continue
			}
			if used := levels[i].Counter.Used(l.Window, l.Measure, at); used >= l.Max {
				room, _ := levels[i].Counter.RoomAt(l, 1, at)
				list = append(list, Breach{Subject: levels[i].Subject, Limit: l, Used: used, Want: 1, Room: room, Next: room})
			}
		}
	}
	return list
}

// Connects makes the question about one connection; nil where none of the levels has a limit
// of connections.
func Connects(levels []Level) *Question {
	levels = Only(levels, Connections)
	if len(levels) == 0 {
		return nil
	}
	return &Question{Levels: levels, Want: Amounts{Connections: 1}, Apart: true}
}

// Holds returns what a connection that has passed holds, by what it is counted under.
func (q *Question) Holds() (list []Subject) {
	for i := range q.Levels {
		if slices.ContainsFunc(q.Levels[i].Limits, func(l Limit) bool { return l.Window == AtOnce }) {
			list = append(list, q.Key(i))
		}
	}
	return list
}
