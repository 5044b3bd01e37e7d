package audit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"countersign/internal/fault"
)

// RecorderOptions bound a Recorder. Zero fields take the defaults named.
type RecorderOptions struct {
	// Logger gets one line for each event, and what goes wrong; nil for none.
	Logger *slog.Logger
	// Buffer is how many events may wait for the store; 4096.
	Buffer int
	// Batch is the most events of one Append; 512.
	Batch int
	// Delay is the longest that an event waits for others; 100 ms.
	Delay time.Duration
	// Patience is how long Record waits for room in a full buffer; 50 ms.
	Patience time.Duration
	// Retry is the pause after a failed Append; 500 ms.
	Retry time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// withDefaults fills in what is zero.
func (o RecorderOptions) withDefaults() RecorderOptions {
	count := func(v *int, otherwise int) {
		if *v <= 0 {
			*v = otherwise
		}
	}
	wait := func(v *time.Duration, otherwise time.Duration) {
		if *v <= 0 {
			*v = otherwise
		}
	}
	count(&o.Buffer, 4096)
	count(&o.Batch, 512)
	wait(&o.Delay, 100*time.Millisecond)
	wait(&o.Patience, 50*time.Millisecond)
	wait(&o.Retry, 500*time.Millisecond)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Recorder hands events to the store in batches, so that nobody waits for the
// disk to note what happened, and writes one line of log for each. Events that
// must not be lost (acceptance, delivery, administration) do not go through
// it: they are in the transaction that they are about. It is safe for
// concurrent use.
type Recorder struct {
	store  Store
	logger *slog.Logger
	opt    RecorderOptions

	// queue carries events and flush marks, in order, to the one writer.
	queue chan item
	// ctx ends when Close has waited long enough for the store.
	ctx    context.Context
	cancel context.CancelFunc
	// closing is closed when no more will be recorded; done when the writer
	// has gone.
	closing, done chan struct{}

	// dropped counts lost events. full is set while the buffer has no room, so
	// that only the first to find it full waits.
	dropped atomic.Uint64
	full    atomic.Bool

	// abandoned counts the events that Close gave up; it belongs to the writer
	// until done is closed.
	abandoned int

	mu     sync.RWMutex // guards closed; held for reading while sending on queue
	closed bool
}

// item is an event, or a mark of Flush when flushed is not nil.
type item struct {
	event   Event
	flushed chan struct{}
}

// NewRecorder returns a running Recorder; Close ends it.
func NewRecorder(store Store, opt RecorderOptions) *Recorder {
	opt = opt.withDefaults()
	r := &Recorder{
		store: store, logger: opt.Logger, opt: opt,
		queue:   make(chan item, opt.Buffer),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	go r.write()
	return r
}

// Record logs e and queues it for the store. It does not block while the
// buffer has room. In a full one it waits for Patience, then drops the event:
// the log has it, Dropped counts it. At is filled in where it is zero, and
// what is too long is cut (Bounded).
func (r *Recorder) Record(e Event) {
	e = Bounded(e)
	if e.At.IsZero() {
		e.At = r.opt.Now()
	}
	e.At = e.At.UTC().Truncate(time.Microsecond)
	r.log(e)
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed {
		r.drop(1, "the recorder is closed")
		return
	}
	select {
	case r.queue <- item{event: e}:
		r.full.Store(false)
		return
	default:
	}
	if r.full.Load() {
		r.drop(1, "the store does not keep up")
		return
	}
	timer := time.NewTimer(r.opt.Patience)
	defer timer.Stop()
	select {
	case r.queue <- item{event: e}:
	case <-timer.C:
		r.full.Store(true)
		r.drop(1, "the store does not keep up")
	}
}

// Log writes the log line of an event that another transaction stores, cut as
// Record does it.
func (r *Recorder) Log(e Event) { r.log(Bounded(e)) }

func (r *Recorder) log(e Event) {
	r.logger.LogAttrs(context.Background(), Level(e.Kind), string(e.Kind), LogAttrs(e)...)
}

// Dropped returns how many events have been lost since the start.
func (r *Recorder) Dropped() uint64 { return r.dropped.Load() }

// Waiting returns how many events wait for the store.
func (r *Recorder) Waiting() int { return len(r.queue) }

// Flush returns when everything recorded before is in the store or dropped.
// Error: fault.Canceled where ctx ended, or the Recorder was closed, first.
func (r *Recorder) Flush(ctx context.Context) error {
	const op = "audit.flush"
	mark := item{flushed: make(chan struct{})}
	if !r.send(ctx, mark) {
		return fault.New(op, fault.Canceled, "the record was not flushed: closed, or no time left")
	}
	select {
	case <-mark.flushed:
		return nil
	case <-ctx.Done():
		return fault.Wrap(op, fault.Canceled, ctx.Err())
	case <-r.done: // a mark that came after the last look is never reached
		return fault.New(op, fault.Canceled, "the recorder was closed")
	}
}

// send queues a mark unless ctx ends or the recorder closes first.
func (r *Recorder) send(ctx context.Context, mark item) bool {
	r.mu.RLock()
	closed := r.closed
	r.mu.RUnlock()
	if closed {
		return false
	}
	select {
	case r.queue <- mark:
		return true
	case <-ctx.Done():
	case <-r.closing:
	}
	return false
}

// Close stores what waits, until ctx ends, and ends the Recorder. It returns
// fault.Unavailable when it had to give up events. A second call does
// nothing.
func (r *Recorder) Close(ctx context.Context) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		<-r.done
		return nil
	}
	r.closed = true
	r.mu.Unlock()
	close(r.closing)
	stop := context.AfterFunc(ctx, r.cancel)
	<-r.done
	stop()
	r.cancel()
	if r.abandoned > 0 {
		return fault.New("audit.close", fault.Unavailable, "%d events could not be stored", r.abandoned)
	}
	return nil
}

// write is the one goroutine that appends, until all is written after Close.
func (r *Recorder) write() {
	defer close(r.done)
	for {
		batch, flushed, more := r.collect()
		r.append(batch)
		if flushed != nil {
			close(flushed)
		}
		if !more {
			return
		}
	}
}

// collect waits for an event, then for more of them: until the batch is full,
// Delay is over, or a flush mark or Close wants it now. more is false when
// nothing is left after Close.
func (r *Recorder) collect() (batch []Event, flushed chan struct{}, more bool) {
	var late <-chan time.Time
	for len(batch) < r.opt.Batch {
		it, got, last := r.next(late)
		if !got {
			return batch, nil, !last
		}
		if it.flushed != nil {
			return batch, it.flushed, true
		}
		if late == nil {
			timer := time.NewTimer(r.opt.Delay)
			defer timer.Stop()
			late = timer.C
		}
		batch = append(batch, it.event)
	}
	return batch, nil, true
}

// next takes one item off the queue. got is false when late has come, or,
// with last, when nothing is left after Close.
func (r *Recorder) next(late <-chan time.Time) (it item, got, last bool) {
	select {
	case it = <-r.queue:
		return it, true, false
	case <-late:
		return item{}, false, false
	case <-r.closing:
	}
	select {
	case it = <-r.queue:
		return it, true, false
	default:
		return item{}, false, true
	}
}

// append stores a batch, as often as it takes while the failure is one that
// may pass.
func (r *Recorder) append(batch []Event) {
	if len(batch) == 0 {
		return
	}
	for attempt := 0; ; attempt++ {
		err := r.store.Append(r.ctx, batch)
		if err == nil {
			return
		}
		if r.ctx.Err() != nil {
			r.abandoned += len(batch)
		}
		if r.ctx.Err() != nil || !mayPass(err) {
			r.drop(len(batch), err.Error())
			return
		}
		if attempt == 0 {
			r.logger.Error("record cannot be stored, trying again", "events", len(batch), "error", err)
		}
		timer := time.NewTimer(r.opt.Retry)
		select {
		case <-timer.C:
		case <-r.ctx.Done():
		}
		timer.Stop()
	}
}

// mayPass reports whether an Append that failed so may succeed later.
func mayPass(err error) bool {
	var e *fault.Error
	return !errors.As(err, &e) || e.Kind.Temporary()
}

// drop counts lost events. The first of a row is logged, then each thousandth:
// a full buffer must not fill the log too.
func (r *Recorder) drop(n int, why string) {
	total := r.dropped.Add(uint64(n))
	if total == uint64(n) || total/1000 != (total-uint64(n))/1000 {
		r.logger.Error("events lost from the record", "total", total, "why", why)
	}
}
