// Package copying is what the SQL engines share of being copied: the mark of a
// store into which another is being copied, which only that copy opens, the mark
// of one that was copied, which no gate serves from, and what a copy asks before
// it begins and counts when it ends.
//
// The order of the work is package transfer's, the tables are package tables'.
//
// Main functions: Refuse, Claim, Release; RefuseMoved, MarkMoved, Reopen.
package copying

import (
	"context"
	"errors"
	"strings"
	"time"

	"countersign/internal/fault"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/tables"
	"countersign/internal/store/transfer"
)

// mark is the row of a copy that is not finished.
type mark struct {
	from  transfer.Origin
	began time.Time
}

const markSQL = "SELECT source, born, began FROM unfinished_copy"

// scan takes the mark from a row of markSQL.
func (m *mark) scan(r *sqlkit.Row) error {
	*m = mark{transfer.Origin{Name: r.Text(), Born: r.Time()}, r.Time()}
	return r.Err()
}

// Refuse is fault.Conflict, under op, where a copy into the store is not
// finished.
func Refuse(ctx context.Context, c sqlkit.Reader, op string) error {
	var m mark
	err := c.Query(ctx, markSQL, nil, m.scan)
	if err == nil && m.from.Name != "" {
		err = fault.New(op, fault.Conflict, "a copy of %s into this store, begun %s, is not finished; "+
			"the same \"countersign store copy\" goes on with it, with --restart from the beginning", m.from.Name, m.began.Format(time.DateTime+"Z"))
	}
	return err
}

// Born returns when the schema of a store was made.
func Born(ctx context.Context, c sqlkit.Reader) (born time.Time, err error) {
	err = c.Query(ctx, "SELECT applied FROM schema_migration WHERE version = 1", nil, func(r *sqlkit.Row) error {
		born = r.Time()
		return r.Err()
	})
	return born, err
}

// Claim marks a store as one into which from is being copied, or finds that it
// is. It is fault.Conflict where there is anything in the store, or the
// unfinished copy of another. With anew the rows of any unfinished copy are
// removed by empty first.
func Claim(t sqlkit.Writer, from transfer.Origin, now time.Time, anew bool, empty func(sqlkit.Writer) error) (resumed bool, err error) {
	const op = "store.copy"
	var m mark
	if err := t.Query(markSQL, nil, m.scan); err != nil {
		return false, err
	}
	switch {
	case m.from.Name == "":
		err = refuseFilled(t, op)
	case anew:
		err = errors.Join(empty(t), Release(t))
	case m.from == from:
		return true, nil
	case m.from.Name == from.Name:
		err = fault.New(op, fault.Conflict, "the copy in the target is of another store that stood at %s; --restart removes what it has and begins anew", from.Name)
	default:
		err = fault.New(op, fault.Conflict, "in the target is an unfinished copy of another store, %s; name that by --from, or --restart to remove it and begin anew", m.from.Name)
	}
	if err != nil {
		return false, err
	}
	// What the schema itself has put there is carried too, and the copy is not what
	// the store was.
	for _, text := range []string{"DELETE FROM meta", "DELETE FROM moved_to"} {
		if err := t.Exec(text, nil); err != nil {
			return false, err
		}
	}
	return false, t.Exec("INSERT INTO unfinished_copy (source, born, began) VALUES (?, ?, ?)", sqlkit.Bind(from.Name, from.Born, now))
}

// refuseFilled refuses a store that has anything in it.
func refuseFilled(t sqlkit.Writer, op string) error {
	var filled []string
	for _, table := range tables.Carried() {
		if table.Name == "meta" {
			continue
		}
		found, err := t.Exists("SELECT 1 FROM "+table.Name+" LIMIT 1", nil)
		if err != nil {
			return err
		}
		if found {
			filled = append(filled, table.Name)
		}
	}
	if filled == nil {
		return nil
	}
	return fault.New(op, fault.Conflict, "the target is not empty: it has rows in %s; nothing was changed. Name an empty one by --to", strings.Join(filled, ", "))
}

// Empty removes all rows, those first that refer to others.
func Empty(t sqlkit.Writer) error {
	all := tables.Carried()
	for i := len(all) - 1; i >= 0; i-- {
		if err := t.Exec("DELETE FROM "+all[i].Name, nil); err != nil {
			return err
		}
	}
	return nil
}

// Totals counts the deliveries by state.
func Totals(t sqlkit.Writer) (queued, deferred, held int, err error) {
	const text = `SELECT count(CASE WHEN state = 1 THEN 1 END), count(CASE WHEN state = 2 THEN 1 END), count(CASE WHEN state = 3 THEN 1 END) FROM delivery`
	err = t.Query(text, nil, func(r *sqlkit.Row) error {
		queued, deferred, held = r.Int(), r.Int(), r.Int()
		return r.Err()
	})
	return queued, deferred, held, err
}

// Release takes the mark away.
func Release(t sqlkit.Writer) error { return t.Exec("DELETE FROM unfinished_copy", nil) }
