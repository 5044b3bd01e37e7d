package recent

import (
	"hash/maphash"
	"slices"
	"sync"
	"time"
)

// Pairs remembers pairs of names that were seen lately: which credentials were used from
// which networks, so that they need not stand in line with those who guess, and who has
// guessed. It holds keyed hashes alone, and forgets the oldest half when it is full. It
// is safe for concurrent use.
type Pairs struct {
	opt  PairsOptions
	seed maphash.Seed

	mu sync.Mutex // guards below
	// recent and older hold when a pair was seen last. What is seen goes into
	// recent, which becomes older when it is half full.
	recent, older generation
}

// PairsOptions are what Pairs are made of. Keep, Most and Now are needed.
type PairsOptions struct {
	// Keep is for how long a pair is remembered.
	Keep time.Duration
	// Most bounds the pairs, and Each those with one first name, of which the one goes
	// that was seen longest ago: so nobody can push out those of others. Each is 0 for
	// no bound of its own.
	Most, Each int
	// Now is the clock.
	Now func() time.Time
}

// generation is one half of what is remembered.
type generation struct {
	seen map[uint64]time.Time
	// of lists the pairs by their first name, where those are bounded.
	of map[uint64][]uint64
}

func newGeneration() generation {
	return generation{seen: map[uint64]time.Time{}, of: map[uint64][]uint64{}}
}

// NewPairs returns Pairs.
func NewPairs(o PairsOptions) *Pairs {
	o.Most = max(o.Most, 2)
	return &Pairs{opt: o, seed: maphash.MakeSeed(), recent: newGeneration(), older: newGeneration()}
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
	if _, ok := k.recent.seen[pair]; ok {
		k.recent.seen[pair] = at
		return
	}
	if len(k.recent.seen) >= k.opt.Most/2 {
		k.older, k.recent = k.recent, newGeneration()
	}
	k.recent.seen[pair] = at
	if k.opt.Each > 0 {
		k.bound(maphash.String(k.seed, one), pair)
	}
}

// bound lists a new pair under its first name, and forgets another for it where there are
// too many in both halves. Those of the older half were seen before.
func (k *Pairs) bound(name, pair uint64) {
	k.older.drop(name, pair) // it is in the other half now
	k.recent.of[name] = append(k.recent.of[name], pair)
	if len(k.recent.of[name])+len(k.older.of[name]) <= k.opt.Each {
		return
	}
	from := &k.recent
	if len(k.older.of[name]) > 0 {
		from = &k.older
	}
	from.drop(name, slices.MinFunc(from.of[name], func(a, b uint64) int { return from.seen[a].Compare(from.seen[b]) }))
}

// drop forgets a pair, if it is there.
func (g *generation) drop(name, pair uint64) {
	i := slices.Index(g.of[name], pair)
	if i < 0 {
		return
	}
	delete(g.seen, pair)
	g.of[name] = slices.Delete(g.of[name], i, i+1)
	if len(g.of[name]) == 0 {
		delete(g.of, name)
	}
}

// Has reports whether a pair was seen lately.
func (k *Pairs) Has(one, two string) bool {
	pair := k.pair(one, two)
	k.mu.Lock()
	defer k.mu.Unlock()
	at, ok := k.recent.seen[pair]
	if !ok {
		at, ok = k.older.seen[pair]
	}
	return ok && k.opt.Now().Sub(at) < k.opt.Keep
}
