package directory

import (
	"context"
	"errors"
	"sync"
	"time"

	"countersign/internal/fault"
)

// GuardOptions bound what a directory may cost.
type GuardOptions struct {
	// Timeout is the longest that a question may take, above 0.
	Timeout time.Duration
	// Concurrent is how many questions may run at once, at least 1.
	Concurrent int
	// Steps is how many steps of exchanges may run at once beside them, 0 for none.
	Steps int
	// Failures is how many questions in a row must fail before the directory is
	// left alone, at least 1.
	Failures int
	// Pause is how long it is left alone before one question tries it again, above
	// 0.
	Pause time.Duration
	// Now is the clock, time.Now where nil.
	Now func() time.Time
	// Odd is told of answers that make no sense, and of questions that the directory cannot
	// take, at most once a minute; nil where nobody is.
	Odd func(Oddity)
}

// Guard is a Source that stands before another one. It is safe for concurrent use.
type Guard struct {
	source Source
	opt    GuardOptions

	mu      sync.Mutex // guards what follows
	breaker breaker
	running int // questions
	steps   int // of exchanges
	counts  Counts
	last    error // the latest failure
	odd     Oddity
	told    time.Time // when Odd was told last
	untold  uint64    // how many there were since
}

// NewGuard returns a Guard that takes the directory to be well. Errors:
// fault.Invalid for options out of their bounds.
func NewGuard(source Source, opt GuardOptions) (*Guard, error) {
	if opt.Timeout <= 0 || opt.Pause <= 0 || opt.Concurrent < 1 || opt.Failures < 1 {
		return nil, fault.New("directory.guard", fault.Invalid,
			"directory %s: time-out, pause, the number of questions at once and that of failures must be above 0", source.Name())
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Guard{source: source, opt: opt, breaker: breaker{most: opt.Failures, pause: opt.Pause}}, nil
}

var _ Source = (*Guard)(nil)

// Name implements Source.
func (g *Guard) Name() string { return g.source.Name() }

// Close implements Source.
func (g *Guard) Close() error { return g.source.Close() }

// Ask implements Source. Besides its errors there is fault.Busy where too many
// questions run. A question that no directory can answer, such as one with a NUL
// in the login, is not passed on: it would look like a fault of the directory,
// and whoever sends some could have it left alone.
func (g *Guard) Ask(ctx context.Context, q Question) (*Answer, error) {
	const op = "directory.ask"
	if err := q.Check(); err != nil {
		return nil, err
	}
	var a *Answer
	err := g.do(ctx, lane{"questions", &g.running, g.opt.Concurrent}, func(asked context.Context) error {
		var err error
		a, err = g.source.Ask(asked, q)
		switch {
		case err != nil:
			return err
		case a == nil:
			return fault.New(op, fault.Corrupt, "directory %s has no answer", g.Name())
		}
		return a.check(q)
	})
	if err != nil {
		if odd(err) {
			g.note(q.Login, err)
		}
		return nil, err
	}
	return a, nil
}

// Do asks the directory something in another form than Ask, within the same bounds and counts.
// ask must heed its context and return what Source.Ask would. Errors: those of ask, and those
// that Ask has of its own.
func (g *Guard) Do(ctx context.Context, ask func(context.Context) error) error {
	return g.other(ctx, lane{"questions", &g.running, g.opt.Concurrent}, ask)
}

// Step is Do for a step of an exchange: how many may run at once is GuardOptions.Steps, and
// takes nothing from questions, as a server may hold steps back for seconds.
func (g *Guard) Step(ctx context.Context, ask func(context.Context) error) error {
	return g.other(ctx, lane{"steps of exchanges", &g.steps, g.opt.Steps}, ask)
}

func (g *Guard) other(ctx context.Context, l lane, ask func(context.Context) error) error {
	err := g.do(ctx, l, ask)
	if odd(err) && !fault.Is(err, fault.Invalid) { // what is Invalid in an exchange, the client has said
		g.note("", err)
	}
	return err
}

// lane is what runs at once of one kind: how much does, guarded by Guard.mu, and may.
type lane struct {
	what    string
	running *int
	most    int
}

func (g *Guard) do(ctx context.Context, l lane, ask func(context.Context) error) error {
	const op = "directory.ask"
	if ctx.Err() != nil {
		return fault.Wrap(op, fault.Canceled, ctx.Err())
	}
	turn, err := g.enter(l)
	if err != nil {
		return err
	}
	result := errAbandoned // where the source panics, a probe must not stay open
	defer func() { g.leave(l, turn, result) }()
	asked, cancel := context.WithTimeout(ctx, g.opt.Timeout)
	defer cancel()
	err = ask(asked)
	switch { // whatever the source made of the end of its time
	case err != nil && ctx.Err() != nil: // the caller's patience tells nothing of the directory
		err = fault.Wrap(op, fault.Canceled, err)
	case err != nil && asked.Err() != nil:
		err = Failed(asked, op, err)
	}
	result = err
	return err
}

// errAbandoned is the result of a question that never had one.
var errAbandoned = errors.New("the question was not answered")

// Failed gives an error of a source its kind where ctx is the reason for it:
// fault.Canceled where the caller gave up, fault.Unavailable where the time was
// over, and fault.Unavailable for any error that is no fault yet.
func Failed(ctx context.Context, op string, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fault.Wrap(op, fault.Canceled, err)
	case ctx.Err() != nil:
		return fault.Wrap(op, fault.Unavailable, errors.Join(errSlow, err))
	case errors.As(err, new(*fault.Error)):
		return err
	}
	return fault.Wrap(op, fault.Unavailable, err)
}

// errSlow is an answer that did not come in time.
var errSlow = errors.New("the directory did not answer in time")

// enter takes a place for a question and the breaker's leave to ask it.
func (g *Guard) enter(l lane) (turn, error) {
	const op = "directory.ask"
	g.mu.Lock()
	defer g.mu.Unlock()
	if *l.running >= l.most {
		g.counts.Busy++
		return turn{}, fault.New(op, fault.Busy, "directory %s has %d %s already", g.Name(), *l.running, l.what)
	}
	t, ok := g.breaker.ask(g.opt.Now())
	if !ok {
		g.counts.LeftAlone++
		return turn{}, &fault.Error{Op: op, Kind: fault.Unavailable, Err: errors.Join(errors.New("the directory "+g.Name()+" is left alone"), g.last)}
	}
	*l.running++
	return t, nil
}

// leave gives the place back and tells the breaker how it went.
func (g *Guard) leave(l lane, t turn, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	*l.running--
	how := judge(err)
	g.counts.add(how, err)
	if how == failed {
		g.last = err
	}
	g.breaker.done(t, how, g.opt.Now())
}

// judge says what the result of a question tells of the directory. What it says of
// one account, even nonsense, is an answer; one bad row must not stop all others.
func judge(err error) outcome {
	if err == nil || errors.Is(err, ErrThisLogin) {
		return answered
	}
	switch fault.KindOf(err) {
	case fault.NotFound, fault.Unauthenticated, fault.Denied, fault.Corrupt, fault.Invalid:
		return answered
	case fault.Canceled:
		return untold
	}
	return failed
}
