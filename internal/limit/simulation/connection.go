package simulation

import (
	"maps"
	"time"

	"countersign/internal/limit"
	"countersign/internal/limit/tally"
	"countersign/internal/mail"
)

// What is remembered of connections: many, as the record does not always say that one is over, and none
// for longer than one lasts.
const (
	manySessions = 100_000
	longSession  = 24 * time.Hour
)

// session is what one connection has sent.
type session struct {
	sent tally.Tally
	at   time.Time
}

// passing lists what a message is over of the limits of one message and connection.
func (s *Simulation) passing(m *Message, want limit.Amounts) []limit.Breach {
	one := s.sessions[m.Session]
	if one == nil {
		one = &session{}
	}
	return one.sent.Over([]limit.Level{{Limits: s.limits}}, limit.Amounts{}, want)
}

// sent counts what a connection has sent.
func (s *Simulation) sent(m *Message, amounts limit.Amounts) {
	if len(limit.OfPassing([]limit.Level{{Limits: s.limits}})) == 0 {
		return
	}
	if len(s.sessions) >= manySessions && m.At.Sub(s.cleared) >= time.Hour {
		s.cleared = m.At
		maps.DeleteFunc(s.sessions, func(_ mail.ID, one *session) bool { return m.At.Sub(one.at) > longSession })
	}
	one := s.sessions[m.Session]
	if one == nil {
		one = &session{}
		s.sessions[m.Session] = one
	}
	one.sent.Add(amounts)
	one.at = m.At
}

// held is a connection that is there.
type held struct {
	tally *Tally
	at    time.Time
}

// here is in whose name connections are held.
const here = "simulation"

// Came takes a connection that logged in. One that would have been over a limit is not counted; what it
// has sent is, as its client would have come again.
func (s *Simulation) Came(login string, connection mail.ID, at time.Time) {
	t := s.tally(Sender{Login: login})
	if t == nil {
		return
	}
	t.Connections++
	q := limit.Connects([]limit.Level{{Limits: s.limits}})
	if q == nil {
		return
	}
	s.forget(at)
	q.Levels[0].Counter, q.Self = &t.apart, here
	d := limit.Decide(q.Levels, q.Want, 0, at)
	if len(d.Over) > 0 {
		t.over(d.Over, at)
		t.OverConnections++
		return
	}
	q.Count(&d)
	if len(q.Holds()) > 0 {
		s.open[connection] = held{t, at}
	}
}

// Left takes the end of a connection.
func (s *Simulation) Left(connection mail.ID, at time.Time) {
	if h, open := s.open[connection]; open {
		h.tally.apart.Hold(here, -1, at)
		delete(s.open, connection)
	}
}

// forget ends connections whose end is not in the record, as their gate has died.
func (s *Simulation) forget(at time.Time) {
	if at.Sub(s.forgotten) < time.Hour {
		return
	}
	s.forgotten = at
	for id, h := range s.open {
		if at.Sub(h.at) > longSession {
			s.Left(id, at)
		}
	}
}
