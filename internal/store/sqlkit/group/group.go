// Package group gathers the work of many callers for one goroutine, which does all
// that waits at once: one transaction and one flush to the disk then serve them all.
//
// It knows nothing of transactions; what is done with a batch is the engine's.
//
// Main types: Queue.
package group

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
)

// MaxBatch bounds what is done at once, so that nobody waits long for the others.
const MaxBatch = 256

// ErrClosed is the answer after Close.
var ErrClosed = errors.New("the queue is closed")

// item is the work of one caller.
type item[T any] struct {
	work T
	// done gets one value when the work is done.
	done chan struct{}
}

// Queue gathers. Make it with Start. Its methods are safe for concurrent use.
type Queue[T any] struct {
	fit func([]T) int
	run func([]T)

	mu sync.Mutex // guards items and closed
	// items are in the order they came.
	items  []item[T]
	closed bool
	// wake has room for one: more wakings say nothing more.
	wake chan struct{}
	// stopped is closed when the goroutine has ended.
	stopped chan struct{}
}

// Start starts a Queue. run does a batch of at least one, in the order it came, and
// leaves in each what became of it; its callers go on when it returns. It runs in one
// goroutine. fit returns how many from the first on may be in one batch; nil for all.
func Start[T any](run func([]T), fit func([]T) int) *Queue[T] {
	if fit == nil {
		fit = func(all []T) int { return len(all) }
	}
	q := &Queue[T]{fit: fit, run: run, wake: make(chan struct{}, 1), stopped: make(chan struct{})}
	go q.loop()
	return q
}

// Do has work done, and returns nil when it was: what became of it stands in it. If
// ctx ends before it was taken, it is withdrawn and the error is that of ctx; once
// taken, Do waits, so that every answer is definite. ErrClosed after Close.
func (q *Queue[T]) Do(ctx context.Context, work T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan struct{}, 1)
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return ErrClosed
	}
	q.items = append(q.items, item[T]{work, done})
	q.mu.Unlock()
	q.signal()
	select {
	case <-done:
	case <-ctx.Done():
		if q.withdraw(done) {
			return ctx.Err()
		}
		<-done
	}
	return nil
}

// Waiting returns how much work was not taken yet.
func (q *Queue[T]) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

// Close lets what waits be done, then ends the goroutine. A second call does nothing.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
	<-q.stopped
}

func (q *Queue[T]) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// withdraw takes the work of who waits at done out, and reports whether it still was
// there.
func (q *Queue[T]) withdraw(done chan struct{}) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.IndexFunc(q.items, func(it item[T]) bool { return it.done == done })
	if i < 0 {
		return false
	}
	q.items = slices.Delete(q.items, i, i+1)
	return true
}

func (q *Queue[T]) loop() {
	defer close(q.stopped)
	for range q.wake {
		for {
			// Those who were answered just now may be about to come back: let
			// them, it makes batches larger.
			runtime.Gosched()
			batch, closed := q.take()
			if len(batch) == 0 {
				if closed {
					return
				}
				break
			}
			q.runAll(batch)
		}
	}
}

// take removes the next batch.
func (q *Queue[T]) take() (batch []item[T], closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.items), MaxBatch)
	if n > 0 {
		n = max(1, min(n, q.fit(works(q.items[:n]))))
	}
	batch = slices.Clone(q.items[:n])
	q.items = slices.Delete(q.items, 0, n)
	return batch, q.closed
}

// runAll runs a batch and wakes its callers.
func (q *Queue[T]) runAll(batch []item[T]) {
	q.run(works(batch))
	for _, it := range batch {
		it.done <- struct{}{}
	}
}

func works[T any](items []item[T]) []T {
	list := make([]T, len(items))
	for i, it := range items {
		list[i] = it.work
	}
	return list
}
