package list

import (
	"net/netip"
	"slices"
	"time"

	"countersign/internal/access"
)

// Place is where a client is.
type Place struct {
	// Client is its address; invalid where it has none, which is in no network.
	Client netip.Addr
	// Country is as of What, "" where nobody knows; AS likewise, 0.
	Country string
	AS      uint32
}

// plain brings the address into the form of entries.
func (p Place) plain() Place {
	p.Client = access.Plain(p.Client)
	return p
}

// Decision is what entries say of a client. The zero value is that they say nothing.
type Decision struct {
	// Denied and Allowed are never both true.
	Denied, Allowed bool
	// At is the subject that has decided.
	At Subject
	// Entry is the one that has decided; nil where the subject is closed to all that it does
	// not allow, and where nothing was said. It must not be changed.
	Entry *Entry
}

// Reason is what a client may be told of why it is denied.
func (d *Decision) Reason() string {
	if d.Entry == nil {
		return "not from here"
	}
	return d.Entry.Reason
}

// Rule names what has decided for people and the record: "deny DE everywhere", "closed
// listener web".
func (d *Decision) Rule() string {
	if d.Entry != nil {
		return d.Entry.Object()
	}
	return "closed " + d.At.String()
}

// Sheet has the entries of one subject, so that those for a client are found by few look-ups
// however many there are. The zero value has none. It is never changed.
type Sheet struct {
	entries map[What][]Entry
	// lengths4 and lengths6 are those of the networks that there are, from the longest; 0 is
	// left out.
	lengths4, lengths6 []int
	// allows are those that close the subject.
	allows []Entry
}

// NewSheet returns a Sheet of entries, which are all of one subject.
func NewSheet(list []Entry) *Sheet {
	s := &Sheet{entries: make(map[What][]Entry, len(list))}
	for i := range list {
		e := &list[i]
		s.entries[e.What] = append(s.entries[e.What], *e)
		if e.Effect == Allow {
			s.allows = append(s.allows, *e)
		}
		p := e.What.Prefix
		lengths := &s.lengths4
		if p.Addr().Is6() {
			lengths = &s.lengths6
		}
		if p.IsValid() && p.Bits() > 0 && !slices.Contains(*lengths, p.Bits()) {
			*lengths = append(*lengths, p.Bits())
		}
	}
	for _, lengths := range [][]int{s.lengths4, s.lengths6} {
		slices.Sort(lengths)
		slices.Reverse(lengths)
	}
	return s
}

// Whether entries in shadow mode count.
type mode struct {
	at     time.Time
	shadow bool
}

func (m mode) counts(e *Entry) bool { return (m.shadow || !e.Shadow) && e.Holds(m.at) }

// find returns the entry that decides about a place, nil for none: the narrowest, where a
// network is narrower than an autonomous system, that than a country, and that than all
// addresses there are; and of several one that denies.
func (s *Sheet) find(p Place, m mode) *Entry {
	if p.Client.IsValid() {
		lengths := s.lengths4
		if p.Client.Is6() {
			lengths = s.lengths6
		}
		for _, bits := range lengths {
			if e := s.of(What{Prefix: netip.PrefixFrom(p.Client, bits).Masked()}, m); e != nil {
				return e
			}
		}
	}
	if p.AS != 0 {
		if e := s.of(What{AS: p.AS}, m); e != nil {
			return e
		}
	}
	if p.Country != "" {
		if e := s.of(What{Country: p.Country}, m); e != nil {
			return e
		}
	}
	if p.Client.IsValid() {
		return s.of(What{Prefix: netip.PrefixFrom(p.Client, 0).Masked()}, m)
	}
	return nil
}

// of returns the entry that decides about exactly that.
func (s *Sheet) of(w What, m mode) *Entry {
	var found *Entry
	list := s.entries[w]
	for i := range list {
		if e := &list[i]; m.counts(e) && (found == nil || e.Effect == Deny) {
			found = e
			if e.Effect == Deny {
				break
			}
		}
	}
	return found
}

// Lets reports whether an entry lets somebody in who is there.
func (s *Sheet) Lets(p Place, at time.Time) bool {
	if s == nil {
		return false
	}
	e := s.find(p.plain(), mode{at: at})
	return e != nil && e.Effect != Deny
}

// decide is what the entries say of a place.
func (s *Sheet) decide(of Subject, p Place, m mode) Decision {
	e := s.find(p, m)
	switch {
	case e != nil:
		return Decision{Denied: e.Effect == Deny, Allowed: e.Effect != Deny, At: of, Entry: e}
	case slices.ContainsFunc(s.allows, func(a Entry) bool { return m.counts(&a) }):
		return Decision{Denied: true, At: of}
	}
	return Decision{}
}

// Question is about a client.
type Question struct {
	Who   Who
	Place Place
	// Shadow has entries in shadow mode count as all others.
	Shadow bool
}

// Decide is what the entries of all subjects say of a client: those of the narrowest that
// say anything. sheet returns the entries of a subject, nil for none.
func Decide(q Question, sheet func(Subject) *Sheet, at time.Time) Decision {
	p, m := q.Place.plain(), mode{at, q.Shadow}
	for _, of := range q.Who.subjects() {
		if of.Name == "" && of.Kind != Everywhere {
			continue
		}
		s := sheet(of)
		if s == nil {
			continue
		}
		if d := s.decide(of, p, m); d.Denied || d.Allowed {
			return d
		}
	}
	return Decision{}
}
