package pool

import (
	"container/list"
	"slices"
)

// ring is who waits in one respect: groups of tickets with the same key, the
// one whose turn is next in front.
type ring struct {
	groups map[string]*group
	order  *list.List // of *group
}

// group is all that waits with one key, the oldest in front.
type group struct {
	key     string
	tickets *list.List // of *ticket
	at      *list.Element
}

// ticket is one work that waits. The pool's lock guards all but called.
type ticket struct {
	// number says who came first.
	number uint64
	line   *line
	// called gets one word: true for a worker, false for having given way.
	called chan bool
	// gone says that it waits no more.
	gone bool
	// places is where it stands, ring by ring.
	places []place
}

// place is a ticket's place in one ring.
type place struct {
	group *group
	at    *list.Element
}

func newRing() ring { return ring{groups: map[string]*group{}, order: list.New()} }

// add puts t, whose respect this is, at the end of its group, and a new group
// at the end of the ring.
func (r *ring) add(t *ticket, respect int, key string) {
	g := r.groups[key]
	if g == nil {
		g = &group{key: key, tickets: list.New()}
		g.at = r.order.PushBack(g)
		r.groups[key] = g
	}
	t.places[respect] = place{group: g, at: g.tickets.PushBack(t)}
}

// first returns the oldest of the group whose turn it is; the ring is not
// empty.
func (r *ring) first() *ticket {
	return r.order.Front().Value.(*group).tickets.Front().Value.(*ticket)
}

// served puts a group at the end of the ring, whoever's turn it was.
func (r *ring) served(g *group) { r.order.MoveToBack(g.at) }

// remove takes t out, and its group once that is empty.
func (r *ring) remove(t *ticket, respect int) {
	g := t.places[respect].group
	g.tickets.Remove(t.places[respect].at)
	if g.tickets.Len() == 0 {
		r.order.Remove(g.at)
		delete(r.groups, g.key)
	}
}

// company counts who waits with the same key, respect by respect, the greatest
// number first, in place of what counts held.
func (t *ticket) company(counts []int) []int {
	counts = counts[:0]
	for _, p := range t.places {
		counts = append(counts, p.group.tickets.Len())
	}
	slices.SortFunc(counts, func(a, b int) int { return b - a })
	return counts
}
