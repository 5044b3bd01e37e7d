package limit

import (
	"slices"
	"time"
)

// maxHolders bounds who holds something of one subject: gates, and those that were there
// before them.
const maxHolders = 256

// keepHolders is for how long a counter is kept of which somebody holds something: longer
// than any connection lasts.
const keepHolders = 7 * 24 * time.Hour

// holder is a process that holds so many, since that second.
type holder struct {
	name  string
	n, at int64
}

// held is how many are held.
func (c *Counter) held() (n int64) {
	for _, h := range c.holders {
		n = plus(n, h.n)
	}
	return n
}

// Bury forgets holders that are there no more.
func (c *Counter) Bury(alive func(string) bool) {
	c.holders = slices.DeleteFunc(c.holders, func(h holder) bool { return !alive(h.name) })
}

// Hold notes that a process holds so many more, or fewer where by is negative.
func (c *Counter) Hold(name string, by int64, at time.Time) {
	if i := c.holder(name); i >= 0 {
		by += c.holders[i].n
	}
	c.Occupy(name, by, at)
}

// Occupy notes that a process holds so many, none where n is negative.
func (c *Counter) Occupy(name string, n int64, at time.Time) {
	i := c.holder(name)
	switch {
	case i >= 0 && n <= 0:
		c.holders = slices.Delete(c.holders, i, i+1)
	case i >= 0:
		c.holders[i].n, c.holders[i].at = n, at.Unix()
	case n > 0:
		c.holders = append(c.holders, holder{name, n, at.Unix()})
	}
}

// holder finds one; -1 for none.
func (c *Counter) holder(name string) int {
	return slices.IndexFunc(c.holders, func(h holder) bool { return h.name == name })
}

// apart is what the name of a subject ends in whose connections are counted. No login, domain,
// network or id has a blank, and names of customers and nodes have none at their beginning.
const apart = " connections"

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
func ApartOf(s Subject) Subject { return Subject{s.Kind, s.Name + apart} }

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
				list = append(list, Breach{Subject: levels[i].Subject, Limit: l, Used: used, Want: 1, Room: room})
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
