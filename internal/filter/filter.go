package filter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"countersign/internal/fault"
)

// Why there is no answer to a message.
var (
	// ErrNotReached is wrapped by errors of a Program that was not reached, so that it has
	// seen nothing of the message.
	ErrNotReached = errors.New("it cannot be reached")
	// ErrUnread is wrapped by errors that the body of a message could not be read.
	ErrUnread = errors.New("the message cannot be read")
	// errLeftAlone is the reason while the program is not asked.
	errLeftAlone = errors.New("it is left alone")
	// errSlow is an answer that did not come in time.
	errSlow = errors.New("it did not answer in time")
	// errBusy is a place that was not to be had in time.
	errBusy = errors.New("it has as many messages as it may already")
	// errAbandoned is the result of a question that never had one.
	errAbandoned = errors.New("the question was not answered")
)

// Filter stands before a Program. It is safe for concurrent use.
type Filter struct {
	// Options are what the operator says of the program. They are not changed.
	Options
	program Program
	places  *places
	metrics *Metrics

	mu      sync.Mutex // guards what follows
	breaker breaker
	last    error     // the latest failure, nil since the last answer
	heard   time.Time // when there was an answer last
}

// New returns a Filter that takes the program to be well; its figures go to m, which may be nil. Errors: fault.Invalid for
// options out of their bounds.
func New(program Program, opt Options, m *Metrics) (*Filter, error) {
	if opt.Timeout <= 0 || opt.Pause <= 0 || opt.Concurrent < 1 || opt.Failures < 1 {
		return nil, fault.New("filter.new", fault.Invalid,
			"filter %s: time-out, pause, the number of messages at once and that of failures must be above 0", opt.Name)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	f := &Filter{
		Options: opt, program: program, metrics: m,
		places: newPlaces(opt.Concurrent), breaker: newBreaker(opt.Failures, opt.Pause),
	}
	m.begin(f)
	return f, nil
}

// Ask shows the program a message and returns what it says. Errors: fault.Canceled where
// ctx ended, fault.Unavailable where there is no answer, with the reason as its cause; where the
// body could not be read, ErrUnread is in the chain, and the kind is that of the reason.
func (f *Filter) Ask(ctx context.Context, m *Message) (*Answer, error) {
	asked, cancel := context.WithTimeoutCause(ctx, f.Timeout, errSlow)
	defer cancel()
	began := time.Now()
	leave := f.places.enter(asked, m)
	if leave == nil {
		return nil, f.away(ctx, errBusy)
	}
	defer leave()
	f.mu.Lock()
	t, may := f.breaker.ask(f.Now())
	last := f.last
	f.mu.Unlock()
	if !may {
		return nil, f.away(ctx, because(errLeftAlone, last))
	}
	answer, err := (*Answer)(nil), errAbandoned
	defer func() { f.done(ctx, t, m.Login, err) }() // also where the program panics: a probe must not stay open
	answer, err = f.program.Ask(asked, m)
	f.metrics.took(f.Name, time.Since(began))
	if errors.Is(err, ErrUnread) {
		return nil, fault.Wrap("filter.ask", fault.Internal, err)
	}
	if err != nil {
		if asked.Err() != nil && ctx.Err() == nil {
			err = because(errSlow, err)
		}
		return nil, f.away(ctx, err)
	}
	return answer, nil
}

// away makes the error of a message that has no answer.
func (f *Filter) away(ctx context.Context, err error) error {
	const op = "filter.ask"
	if ctx.Err() != nil {
		return fault.Wrap(op, fault.Canceled, because(ctx.Err(), err))
	}
	return &fault.Error{Op: op, Kind: fault.Unavailable, Err: err}
}

// because puts what lies behind an error, if anything, in one line with it.
func because(err, behind error) error {
	if behind == nil {
		return err
	}
	return fmt.Errorf("%w: %w", err, behind)
}

// done gives the breaker word of a question.
func (f *Filter) done(ctx context.Context, t turn, login string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch now := f.Now(); {
	case err == nil:
		f.breaker.answered(t)
		f.last, f.heard = nil, now
	case ctx.Err() != nil, errors.Is(err, ErrUnread):
		f.breaker.untold(t, now)
	case errors.Is(err, ErrNotReached):
		f.breaker.failed(t, "", now)
		f.last = err
	default:
		f.breaker.failed(t, login, now)
		f.last = err
	}
}

// fresh is how long an answer tells that the program is well.
const fresh = 10 * time.Second

// Check says what is wrong with the program, nil where nothing is: that it is left alone,
// or, where it has answered nothing lately, that it cannot be reached now. Errors:
// fault.Unavailable.
func (f *Filter) Check(ctx context.Context) error {
	const op = "filter.check"
	f.mu.Lock()
	phase, last, heard := f.breaker.phase, f.last, f.heard
	f.mu.Unlock()
	switch {
	case phase != Well:
		return fault.Wrap(op, fault.Unavailable, fmt.Errorf("%s: %w", phase, last))
	case last == nil && f.Now().Sub(heard) < fresh:
		return nil
	}
	return fault.Wrap(op, fault.Unavailable, f.program.Probe(ctx))
}

// Phase returns what the Filter makes of its program now.
func (f *Filter) Phase() Phase {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.breaker.phase
}

// Count counts a message by what became of it; see Outcomes.
func (f *Filter) Count(o Outcome) { f.metrics.count(f.Name, o) }
