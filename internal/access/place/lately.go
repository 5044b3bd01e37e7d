package place

import (
	"net/netip"
	"sync"

	"countersign/internal/access/list"
)

// maxLately bounds for how many clients it is kept where they are: each is asked about with every
// command.
const maxLately = 8192

// lately has the places that were found lately, by the files that it belongs to. The zero value
// has none.
type lately struct {
	mu     sync.Mutex // guards places
	places map[netip.Addr]list.Place
}

// find returns where a client is, if that was kept.
func (l *lately) find(client netip.Addr) (list.Place, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, found := l.places[client]
	return p, found
}

// keep keeps a place; where there are too many, all others are forgotten.
func (l *lately) keep(p list.Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.places == nil || len(l.places) >= maxLately {
		l.places = map[netip.Addr]list.Place{}
	}
	l.places[p.Client] = p
}
