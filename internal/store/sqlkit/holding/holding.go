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
	portion = 100
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

// Options is what a Holder works with. Base, Dialect and Count must be set.
type Options struct {
	Base    sqlkit.Base
	Dialect *sqlkit.Dialect
	// Count changes the totals, in a running transaction, by that many queued,
	// deferred and held deliveries.
	Count func(t sqlkit.Writer, queued, deferred, held int) error
	// LookEvery is how often Watch looks for tasks that others left; 0 means
	// 250 ms, with which a server takes what a command leaves to it.
	LookEvery time.Duration
	// Leave says that what takes long is left to the server, which is another
	// process.
	Leave bool
}

// Holder runs tasks. It is safe for concurrent use.
type Holder struct {
	sqlkit.Base
	count func(t sqlkit.Writer, queued, deferred, held int) error
	sql   Statements
	ids   mail.IDSource
	leave bool
	every time.Duration
}

// New returns a Holder.
func New(o Options) *Holder {
	if o.LookEvery <= 0 {
		o.LookEvery = lookEvery
	}
	return &Holder{Base: o.Base, count: o.Count, sql: StatementsOf(o.Dialect), leave: o.Leave, every: o.LookEvery}
}

// Begin notes, in the transaction of a change, that the queue has to follow it.
// cause is the event of that change. After the commit, Run does what is left.
func (h *Holder) Begin(t sqlkit.Writer, o Object, cause audit.Event) (*Task, error) {
	task := &Task{h.ids.New(), o, cause}
	return task, t.Exec(beginSQL, sqlkit.Bind(task.id, string(o.Kind), o.Name, h.Now(), cause.Actor, cause.Object, cause.Text))
}

// Run holds and releases what the task is about, in transactions of their own,
// then ends the task. What takes more than one is left to the server, where one
// runs, and waited for: two processes that write all the time keep each other
// waiting for the lock, while the server's writer takes the portions in with the
// mail. After an error, also when ctx ends, the task is left to Resume; nothing
// that it would hold leaves meanwhile.
func (h *Holder) Run(ctx context.Context, task *Task) error {
	first, last, err := h.bounds(ctx)
	if err != nil {
		return err
	}
	alone, begun := !h.leave, false
	var next, found []target
	for from := first; ; begun = true {
		found, from, err = h.more(ctx, task.object, found, from, last)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			break
		}
		if begun && !alone {
			done, err := h.handOver(ctx, task)
			if done || err != nil {
				return err
			}
			alone = true
		}
		next, found = cut(found)
		if err := h.settle(ctx, task, next); err != nil {
			return err
		}
	}
	return h.Change(ctx, op, func(t sqlkit.Writer) error { return t.Exec(endSQL, sqlkit.Bind(task.id)) })
}

// bounds returns the first and the last part; none where the last is lower.
func (h *Holder) bounds(ctx context.Context) (first, last int64, err error) {
	err = h.Read(ctx, op, func(c sqlkit.Reader) error {
		return c.Query(ctx, BoundsSQL, nil, func(r *sqlkit.Row) error {
			first, last = r.Int64(), r.Int64()
			return nil
		})
	})
	return first, last, err
}

// more returns found unless it is empty, else what the next stretch that has any
// target shows, beginning with part from. next is where to go on.
func (h *Holder) more(ctx context.Context, o Object, found []target, from, last int64) (_ []target, next int64, err error) {
	for len(found) == 0 && from <= last && err == nil {
		found, err = h.find(ctx, o, from, min(from+stretch-1, last))
		from += stretch
	}
	return found, from, err
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
