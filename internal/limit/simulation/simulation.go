// Package simulation tells what limits would have done to mail of the past.
//
// It judges and counts as package limit does, in memory; who reads the record is not here.
//
// Main types: Simulation, Tally, Outcomes.
package simulation

import (
	"cmp"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"countersign/internal/limit"
	"countersign/internal/limit/tally"
	"countersign/internal/mail"
)

// Placed says whether something of the past is counted.
type Placed uint8

// The ways to place something.
const (
	// Elsewhere is what the limits are not for.
	Elsewhere Placed = iota
	// Here is what they are for.
	Here
	// Unknown is that of which the past does not say it.
	Unknown
)

// Options are what a Simulation is made of. All of them are needed.
type Options struct {
	// Limits are judged together.
	Limits []limit.Limit
	// Kind is what the subjects are.
	Kind limit.Kind
	// Of says as which subject somebody is counted, and whether they are at all.
	Of func(Sender) (name string, placed Placed)
}

// Simulation tells what limits would have done to mail of the past, which is told to it in the order in
// which it came. It is used by one goroutine.
type Simulation struct {
	opt Options
	// stored are the limits by which a store judges messages, passing those of one message or
	// connection, connecting those of connections, failing those of recipients that fail.
	stored, passing, connecting, failing []limit.Limit
	// tallies are of subjects, by name.
	tallies map[string]*Tally
	// parts are counters of accounts, by login, where these may have a share.
	parts map[string]*limit.Counter
	// unplaced is what is Unknown.
	unplaced Unplaced
	// sessions are what connections have sent lately, open are those that are there.
	sessions map[mail.ID]*session
	open     map[mail.ID]held
	// forgotten is when open was looked through last, cleared when sessions were, swept when the
	// counters were.
	forgotten, cleared, swept time.Time
	// refused are the messages that would not have been sent, of those that have failed: what was
	// not sent does not fail.
	refused map[mail.ID]bool
	// met says on which day somebody was written to last, by a digest of each limit.Contact: of millions
	// of them two have the same one once in some million simulations.
	met  map[uint64]int32
	seed maphash.Seed
}

// Unplaced is of how much the past does not say whether it is counted, or as what.
type Unplaced struct{ Messages, Connections int64 }

// New returns a Simulation.
func New(opt Options) *Simulation {
	s := &Simulation{
		opt: opt, tallies: map[string]*Tally{}, parts: map[string]*limit.Counter{}, sessions: map[mail.ID]*session{}, open: map[mail.ID]held{},
		refused: map[mail.ID]bool{}, met: map[uint64]int32{}, seed: maphash.MakeSeed(),
	}
	// In the order that they have where they are set: of two that are over alike the first one decides.
	limits := slices.SortedFunc(slices.Values(opt.Limits), func(a, b limit.Limit) int {
		return cmp.Or(cmp.Compare(a.Measure, b.Measure), cmp.Compare(a.Window, b.Window))
	})
	all := []limit.Level{{Limits: limits}}
	s.stored, s.passing = only(limit.OfStore(all)), only(limit.OfPassing(all))
	s.connecting, s.failing = only(limit.Only(all, limit.Connections)), only(limit.Failing(all))
	return s
}

// only returns the limits of the one level, if it is there.
func only(levels []limit.Level) []limit.Limit {
	if len(levels) == 0 {
		return nil
	}
	return levels[0].Limits
}

// Sender is who has sent a message, or has connected, and by which way.
type Sender struct {
	Login string
	// Client is the address that it came from, Credential is as limit.DataCredential, Node is the
	// gate's id; "" for what is not known, or not asked for.
	Client, Credential, Node string
}

// Message is one that was accepted.
type Message struct {
	Sender
	// ID is the submission's, Session that of the connection.
	ID, Session      mail.ID
	Recipients, Size int64
	// Contacts are digests of the recipients, as far as they are known and asked for.
	Contacts []int64
	// Fails says that Failed may be told of it later.
	Fails bool
	At    time.Time
}

// tally returns that of a sender, nil where it is not counted.
func (s *Simulation) tally(by *Sender, at time.Time) (*Tally, Placed) {
	name, placed := s.opt.Of(*by)
	if placed != Here {
		return nil, placed
	}
	s.sweep(at)
	t := s.tallies[name]
	if t == nil {
		t = &Tally{Name: name, Login: by.Login}
		s.tallies[name] = t
	}
	return t, placed
}

// sweepEvery is how often what no window sees any more is forgotten.
const sweepEvery = 24 * time.Hour

// sweep forgets what no window sees any more, so that who has sent once takes little memory.
func (s *Simulation) sweep(at time.Time) {
	if at.Sub(s.swept) < sweepEvery {
		return
	}
	s.swept = at
	for _, t := range s.tallies {
		t.counter.Forget(at)
		t.apart.Forget(at)
	}
	maps.DeleteFunc(s.parts, func(_ string, c *limit.Counter) bool {
		c.Forget(at)
		return c.Empty()
	})
}

// Subjects is of how many is counted.
func (s *Simulation) Subjects() int { return len(s.tallies) + len(s.parts) }

// Add takes a message. One that would have been refused or deferred counts nowhere, and is not tried
// again; one that would have been slowed counts when it would have gone, one that would have been held
// where it was held.
func (s *Simulation) Add(m *Message) {
	t, placed := s.tally(&m.Sender, m.At)
	if placed == Unknown {
		s.unplaced.Messages++
	}
	if t == nil {
		return
	}
	t.Messages++
	t.Recipients += m.Recipients
	want := limit.Amounts{limit.Messages: 1, limit.Recipients: m.Recipients, limit.Bytes: m.Size, limit.NewRecipients: s.strangers(m)}
	at := s.judgePassing(m, want)
	levels := s.levels(t, m.Login, s.stored)
	d := limit.Decide(levels, want, 0, m.At)
	out := worse(outcome(&at), outcome(&d))
	t.note(out, m.Recipients, m.At, d.Slot.Sub(m.At))
	if m.Fails && out.what >= Held && len(s.failing) > 0 {
		s.refused[m.ID] = true
	}
	if out.what >= Deferred {
		return
	}
	limit.Count(levels, want, &d)
	s.sent(m, want)
	s.Met(m)
}

// levels are the subject with some of its limits, and the account where it may have a share of these.
func (s *Simulation) levels(t *Tally, login string, limits []limit.Limit) []limit.Level {
	levels := []limit.Level{{Subject: s.subject(t), Limits: limits, Counter: &t.counter}}
	shared := s.opt.Kind > limit.Account && s.opt.Kind != limit.Plan
	if shared && slices.ContainsFunc(limits, func(l limit.Limit) bool { return l.Share > 0 }) {
		account := limit.Level{Subject: limit.Subject{Kind: limit.Account, Name: login}, Counter: s.part(login)}
		levels = append([]limit.Level{account}, levels...)
	}
	return levels
}

// part is the counter of an account that may have a share, whichever subject's: a store counts what it has
// sent once.
func (s *Simulation) part(login string) *limit.Counter {
	c := s.parts[login]
	if c == nil {
		c = &limit.Counter{}
		s.parts[login] = c
	}
	return c
}

// subject is as what a tally is judged. A plan is of accounts.
func (s *Simulation) subject(t *Tally) limit.Subject {
	kind := s.opt.Kind
	if kind == limit.Plan {
		kind = limit.Account
	}
	return limit.Subject{Kind: kind, Name: t.Name}
}

// Failed takes a recipient that another server has refused for good; by is whose message it was.
func (s *Simulation) Failed(by Sender, submission mail.ID, at time.Time) {
	if s.refused[submission] {
		return
	}
	if t, _ := s.tally(&by, at); t != nil {
		levels := s.levels(t, by.Login, s.failing)
		limit.Count(levels, limit.Amounts{limit.FailedRecipients: 1}, &limit.Decision{At: at, Slot: at})
	}
}

// strangers counts the recipients of a message that are new.
func (s *Simulation) strangers(m *Message) (n int64) {
	since := limit.DayOf(m.At) - limit.KeepContacts
	for _, c := range m.Contacts {
		if met := int64(s.met[s.contact(m.Login, c)]); met == 0 || met < since {
			n++
		}
	}
	return n
}

// Met notes whom a message of the past was sent to, which is not judged.
func (s *Simulation) Met(m *Message) {
	for _, c := range m.Contacts {
		s.met[s.contact(m.Login, c)] = int32(limit.DayOf(m.At))
	}
}

// contact is the digest of a limit.Contact.
func (s *Simulation) contact(login string, recipient int64) uint64 {
	return maphash.Comparable(s.seed, limit.Contact{Login: login, Recipient: recipient})
}

// judgePassing judges a message by the limits of one message and connection.
func (s *Simulation) judgePassing(m *Message, want limit.Amounts) limit.Decision {
	if len(s.passing) == 0 {
		return limit.Decision{}
	}
	one := tally.Tally{}
	if before := s.sessions[m.Session]; before != nil {
		one = before.sent
	}
	return one.Judge([]limit.Level{{Limits: s.passing}}, want)
}
