package simulation

import (
	"maps"
	"math"
	"slices"
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

// sent counts what a connection has sent.
func (s *Simulation) sent(m *Message, amounts limit.Amounts) {
	if len(s.passing) == 0 {
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

// Came takes a connection. One that would have been turned away is not counted; what it
// has sent is, as its client would have come again.
func (s *Simulation) Came(by Sender, connection mail.ID, at time.Time) {
	t, placed := s.tally(&by, at)
	if placed == Unknown {
		s.unplaced.Connections++
	}
	if t == nil {
		return
	}
	s.forget(at)
	if s.enter(t, s.connecting, 1, at) && s.atOnce() {
		t.apart.Hold(here, 1, at)
		s.open[connection] = held{t, at}
	}
}

// enter judges so many connections that come together by some limits, and counts those that pass. It says
// whether all did.
func (s *Simulation) enter(t *Tally, limits []limit.Limit, n int64, at time.Time) (pass bool) {
	t.Connections += n
	levels := []limit.Level{{Subject: s.subject(t), Limits: limits, Counter: &t.apart}}
	for n > 0 {
		d := limit.Decide(levels, limit.Amounts{limit.Connections: 1}, 0, at)
		out := outcome(&d)
		if out.what > Passed {
			t.over(out.by, at)
		}
		if out.what > Noted { // and so is each other one at that time; all may come again
			t.Entered[Deferred] += n
			return false
		}
		alike := min(n, room(limits, &t.apart, at))
		t.Entered[out.what] += alike
		limit.Count(levels, limit.Amounts{limit.Connections: alike}, &d)
		n -= alike
	}
	return true
}

// room is how many connections more fare alike: as many as there are until the next limit is used up.
func room(limits []limit.Limit, c *limit.Counter, at time.Time) int64 {
	least := int64(math.MaxInt64)
	for _, l := range limits {
		if left := l.Max - c.Used(l.Window, limit.Connections, at); left > 0 && l.Window.Lasts() {
			least = min(least, left)
		}
	}
	return least
}

// Missed takes so many connections of which no more is known than that they came by that time. They are
// judged by limits with a window; whether they were there at once nobody knows.
func (s *Simulation) Missed(by Sender, n int64, at time.Time) {
	t, placed := s.tally(&by, at)
	if placed == Unknown || placed == Here && s.atOnce() {
		s.unplaced.Connections += n
	}
	if t != nil {
		s.enter(t, slices.DeleteFunc(slices.Clone(s.connecting), func(l limit.Limit) bool { return !l.Window.Lasts() }), n, at)
	}
}

// atOnce reports whether there are limits of connections that are there at once.
func (s *Simulation) atOnce() bool {
	for _, l := range s.connecting {
		if l.Window == limit.AtOnce {
			return true
		}
	}
	return false
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
