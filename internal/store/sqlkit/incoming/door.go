package incoming

import (
	"maps"
	"slices"
	"time"

	"countersign/internal/limit"
	"countersign/internal/store/sqlkit/counting"
)

// Door is what is asked or told of connections, made ready for an engine.
type Door struct {
	// question is about one that comes; nil where it is told what is held.
	question *limit.Question
	held     map[limit.Subject]int64
	// Decision is what the last transaction that tried came to.
	Decision limit.Decision
}

// Connecting is a connection that comes.
func Connecting(q *limit.Question) *Door { return &Door{question: q} }

// Holding is what a process holds.
func Holding(held map[limit.Subject]int64) *Door { return &Door{held: held} }

// Subjects are those whose counters Judge and Count need.
func (d *Door) Subjects() []limit.Subject {
	if d == nil {
		return nil
	}
	if d.question != nil {
		return subjects(d.question)
	}
	return slices.Collect(maps.Keys(d.held))
}

// Judge reports whether there is something to be counted in the name of a process; alive says
// which others are there.
func (d *Door) Judge(c *counting.Counted, self string, alive func(string) bool, at time.Time) bool {
	if d.question == nil {
		return true
	}
	d.question.Self, d.question.Alive = self, func(name string) bool { return name == self || alive(name) }
	d.Decision = d.question.Judge(c, at)
	return d.Decision.Passes()
}

// Count counts it.
func (d *Door) Count(c *counting.Counted, self string, at time.Time) {
	if d.question == nil {
		c.Occupy(self, d.held, at)
		return
	}
	c.Count(d.question, &d.Decision)
}
