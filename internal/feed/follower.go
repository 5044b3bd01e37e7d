// Package feed follows rows of a store that come with numbers: it keeps what somebody has of
// them in memory as the store is, and has the store forget those that ended long ago.
//
// Every change has a number; who asks for what is above the last one seen misses nothing,
// and who is told of changes asks at once. It knows neither what the rows are, nor a store.
//
// Main types: Source, Book, Follower, Pruner.
package feed

import (
	"context"
	"hash/fnv"
	"log/slog"
	"time"
)

// Source is where rows of one kind come from. All fields are needed.
type Source[T any] struct {
	// What names them in the log: "bans".
	What string
	// Since returns those whose latest change has a number above since, in the order of
	// these, and the highest number that there is; all for a since of 0. Where the number
	// is below since, the store was put back from a copy.
	Since func(ctx context.Context, since uint64) (changed []T, number uint64, err error)
	// Changed returns a channel that is closed when there may be changes, and whether that
	// happens at the changes of all processes.
	Changed func() (changed <-chan struct{}, told bool)
}

// Book has rows in memory. The follower alone changes it.
type Book[T any] interface {
	// Replace makes the book one of these rows alone, Apply takes changes in their order.
	Replace(all []T)
	Apply(changes []T)
	// Sweep removes what has ended.
	Sweep()
}

// Options are what a Follower may be told. The zero value is usable.
type Options struct {
	// Poll is how often changes are asked for where the store does not tell of all of
	// them; 0 means 200 ms.
	Poll time.Duration
	// Calm is how often they are asked for besides where it does; 0 means 400 ms.
	Calm time.Duration
	// Node is which gate asks, "" for the only one: see Phase.
	Node string
	// Logger gets what no caller is told; nil means none.
	Logger *slog.Logger
}

// UsualPoll and UsualCalm are how often changes are asked for where nobody tells of all of them,
// and where somebody does: so one is felt within a second also on a busy machine.
const (
	UsualPoll = 200 * time.Millisecond
	UsualCalm = 400 * time.Millisecond
)

// Phase is when a gate asks: all who ask in it at the same time, as its store asks once for all of
// them, and other gates, which have other names, at other times.
func Phase(node string) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(node)) // which never fails
	return time.Duration(h.Sum64() % uint64(UsualCalm))
}

// Pause is for how long who asks so often waits: until a moment that is the same for all of one
// phase. It is above 0, and not above every.
func Pause(every, phase time.Duration) time.Duration {
	now := time.Now()
	wait := now.Add(-phase).Truncate(every).Add(every + phase).Sub(now)
	if wait <= 0 || wait > every { // the clock was set meanwhile
		return every
	}
	return wait
}

// answer is how long the store may take, and sweepEvery how often what has ended is removed
// from memory.
const (
	answer     = 5 * time.Second
	sweepEvery = time.Minute
)

// Follower keeps a Book as the store is. While that cannot be asked, what is known goes
// on. It is used by one goroutine.
type Follower[T any] struct {
	source Source[T]
	book   Book[T]
	opt    Options
	phase  time.Duration
	number uint64
	silent bool
	swept  time.Time
}

// Follow returns a Follower of a book that nobody else changes.
func Follow[T any](source Source[T], b Book[T], opt Options) *Follower[T] {
	if opt.Poll <= 0 {
		opt.Poll = UsualPoll
	}
	if opt.Calm <= 0 {
		opt.Calm = UsualCalm
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	return &Follower[T]{source: source, book: b, opt: opt, phase: Phase(opt.Node)}
}

// Load reads all rows. It is called before the first client comes. Errors are those of
// the store.
func (f *Follower[T]) Load(ctx context.Context) error {
	all, number, err := f.source.Since(ctx, 0)
	if err != nil {
		return err
	}
	f.book.Replace(all)
	f.number = number
	return nil
}

// Run keeps the book current until ctx ends.
func (f *Follower[T]) Run(ctx context.Context) {
	for ctx.Err() == nil {
		changed, told := f.source.Changed() // before the question, so that nothing comes between
		every := f.opt.Poll
		if told {
			every = f.opt.Calm
		}
		next := time.NewTimer(Pause(every, f.phase))
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
func (f *Follower[T]) poll(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	changes, number, err := f.source.Since(bounded, f.number)
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
			f.opt.Logger.Warn("changes of "+f.source.What+" cannot be asked for; those that are known go on", "error", err)
		} else {
			f.opt.Logger.Info("changes of " + f.source.What + " are known again")
		}
	}
	if now := time.Now(); now.Sub(f.swept) >= sweepEvery {
		f.swept = now
		f.book.Sweep()
	}
}
