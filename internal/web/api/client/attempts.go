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

	mu sync.Mutex // guards what follows
	// wrong counts all that fail, misplaced right tokens from elsewhere.
	wrong, misplaced ration
	waiting          int
}

// ration counts what failed in a window. Its owner guards it.
type ration struct {
	began time.Time
	of    map[string]int
	all   int
}

// NewAttempts returns Attempts by a clock; wait returns after as long as an answer is to be
// held up.
func NewAttempts(now func() time.Time, wait func(context.Context)) *Attempts {
	return &Attempts{now: now, wait: wait}
}

// Failed counts a wrong token from an address. It holds up the caller, who then answers; close
// reports that this one is to be recorded. Where it is not, the client has tried too often, and
// is told so at once.
func (a *Attempts) Failed(ctx context.Context, from netip.Addr) (close bool) {
	if !a.count(&a.wrong, from) {
		return false
	}
	if a.enter() {
		defer a.leave()
		a.wait(ctx)
	}
	return true
}

// Misplaced counts a right token from an address that its client may not come from, and reports
// whether it is to be recorded. It is a stolen one perhaps, so it has a ration of its own, as large as
// that of Failed, which wrong tokens do not use up. What it is answered is for Failed to say, as for a
// wrong one: else the answer would tell that it is right.
func (a *Attempts) Misplaced(from netip.Addr) bool { return a.count(&a.misplaced, from) }

// count reports whether what failed is within a ration.
func (a *Attempts) count(r *ration, from netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return r.count(network.Of(from), a.now())
}

// count reports whether a network has one more, and counts it.
func (r *ration) count(of string, now time.Time) bool {
	if r.of == nil || now.Sub(r.began) >= window || now.Before(r.began) {
		r.began, r.all, r.of = now, 0, map[string]int{}
	}
	if r.all >= inAll || r.of[of] >= perNetwork || len(r.of) >= maxNetworks && r.of[of] == 0 {
		return false
	}
	r.all++
	r.of[of]++
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
