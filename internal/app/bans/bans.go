// Package bans has what a gate does about bans beside asking for them: it reads them
// before the first client comes, follows them, removes those that ended long ago, and records
// what those in shadow would have refused.
//
// Main types: Set.
package bans

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/access"
	"countersign/internal/access/book"
	"countersign/internal/audit"
	"countersign/internal/feed"
)

// Options are what a Set is made of. All fields but Node and Record are needed.
type Options struct {
	// Node is this gate's id, "" for the only one.
	Node  string
	Store access.Store
	// Now is the clock.
	Now func() time.Time
	// Record gets what bans in shadow would have refused; nil for nothing of that.
	Record func(audit.Event)
	// Registry gets the figures.
	Registry prometheus.Registerer
	// Logger gets what no caller is told.
	Logger *slog.Logger
}

// Set is the bans of a gate. Questions may be asked concurrently.
type Set struct {
	*book.Book
	opt      Options
	notes    notes
	follower *feed.Follower[access.Ban]
}

// On returns a Set by a Book that somebody else keeps, which notes for itself what those in shadow would
// have refused. It is not Run, and of opt it takes Now and Record alone.
func On(by *book.Book, opt Options) *Set {
	s := &Set{Book: by, opt: opt, notes: notes{now: opt.Now, last: map[seen]time.Time{}}}
	s.notes.hits = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "countersign_access_ban_shadow_total", Help: "What bans in shadow would have refused: each ban and client network, once an hour.",
	})
	s.notes.omitted = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "countersign_access_ban_shadow_omitted_total", Help: "What bans in shadow would have refused and no record has, as more client networks came within an hour than are told apart: each time.",
	})
	return s
}

// Open reads all bans. Errors are those of the store.
func Open(ctx context.Context, opt Options) (*Set, error) {
	s := On(book.New(opt.Now), opt)
	s.follower = book.Follow(opt.Store, s.Book, feed.Options{Node: opt.Node, Logger: opt.Logger})
	if err := s.follower.Load(ctx); err != nil {
		return nil, err
	}
	opt.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "countersign_access_bans", Help: "Bans that this gate holds clients against.",
	}, func() float64 { return float64(s.Len()) }), s.notes.hits, s.notes.omitted)
	return s, nil
}

// Run follows the store, and prunes it, until ctx ends. It is called once.
func (s *Set) Run(ctx context.Context) {
	feed.Tend(ctx, s.follower, feed.Pruner{What: "bans", Remove: s.opt.Store.PruneBans, Now: s.opt.Now, Logger: s.opt.Logger})
}
