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
	"countersign/internal/mail"
)

// Simulation tells what limits would have done to mail of the past, which is told to it in the order in
// which it came. It is used by one goroutine.
type Simulation struct {
	limits []limit.Limit
	of     func(Sender) (name string, concerned bool)
	// tallies are of subjects, by name.
	tallies map[string]*Tally
	// sessions are what connections have sent lately, open are those that are there.
	sessions map[mail.ID]*session
	open     map[mail.ID]held
	// forgotten is when open was looked through last, cleared when sessions were.
	forgotten, cleared time.Time
	// refused are the messages that would have been over, where limits of failed recipients are
	// among them: what was not sent does not fail.
	refused map[mail.ID]bool
	// met says on which day somebody was written to last.
	met map[limit.Contact]int64
}

// Tally is what would have become of one subject's mail.
type Tally struct {
	// Name is the subject's; "" where all are one.
	Name string
	// Messages and Recipients came in all, OverMessages and OverRecipients are those of
	// messages that would have been over a limit.
	Messages, Recipients, OverMessages, OverRecipients int64
	// Connections logged in, OverConnections would have been over a limit.
	Connections, OverConnections int64
	// First and Last are when the first and the last of what was over came; zero for none.
	First, Last time.Time
	// By is the limit that the first one would have been over.
	By limit.Limit

	// counter is of messages, apart of connections.
	counter, apart limit.Counter
}

// over notes what would have been over limits.
func (t *Tally) over(by []limit.Breach, at time.Time) {
	if t.First.IsZero() {
		t.First, t.By = at, by[0].Limit
	}
	t.Last = at
}

// New returns one of limits, whatever their actions. of says as what a sender is
// counted, and whether it is at all.
func New(limits []limit.Limit, of func(Sender) (name string, concerned bool)) *Simulation {
	return &Simulation{
		limits: limits, of: of, tallies: map[string]*Tally{}, sessions: map[mail.ID]*session{}, open: map[mail.ID]held{},
		refused: map[mail.ID]bool{}, met: map[limit.Contact]int64{},
	}
}

// tally returns that of a sender, nil where it is not concerned.
func (s *Simulation) tally(by Sender) *Tally {
	name, concerned := s.of(by)
	if !concerned {
		return nil
	}
	t := s.tallies[name]
	if t == nil {
		t = &Tally{Name: name}
		s.tallies[name] = t
	}
	return t
}

// Sender is who has sent a message.
type Sender struct {
	Login string
	// Client is the address that it came from, "" where that is not asked for.
	Client string
}

// Message is one that was accepted.
type Message struct {
	Sender
	// ID is the submission's, Session that of the connection.
	ID, Session      mail.ID
	Recipients, Size int64
	// Contacts are digests of the recipients, as far as they are known and asked for.
	Contacts []int64
	At       time.Time
}

// Add takes a message. One that would have been over a limit is not counted, as if it had been
// refused, and not tried again.
func (s *Simulation) Add(m *Message) {
	t := s.tally(m.Sender)
	if t == nil {
		return
	}
	t.Messages++
	t.Recipients += m.Recipients
	want := limit.Amounts{limit.Messages: 1, limit.Recipients: m.Recipients, limit.Bytes: m.Size, limit.NewRecipients: s.strangers(m)}
	levels := limit.OfStore([]limit.Level{{Limits: s.limits, Counter: &t.counter}})
	d := limit.Decide(levels, want, 0, m.At)
	over := append(s.passing(m, want), d.Over...)
	if len(over) > 0 {
		t.over(over, m.At)
		t.OverMessages++
		t.OverRecipients += m.Recipients
		if s.fails() {
			s.refused[m.ID] = true
		}
		return
	}
	limit.Count(levels, want, &d)
	s.sent(m, want)
	s.Met(m)
}

// fails reports whether limits of failed recipients are among the limits.
func (s *Simulation) fails() bool {
	return len(limit.Failing([]limit.Level{{Limits: s.limits}})) > 0
}

// Failed takes a recipient that another server has refused for good. login is whose message it was.
func (s *Simulation) Failed(login string, submission mail.ID, at time.Time) {
	t := s.tally(Sender{Login: login})
	if t == nil || s.refused[submission] {
		return
	}
	levels := limit.Failing([]limit.Level{{Limits: s.limits, Counter: &t.counter}})
	limit.Count(levels, limit.Amounts{limit.FailedRecipients: 1}, &limit.Decision{At: at, Slot: at})
}

// strangers counts the recipients of a message that are new.
func (s *Simulation) strangers(m *Message) (n int64) {
	since := limit.DayOf(m.At) - limit.KeepContacts
	for _, c := range m.Contacts {
		if met := s.met[limit.Contact{Login: m.Login, Recipient: c}]; met == 0 || met < since {
			n++
		}
	}
	return n
}

// Met notes whom a message of the past was sent to, which is not judged.
func (s *Simulation) Met(m *Message) {
	for _, c := range m.Contacts {
		s.met[limit.Contact{Login: m.Login, Recipient: c}] = limit.DayOf(m.At)
	}
}

// Tallies returns those with anything that would have been over, the most messages first, and the
// sum of all.
func (s *Simulation) Tallies() (over []Tally, all Tally) {
	for _, t := range s.tallies {
		all.Messages += t.Messages
		all.Recipients += t.Recipients
		all.Connections += t.Connections
		all.OverMessages += t.OverMessages
		all.OverRecipients += t.OverRecipients
		all.OverConnections += t.OverConnections
		if t.First.IsZero() {
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
		if a.OverConnections != b.OverConnections {
			return int(b.OverConnections - a.OverConnections)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return over, all
}
