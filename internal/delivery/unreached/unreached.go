// Package unreached remembers for a while why destinations could not be reached, so
// that what waits for them gets the same answer without an attempt of its own.
//
// It is a help and no more: how many are remembered is bounded, as a queue may be
// for hundreds of thousands that a failing name server keeps from being found.
//
// Main types: List.
package unreached

import (
	"sync"
	"time"
)

// most is how many destinations are remembered. Beyond that each costs an attempt.
const most = 8192

// List says of destinations, which S names, why they are not tried, W. Make it
// with New. It is safe for concurrent use.
type List[S comparable, W any] struct {
	mu    sync.Mutex // guards sites
	sites map[S]reason[W]
}

// reason is why a destination is not tried, until when.
type reason[W any] struct {
	why   W
	until time.Time
}

// New returns an empty List.
func New[S comparable, W any]() *List[S, W] { return &List[S, W]{sites: map[S]reason[W]{}} }

// Set notes why a destination could not be reached. Where there are too many, any
// other is forgotten.
func (l *List[S, W]) Set(s S, why W, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for other := range l.sites {
		if len(l.sites) < most {
			break
		}
		delete(l.sites, other)
	}
	l.sites[s] = reason[W]{why, until}
}

// Clear forgets it, as the destination was reached.
func (l *List[S, W]) Clear(s S) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sites, s)
}

// Why returns why a destination is not to be tried now. hold is the longest that it
// is left alone: more is left only where the clock went back.
func (l *List[S, W]) Why(s S, now time.Time, hold time.Duration) (why W, down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	have, ok := l.sites[s]
	left := have.until.Sub(now)
	return have.why, ok && left > 0 && left <= hold
}

// Sweep forgets what holds no more.
func (l *List[S, W]) Sweep(now time.Time, hold time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s, have := range l.sites {
		if left := have.until.Sub(now); left <= 0 || left > hold {
			delete(l.sites, s)
		}
	}
}
