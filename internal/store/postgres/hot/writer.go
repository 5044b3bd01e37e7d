package hot

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"countersign/internal/fault"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/incoming"
)

// maxBatch bounds the operations in one transaction, so that nobody waits long
// for the others.
const maxBatch = 256

// Options is what a Writer works with. All must be set.
type Options struct {
	DB *server.DB
	// Node is whose deliveries these are.
	Node string
	// Timeout bounds one transaction.
	Timeout time.Duration
	Logger  *slog.Logger
}

// operation is what one caller asks of the writer: all of it or nothing.
type operation struct {
	name string // in errors
	// accepts are stored first, then the outcomes of deliveries, then events.
	accepts  []*incoming.Acceptance
	outcomes []incoming.Outcome
	// submission is that of the outcomes.
	submission string
	events     []sqlkit.Values
	// again says that nothing is stored where one of the deliveries is not there.
	again bool
	// epoch was the writer's when the operation came.
	epoch int64
	err   error
	// done gets one value when err is final.
	done chan struct{}
}

// Writer runs the operations. Its methods are safe for concurrent use.
type Writer struct {
	opt Options
	// epoch is that of the node's lease, 0 for a process that never had one, left
	// for one that has none any more.
	epoch atomic.Int64

	mu sync.Mutex // guards queue and closed
	// queue holds operations in the order they came.
	queue  []*operation
	closed bool
	// wake has room for one: more wakings say nothing more.
	wake chan struct{}
	// stopped is closed when the goroutine has ended.
	stopped chan struct{}

	// batch numbers the transactions. Only the goroutine uses it and what follows.
	batch int64
	// next and last are the numbers of content that were drawn and not yet given.
	next, last int64
	// failing says that the last transaction failed and was logged.
	failing bool
}

// Start starts a writer.
func Start(o Options) *Writer {
	w := &Writer{opt: o, wake: make(chan struct{}, 1), stopped: make(chan struct{})}
	go w.loop()
	return w
}

// left stands for the epoch of a process that has left.
const left = -1

// SetEpoch tells the writer the epoch of the node's lease: what is stored from now
// on is stored under it, and refused with fault.Fenced when it is over. 0 says that
// the process has left: it stores events alone, and all else is refused likewise. A
// process that never was a node may write, but nothing tells what became of a
// broken commit.
func (w *Writer) SetEpoch(epoch int64) {
	if epoch == 0 {
		epoch = left
	}
	w.epoch.Store(epoch)
}

// Close lets the writer finish what is queued, then ends it. Afterwards all
// methods fail with fault.Unavailable. A second call does nothing.
func (w *Writer) Close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.signal()
	<-w.stopped
}

// Accept stores a message; see queue.Store.
func (w *Writer) Accept(ctx context.Context, a *incoming.Acceptance) error {
	err := w.do(ctx, &operation{name: "queue.accept", accepts: []*incoming.Acceptance{a}})
	if err == nil {
		a.MarkTaken()
	}
	return err
}

// Report stores what attempts did; see queue.Store.
func (w *Writer) Report(ctx context.Context, r *incoming.Report) error {
	err := w.do(ctx, &operation{
		name: "queue.report", accepts: r.Reports, outcomes: r.Outcomes, submission: string(r.Submission), events: r.Events, again: r.Again,
	})
	for i := 0; err == nil && i < len(r.Reports); i++ {
		r.Reports[i].MarkTaken()
	}
	return err
}

// Append stores events; see audit.Store.
func (w *Writer) Append(ctx context.Context, events []sqlkit.Values) error {
	return w.do(ctx, &operation{name: "audit.append", events: events})
}

// do runs an operation and returns when it is durable or has failed. If ctx ends
// before the writer has taken it, it is withdrawn; once taken, do waits for what
// becomes of it, so that every answer is definite.
func (w *Writer) do(ctx context.Context, o *operation) error {
	if err := ctx.Err(); err != nil {
		return server.Failure(o.name, err)
	}
	o.done, o.epoch = make(chan struct{}, 1), w.epoch.Load()
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return fault.New(o.name, fault.Unavailable, "the store is closed")
	}
	w.queue = append(w.queue, o)
	w.mu.Unlock()
	w.signal()
	select {
	case <-o.done:
	case <-ctx.Done():
		if w.withdraw(o) {
			return server.Failure(o.name, ctx.Err())
		}
		<-o.done
	}
	if fault.KindOf(o.err) == fault.Internal && errors.Is(o.err, context.DeadlineExceeded) {
		return server.Silent(o.err) // it is our own deadline: the caller waits
	}
	if server.IsConstraint(o.err) {
		// An id that is taken has been found out before: this is a fault of ours.
		return fault.Wrap(o.name, fault.Internal, o.err)
	}
	return server.Failure(o.name, o.err)
}

func (w *Writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// withdraw takes o out of the queue and reports whether it still was there.
func (w *Writer) withdraw(o *operation) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.queue, o)
	if i < 0 {
		return false
	}
	w.queue = slices.Delete(w.queue, i, i+1)
	return true
}

func (w *Writer) loop() {
	defer close(w.stopped)
	for range w.wake {
		for {
			// Those who were answered just now may be about to queue their
			// next operation: let them, it makes batches larger.
			runtime.Gosched()
			batch, closed := w.take()
			if len(batch) == 0 {
				if closed {
					return
				}
				break
			}
			w.commit(batch)
		}
	}
}

// take removes the next batch from the queue.
func (w *Writer) take() (batch []*operation, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := compatible(w.queue[:min(len(w.queue), maxBatch)])
	batch = slices.Clone(w.queue[:n])
	w.queue = slices.Delete(w.queue, 0, n)
	return batch, w.closed
}

// compatible returns how many operations from the first on may be in one
// transaction: in one, each id is accepted once, is not reported on at the same
// time, and each delivery has one outcome.
func compatible(list []*operation) int {
	type key struct {
		submission string
		n          int
	}
	const accepted, reported = -1, -2
	seen := map[key]bool{}
	for i, o := range list {
		var keys []key
		for _, a := range o.accepts {
			id := string(a.ID)
			if seen[key{id, accepted}] || seen[key{id, reported}] {
				return max(i, 1)
			}
			keys = append(keys, key{id, accepted})
		}
		if len(o.outcomes) > 0 {
			if seen[key{o.submission, accepted}] {
				return max(i, 1)
			}
			keys = append(keys, key{o.submission, reported})
		}
		for _, out := range o.outcomes {
			k := key{o.submission, out.N}
			if seen[k] {
				return max(i, 1)
			}
			keys = append(keys, k)
		}
		for _, k := range keys {
			seen[k] = true
		}
	}
	return len(list)
}

// commit runs a batch and answers everybody in it.
func (w *Writer) commit(batch []*operation) {
	err := w.surely(batch)
	w.note(err, len(batch))
	alone := errors.Is(err, errAlone) || !server.Broken(err)
	if err == nil || len(batch) == 1 || !alone {
		answer(batch, err)
		return
	}
	// One of them is the reason: the others may pass.
	for i := range batch {
		answer(batch[i:i+1], w.surely(batch[i:i+1]))
	}
}

// note logs when transactions begin to fail and when they pass again.
func (w *Writer) note(err error, operations int) {
	if errors.Is(err, errAlone) || fault.Is(err, fault.Conflict) || fault.Is(err, fault.Denied) || fault.Is(err, fault.NotFound) {
		return // of one operation, which is told
	}
	switch {
	case err != nil && !w.failing:
		w.opt.Logger.Error("changes could not be stored", "operations", operations, "error", err)
	case err == nil && w.failing:
		w.opt.Logger.Info("changes are stored again")
	}
	w.failing = err != nil
}

// answer wakes the callers; err, where not nil, goes to all of them.
func answer(batch []*operation, err error) {
	for _, o := range batch {
		if err != nil {
			o.err = err
		}
		o.done <- struct{}{}
	}
}
