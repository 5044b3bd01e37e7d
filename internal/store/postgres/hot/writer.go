package hot

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"countersign/internal/fault"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/group"
	"countersign/internal/store/sqlkit/incoming"
)

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
	// counted is counted with it.
	counted incoming.Counted
	// door is a connection that comes, or what is held of connections; nil for neither.
	door *incoming.Door
	// again says that nothing is stored where one of the deliveries is not there.
	again bool
	// epoch was the writer's when the operation came.
	epoch int64
	err   error
}

// Writer runs the operations. Its methods are safe for concurrent use.
type Writer struct {
	opt Options
	// epoch is that of the node's lease, 0 for a process that never had one, left
	// for one that has none any more.
	epoch atomic.Int64

	operations *group.Queue[*operation]

	// gates is how many were alive when that was last asked, 0 before.
	gates atomic.Int64

	// batch numbers the transactions. Only the queue's goroutine uses it and what
	// follows.
	batch int64
	// next and last are the numbers of content that were drawn and not yet given.
	next, last int64
	// kept are counters between transactions.
	kept kept
	// failing says that the last transaction failed and was logged.
	failing bool
}

// Start starts a writer.
func Start(o Options) *Writer {
	w := &Writer{opt: o}
	w.operations = group.Start(w.commit, compatible)
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
func (w *Writer) Close() { w.operations.Close() }

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
		name: "queue.report", accepts: r.Reports, outcomes: r.Outcomes, submission: string(r.Submission), events: r.Events, counted: r.Counted, again: r.Again,
	})
	for i := 0; err == nil && i < len(r.Reports); i++ {
		r.Reports[i].MarkTaken()
	}
	return err
}

// Door judges a connection, or notes what is held of them; see limit.Doors.
func (w *Writer) Door(ctx context.Context, name string, d *incoming.Door) error {
	return w.do(ctx, &operation{name: name, door: d})
}

// Holder implements limit.Doors.
func (w *Writer) Holder() (name string, gates int) {
	return holder(w.opt.Node, w.epoch.Load()), max(int(w.gates.Load()), 1)
}

// Append stores events; see audit.Store.
func (w *Writer) Append(ctx context.Context, events []sqlkit.Values) error {
	return w.do(ctx, &operation{name: "audit.append", events: events})
}

// do runs an operation and returns when it is durable or has failed, as
// group.Queue.Do says.
func (w *Writer) do(ctx context.Context, o *operation) error {
	o.epoch = w.epoch.Load()
	err := w.operations.Do(ctx, o)
	if errors.Is(err, group.ErrClosed) {
		return fault.New(o.name, fault.Unavailable, "the store is closed")
	}
	if err != nil {
		return server.Failure(o.name, err)
	}
	return o.failure()
}

// failure is what the caller is told of an operation that the queue is done with; nil where it is durable.
func (o *operation) failure() error {
	if fault.KindOf(o.err) == fault.Internal && errors.Is(o.err, context.DeadlineExceeded) {
		return server.Silent(o.err) // it is our own deadline: the caller waits
	}
	if server.IsConstraint(o.err) {
		// An id that is taken has been found out before: this is a fault of ours.
		return fault.Wrap(o.name, fault.Internal, o.err)
	}
	return server.Failure(o.name, o.err)
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
				return i
			}
			keys = append(keys, key{id, accepted})
		}
		if len(o.outcomes) > 0 {
			if seen[key{o.submission, accepted}] {
				return i
			}
			keys = append(keys, key{o.submission, reported})
		}
		for _, out := range o.outcomes {
			k := key{o.submission, out.N}
			if seen[k] {
				return i
			}
			keys = append(keys, k)
		}
		for _, k := range keys {
			seen[k] = true
		}
	}
	return len(list)
}

// commit runs a batch; each operation has its result then.
func (w *Writer) commit(batch []*operation) {
	err := w.surely(batch)
	w.note(err, len(batch))
	alone := errors.Is(err, errAlone) || errors.Is(err, errMade) || !server.Broken(err)
	if err == nil || len(batch) == 1 || !alone {
		fail(batch, err)
		return
	}
	// One of them is the reason: the others may pass. Where that was a wait for a lock, or others who counted
	// the same each time, and a second one fails so too, it is all of them, and they do not wait one after the
	// other: who was not tried is told the same, which is fault.Busy. Nothing of it is stored, and it may be asked again.
	waited := 0
	for i := range batch {
		if waited < 2 {
			err = w.surely(batch[i : i+1])
		}
		if server.Waited(err) || errors.Is(err, errMade) {
			waited++
		}
		fail(batch[i:i+1], err)
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

// fail gives err, where it is not nil, to all operations of a batch.
func fail(batch []*operation, err error) {
	for _, o := range batch {
		if err != nil {
			o.err = err
		}
	}
}
