package list

import (
	"net/netip"
	"slices"
	"time"
)

// few is up to how many entries are gone through one by one: most subjects have one or two, and there
// may be a hundred thousand of such.
const few = 8

// Sheet has the entries of one subject, so that those for a client are found by few look-ups
// however many there are. The zero value has none. It is never changed.
type Sheet struct {
	// entries are all of them.
	entries []Entry
	// index is how they are found; nil where they are few.
	index *index
}

// index says where in a list of entries something is.
type index struct {
	about map[What][]int32
	// lengths4 and lengths6 are those of the networks that there are, from the longest; 0 is
	// left out.
	lengths4, lengths6 []int
	// allows are those that close the subject.
	allows []int32
}

// NewSheet returns a Sheet of entries, which are all of one subject and are not changed any more.
func NewSheet(list []Entry) *Sheet {
	s := &Sheet{entries: list}
	if len(list) > few {
		s.index = newIndex(list)
	}
	return s
}

func newIndex(list []Entry) *index {
	x := &index{about: make(map[What][]int32, len(list))}
	for i := range list {
		e := &list[i]
		x.about[e.What] = append(x.about[e.What], int32(i))
		if e.Effect == Allow {
			x.allows = append(x.allows, int32(i))
		}
		p := e.What.Prefix
		lengths := &x.lengths4
		if p.Addr().Is6() {
			lengths = &x.lengths6
		}
		if p.IsValid() && p.Bits() > 0 && !slices.Contains(*lengths, p.Bits()) {
			*lengths = append(*lengths, p.Bits())
		}
	}
	for _, lengths := range [][]int{x.lengths4, x.lengths6} {
		slices.Sort(lengths)
		slices.Reverse(lengths)
	}
	return x
}

// mode says which entries count: whether those in shadow mode do, and when.
type mode struct {
	at     time.Time
	shadow bool
	// timed is whether one was asked about that ends some time.
	timed bool
}

// counts reports whether an entry counts.
func (m *mode) counts(e *Entry) bool {
	if e.Shadow && !m.shadow {
		return false
	}
	m.timed = m.timed || !e.End.IsZero()
	return e.Holds(m.at)
}

// find returns the entry that decides about a place, nil for none: the narrowest, where a
// network is narrower than an autonomous system, that than a country, and that than all
// addresses there are; and of several one that denies.
func (s *Sheet) find(p Place, m *mode) *Entry {
	if s.index == nil {
		return s.among(p, m)
	}
	if p.Client.IsValid() {
		lengths := s.index.lengths4
		if p.Client.Is6() {
			lengths = s.index.lengths6
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

// among is find, where the entries are few.
func (s *Sheet) among(p Place, m *mode) (found *Entry) {
	narrowest := elsewhere
	for i := range s.entries {
		e := &s.entries[i]
		width := e.What.width(p)
		switch {
		case width < narrowest || width == elsewhere || !m.counts(e):
		case width > narrowest || e.Effect == Deny:
			found, narrowest = e, width
		}
	}
	return found
}

// How narrow what a client is in may be, from the widest; networks are at network plus the bits of
// their prefix.
const (
	elsewhere = iota
	everyAddress
	country
	system
	network
)

// width says how narrow it is if the place is in it, and elsewhere if not.
func (w *What) width(p Place) int {
	switch {
	case w.Prefix.IsValid():
		if !w.Prefix.Contains(p.Client) {
			return elsewhere
		}
		if bits := w.Prefix.Bits(); bits > 0 {
			return network + bits
		}
		return everyAddress
	case w.AS != 0 && w.AS == p.AS:
		return system
	case w.Country != "" && w.Country == p.Country:
		return country
	}
	return elsewhere
}

// of returns the entry that decides about exactly that.
func (s *Sheet) of(w What, m *mode) (found *Entry) {
	for _, i := range s.index.about[w] {
		if e := &s.entries[i]; m.counts(e) && (found == nil || e.Effect == Deny) {
			found = e
			if e.Effect == Deny {
				break
			}
		}
	}
	return found
}

// closed reports whether an entry closes the subject.
func (s *Sheet) closed(m *mode) bool {
	if s.index == nil {
		for i := range s.entries {
			if e := &s.entries[i]; e.Effect == Allow && m.counts(e) {
				return true
			}
		}
		return false
	}
	return slices.ContainsFunc(s.index.allows, func(i int32) bool { return m.counts(&s.entries[i]) })
}

// Lets reports whether an entry lets somebody in who is there.
func (s *Sheet) Lets(p Place, at time.Time) bool {
	if s == nil {
		return false
	}
	e := s.find(p.plain(), &mode{at: at})
	return e != nil && e.Effect != Deny
}

// decide is what the entries say of a place, without the subject.
func (s *Sheet) decide(p Place, m *mode) Decision {
	e := s.find(p, m)
	switch {
	case e != nil:
		return Decision{Denied: e.Effect == Deny, Allowed: e.Effect != Deny, Entry: e}
	case s.closed(m):
		return Decision{Denied: true}
	}
	return Decision{}
}
