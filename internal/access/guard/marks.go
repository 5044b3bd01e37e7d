package guard

import (
	"container/list"
	"net/netip"
	"slices"
	"time"

	"countersign/internal/access/familiar"
)

// key names a Record.
type key struct {
	network netip.Prefix
	login   string
}

// mark is a Record in memory.
type mark struct {
	Record
	// next is when the next attempt may come, and barred until when none may, as a ban is
	// on its way.
	next, barred time.Time
	// own is as next of devices that the login has come in by: whoever else guesses there is not in
	// their way.
	own map[familiar.Device]time.Time
	// weight is that of a network.
	weight weight
	// place is its own in marks.order, used the number of its last use.
	place *list.Element
	used  uint64
}

// marks are what is kept of failures and closings. Not safe for concurrent use.
type marks struct {
	// uses numbers them.
	uses  uint64
	most  int
	all   map[key]*mark
	order *list.List // of *mark, that which was used last in front
	// byNetwork has the marks of logins in a network, byLogin those of a login in narrow
	// networks, no more than each.
	byNetwork map[netip.Prefix][]*mark
	byLogin   map[string][]*mark
}

// key is what the mark is found by.
func (m *mark) key() key { return key{m.Network, m.Login} }

// each bounds the networks that count against one login: it is closed by then.
const each = 256

func newMarks(most int) *marks {
	return &marks{
		most: max(most, 1), all: map[key]*mark{}, order: list.New(),
		byNetwork: map[netip.Prefix][]*mark{}, byLogin: map[string][]*mark{},
	}
}

// of returns a mark, nil where there is none.
func (m *marks) of(network netip.Prefix, login string) *mark { return m.all[key{network, login}] }

// make returns a mark, which it makes where there is none. bound is how many logins of its
// network are kept; the one goes that was used longest ago.
func (m *marks) make(network netip.Prefix, login string, bound int) *mark {
	k := key{network, login}
	m.uses++
	if found := m.all[k]; found != nil {
		m.order.MoveToFront(found.place)
		found.used = m.uses
		return found
	}
	if of := m.byNetwork[network]; login != "" && network.IsValid() && len(of) >= bound {
		m.drop(oldest(of))
	}
	for len(m.all) >= m.most {
		m.drop(m.order.Back().Value.(*mark))
	}
	made := &mark{used: m.uses, Record: Record{Network: network, Login: login}}
	made.place = m.order.PushFront(made)
	m.all[k] = made
	if login == "" || !network.IsValid() {
		return made
	}
	m.byNetwork[network] = append(m.byNetwork[network], made)
	if narrow(network) && len(m.byLogin[login]) < each {
		m.byLogin[login] = append(m.byLogin[login], made)
	}
	return made
}

// oldest returns the mark that was used longest ago.
func oldest(of []*mark) (found *mark) {
	for _, m := range of {
		if found == nil || m.used < found.used {
			found = m
		}
	}
	return found
}

// drop forgets a mark.
func (m *marks) drop(gone *mark) {
	m.order.Remove(gone.place)
	delete(m.all, gone.key())
	forget(m.byNetwork, gone.Network, gone)
	forget(m.byLogin, gone.Login, gone)
}

// forget removes an entry of an index, which need not be there.
func forget[K comparable](index map[K][]*mark, k K, gone *mark) {
	of := index[k]
	i := slices.Index(of, gone)
	switch {
	case i < 0:
	case len(of) == 1:
		delete(index, k)
	default:
		index[k] = slices.Delete(of, i, i+1)
	}
}
