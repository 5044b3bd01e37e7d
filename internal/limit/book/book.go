// Package book has all rules of limits in memory, so that each message finds its limits
// without a question to the store, which it follows.
//
// A look-up takes no lock: the rules of one moment never change. A change makes new ones
// that share most of those before, so that it costs the same with ten rules and with a
// hundred thousand. It counts nothing.
//
// Main types: Book.
package book

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"countersign/internal/feed"
	"countersign/internal/limit"
)

// Book is all rules that hold. It is safe for concurrent use, and questions wait for
// nobody.
type Book struct {
	now   func() time.Time
	seed  maphash.Seed
	pages atomic.Pointer[pages]
	mu    sync.Mutex // one change at a time
}

// leaves is into how many parts the subjects are divided: a change copies one of them. With
// 100,000 subjects one has about a hundred.
const leaves = 1024

// leaf has the rules of some subjects. Neither it nor a list in it is ever changed.
type leaf map[limit.Subject][]limit.Rule

// pages are the rules of one moment. They are never changed.
type pages struct {
	leaves [leaves]leaf
	// rules is how many there are.
	rules int
}

// New returns an empty Book; now is its clock, nil for time.Now.
func New(now func() time.Time) *Book {
	if now == nil {
		now = time.Now
	}
	b := &Book{now: now, seed: maphash.MakeSeed()}
	b.pages.Store(new(pages))
	return b
}

// Follow returns what keeps a book as a store is; nobody else changes it then.
func Follow(from limit.Feed, b *Book, opt feed.Options) *feed.Follower[limit.Rule] {
	return feed.Follow(feed.Source[limit.Rule]{What: "limits", Since: from.RulesSince, Changed: from.RulesChanged}, b, opt)
}

// Len returns how many rules are in the book.
func (b *Book) Len() int { return b.pages.Load().rules }

// Levels returns the subjects of a message that have limits, with these, as limit.Who.Levels
// does by the rules that hold now: all of one moment. The levels are the caller's.
func (b *Book) Levels(who limit.Who) []limit.Level {
	p := b.pages.Load()
	if p.rules == 0 {
		return nil
	}
	return who.Levels(func(s limit.Subject) []limit.Rule { return p.leaves[b.leafOf(s)][s] }, b.now())
}

// leafOf says in which leaf a subject is.
func (b *Book) leafOf(s limit.Subject) int {
	return int(maphash.Comparable(b.seed, s) % leaves)
}

// holds reports whether a rule is to be in the book. One that somebody has lifted holds no
// more, whatever the clock here says.
func (b *Book) holds(r *limit.Rule, now time.Time) bool { return r.Lifted == "" && r.Holds(now) }

// draft is pages that change, of which nobody else knows yet. A leaf is shared with the
// pages before until it changes.
type draft struct {
	pages
	mine [leaves]bool
}

// leaf returns a leaf that may be changed.
func (d *draft) leaf(i int) leaf {
	if !d.mine[i] {
		before := d.leaves[i]
		d.leaves[i] = make(leaf, len(before)+1)
		for s, rules := range before {
			d.leaves[i][s] = rules
		}
		d.mine[i] = true
	}
	return d.leaves[i]
}

// put gives a subject other rules.
func (d *draft) put(i int, s limit.Subject, rules []limit.Rule) {
	l := d.leaf(i)
	d.rules += len(rules) - len(l[s])
	if len(rules) == 0 {
		delete(l, s)
	} else {
		l[s] = rules
	}
}

// Replace makes the book one of these rules alone.
func (b *Book) Replace(all []limit.Rule) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, p := b.now(), new(pages)
	for i := range all {
		r := &all[i]
		if !b.holds(r, now) {
			continue
		}
		n := b.leafOf(r.For)
		if p.leaves[n] == nil {
			p.leaves[n] = leaf{}
		}
		p.leaves[n][r.For] = append(p.leaves[n][r.For], *r) // nobody else has the list yet
		p.rules++
	}
	b.pages.Store(p)
}

// Apply takes changes, in the order in which they were made.
func (b *Book) Apply(changes []limit.Rule) {
	if len(changes) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now, d := b.now(), &draft{pages: *b.pages.Load()}
	for i := range changes {
		r := &changes[i]
		n := b.leafOf(r.For)
		before := d.leaves[n][r.For]
		rules := make([]limit.Rule, 0, len(before)+1)
		for _, other := range before {
			if other.ID != r.ID {
				rules = append(rules, other)
			}
		}
		if b.holds(r, now) {
			rules = append(rules, *r)
		}
		d.put(n, r.For, rules)
	}
	b.pages.Store(&d.pages)
}

// Sweep removes what has ended.
func (b *Book) Sweep() {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.pages.Load()
	now, d := b.now(), &draft{pages: *before}
	for n, l := range before.leaves {
		for s, rules := range l {
			ended := func(r limit.Rule) bool { return !b.holds(&r, now) }
			if slices.ContainsFunc(rules, ended) {
				d.put(n, s, slices.DeleteFunc(slices.Clone(rules), ended))
			}
		}
	}
	b.pages.Store(&d.pages)
}
