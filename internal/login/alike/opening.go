package alike

import (
	"context"
	"time"

	"countersign/internal/fault"
)

// Hold waits until it is time to show a challenge to a client that has named its login at
// began: for as long as Pace says. Errors: fault.Canceled.
func (f *Front) Hold(ctx context.Context, began time.Time) error {
	timer := time.NewTimer(f.Pace() - time.Since(began))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fault.Wrap("alike.hold", fault.Canceled, ctx.Err())
	}
}

// Opening is the first step of a directory's exchange, which runs on while its client is
// shown a challenge of ours. End is called in the end.
type Opening[P any] struct {
	// Done is closed when all that follows is set.
	Done chan struct{}
	// Passed is the exchange, the zero value where it could not begin; Challenge, Over and
	// Err are what its first step came to, after Took.
	Passed    P
	Challenge []byte
	Over      bool
	Err       error
	Took      time.Duration

	cancel context.CancelFunc
}

// Open begins one, whose context ends after the longest time that it may take, or by End, and
// not with ctx. The goroutine ends with the step.
func Open[P any](ctx context.Context, longest time.Duration, step func(context.Context) (P, []byte, bool, error)) *Opening[P] {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), longest)
	o := &Opening[P]{Done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(o.Done)
		defer func() { // a session outlives a fault of its own, and so does this
			if r := recover(); r != nil {
				o.Err = fault.New("alike.open", fault.Internal, "panic: %v", r)
			}
		}()
		began := time.Now()
		o.Passed, o.Challenge, o.Over, o.Err = step(within)
		o.Took = time.Since(began)
	}()
	return o
}

// End ends the step where it still runs, and waits for that.
func (o *Opening[P]) End() {
	o.cancel()
	<-o.Done
}
