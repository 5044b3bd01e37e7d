package list

import (
	"context"
	"time"

	"countersign/internal/fault"
)

// Overlap is what an entry meets in the list that it is in. Countries, autonomous systems, and networks of
// all addresses overlap with nothing but what is exactly the same.
type Overlap struct {
	// Beside is the entry that denies exactly what this one lets in, and so decides while it holds; nil for none.
	Beside *Entry
	// Within is the entry that decides in the network without it: that of the narrowest wider
	// network; nil for none.
	Within *Entry
	// Otherwise are those of narrower networks in it that decide otherwise, as they go on to do.
	Otherwise []Entry
}

// letsIn reports whether an entry lets clients in.
func (e *Entry) letsIn() bool { return e.Effect != Deny }

// overlap finds what an entry meets among those of its subject.
func overlap(e *Entry, list []Entry, at time.Time) (o Overlap) {
	p := e.What.Prefix
	for i := range list {
		other := &list[i]
		q := other.What.Prefix
		if other.ID == e.ID || other.Shadow || !other.Holds(at) {
			continue
		}
		switch {
		case other.What == e.What:
			if e.letsIn() && !other.letsIn() {
				o.Beside = other
			}
		case !p.IsValid() || p.Bits() == 0 || !q.IsValid() || q.Bits() == 0 || !p.Overlaps(q):
		case q.Bits() > p.Bits() && other.letsIn() != e.letsIn():
			o.Otherwise = append(o.Otherwise, *other)
		case q.Bits() < p.Bits() && (o.Within == nil || narrower(other, o.Within)):
			o.Within = other
		}
	}
	return o
}

// narrower reports whether an entry decides before another one: of one network that which denies.
func narrower(a, b *Entry) bool {
	if a.What != b.What {
		return a.What.Prefix.Bits() > b.What.Prefix.Bits()
	}
	return a.Effect == Deny && b.Effect != Deny
}

// Overlap says what an entry meets in its list. Errors are those of the store.
func (a *Admin) Overlap(ctx context.Context, e Entry) (Overlap, error) {
	now := a.now()
	found, err := a.opt.Store.Entries(ctx, Query{For: &e.For, Holding: now})
	return overlap(&e, found, now), err
}

// idle refuses, as fault.Invalid, an entry that would change nothing, as one about a wider
// network does the same for as long. A second one about exactly the same may be meant, as a deny
// for a day beside an allow, and is for the store to refuse.
func (a *Admin) idle(ctx context.Context, e *Entry) error {
	o, err := a.Overlap(ctx, *e)
	w := o.Within
	if err != nil || w == nil || w.letsIn() != e.letsIn() || e.Effect == Allow && w.Effect != Allow {
		return err
	}
	if !w.End.IsZero() && (e.End.IsZero() || w.End.Before(e.End)) {
		return nil
	}
	same, err := a.opt.Store.Entries(ctx, Query{For: &e.For, Holding: e.Start})
	if err != nil {
		return err
	}
	for i := range same {
		if same[i].What == e.What {
			return nil
		}
	}
	return fault.New("access.add", fault.Invalid, "%s is in %s, of which entry %s says the same for as long: it would change nothing; --force adds it all the same", e.What, w.What, w.ID)
}
