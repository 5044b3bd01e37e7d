package list

import (
	"net/netip"
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

// Question is about a client.
type Question struct {
	Who   Who
	Place Place
	// Shadow has entries in shadow mode count as all others.
	Shadow bool
}

// Sheets are those of all subjects of somebody, nil where one has none.
type Sheets [kinds]*Sheet

// Sheets returns those of somebody; of returns the entries of a subject, nil for none.
func (w *Who) Sheets(of func(Subject) *Sheet) (all Sheets) {
	for i, s := range w.subjects() {
		if s.Name != "" || s.Kind == Everywhere {
			all[i] = of(s)
		}
	}
	return all
}

// Decide is what the entries of all subjects of Question.Who say of a client: those of the narrowest
// that say anything. steady says that it is so whatever the time is, as no entry was met that ends.
func Decide(q Question, sheets *Sheets, at time.Time) (d Decision, steady bool) {
	p, m := q.Place.plain(), &mode{at: at, shadow: q.Shadow}
	for i, s := range sheets {
		if s == nil {
			continue
		}
		if d := s.decide(p, m); d.Denied || d.Allowed {
			d.At = q.Who.subjects()[i]
			return d, !m.timed
		}
	}
	return Decision{}, !m.timed
}
