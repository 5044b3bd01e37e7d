// Package counting keeps what limits count: one row for each subject, in the form of
// limit.Counter. A row is read, changed and written in the transaction that accepts a
// message, which is an engine's; the rest is here.
//
// Main types: Counts, Counted.
package counting

import (
	"context"
	"time"

	"countersign/internal/limit"
	"countersign/internal/store/sqlkit"
)

// Statements of counting.
const (
	// ReadSQL reads the counter of a subject.
	ReadSQL = "SELECT data FROM counter WHERE subject = ?"
	// WriteSQL stores it; the arguments are those of Written.
	WriteSQL = "INSERT INTO counter (subject, data, ends) VALUES (?, ?, ?) ON CONFLICT (subject) DO UPDATE SET data = excluded.data, ends = excluded.ends"
	// PruneSQL removes those of which no window sees anything, and of which that still is so
	// when nobody else is at them any more.
	PruneSQL = "DELETE FROM counter WHERE ends < ? AND subject IN (SELECT subject FROM counter WHERE ends < ? ORDER BY subject LIMIT ?)"
	// PrunedSQL counts what PruneSQL would remove.
	PrunedSQL = "SELECT count(*) FROM (SELECT subject FROM counter WHERE ends < ? ORDER BY subject LIMIT ?) x"
)

// day is to what the end of a counter is rounded up, so that the index of ends seldom changes.
const day = 24 * time.Hour

// Written returns the arguments of WriteSQL.
func Written(s limit.Subject, c *limit.Counter) sqlkit.Values {
	return sqlkit.Bind(s.String(), c.AppendBinary(nil), c.Ends().Truncate(day).Add(day))
}

// Counted are the counters that a transaction has read, and which of them it has changed.
// It is used by one goroutine.
type Counted struct {
	counters map[limit.Subject]*limit.Counter
	changed  map[limit.Subject]bool
}

// Have reports whether the counter of a subject was read.
func (c *Counted) Have(s limit.Subject) bool { return c.counters[s] != nil }

// Put takes what ReadSQL found, nothing for no row. Errors are fault.Corrupt.
func (c *Counted) Put(s limit.Subject, data []byte) error {
	counter, err := limit.Decode(data)
	if err != nil {
		return err
	}
	if c.counters == nil {
		c.counters, c.changed = map[limit.Subject]*limit.Counter{}, map[limit.Subject]bool{}
	}
	c.counters[s] = counter
	return nil
}

// Of returns the counter of a subject that was read.
func (c *Counted) Of(s limit.Subject) *limit.Counter { return c.counters[s] }

// Count counts what passed, and notes that it is to be written.
func (c *Counted) Count(q *limit.Question, d *limit.Decision) {
	limit.Count(q.Levels, q.Want, d)
	for i := range q.Levels {
		c.changed[q.Levels[i].Subject] = true
	}
}

// Rows returns the arguments of WriteSQL for all that were changed, in no order.
func (c *Counted) Rows() []sqlkit.Values {
	rows := make([]sqlkit.Values, 0, len(c.changed))
	for s := range c.changed {
		rows = append(rows, Written(s, c.counters[s]))
	}
	return rows
}

// Options are what Counts work with. All are needed.
type Options struct {
	// Base has a Change that need not keep anybody else out.
	Base sqlkit.Base
	// Clock returns the time by which messages are counted.
	Clock func(ctx context.Context, c sqlkit.Reader) (time.Time, error)
}

// Counts implements limit.Counts. It is safe for concurrent use.
type Counts struct{ opt Options }

// New returns the counters of a database.
func New(opt Options) *Counts { return &Counts{opt} }

// Counted implements limit.Counts.
func (k *Counts) Counted(ctx context.Context, subjects []limit.Subject) (list []*limit.Counter, at time.Time, err error) {
	err = k.opt.Base.Snapshot(ctx, "limit.counted", func(c sqlkit.Reader) error {
		if at, err = k.opt.Clock(ctx, c); err != nil {
			return err
		}
		list = make([]*limit.Counter, len(subjects))
		for i, s := range subjects {
			var data []byte
			err := c.Query(ctx, ReadSQL, sqlkit.Bind(s.String()), func(r *sqlkit.Row) error {
				data = append(data, r.Blob()...)
				return nil
			})
			if err != nil {
				return err
			}
			if list[i], err = limit.Decode(data); err != nil {
				return err
			}
		}
		return nil
	})
	return list, at, err
}

// PruneCounts implements limit.Counts.
func (k *Counts) PruneCounts(ctx context.Context, before time.Time, most int) (removed int, err error) {
	err = k.opt.Base.Change(ctx, "limit.prune", func(t sqlkit.Writer) error {
		n, _, err := t.Number(PrunedSQL, sqlkit.Bind(before, most))
		removed = int(n)
		if err != nil || n == 0 {
			return err
		}
		return t.Exec(PruneSQL, sqlkit.Bind(before, before, most))
	})
	return removed, err
}
