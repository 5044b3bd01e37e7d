package rekeying

import (
	"context"
	"maps"
	"slices"
	"time"

	"countersign/internal/mail"
)

const (
	// atOnce is how many domains are worked on at once, so that one whose DNS is slow does not
	// keep the others waiting.
	atOnce = 8
	// ofOne is how many of them may be one customer's.
	ofOne = atOnce / 4
)

// forget keeps of what is known of domains what is of these alone.
func (t *Turner) forget(but []mail.Domain) {
	keep := make(map[mail.Domain]bool, len(but))
	for _, name := range but {
		keep[name] = true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.asked, func(name mail.Domain, _ asked) bool { return !keep[name] })
	maps.DeleteFunc(t.turned, func(name mail.Domain, _ time.Time) bool { return !keep[name] })
}

// each does work for domains, of several at once and of few of one customer, for as long as the
// rounds are apart, and for one domain at least. Customers take turns; of one's domains the one whose
// turn is longest ago comes first, so that what is left out comes first the next time.
func (t *Turner) each(ctx context.Context, domains []mail.Domain, work func(context.Context, mail.Domain)) {
	waiting := t.queues(ctx, domains)
	short, cancel := context.WithTimeout(ctx, max(t.opt.Every, atMost))
	defer cancel()
	done := make(chan string)
	busy, running := map[string]int{}, 0
	for {
		for running < atOnce && short.Err() == nil {
			i := next(waiting, busy)
			if i < 0 {
				break
			}
			q := waiting[i]
			name := q.domains[0]
			q.domains = q.domains[1:]
			waiting = append(slices.Delete(waiting, i, i+1), q) // behind the others
			busy[q.customer]++
			running++
			t.mark(name)
			go func() {
				defer func() { done <- q.customer }()
				work(ctx, name)
			}()
		}
		if running == 0 {
			return
		}
		busy[<-done]--
		running--
	}
}

// queue has the domains of a customer that wait for their turn.
type queue struct {
	customer string
	domains  []mail.Domain
}

// queues shares domains out among their customers. Whose one is that cannot be read is as good as a
// customer's of its own: work will say what is wrong.
func (t *Turner) queues(ctx context.Context, domains []mail.Domain) (list []*queue) {
	of := map[string]*queue{}
	for _, name := range domains {
		customer := "domain " + name.String()
		if d, err := t.opt.Store.Domain(ctx, name); err == nil {
			customer = "customer " + d.Customer
		}
		if of[customer] == nil {
			of[customer] = &queue{customer: customer}
			list = append(list, of[customer])
		}
		of[customer].domains = append(of[customer].domains, name)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, q := range list {
		slices.SortStableFunc(q.domains, func(a, b mail.Domain) int { return t.turned[a].Compare(t.turned[b]) })
	}
	slices.SortStableFunc(list, func(a, b *queue) int { return t.turned[a.domains[0]].Compare(t.turned[b.domains[0]]) })
	return list
}

// next finds the queue of which a domain is to have its turn, -1 where there is none now: of those
// that have a place left the one that has the fewest, and of these the first.
func next(waiting []*queue, busy map[string]int) (found int) {
	found = -1
	for i, q := range waiting {
		free := len(q.domains) > 0 && busy[q.customer] < ofOne
		if free && (found < 0 || busy[q.customer] < busy[waiting[found].customer]) {
			found = i
		}
	}
	return found
}

// mark notes that a domain's turn begins.
func (t *Turner) mark(name mail.Domain) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turned[name] = t.opt.Now()
}
