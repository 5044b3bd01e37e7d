package numbered

import (
	"context"
	"time"

	"countersign/internal/mail"
	"countersign/internal/store/sqlkit"
	"countersign/internal/tenant"
)

// Growth is what a change makes of the rows that hold for some customers.
type Growth struct {
	// Bound is how many there may be of them; What names their kind, for people.
	Bound tenant.Bound
	What  string
	// At is when it happens, More how many come, Fewer how many of those that hold end with it.
	At          time.Time
	More, Fewer int
}

// Whose says which rows of a table are some customers'.
type Whose struct {
	// Of adds the condition that rows are theirs; it may take long where they have much.
	Of func(w *sqlkit.Where, customers []string)
	// SQL is the customer of one row r, NULL for none.
	SQL string
}

// Whose says whose rows are that are for something.
func (o *Owned[T]) Whose() Whose {
	return Whose{Of: func(w *sqlkit.Where, customers []string) { o.of(w, customers, false) }, SQL: o.WhoseSQL()}
}

// Held is what held for some customers when the table had the change of a number. The zero value is of
// what nothing bounds.
type Held struct {
	number int64
	ids    map[mail.ID]bool
	// some says that there are more than ids has, and too many: none of them that ends makes room.
	some bool
}

// Held finds what holds for the customers of a bound, before the change that is to be Bounded: that may
// take long where they have many accounts, and nobody is to wait meanwhile who changes something. No more
// than one and moreThan rows above the bound are looked at, which is as many as the change can end.
func (n *Table[T]) Held(ctx context.Context, op string, g Growth, whose Whose, moreThan int) (held Held, err error) {
	if !g.Bound.Binds() {
		return Held{}, nil
	}
	var w sqlkit.Where
	whose.Of(&w, g.Bound.Customers)
	w.Add(true, "(ends = 0 OR ends > ?)", g.At)
	most := g.Bound.Most + moreThan + 1
	text, args := "SELECT id FROM "+n.Name+w.Text()+" LIMIT ?", w.Bind(most)
	err = n.Base.Snapshot(ctx, op, func(c sqlkit.Reader) error {
		held = Held{ids: map[mail.ID]bool{}}
		last, _, err := c.Number(ctx, n.NumberSQL(), nil)
		if err != nil {
			return err
		}
		held.number = last
		return c.Query(ctx, text, args, func(r *sqlkit.Row) error {
			held.ids[r.ID()] = true
			return nil
		})
	})
	held.some = len(held.ids) >= most
	return held, err
}

// ChangedSQL finds the rows that changed since, and whether each holds and is one of count customers.
func (n *Table[T]) ChangedSQL(whose Whose, count int) string {
	return "SELECT r.id, CASE WHEN (r.ends = 0 OR r.ends > ?) AND " + whose.SQL + " IN " + listOf(count) + " THEN 1 ELSE 0 END FROM " + n.Name + " r WHERE r.change > ?"
}

// Bounded refuses, as fault.Conflict, what would go over a bound, of the rows that held before and what
// changed since. It runs in the transaction of the change, which is alone with the table, so that of
// changes at once none goes over the bound. What makes no more is not refused.
func (n *Table[T]) Bounded(t sqlkit.Writer, op string, g Growth, whose Whose, held Held) error {
	if !g.Bound.Binds() || g.More <= g.Fewer {
		return nil
	}
	args := append(append([]any{g.At}, anything(g.Bound.Customers, 1)...), held.number)
	have := len(held.ids)
	err := t.Query(n.ChangedSQL(whose, len(g.Bound.Customers)), sqlkit.Bind(args...), func(r *sqlkit.Row) error {
		if held.ids[r.ID()] && !held.some {
			have--
		}
		have += r.Int()
		return nil
	})
	if err != nil {
		return err
	}
	return g.Bound.Refusal(op, g.What, have+g.More-g.Fewer)
}
