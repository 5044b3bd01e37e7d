package filter

import (
	"container/list"
	"context"
	"sync"
)

// places are how many messages a program looks at at once, shared out: who has fewest of them is
// next, and a quarter of them is never one customer's, nor one login's, so that others
// find one although all that somebody sends takes as long as it may.
type places struct {
	all int
	// share is how many one customer, and one login, may have.
	share int

	mu                sync.Mutex // guards what follows
	taken             int
	logins, customers map[string]int
	// waiting has those without a place, each a *place, the oldest in front. None of them could have
	// one now.
	waiting list.List
}

// place is that of a message, or its wish for one.
type place struct {
	login, customer string
	// given is closed when it has one.
	given chan struct{}
}

func newPlaces(all int) *places {
	return &places{all: all, share: all - all/4, logins: map[string]int{}, customers: map[string]int{}}
}

// enter takes a place for a message and returns what gives it back, which is called once;
// nil where ctx ended before there was one.
func (p *places) enter(ctx context.Context, m *Message) (leave func()) {
	w := &place{login: m.Login, customer: "of " + m.Customer, given: make(chan struct{})}
	if m.Customer == "" {
		w.customer = m.Login
	}
	p.mu.Lock()
	if p.may(w) {
		p.give(w)
		p.mu.Unlock()
		return func() { p.leave(w) }
	}
	at := p.waiting.PushBack(w)
	p.mu.Unlock()
	select {
	case <-w.given:
		return func() { p.leave(w) }
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-w.given: // at this moment
		p.free(w)
	default:
		p.waiting.Remove(at)
	}
	return nil
}

// leave gives a place back.
func (p *places) leave(w *place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free(w)
}

// may reports whether there is a place for w. The caller has locked p, as for all below.
func (p *places) may(w *place) bool {
	return p.taken < p.all && p.logins[w.login] < p.share && p.customers[w.customer] < p.share
}

// give gives w a place.
func (p *places) give(w *place) {
	p.taken++
	p.logins[w.login]++
	p.customers[w.customer]++
	close(w.given)
}

// free takes the place of w, and gives it to who is next.
func (p *places) free(w *place) {
	p.taken--
	less(p.logins, w.login)
	less(p.customers, w.customer)
	var next *list.Element
	for e := p.waiting.Front(); e != nil; e = e.Next() {
		if p.may(e.Value.(*place)) && (next == nil || p.before(e.Value.(*place), next.Value.(*place))) {
			next = e
		}
	}
	if next != nil {
		p.give(p.waiting.Remove(next).(*place))
	}
}

// before reports whether a is to have a place before b, which has waited longer: whose customer
// has fewer is, then whose login has.
func (p *places) before(a, b *place) bool {
	if x, y := p.customers[a.customer], p.customers[b.customer]; x != y {
		return x < y
	}
	return p.logins[a.login] < p.logins[b.login]
}

// count returns how many are taken.
func (p *places) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

func less(counts map[string]int, key string) {
	if counts[key]--; counts[key] == 0 {
		delete(counts, key)
	}
}
