// Package simulation tells what limits would have done to mail of the past.
//
// It judges and counts as package limit does, in memory; who reads the record is not here.
//
// Main types: Simulation, Tally.
package simulation

import (
	"slices"
	"strings"
	"time"

	"countersign/internal/limit"
)

// Simulation tells what limits would have done to mail of the past. It is used by one
// goroutine.
type Simulation struct {
	limits []limit.Limit
	of     func(login string) (name string, concerned bool)
	// tallies are of subjects, by name.
	tallies map[string]*Tally
}

// Tally is what would have become of one subject's mail.
type Tally struct {
	// Name is the subject's; "" where all are one.
	Name string
	// Messages and Recipients came in all, OverMessages and OverRecipients are those of
	// messages that would have been over a limit.
	Messages, Recipients, OverMessages, OverRecipients int64
	// First and Last are when the first and the last of them came; zero for none.
	First, Last time.Time
	// By is the limit that the first one would have been over.
	By limit.Limit

	counter limit.Counter
}

// New returns one of limits, whatever their actions. of says as what a login is
// counted, and whether it is at all.
func New(limits []limit.Limit, of func(login string) (name string, concerned bool)) *Simulation {
	return &Simulation{limits: limits, of: of, tallies: map[string]*Tally{}}
}

// Add takes a message of the past, in the order in which they came. One that would have
// been over a limit is not counted, as if it had been refused, and not tried again.
func (s *Simulation) Add(login string, amounts limit.Amounts, at time.Time) {
	name, concerned := s.of(login)
	if !concerned {
		return
	}
	t := s.tallies[name]
	if t == nil {
		t = &Tally{Name: name}
		s.tallies[name] = t
	}
	t.Messages += amounts[limit.Messages]
	t.Recipients += amounts[limit.Recipients]
	levels := []limit.Level{{Limits: s.limits, Counter: &t.counter}}
	d := limit.Decide(levels, amounts, 0, at)
	if len(d.Over) == 0 {
		limit.Count(levels, amounts, &d)
		return
	}
	if t.First.IsZero() {
		t.First, t.By = at, d.Over[0].Limit
	}
	t.Last = at
	t.OverMessages += amounts[limit.Messages]
	t.OverRecipients += amounts[limit.Recipients]
}

// Tallies returns those with messages that would have been over, the most first, and the sum
// of all.
func (s *Simulation) Tallies() (over []Tally, all Tally) {
	for _, t := range s.tallies {
		all.Messages += t.Messages
		all.Recipients += t.Recipients
		all.OverMessages += t.OverMessages
		all.OverRecipients += t.OverRecipients
		if t.OverMessages == 0 {
			continue
		}
		if all.First.IsZero() || t.First.Before(all.First) {
			all.First, all.By = t.First, t.By
		}
		if t.Last.After(all.Last) {
			all.Last = t.Last
		}
		over = append(over, *t)
	}
	slices.SortFunc(over, func(a, b Tally) int {
		if a.OverMessages != b.OverMessages {
			return int(b.OverMessages - a.OverMessages)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return over, all
}
