package client

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"countersign/internal/limit/network"
)

const (
	// perNetwork is how many wrong tokens of one network are looked at closely in a window: each
	// is recorded, and its answer waits. The others are turned away at once.
	perNetwork = 10
	// inAll is the same for all networks together.
	inAll = 200
	// window is for how long they count.
	window = time.Minute
	// maxNetworks bounds how many networks are told apart in a window.
	maxNetworks = 4096
	// waiting is how many answers may wait at a time.
	waiting = 32
)

// Attempts counts wrong tokens, so that guessing fills neither record nor memory. It is safe
// for concurrent use.
type Attempts struct {
	now func() time.Time
	// wait holds up an answer.
	wait func(context.Context)

	mu      sync.Mutex // guards what follows
	began   time.Time
	of      map[string]int
	all     int
	waiting int
}

// NewAttempts returns Attempts by a clock; wait returns after as long as an answer is to be
// held up.
func NewAttempts(now func() time.Time, wait func(context.Context)) *Attempts {
	return &Attempts{now: now, wait: wait, of: map[string]int{}}
}

// Failed counts a wrong token from an address. It holds up the caller, who then answers; close
// reports that this one is to be recorded. Where it is not, the client has tried too often, and
// is told so at once.
func (a *Attempts) Failed(ctx context.Context, from netip.Addr) (close bool) {
	if !a.count(network.Of(from)) {
		return false
	}
	if a.enter() {
		defer a.leave()
		a.wait(ctx)
	}
	return true
}

// count reports whether a wrong token of a network is one of those that are looked at.
func (a *Attempts) count(of string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if now.Sub(a.began) >= window || now.Before(a.began) {
		a.began, a.all, a.of = now, 0, map[string]int{}
	}
	if a.all >= inAll || a.of[of] >= perNetwork || len(a.of) >= maxNetworks && a.of[of] == 0 {
		return false
	}
	a.all++
	a.of[of]++
	return true
}

// enter takes a place among those who wait, if there is one.
func (a *Attempts) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting >= waiting {
		return false
	}
	a.waiting++
	return true
}

func (a *Attempts) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting--
}
