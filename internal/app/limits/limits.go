// Package limits has what a gate does about the rules of limits beside asking for those of a
// message: it reads them before the first client comes, follows them, and removes those
// that ended long ago.
//
// Main types: Set.
package limits

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/feed"
	"countersign/internal/limit"
	"countersign/internal/limit/book"
)

// Options are what a Set is made of. All fields are needed.
type Options struct {
	Store limit.Store
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
	s.follower = book.Follow(opt.Store, s.Book, feed.Options{Logger: opt.Logger})
	if err := s.follower.Load(ctx); err != nil {
		return nil, err
	}
	opt.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "countersign_limit_rules", Help: "Limits that this gate has in memory, allowances among them.",
	}, func() float64 { return float64(s.Len()) }))
	return s, nil
}

// Run follows the store, and prunes it, until ctx ends. It is called once.
func (s *Set) Run(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	working.Go(func() { s.follower.Run(ctx) })
	pruner := feed.Pruner{What: "limits", Remove: s.opt.Store.PruneRules, Now: s.opt.Now, Logger: s.opt.Logger}
	pruner.Run(ctx)
}
