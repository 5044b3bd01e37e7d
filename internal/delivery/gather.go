package delivery

import (
	"sync"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// gatherFor is how long the first of several failures waits for the others.
const gatherFor = time.Minute

// gathered is an outcome that the sender is to be told of.
type gathered struct {
	outcome queue.Outcome
	event   audit.Event
	telling telling
}

// letter collects what is to be told about one submission.
type letter struct {
	submission *queue.Submission
	list       []gathered
	since      time.Time
}

// gatherer keeps outcomes back until every transaction of their submission in
// memory has ended, so that a message to many destinations that fail makes one
// report and not one for each. What it holds is not stored: those deliveries
// are still in flight, and a crash makes them again, which fails again.
// Nothing that was delivered is ever kept back. It is safe for concurrent use.
type gatherer struct {
	mu      sync.Mutex // guards letters
	letters map[mail.ID]*letter
}

// add puts outcomes of a submission with the others.
func (g *gatherer) add(s *queue.Submission, list []gathered, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.letters[s.ID]
	if l == nil {
		l = &letter{submission: s, since: now}
		g.letters[s.ID] = l
	}
	l.list = append(l.list, list...)
}

// take hands over what there is of a submission, nil for nothing.
func (g *gatherer) take(id mail.ID) *letter {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.letters[id]
	delete(g.letters, id)
	return l
}

// old hands over what has waited long enough at a time, or all for the zero
// time.
func (g *gatherer) old(now time.Time) []*letter {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []*letter
	for id, l := range g.letters {
		if age := now.Sub(l.since); now.IsZero() || age >= gatherFor || age < 0 {
			list = append(list, l)
			delete(g.letters, id)
		}
	}
	return list
}
