package delivery

import (
	"net/netip"
	"sync"
)

// addresses bounds the connections in use to each remote address, whichever
// domains they are for: thousands of domains may have the same servers. It is
// safe for concurrent use.
type addresses struct {
	most int

	mu    sync.Mutex // guards inUse
	inUse map[netip.Addr]int
}

func newAddresses(most int) *addresses {
	return &addresses{most: most, inUse: map[netip.Addr]int{}}
}

// enter takes one of the connections to an address; false where all are in use.
func (a *addresses) enter(to netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inUse[to] >= a.most {
		return false
	}
	a.inUse[to]++
	return true
}

// leave gives it back.
func (a *addresses) leave(to netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inUse[to]--
	if a.inUse[to] == 0 {
		delete(a.inUse, to)
	}
}
