package notice

import (
	"sync"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// GatherFor is how long the first of several failures waits for the others.
const GatherFor = time.Minute

// Notice is an outcome that the sender is to be told of.
type Notice struct {
	Outcome queue.Outcome
	Event   audit.Event
	Telling Telling
}

// Letter collects what is to be told about one submission.
type Letter struct {
	Submission *queue.Submission
	List       []Notice
	// Since is when the first of List came.
	Since time.Time
}

// Gatherer keeps outcomes back until every transaction of their submission in
// memory has ended, so that a message to many destinations that fail makes one
// report and not one for each. What it holds is not stored: those deliveries
// are still in flight, and a crash makes them again, which fails again.
// Nothing that was delivered is ever kept back. The zero value is empty. It is
// safe for concurrent use.
type Gatherer struct {
	mu      sync.Mutex // guards letters
	letters map[mail.ID]*Letter
}

// Add puts outcomes of a submission with the others.
func (g *Gatherer) Add(s *queue.Submission, list []Notice, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.letters[s.ID]
	if l == nil {
		if g.letters == nil {
			g.letters = map[mail.ID]*Letter{}
		}
		l = &Letter{Submission: s, Since: now}
		g.letters[s.ID] = l
	}
	l.List = append(l.List, list...)
}

// Take hands over what there is of a submission, nil for nothing.
func (g *Gatherer) Take(id mail.ID) *Letter {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.letters[id]
	delete(g.letters, id)
	return l
}

// Old hands over what has waited for GatherFor at a time, or all for the zero
// time.
func (g *Gatherer) Old(now time.Time) []*Letter {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []*Letter
	for id, l := range g.letters {
		if age := now.Sub(l.Since); now.IsZero() || age >= GatherFor || age < 0 {
			list = append(list, l)
			delete(g.letters, id)
		}
	}
	return list
}
