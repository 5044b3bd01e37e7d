package holding

import (
	"context"
	"time"

	"countersign/internal/audit"
	"countersign/internal/store/sqlkit"
)

const (
	// lookEvery is how often a server looks for tasks that others left, if nothing
	// else is said.
	lookEvery = 250 * time.Millisecond
	// abandoned is how long nobody has worked on a task before it is taken
	// over. Two who do work on one only waste their time.
	abandoned = 15 * time.Second
	// courtesy is how long a command waits for a server to take its task.
	courtesy = 8 * lookEvery
	// askEvery is how often it then asks whether the task is done.
	askEvery = 50 * time.Millisecond
)

// handOver leaves a task to the server and waits until it is done. It is false
// where no server takes it, or stops to work on it.
func (h *Holder) handOver(ctx context.Context, task *Task) (done bool, err error) {
	if err := h.touch(ctx, task, time.Time{}); err != nil {
		return false, err
	}
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for began := time.Now(); ; {
		touched, found, err := h.touched(ctx, task)
		if err != nil || !found {
			return !found, err
		}
		waited := time.Since(began)
		if touched.IsZero() && waited > courtesy || !touched.IsZero() && h.Now().Sub(touched) > abandoned {
			return false, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// touch notes when a task was worked on; the zero time leaves it to others.
func (h *Holder) touch(ctx context.Context, task *Task, at time.Time) error {
	return h.Change(ctx, op, func(t sqlkit.Writer) error { return t.Exec(touchSQL, sqlkit.Bind(at, task.id)) })
}

// touched returns when a task was worked on; found is false once it is done.
func (h *Holder) touched(ctx context.Context, task *Task) (at time.Time, found bool, err error) {
	err = h.Read(ctx, op, func(c sqlkit.Reader) error {
		return c.Query(ctx, touchedSQL, sqlkit.Bind(task.id), func(r *sqlkit.Row) error {
			at, found = r.Time(), true
			return nil
		})
	})
	return at, found, err
}

// Resume runs the tasks that nobody works on: whoever did left them to us, was
// killed, or his patience ended.
func (h *Holder) Resume(ctx context.Context) error {
	var left []*Task
	now := h.Now()
	err := h.Read(ctx, op, func(c sqlkit.Reader) error {
		left = nil
		return c.Query(ctx, leftSQL, sqlkit.Bind(now.Add(-abandoned), now.Add(abandoned)), func(r *sqlkit.Row) error {
			task := Task{id: r.ID(), object: Object{Kind(r.Text()), r.Text()}}
			task.cause = audit.Event{Actor: r.Text(), Object: r.Text(), Text: r.Text()}
			left = append(left, &task)
			return nil
		})
	})
	for i := 0; err == nil && i < len(left); i++ {
		task := left[i]
		h.Logger.Info("the queue goes on to follow a change", "object", task.cause.Object, "actor", task.cause.Actor)
		if err = h.touch(ctx, task, h.Now()); err == nil {
			err = h.Run(ctx, task)
		}
	}
	return err
}

// Watch calls Resume now and then until ctx ends.
func (h *Holder) Watch(ctx context.Context) {
	tick := time.NewTicker(h.every)
	defer tick.Stop()
	for {
		if err := h.Resume(ctx); err != nil && ctx.Err() == nil {
			h.Logger.Warn("the queue could not follow a change yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
