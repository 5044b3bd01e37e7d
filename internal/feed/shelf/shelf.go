// Package shelf has the rows of a feed in memory, by what they are asked for.
//
// A look-up takes no lock: the rows of one moment never change. A change makes new ones
// that share most of those before, so that it costs the same with ten rows and with a
// hundred thousand. It is a feed.Book, and knows nothing of what rows mean.
//
// Main types: Shelf, Pages.
package shelf

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options say what rows are. T is a row, K what rows are asked for, and P what an answer is.
// All fields but Texts and Now are needed; their functions change nothing but what they say.
type Options[K comparable, T, P any] struct {
	// Keys are what a row is asked for, the same for all changes of it; there is one at least.
	Keys func(*T) []K
	// ID tells rows apart.
	ID func(*T) string
	// Holds reports whether a row is to be in memory.
	Holds func(row *T, at time.Time) bool
	// Make makes the answer of the rows for a key, which it may keep but not change.
	Make func([]T) P
	// Texts puts keep of each text of a row in its place, in the same order for all rows; nil
	// where there are but few rows.
	Texts func(row *T, keep func(string) string)
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// Shelf is all rows that hold. It is safe for concurrent use, and questions wait for nobody.
type Shelf[K comparable, T, P any] struct {
	opt   Options[K, T, P]
	seed  maphash.Seed
	pages atomic.Pointer[Pages[K, T, P]]
	mu    sync.Mutex // one change at a time
}

// leaves is into how many parts the keys are divided: a change copies one of them. With
// 100,000 keys one has about a hundred.
const leaves = 1024

// leaf has the rows for some keys. Neither it nor a list in it is ever changed.
type leaf[K comparable, T, P any] map[K]cell[T, P]

// cell is what there is for a key.
type cell[T, P any] struct {
	rows []T
	made P
}

// Pages are the rows of one moment. They are never changed.
type Pages[K comparable, T, P any] struct {
	seed   maphash.Seed
	leaves [leaves]leaf[K, T, P]
	// rows is how many there are.
	rows int
	// version is another one for all pages of a shelf.
	version uint64
}

// New returns an empty Shelf.
func New[K comparable, T, P any](opt Options[K, T, P]) *Shelf[K, T, P] {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s := &Shelf[K, T, P]{opt: opt, seed: maphash.MakeSeed()}
	s.pages.Store(&Pages[K, T, P]{seed: s.seed, version: 1})
	return s
}

// Now is the time by its clock.
func (s *Shelf[K, T, P]) Now() time.Time { return s.opt.Now() }

// Pages returns the rows as they are now.
func (s *Shelf[K, T, P]) Pages() *Pages[K, T, P] { return s.pages.Load() }

// Version tells the pages of a shelf apart; it is never 0. Who remembers it in place of the pages keeps
// nothing in memory that is over.
func (p *Pages[K, T, P]) Version() uint64 { return p.version }

// Len returns how many rows there are.
func (p *Pages[K, T, P]) Len() int { return p.rows }

// Of returns the answer for a key, the zero value where there are no rows for it.
func (p *Pages[K, T, P]) Of(key K) P { return p.leaves[p.leafOf(key)][key].made }

// Find returns a row of which is reports true, nil for none. It looks at all of them.
func (p *Pages[K, T, P]) Find(is func(*T) bool) *T {
	for _, l := range p.leaves {
		for _, c := range l {
			for i := range c.rows {
				if is(&c.rows[i]) {
					return &c.rows[i]
				}
			}
		}
	}
	return nil
}

// leafOf says in which leaf a key is.
func (p *Pages[K, T, P]) leafOf(key K) int { return int(maphash.Comparable(p.seed, key) % leaves) }

// draft is pages that change, of which nobody else knows yet. A leaf is shared with the
// pages before until it changes.
type draft[K comparable, T, P any] struct {
	*Pages[K, T, P]
	opt  *Options[K, T, P]
	mine [leaves]bool
	// changed are the keys whose answers are to be made anew.
	changed map[K]bool
}

func (s *Shelf[K, T, P]) draft(before *Pages[K, T, P]) *draft[K, T, P] {
	pages := *before
	pages.version++
	return &draft[K, T, P]{Pages: &pages, opt: &s.opt, changed: map[K]bool{}}
}

// leaf returns a leaf that may be changed.
func (d *draft[K, T, P]) leaf(i int) leaf[K, T, P] {
	if !d.mine[i] {
		before := d.leaves[i]
		d.leaves[i] = make(leaf[K, T, P], len(before)+1)
		for k, c := range before {
			d.leaves[i][k] = c
		}
		d.mine[i] = true
	}
	return d.leaves[i]
}

// own returns the rows for a key, which may be changed.
func (d *draft[K, T, P]) own(key K) []T {
	rows := d.leaves[d.leafOf(key)][key].rows
	if d.changed[key] {
		return rows
	}
	d.changed[key] = true
	return slices.Clone(rows)
}

// drop takes a row away, wherever it is asked for.
func (d *draft[K, T, P]) drop(row *T) {
	id := d.opt.ID(row)
	for n, key := range d.opt.Keys(row) {
		i := d.leafOf(key)
		at := slices.IndexFunc(d.leaves[i][key].rows, func(r T) bool { return d.opt.ID(&r) == id })
		if at < 0 {
			continue
		}
		d.leaf(i)[key] = cell[T, P]{rows: slices.Delete(d.own(key), at, at+1)}
		if n == 0 {
			d.rows--
		}
	}
}

// put adds a row that is not there.
func (d *draft[K, T, P]) put(row *T) {
	for _, key := range d.opt.Keys(row) {
		d.leaf(d.leafOf(key))[key] = cell[T, P]{rows: append(d.own(key), *row)}
	}
	d.rows++
}

// lay puts a row, the only one of a list, for the keys of which it is the only one without a copy. It is
// for Replace, which drops nothing again.
func (d *draft[K, T, P]) lay(row []T) {
	for _, key := range d.opt.Keys(&row[0]) {
		rows := row
		if own := d.own(key); own != nil {
			rows = append(own, row...)
		}
		d.leaf(d.leafOf(key))[key] = cell[T, P]{rows: rows}
	}
	d.rows++
}

// done makes the answers that have changed, and returns the pages. The draft is of no use
// any more.
func (d *draft[K, T, P]) done() *Pages[K, T, P] {
	for key := range d.changed {
		l := d.leaves[d.leafOf(key)]
		rows := slices.Clip(l[key].rows)
		if len(rows) == 0 {
			delete(l, key)
		} else {
			l[key] = cell[T, P]{rows, d.opt.Make(rows)}
		}
	}
	return d.Pages
}

// Replace makes the shelf one of these rows alone.
func (s *Shelf[K, T, P]) Replace(all []T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, d := s.opt.Now(), s.draft(&Pages[K, T, P]{seed: s.seed, version: s.pages.Load().version})
	rows := make([]T, 0, len(all))
	for i := range all {
		if s.opt.Holds(&all[i], now) {
			rows = append(rows, all[i])
		}
	}
	gather(rows, s.opt.Texts)
	for i := range rows {
		d.lay(rows[i : i+1 : i+1])
	}
	s.pages.Store(d.done())
}

// Apply takes changes, in the order in which they were made.
func (s *Shelf[K, T, P]) Apply(changes []T) {
	if len(changes) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now, d := s.opt.Now(), s.draft(s.pages.Load())
	for i := range changes {
		d.drop(&changes[i])
		if s.opt.Holds(&changes[i], now) {
			d.put(&changes[i])
		}
	}
	s.pages.Store(d.done())
}

// Sweep removes what has ended.
func (s *Shelf[K, T, P]) Sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.pages.Load()
	now, d := s.opt.Now(), s.draft(before)
	for _, l := range before.leaves {
		for _, c := range l {
			for i := range c.rows {
				if !s.opt.Holds(&c.rows[i], now) {
					d.drop(&c.rows[i])
				}
			}
		}
	}
	s.pages.Store(d.done())
}
