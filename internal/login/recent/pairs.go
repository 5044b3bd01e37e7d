package recent

import (
	"hash/maphash"
	"sync"
	"time"
)

// Pairs remembers pairs of names that were seen lately: which credentials were used from
// which networks, so that they need not stand in line with those who guess, and who has
// guessed. It holds keyed hashes alone, and forgets the oldest half when it is full. It
// is safe for concurrent use.
type Pairs struct {
	keep time.Duration
	most int
	now  func() time.Time
	seed maphash.Seed

	mu sync.Mutex // guards below
	// recent and older hold when a pair was seen last. What is seen goes into
	// recent, which becomes older when it is half full.
	recent, older map[uint64]time.Time
}

// NewPairs returns Pairs, at most so many, each for so long.
func NewPairs(keep time.Duration, most int, now func() time.Time) *Pairs {
	return &Pairs{keep: keep, most: max(most, 2), now: now, seed: maphash.MakeSeed(), recent: map[uint64]time.Time{}}
}

// pair is the key of two names, of which the first has no NUL.
func (k *Pairs) pair(one, two string) uint64 {
	return maphash.String(k.seed, one+"\x00"+two)
}

// Add notes that a pair was seen.
func (k *Pairs) Add(one, two string, at time.Time) {
	pair := k.pair(one, two)
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.recent[pair]; !ok && len(k.recent) >= k.most/2 {
		k.older, k.recent = k.recent, map[uint64]time.Time{}
	}
	k.recent[pair] = at
}

// Has reports whether a pair was seen lately.
func (k *Pairs) Has(one, two string) bool {
	pair := k.pair(one, two)
	k.mu.Lock()
	defer k.mu.Unlock()
	at, ok := k.recent[pair]
	if !ok {
		at, ok = k.older[pair]
	}
	return ok && k.now().Sub(at) < k.keep
}
