// Package crowd counts who is connected, in all and from each client network,
// and decides who makes room when no place is left.
//
// A client is counted for two networks: the narrow one, which is one
// customer's line as a rule, and the wide one, which an attacker gets cheaply as
// a whole. Who has not logged in is a stranger: when all places are taken, the
// stranger of the wide network with most strangers gives its place to a
// newcomer from a network with fewer. Who has logged in keeps it.
//
// It knows neither connections nor the protocol: a Guest is told by a function
// that it has lost its place, and ends by itself. Main types: Crowd, Guest.
package crowd

import (
	"container/list"
	"net/netip"
	"sync"
)

// The wide networks, in leading bits. Those of package account, which share out
// the password workers, are the same.
const (
	WideIPv4 = 24
	WideIPv6 = 48
)

// Limits are the places that there are; 0 means no limit.
type Limits struct {
	// All is how many guests there may be.
	All int
	// PerNarrow is how many of them may come from one narrow network, whose
	// size is NarrowIPv4 (1 to 32) or NarrowIPv6 (1 to 128) bits.
	PerNarrow              int
	NarrowIPv4, NarrowIPv6 int
	// PerWide is how many of them may come from one wide network. It is the narrow
	// one where that has fewer bits.
	PerWide int
}

// Answer says whether somebody may come in.
type Answer uint8

// The answers: yes; no, as all places are taken by others with more right to
// them; no, as the client's network has enough.
const (
	Welcome Answer = iota
	Full
	NetworkFull
)

// Crowd is who is there. It is safe for concurrent use.
type Crowd struct {
	mu sync.Mutex // guards what follows, and all that belongs to it
	// guests counts those with a place, narrow those of each narrow network.
	guests int
	narrow map[netip.Prefix]int
	// wide are the wide networks that have guests.
	wide map[netip.Prefix]*network
	// levels[n] holds the networks with n strangers, the one that has had so
	// many for longest first. most is the highest n that has any.
	levels []*list.List
	most   int
}

// network is a wide network with its guests.
type network struct {
	guests int
	// strangers are those that have not logged in, the oldest first.
	strangers *list.List
	// place is the network's in its level.
	place *list.Element
}

// Guest is one that got a place.
type Guest struct {
	narrow, wide netip.Prefix
	network      *network
	// stranger is its place among the strangers, nil once it has logged in.
	stranger *list.Element
	// makeRoom tells it that it has lost its place; gone says that it has none.
	makeRoom func()
	gone     bool
}

// New returns an empty Crowd.
func New() *Crowd {
	return &Crowd{narrow: map[netip.Prefix]int{}, wide: map[netip.Prefix]*network{}}
}

// Len returns how many guests there are.
func (c *Crowd) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.guests
}

// Networks returns how many narrow and wide networks have guests.
func (c *Crowd) Networks() (narrow, wide int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.narrow), len(c.wide)
}

// Enter asks for a place for a stranger, who must give it back by Leave. Where
// another one has to make room, that one's makeRoom is called before Enter
// returns; it must not block. makeRoom is called at most once, from any
// goroutine. Clients without an address (a pipe in a test) are counted as one
// network without limits of its own. The Guest is nil unless the answer is
// Welcome.
func (c *Crowd) Enter(client netip.Addr, l Limits, makeRoom func()) (*Guest, Answer) {
	g := &Guest{makeRoom: makeRoom}
	g.narrow, g.wide = l.networks(client)
	displaced, answer := c.enter(g, l)
	if displaced != nil {
		displaced.makeRoom()
	}
	if answer != Welcome {
		return nil, answer
	}
	return g, Welcome
}

// enter gives g a place, and returns who has lost theirs for it.
func (c *Crowd) enter(g *Guest, l Limits) (displaced *Guest, answer Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.wide[g.wide]
	if n == nil {
		n = &network{strangers: list.New()}
	}
	switch {
	case !g.wide.IsValid():
	case l.PerNarrow > 0 && c.narrow[g.narrow] >= l.PerNarrow,
		l.PerWide > 0 && n.guests >= l.PerWide:
		return nil, NetworkFull
	}
	if l.All > 0 && c.guests >= l.All {
		if n.strangers.Len() >= c.most {
			return nil, Full
		}
		displaced = c.levels[c.most].Front().Value.(*network).strangers.Front().Value.(*Guest)
		c.leave(displaced)
	}
	c.guests++
	c.narrow[g.narrow]++
	c.wide[g.wide] = n
	n.guests++
	g.network = n
	g.stranger = n.strangers.PushBack(g)
	c.rank(n, n.strangers.Len()-1)
	return displaced, Welcome
}

// Prove says that g has logged in, so that nobody takes its place any more. It
// returns false where that has happened already.
func (c *Crowd) Prove(g *Guest) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g.gone {
		return false
	}
	c.acquaint(g)
	return true
}

// Leave gives a place back, unless another one has it already. A second call
// does nothing.
func (c *Crowd) Leave(g *Guest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !g.gone {
		c.leave(g)
	}
}

// leave takes a guest out of the books. The caller holds mu.
func (c *Crowd) leave(g *Guest) {
	c.acquaint(g)
	g.gone = true
	c.guests--
	c.narrow[g.narrow]--
	if c.narrow[g.narrow] == 0 {
		delete(c.narrow, g.narrow)
	}
	g.network.guests--
	if g.network.guests == 0 {
		delete(c.wide, g.wide)
	}
}

// acquaint makes a guest no stranger. The caller holds mu.
func (c *Crowd) acquaint(g *Guest) {
	if g.stranger == nil {
		return
	}
	n := g.network
	n.strangers.Remove(g.stranger)
	g.stranger = nil
	c.rank(n, n.strangers.Len()+1)
}

// rank puts a network that had so many strangers into the level of those that it
// has now, one more or one fewer. The caller holds mu.
func (c *Crowd) rank(n *network, had int) {
	if n.place != nil {
		c.levels[had].Remove(n.place)
		n.place = nil
	}
	has := n.strangers.Len()
	if has > 0 {
		for len(c.levels) <= has {
			c.levels = append(c.levels, list.New())
		}
		n.place = c.levels[has].PushBack(n)
		c.most = max(c.most, has)
	}
	for c.most > 0 && c.levels[c.most].Len() == 0 {
		c.most--
	}
}

// Wide returns the wide network that a client is in, invalid for an invalid
// address.
func Wide(client netip.Addr) netip.Prefix {
	client = client.Unmap().WithZone("")
	bits := WideIPv6
	if client.Is4() {
		bits = WideIPv4
	}
	network, err := client.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}

// networks returns those that a client is counted for, both invalid for one
// without an address.
func (l Limits) networks(client netip.Addr) (narrow, wide netip.Prefix) {
	wide = Wide(client)
	if !wide.IsValid() {
		return netip.Prefix{}, netip.Prefix{}
	}
	bits := l.NarrowIPv6
	if wide.Addr().Is4() {
		bits = l.NarrowIPv4
	}
	narrow, err := client.Unmap().WithZone("").Prefix(bits)
	switch {
	case err != nil:
		return netip.Prefix{}, netip.Prefix{}
	case bits < wide.Bits():
		return narrow, narrow
	}
	return narrow, wide
}
