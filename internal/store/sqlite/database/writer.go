package database

import (
	"context"
	"errors"
	"log/slog"

	"countersign/internal/fault"
	"countersign/internal/store/sqlkit/group"
)

// change is what one caller asks of the writer.
type change[B any] struct {
	// run makes the change. It may be called again after a rollback, so it
	// sets its results anew each time.
	run func(*Tx, *B) error
	err error
}

// writer owns the connection that writes. Callers queue their changes; one
// goroutine runs all that wait in one transaction and answers after its
// commit. A change that fails takes back what it did and leaves the others.
type writer[B any] struct {
	open func() (*Conn, error)
	// flush ends a transaction: it stores what the book has gathered.
	flush   func(*Tx, *B) error
	log     *slog.Logger
	changes *group.Queue[*change[B]]

	// c is nil after a failure that made the connection suspect, until it is
	// opened again. Only the queue's goroutine uses it, and failing.
	c *Conn
	// failing says that the last commit failed and was logged.
	failing bool
}

func newWriter[B any](open func() (*Conn, error), flush func(*Tx, *B) error, log *slog.Logger) (*writer[B], error) {
	c, err := open()
	if err != nil {
		return nil, err
	}
	w := &writer[B]{open: open, flush: flush, log: log, c: c}
	w.changes = group.Start(w.commit, nil)
	return w, nil
}

// do runs a change and returns when it is durable or has failed, as group.Queue.Do
// says.
func (w *writer[B]) do(ctx context.Context, run func(*Tx, *B) error) error {
	c := &change[B]{run: run}
	err := w.changes.Do(ctx, c)
	if errors.Is(err, group.ErrClosed) {
		return errClosed()
	}
	if err != nil {
		return err
	}
	return c.err
}

// close lets the writer finish what is queued, then ends it.
func (w *writer[B]) close() error {
	w.changes.Close()
	if w.c == nil {
		return nil
	}
	err := w.c.close()
	w.c = nil
	return err
}

// errRedo says that a change failed after it had written, and must be undone
// to a savepoint that was not set.
var errRedo = errors.New("a change has to be undone")

// commit runs a batch; each change has its result then. Savepoints cost, and a
// change rarely fails after it has written, so the first attempt goes without.
func (w *writer[B]) commit(batch []*change[B]) {
	err := w.attempt(batch, false)
	if errors.Is(err, errRedo) {
		err = w.attempt(batch, true)
	}
	w.note(err, len(batch))
	if err == nil || len(batch) == 1 || kindOf(err) != fault.Full {
		fail(batch, err)
		return
	}
	// One that needs less room, or makes some, may still pass.
	for i := range batch {
		fail(batch[i:i+1], w.attempt(batch[i:i+1], false))
	}
}

// note logs when commits begin to fail and when they pass again.
func (w *writer[B]) note(err error, changes int) {
	switch {
	case err != nil && !w.failing:
		w.log.Error("changes could not be stored", "changes", changes, "error", err)
	case err == nil && w.failing:
		w.log.Info("changes are stored again")
	}
	w.failing = err != nil
}

// fail gives err, where it is not nil, to all changes of a batch.
func fail[B any](batch []*change[B], err error) {
	for _, c := range batch {
		if err != nil {
			c.err = err
		}
	}
}

// attempt runs a batch in one transaction. A nil result means that all changes
// whose err is nil are durable; any other, that nothing is.
func (w *writer[B]) attempt(batch []*change[B], guarded bool) error {
	if w.c == nil {
		c, err := w.open()
		if err != nil {
			return err
		}
		w.c = c
	}
	if _, err := w.c.exec("BEGIN IMMEDIATE", nil); err != nil {
		w.rollback(err)
		return err
	}
	t, book := &Tx{c: w.c}, new(B)
	err := runAll(t, book, batch, guarded)
	if err == nil {
		err = w.flush(t, book)
	}
	if err == nil {
		_, err = w.c.exec("COMMIT", nil)
	}
	if err != nil {
		w.rollback(err)
	}
	return err
}

// rollback ends a transaction that failed with err. SQLite may have ended it
// already, so its own failure means nothing. After anything but a lack of room
// or a lock the connection itself is suspect: it is opened anew.
func (w *writer[B]) rollback(err error) {
	_, _ = w.c.exec("ROLLBACK", nil) // there may be none any more
	switch kindOf(err) {
	case fault.Full, fault.Busy:
		return
	}
	if sqliteCode(err) == 0 {
		return
	}
	if err := w.c.close(); err != nil {
		w.log.Warn("closing a failed connection", "error", err)
	}
	w.c = nil
}

// runAll runs the changes of a batch, each with its own result. An error means
// that the transaction has to be rolled back.
func runAll[B any](t *Tx, book *B, batch []*change[B], guarded bool) error {
	for _, c := range batch {
		before := *book
		t.wrote = false
		if guarded {
			if _, err := t.c.exec("SAVEPOINT change", nil); err != nil {
				return err
			}
		}
		c.err = c.run(t, book)
		if c.err != nil {
			if breaksTransaction(c.err) {
				return c.err
			}
			if t.wrote && !guarded {
				return errRedo
			}
			*book = before
		}
		if !guarded {
			continue
		}
		if err := t.endSavepoint(c.err != nil); err != nil {
			return err
		}
	}
	return nil
}

// Tx is the running transaction, as changes see it. It is valid only while the
// change runs.
type Tx struct {
	c *Conn
	// wrote says that the running change has written something.
	wrote bool
}

func (t *Tx) endSavepoint(undo bool) error {
	if undo {
		if _, err := t.c.exec("ROLLBACK TO change", nil); err != nil {
			return err
		}
	}
	_, err := t.c.exec("RELEASE change", nil)
	return err
}

// Exec runs a statement that writes and returns no rows. One that fails has
// changed nothing.
func (t *Tx) Exec(text string, args Values) error {
	_, err := t.c.exec(text, args)
	t.wrote = t.wrote || err == nil
	return err
}

// Query reads within the transaction.
func (t *Tx) Query(text string, args Values, each func(*Row) error) error {
	return t.c.Query(context.Background(), text, args, each)
}

// Number reads one integer; found is false without a row.
func (t *Tx) Number(text string, args Values) (n int64, found bool, err error) {
	return t.c.Number(context.Background(), text, args)
}

// Exists reports whether a query has a row, whose first column is an integer.
func (t *Tx) Exists(text string, args Values) (bool, error) {
	_, found, err := t.Number(text, args)
	return found, err
}
