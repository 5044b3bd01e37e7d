// Package limits has what a gate does about the rules of limits beside asking for those of a
// message: it reads them before the first client comes, follows them, and removes those
// that ended long ago.
//
// Main types: Set.
package limits

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/feed"
	"countersign/internal/limit"
	"countersign/internal/limit/book"
	"countersign/internal/node"
	"countersign/internal/queue"
)

// Store keeps the rules, and what is counted for them.
type Store interface {
	limit.Store
	limit.Counts
}

// Options are what a Set is made of. All fields but Node are needed.
type Options struct {
	// Node is this gate's id, "" for the only one.
	Node  string
	Store Store
	// Now is the clock.
	Now func() time.Time
	// Registry gets the figures.
	Registry prometheus.Registerer
	// Logger gets what no caller is told.
	Logger *slog.Logger
}

// Set is the rules of a gate. Questions may be asked concurrently.
type Set struct {
	*book.Book
	opt      Options
	follower *feed.Follower[limit.Rule]
}

// Open reads all rules. Errors are those of the store.
func Open(ctx context.Context, opt Options) (*Set, error) {
	s := &Set{Book: book.New(opt.Now), opt: opt}
	s.follower = book.Follow(opt.Store, s.Book, feed.Options{Node: opt.Node, Logger: opt.Logger})
	if err := s.follower.Load(ctx); err != nil {
		return nil, err
	}
	opt.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "countersign_limit_rules", Help: "Limits that this gate has in memory, allowances among them.",
	}, func() float64 { return float64(s.Len()) }))
	return s, nil
}

// Levels is that of book.Book; where no gates share the store, it is the only one that counts.
func (s *Set) Levels(who limit.Who) []limit.Level { return Levels(s.Book)(who) }

// Watch is that of book.Book, as Levels.
func (s *Set) Watch() func(limit.Who) []limit.Level { return atSome(s.Book.Watch()) }

// Levels returns Set.Levels by a book that somebody else reads.
func Levels(b *book.Book) func(limit.Who) []limit.Level { return atSome(b.Levels) }

// atSome asks as the only gate where there are no others.
func atSome(levels func(limit.Who) []limit.Level) func(limit.Who) []limit.Level {
	return func(who limit.Who) []limit.Level {
		who.Node = cmp.Or(who.Node, node.Only)
		return levels(who)
	}
}

// Run follows the store, and prunes it, until ctx ends. It is called once.
func (s *Set) Run(ctx context.Context) {
	pruners := []feed.Pruner{
		{What: "limits", Remove: s.opt.Store.PruneRules},
		{What: "counters", Remove: s.opt.Store.PruneCounts, Keep: keepCounts},
		{What: "contacts", Remove: s.opt.Store.PruneContacts, Keep: keepContacts},
	}
	for i := range pruners {
		pruners[i].Now, pruners[i].Logger = s.opt.Now, s.opt.Logger
	}
	feed.Tend(ctx, s.follower, pruners...)
}

// keepCounts and keepContacts are for how long what is counted stays after it has meant
// something: as clocks differ.
const (
	keepCounts   = 24 * time.Hour
	keepContacts = (limit.KeepContacts + 1) * 24 * time.Hour
)

// Failed returns the levels of a submission that have limits of failed recipients; plan is
// the one that decides about its account. It is delivery.Options.Failed.
func (s *Set) Failed(sub *queue.Submission, node, plan string) []limit.Level {
	return limit.Failing(s.Levels(limit.Who{
		Credential: string(sub.Credential), Account: sub.Login, Plan: plan,
		Domain: string(sub.Domain), Customer: sub.Customer, Node: node,
	}))
}
