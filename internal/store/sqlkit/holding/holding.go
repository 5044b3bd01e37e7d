package holding

import (
	"context"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit"
)

const op = "queue.follow"

const (
	// stretch is how many parts of the indexes, of at most 512 submissions
	// each, are looked through at once.
	stretch = 64
	// portion is how many deliveries one transaction holds or releases, unless
	// one submission alone has more: a few milliseconds of the writer's time.
	portion = 250
	// abandoned is how long nobody has worked on a task before it is taken
	// over. Two who do work on one only waste their time.
	abandoned = 15 * time.Second
)

// Kind is what kind of object has changed.
type Kind string

// The kinds, named as in the record.
const (
	Account  Kind = "account"
	Domain   Kind = "domain"
	Customer Kind = "customer"
	Plan     Kind = "plan"
)

// Object is what has changed, in the sense of package account.
type Object struct {
	Kind Kind
	// Name is the key; of an account, its login.
	Name string
}

// domain is that of an account's login.
func (o Object) domain() mail.Domain { return sqlkit.SplitAddress(o.Name).Domain }

// Task is a change that the queue has still to follow.
type Task struct {
	id     mail.ID
	object Object
	// cause is the event of the change; its actor, object and text go into
	// the events of the deliveries.
	cause audit.Event
}

// Options is what a Holder works with. All fields must be set.
type Options struct {
	Base    sqlkit.Base
	Dialect *sqlkit.Dialect
	// Count changes the totals, in a running transaction, by that many queued,
	// deferred and held deliveries.
	Count func(t sqlkit.Writer, queued, deferred, held int) error
}

// Holder runs tasks. It is safe for concurrent use.
type Holder struct {
	sqlkit.Base
	count func(t sqlkit.Writer, queued, deferred, held int) error
	sql   Statements
	ids   mail.IDSource
}

// New returns a Holder.
func New(o Options) *Holder {
	return &Holder{Base: o.Base, count: o.Count, sql: StatementsOf(o.Dialect)}
}

// Begin notes, in the transaction of a change, that the queue has to follow it.
// cause is the event of that change. After the commit, Run does what is left.
func (h *Holder) Begin(t sqlkit.Writer, o Object, cause audit.Event) (*Task, error) {
	task := &Task{h.ids.New(), o, cause}
	return task, t.Exec(beginSQL, sqlkit.Bind(task.id, string(o.Kind), o.Name, h.Now(), cause.Actor, cause.Object, cause.Text))
}

// Run holds and releases what the task is about, in transactions of their own,
// then ends the task. After an error, also when ctx ends, the task is left to
// Resume; nothing that it would hold leaves meanwhile.
func (h *Holder) Run(ctx context.Context, task *Task) error {
	var first, last int64
	err := h.Read(ctx, op, func(c sqlkit.Reader) error {
		return c.Query(ctx, BoundsSQL, nil, func(r *sqlkit.Row) error {
			first, last = r.Int64(), r.Int64()
			return nil
		})
	})
	if err != nil {
		return err
	}
	for from := first; from <= last; from += stretch {
		found, err := h.find(ctx, task.object, from, min(from+stretch-1, last))
		if err != nil {
			return err
		}
		for len(found) > 0 {
			var next []target
			next, found = cut(found)
			if err := h.settle(ctx, task, next); err != nil {
				return err
			}
		}
	}
	return h.Change(ctx, op, func(t sqlkit.Writer) error { return t.Exec(endSQL, sqlkit.Bind(task.id)) })
}

// Resume runs the tasks that nobody works on: whoever did was killed, or his
// patience ended.
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
		h.Logger.Info("the queue goes on to follow a change", "object", left[i].cause.Object, "actor", left[i].cause.Actor)
		err = h.Run(ctx, left[i])
	}
	return err
}

// Watch calls Resume now and then until ctx ends.
func (h *Holder) Watch(ctx context.Context) {
	tick := time.NewTicker(abandoned / 3)
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

// target is a submission with deliveries that stand as they should not.
type target struct {
	id mail.ID
	n  int // how many
}

// find looks for targets in a range of parts, without holding up the writer.
func (h *Holder) find(ctx context.Context, o Object, from, to int64) (found []target, err error) {
	text, args, err := o.query(&h.sql)
	if err != nil {
		return nil, err
	}
	err = h.Read(ctx, op, func(c sqlkit.Reader) error {
		found = nil
		return c.Query(ctx, text, sqlkit.Bind(append([]any{from, to}, args...)...), func(r *sqlkit.Row) error {
			if t := (target{r.ID(), r.Int()}); t.n > 0 {
				found = append(found, t)
			}
			return nil
		})
	})
	return found, err
}

// cut takes a portion off the front.
func cut(found []target) (next, rest []target) {
	total := 0
	for i, t := range found {
		total += t.n
		if i > 0 && total > portion {
			return found[:i], found[i:]
		}
	}
	return found, nil
}
