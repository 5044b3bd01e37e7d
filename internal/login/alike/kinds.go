package alike

import (
	"slices"
	"sync"
	"time"

	"countersign/internal/account/hash"
)

// keepKind is how long a kind of hash is known that nobody logs in with any more.
const keepKind = time.Hour

// Kinds are the costs of the hashes that directories answer with, so that a login that one
// does not know can cost as much as one that it knows. It is safe for concurrent use.
type Kinds struct {
	most time.Duration
	now  func() time.Time

	mu sync.Mutex // guards what follows
	// of has the kinds of each directory, each once.
	of map[string][]kind
	// over are the directories of which some kind was too much.
	over map[string]bool
}

// kind is a cost that was seen last at some time.
type kind struct {
	cost hash.Cost
	seen time.Time
}

// NewKinds returns Kinds that know nothing yet. All of one directory together cost most at
// most, by hash.Cost.Estimate: whoever writes its hashes decides what each failure costs the
// gate. now is the clock.
func NewKinds(most time.Duration, now func() time.Time) *Kinds {
	return &Kinds{most: most, now: now, of: map[string][]kind{}, over: map[string]bool{}}
}

// Learn notes that somebody has logged in with a hash of a directory, of that cost. It is
// known for an hour; what is too much beside the others is not noted. It reports whether this
// is the first time that something of that directory is too much.
func (k *Kinds) Learn(directory string, c hash.Cost) (over bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	list := k.fresh(directory)
	sum := c.Estimate()
	for i := range list {
		if list[i].cost == c {
			list[i].seen = k.now()
			return false
		}
		sum += list[i].cost.Estimate()
	}
	switch {
	case c == (hash.Cost{}):
		return false
	case sum <= k.most:
		k.of[directory] = append(list, kind{c, k.now()})
		return false
	}
	over = !k.over[directory]
	k.over[directory] = true
	return over
}

// Of returns the costs of a directory's hashes, as far as they are known.
func (k *Kinds) Of(directory string) (costs []hash.Cost) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, each := range k.fresh(directory) {
		costs = append(costs, each.cost)
	}
	return costs
}

// fresh returns the kinds of a directory that are not to be forgotten.
func (k *Kinds) fresh(directory string) []kind {
	k.of[directory] = slices.DeleteFunc(k.of[directory], func(each kind) bool { return k.now().Sub(each.seen) > keepKind })
	return k.of[directory]
}
