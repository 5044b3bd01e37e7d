package hot

import (
	"context"
	"errors"

	"countersign/internal/fault"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
)

// ErrFenced is in the chain of the error, of kind fault.Fenced, where the lease of
// the node is over: nothing may be stored under it any more.
var ErrFenced = errors.New("the lease of this node is over, or another process has it")

// ErrUnknown is in the chain of the error, of kind fault.Fenced, where nothing tells
// any more whether an operation was stored: another process has the node since. It
// must not be made again: it might be there twice.
var ErrUnknown = errors.New("it is not known whether it was stored")

// errAlone says that an operation failed after something of it was written: the
// transaction has to be rolled back, and each operation gets its own.
var errAlone = errors.New("an operation needs a transaction of its own")

// maxRepeats bounds how often a transaction is made again for others' sake.
const maxRepeats = 10

// surely runs a batch in one transaction, again where the server was away for a
// moment. A nil result means that all operations whose err is nil are durable;
// any other, that nothing is, or that it is not known.
func (w *Writer) surely(batch []*operation) error {
	var err error
	for range maxRepeats {
		err = w.opt.DB.Patiently(context.Background(), func() error { return w.once(batch) })
		if !server.Repeatable(err) && !errors.Is(err, errMade) {
			break
		}
	}
	if errors.Is(err, errMade) {
		err = fault.Wrap("postgres.commit", fault.Busy, err)
	}
	return err
}

// once runs a batch, and finds out what became of it where the connection broke
// at the commit.
func (w *Writer) once(batch []*operation) error {
	epoch, batch := w.under(batch)
	if len(batch) == 0 {
		return nil
	}
	w.batch++
	ctx, cancel := context.WithTimeout(context.Background(), w.opt.Timeout)
	defer cancel()
	t := &transaction{opt: &w.opt, number: w.batch, epoch: epoch, batch: batch, draw: w.draw, gates: &w.gates, kept: &w.kept}
	err := w.opt.DB.Session(ctx, t.run)
	if err != nil && server.Broken(err) && !errors.Is(err, errMade) {
		// After a crash the server may give numbers again that nothing used yet.
		w.next, w.last = 0, 0
	}
	if err != nil && t.committing && server.Broken(err) {
		err = w.resolve(t.epoch, err)
	}
	return err
}

// under returns the epoch under which a batch is stored, and what of it may be. The
// rest has its error: a process that has left stores nothing but events, as no row
// of a node keeps it from what is another's. What came under another epoch and had to
// wait is treated as made again: its deliveries may have become another node's.
func (w *Writer) under(batch []*operation) (epoch int64, allowed []*operation) {
	epoch = w.epoch.Load()
	for _, o := range batch {
		o.err = nil
		o.again = o.again || o.epoch != epoch
		if epoch == left && len(o.accepts)+len(o.outcomes) > 0 {
			o.err = nothingMore()
			continue
		}
		allowed = append(allowed, o)
	}
	return max(epoch, 0), allowed
}

// nothingMore is the answer to who has no lease.
func nothingMore() error {
	return &fault.Error{Op: "postgres.commit", Kind: fault.Fenced, Detail: "nothing is stored any more", Err: ErrFenced}
}

// draw gives the contents of a batch their numbers.
func (w *Writer) draw(s *server.Session, batch []*operation) error {
	for _, o := range batch {
		for _, a := range o.storable() {
			if w.next == w.last {
				if err := w.drawBlock(s); err != nil {
					return err
				}
			}
			a.SetNumber(w.next)
			w.next++
		}
	}
	return nil
}

// blockSize is how many numbers of content are drawn at once; see the schema.
const blockSize = 512

func (w *Writer) drawBlock(s *server.Session) error {
	var p server.Pipe
	p.Query("SELECT nextval('content_number')", nil, func(r *sqlkit.Row) error {
		w.next = r.Int64()
		w.last = w.next + blockSize
		return nil
	})
	return s.Send(&p)
}

// ownSQL finds the row of a node under an epoch. Whoever locks it waits for the
// end of a transaction under that epoch; and where the epoch is another by now,
// who changed it has done so.
const ownSQL = "SELECT 1 FROM node WHERE id = $1 AND epoch = $2"

// committedSQL finds a numbered transaction.
const committedSQL = "SELECT 1 FROM queue_total WHERE node = $1 AND epoch = $2 AND batch = $3"

// resolve finds out whether the last transaction, made under an epoch and ended
// with err, was committed: nil if so, and an error after which it can be made again
// if not. Where another process has become the node, it may have put the totals
// together, the transaction's number among them: then nothing tells (ErrUnknown).
//
// It must not become read-only. What we ended by a deadline of ours the driver
// cancels on the server too: a commit that waits for a synchronous standby ends
// then, and is seen by all although the standby may not have it; so it is where an
// administrator cancels that wait, of which the server only warns. As this
// transaction writes, its own commit waits for the standby, and so for all that was
// logged before it: what it has seen is then as durable as any other commit.
func (w *Writer) resolve(epoch int64, err error) error {
	unknown := &fault.Error{
		Op: "postgres.commit", Kind: fault.Unavailable, Err: err,
		Detail: "the connection to the database broke while changes were being stored; it is not known whether they were",
	}
	if epoch == 0 {
		return unknown
	}
	own, committed := false, false
	failed := w.opt.DB.Patiently(context.Background(), func() error {
		ctx, cancel := context.WithTimeout(context.Background(), w.opt.Timeout)
		defer cancel()
		own, committed = false, false
		return w.opt.DB.Session(ctx, func(s *server.Session) error {
			var p server.Pipe
			p.Exec("BEGIN")
			// Waits for the end of the other.
			p.Query(ownSQL+" FOR UPDATE", []any{w.opt.Node, epoch}, func(*sqlkit.Row) error {
				own = true
				return nil
			})
			p.Query(committedSQL, []any{w.opt.Node, epoch, w.batch}, func(*sqlkit.Row) error {
				committed = true
				return nil
			})
			p.Exec(TotalSQL, "", 0, 0, 0, 0, 0) // it has to write something; this is put together with the rest
			p.Exec("COMMIT")
			return s.Commit(&p)
		})
	})
	switch {
	case failed != nil:
		return unknown
	case committed:
		w.opt.Logger.Info("the connection to the database broke at a commit; it was made")
		return nil
	case !own:
		unknown.Kind, unknown.Err = fault.Fenced, errors.Join(ErrUnknown, ErrFenced, err)
		return unknown
	}
	w.opt.Logger.Info("the connection to the database broke at a commit; it was not made and is made again")
	return err
}
