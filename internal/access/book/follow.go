package book

import (
	"context"
	"log/slog"
	"time"

	"countersign/internal/access"
)

// Options are what a Follower may be told. The zero value is usable.
type Options struct {
	// Poll is how often changes are asked for where the store does not tell of all of
	// them; 0 means 200 ms.
	Poll time.Duration
	// Calm is how often they are asked for besides where it does; 0 means 700 ms.
	Calm time.Duration
	// Logger gets what no caller is told; nil means none.
	Logger *slog.Logger
}

// The usual times, with which a change is felt within a second. answer is how long the
// store may take, and sweepEvery how often what has ended is removed from memory.
const (
	usualPoll  = 200 * time.Millisecond
	usualCalm  = 700 * time.Millisecond
	answer     = 5 * time.Second
	sweepEvery = time.Minute
)

// Follower keeps a Book as the store is. While that cannot be asked, the bans that are
// known go on. It is used by one goroutine.
type Follower struct {
	feed   access.Feed
	book   *Book
	opt    Options
	number uint64
	silent bool
	swept  time.Time
}

// Follow returns a Follower of a book that nobody else changes.
func Follow(feed access.Feed, b *Book, opt Options) *Follower {
	if opt.Poll <= 0 {
		opt.Poll = usualPoll
	}
	if opt.Calm <= 0 {
		opt.Calm = usualCalm
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	return &Follower{feed: feed, book: b, opt: opt}
}

// Load reads all bans. It is called before the first client comes. Errors are those of
// the store.
func (f *Follower) Load(ctx context.Context) error {
	all, number, err := f.feed.BansSince(ctx, 0)
	if err != nil {
		return err
	}
	f.book.Replace(all)
	f.number = number
	return nil
}

// Run keeps the book current until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	for ctx.Err() == nil {
		changed, told := f.feed.BansChanged() // before the question, so that nothing comes between
		every := f.opt.Poll
		if told {
			every = f.opt.Calm
		}
		next := time.NewTimer(every)
		f.poll(ctx)
		select {
		case <-next.C:
		case <-changed:
		case <-ctx.Done():
		}
		next.Stop()
	}
}

// poll asks once for changes. A failure leaves the book as it is.
func (f *Follower) poll(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	changes, number, err := f.feed.BansSince(bounded, f.number)
	switch {
	case err == nil && number < f.number: // put back from a copy
		err = f.Load(bounded)
	case err == nil:
		f.book.Apply(changes)
		f.number = number
	}
	if silent := err != nil; silent != f.silent && ctx.Err() == nil {
		f.silent = silent
		if silent {
			f.opt.Logger.Warn("changes of bans cannot be asked for; those that are known go on", "error", err)
		} else {
			f.opt.Logger.Info("changes of bans are known again")
		}
	}
	if now := time.Now(); now.Sub(f.swept) >= sweepEvery {
		f.swept = now
		f.book.Sweep()
	}
}
