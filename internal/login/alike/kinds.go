package alike

import (
	"slices"
	"sync"

	"countersign/internal/account/hash"
)

// maxKinds is how many kinds of hashes are kept of a directory. What each may cost is
// bounded where a hash is read.
const maxKinds = 8

// Kinds are the costs of the hashes that directories answer with, so that a login that one
// does not know can cost as much as one that it knows. The zero value knows none. It is
// safe for concurrent use.
type Kinds struct {
	mu sync.Mutex // guards of
	// of has the costs of each directory, each once. The slices are replaced, never changed.
	of map[string][]hash.Cost
}

// Learn notes that a directory has hashes of that cost. Beyond 8 of one directory nothing
// more is noted.
func (k *Kinds) Learn(directory string, c hash.Cost) {
	k.mu.Lock()
	defer k.mu.Unlock()
	list := k.of[directory]
	if c == (hash.Cost{}) || len(list) >= maxKinds || slices.Contains(list, c) {
		return
	}
	if k.of == nil {
		k.of = map[string][]hash.Cost{}
	}
	k.of[directory] = append(slices.Clone(list), c)
}

// Of returns the costs of a directory's hashes, as far as they are known. The caller does
// not change the slice.
func (k *Kinds) Of(directory string) []hash.Cost {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.of[directory]
}
