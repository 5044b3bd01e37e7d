package story

import (
	"context"
	"time"

	"countersign/internal/audit"
)

// Follower prints the end of the record. It is for one goroutine.
type Follower struct {
	store audit.Store
	query audit.Query
	print func([]audit.Event) error
	// seen is the newest event that has been looked at.
	seen int64
}

// Follow returns a Follower of the events that query wants; it says nothing of
// times. print is called with no events, too.
func Follow(store audit.Store, query audit.Query, print func([]audit.Event) error) *Follower {
	return &Follower{store: store, query: query, print: print}
}

// Last prints the last events, as many as lines and none from before since.
func (f *Follower) Last(ctx context.Context, lines int, since time.Time) error {
	newest, err := f.store.Search(ctx, audit.Query{Newest: true, Limit: 1})
	if err != nil || len(newest) == 0 {
		return err
	}
	f.seen = newest[0].Seq
	if lines == 0 {
		return nil
	}
	q := f.query
	q.Newest, q.Limit, q.Since, q.BeforeSeq = true, lines, since, f.seen+1
	events, err := f.store.Search(ctx, q)
	if err != nil {
		return err
	}
	return f.print(events)
}

// Go prints what is new at each tick, from where Last ended, until ctx ends. The
// errors are those of the store and of print.
func (f *Follower) Go(ctx context.Context, tick <-chan time.Time) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
		err := f.more(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// more prints what has come since the last look. It reads all of that, wanted
// or not, so that nothing is read twice.
func (f *Follower) more(ctx context.Context) error {
	const page = 1000
	for {
		events, err := f.store.Search(ctx, audit.Query{AfterSeq: f.seen, Limit: page})
		if err != nil {
			return err
		}
		var wanted []audit.Event
		for _, e := range events {
			if f.seen = e.Seq; f.query.Matches(&e) {
				wanted = append(wanted, e)
			}
		}
		if err := f.print(wanted); err != nil {
			return err
		}
		if len(events) < page {
			return nil
		}
	}
}
