package incoming

import (
	"time"

	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/queue"
	"countersign/internal/store/sqlkit/counting"
	"countersign/internal/store/sqlkit/waiting"
)

// The places in a row of DeliveryColumns.
const (
	stateColumn = 2
	nextColumn  = 3
	holdColumn  = 9
)

// Limited reports whether there are limits that Judge holds it against.
func (p *Acceptance) Limited() bool { return p.source.Limits != nil }

// Subjects are those whose counters Judge needs, each once; none without limits.
func (p *Acceptance) Subjects() []limit.Subject { return subjects(p.source.Limits) }

func subjects(q *limit.Question) (list []limit.Subject) {
	if q == nil {
		return nil
	}
	list = make([]limit.Subject, len(q.Levels))
	for i := range list {
		list[i] = q.Key(i)
	}
	return list
}

// Contacts are those whose days Judge needs.
func (p *Acceptance) Contacts() []limit.Contact {
	if p.source.Limits == nil {
		return nil
	}
	return p.source.Limits.Contacts.All()
}

// Counted is what is counted whatever the limits; the zero value is nothing.
type Counted struct{ question *limit.Question }

// Subjects are those whose counters Count needs.
func (k Counted) Subjects() []limit.Subject { return subjects(k.question) }

// Count counts it, as of now.
func (k Counted) Count(c *counting.Counted, at time.Time) {
	if k.question == nil {
		return
	}
	k.question.Judge(c, at) // for the counters alone
	c.Count(k.question, &limit.Decision{At: at, Slot: at})
}

// Judge holds the message against its limits, and makes its rows say what comes of it. It
// does not count, and may be asked again in another transaction. Errors are those of
// queue.Store.Accept.
func (p *Acceptance) Judge(c *counting.Counted, at time.Time) error {
	if p.source.Limits == nil {
		return nil
	}
	p.decision = p.source.Limits.Judge(c, at)
	if err := p.decision.Refusal("queue.accept"); err != nil {
		return err
	}
	if near := p.unwritten(); near != nil {
		return &fault.Error{Op: "queue.accept", Kind: fault.Busy, Err: &queue.NearError{Near: near}}
	}
	p.Grow = [waiting.States]int{}
	for i := range p.source.Deliveries {
		state, next, reason := queue.Place(&p.source.Deliveries[i], &p.decision)
		row := p.Deliveries[i]
		stored := waiting.StoredState(state)
		row[stateColumn].Value, row[nextColumn].Value, row[holdColumn].Value = int64(stored), next.UnixMicro(), reason
		p.Grow[stored]++
	}
	return nil
}

// Count counts what has passed.
func (p *Acceptance) Count(c *counting.Counted) {
	if p.source.Limits != nil {
		c.Count(p.source.Limits, &p.decision)
	}
}
