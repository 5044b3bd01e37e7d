// Package numbered keeps tables whose changes have numbers, so that whoever has their rows
// in memory asks for what changed since the last number seen, and misses nothing.
//
// Each change gets a number, one above the highest in the table, in a transaction that is
// alone with the table. A row has an id, the time at which it ends (ends, 0 for never), and
// the number of its latest change (change). The account generation stays as it is: such
// changes come often.
//
// Main types: Table.
package numbered

import (
	"context"
	"time"

	"countersign/internal/audit"
	"countersign/internal/store/sqlkit"
)

// Table is a table whose changes have numbers; T is a row of it. All fields but Tell are
// needed. Its methods are safe for concurrent use.
type Table[T any] struct {
	// Base has a Change that is alone with the table, and a Signal for it.
	Base sqlkit.Base
	// Name is the table's, and Columns are those that Scan takes.
	Name, Columns string
	Scan          func(*sqlkit.Row) T
	// Tell is a statement that lets other processes know of a change; "" where the engine
	// cannot.
	Tell string
}

// The statements, exported for the tests that read the plans of queries.

// SelectSQL reads rows; conditions may follow.
func (n *Table[T]) SelectSQL() string { return "SELECT " + n.Columns + " FROM " + n.Name }

// HoldingSQL finds those that hold.
func (n *Table[T]) HoldingSQL() string {
	return n.SelectSQL() + " WHERE ends = 0 OR ends > ? ORDER BY change, id"
}

// SinceSQL finds those that changed.
func (n *Table[T]) SinceSQL() string { return n.SelectSQL() + " WHERE change > ? ORDER BY change, id" }

// NumberSQL reads the highest number.
func (n *Table[T]) NumberSQL() string { return "SELECT coalesce(max(change), 0) FROM " + n.Name }

// endedSQL finds those that ended.
func (n *Table[T]) endedSQL() string {
	return "SELECT id FROM " + n.Name + " WHERE ends > 0 AND ends < ? AND change < ? ORDER BY ends LIMIT ?"
}

// PruneSQL removes those that ended.
func (n *Table[T]) PruneSQL() string {
	return "DELETE FROM " + n.Name + " WHERE id IN (" + n.endedSQL() + ")"
}

// PrunedSQL counts what PruneSQL would remove.
func (n *Table[T]) PrunedSQL() string { return "SELECT count(*) FROM (" + n.endedSQL() + ") x" }

// Change makes one change with its events, and lets all who follow know. do gets the
// number of the change.
func (n *Table[T]) Change(ctx context.Context, op string, events []audit.Event, do func(t sqlkit.Writer, number int64) error) error {
	err := n.Base.Change(ctx, op, func(t sqlkit.Writer) error {
		if err := n.Within(t, func(number int64) error { return do(t, number) }); err != nil {
			return err
		}
		return n.Base.Record(t, events)
	})
	n.Base.Signal.Raise() // also where it failed: the change may have been made
	return err
}

// Within makes a change in a transaction that is alone with the table already; whoever
// runs that raises the Signal when it has ended.
func (n *Table[T]) Within(t sqlkit.Writer, do func(number int64) error) error {
	number, _, err := t.Number(n.NumberSQL(), nil)
	if err == nil {
		err = do(number + 1)
	}
	if err == nil && n.Tell != "" {
		err = t.Exec(n.Tell, nil)
	}
	return err
}

// Find collects the rows that a query of a transaction finds: conditions, behind SelectSQL.
func (n *Table[T]) Find(t sqlkit.Writer, conditions string, args sqlkit.Values) (list []T, err error) {
	err = t.Query(n.SelectSQL()+conditions, args, func(r *sqlkit.Row) error {
		list = append(list, n.Scan(r))
		return nil
	})
	return list, err
}

// List collects the rows that a query finds, as Find does.
func (n *Table[T]) List(ctx context.Context, op, conditions string, args sqlkit.Values) (list []T, err error) {
	err = n.Base.Read(ctx, op, func(c sqlkit.Reader) error {
		list, err = sqlkit.All(ctx, c, n.SelectSQL()+conditions, args, n.Scan)
		return err
	})
	return list, err
}

// Since returns the rows whose latest change has a number above since, in the order of
// these, and the highest number; all that hold for a since of 0. Where nothing has changed
// it is one question, as that is asked all the time, for all tables together.
func (n *Table[T]) Since(ctx context.Context, op string, since uint64) (changed []T, number uint64, err error) {
	highest := func(c sqlkit.Reader) error {
		last, _, err := c.Number(ctx, n.NumberSQL(), nil)
		number, changed = uint64(last), nil
		return err
	}
	last, err := n.Base.Number(ctx, op, n.NumberSQL())
	if number = uint64(last); err != nil || number <= since {
		return nil, number, err
	}
	text, args := n.SinceSQL(), sqlkit.Bind(int64(since))
	if since == 0 {
		text, args = n.HoldingSQL(), sqlkit.Bind(n.Base.Now())
	}
	err = n.Base.Snapshot(ctx, op, func(c sqlkit.Reader) error {
		if err := highest(c); err != nil || number <= since {
			return err
		}
		found, err := sqlkit.All(ctx, c, text, args, n.Scan)
		changed = found
		return err
	})
	return changed, number, err
}

// Prune removes rows that ended before that time, at most limit of them, and says how many.
// That gets no number, as they held no more; the change with the highest number stays, so
// that the numbers never begin anew.
func (n *Table[T]) Prune(ctx context.Context, op string, before time.Time, limit int) (removed int, err error) {
	err = n.Base.Change(ctx, op, func(t sqlkit.Writer) error {
		removed = 0
		last, _, err := t.Number(n.NumberSQL(), nil)
		if err != nil {
			return err
		}
		args := sqlkit.Bind(before, last, limit)
		count, _, err := t.Number(n.PrunedSQL(), args)
		if err != nil || count == 0 {
			return err
		}
		removed = int(count)
		return t.Exec(n.PruneSQL(), args)
	})
	return removed, err
}
