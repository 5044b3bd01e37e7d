package numbered

import (
	"strings"
	"time"

	"countersign/internal/store/sqlkit"
	"countersign/internal/tenant"
)

// listOf is a list of n arguments.
func listOf(n int) string { return "(" + strings.TrimSuffix(strings.Repeat("?, ", n), ", ") + ")" }

// domainOf is the domain of a login in a column: what is behind its last "@". Indexes have it in these
// words (step 16 of the schema).
func domainOf(column string) string {
	return "substr(" + column + ", length(rtrim(" + column + ", replace(" + column + ", '@', ''))) + 1)"
}

// LoginOfSQL is the condition that the column login of a table, be it an account's or not, is in a
// domain of one of n customers; key are the columns that name a row. The index is of an expression, which
// is of no type in SQLite: it serves what is compared with one of none, as a name with nothing behind it.
func LoginOfSQL(table, key string, n int) string {
	rows := "(SELECT r." + strings.ReplaceAll(key, ", ", ", r.") + " FROM domain d CROSS JOIN " + table + " r WHERE d.customer IN " + listOf(n) +
		" AND r.login <> '' AND " + domainOf("r.login") + " = d.name || '' AND r.login LIKE '%@%')"
	return "(" + key + ") IN " + rows
}

// anything makes arguments of customers, so many times over.
func anything(customers []string, times int) (args []any) {
	for range times {
		for _, name := range customers {
			args = append(args, name)
		}
	}
	return args
}

// LoginOf adds LoginOfSQL, where there are customers.
func LoginOf(w *sqlkit.Where, table, key string, customers []string) {
	w.Add(len(customers) > 0, LoginOfSQL(table, key, len(customers)), anything(customers, 1)...)
}

// ofHolding is how many times OfSQL has its arguments, ofAll with those that have ended.
const (
	ofHolding = 4
	ofAll     = 5
)

// OfSQL finds the ids of the rows that are for n customers, their domains, and the accounts and
// credentials in these; with ended also of those that have ended for an account that is no more. What
// was for a credential that is no more is not found.
func (o *Owned[T]) OfSQL(n int, ended bool) string {
	of := " d.customer IN " + listOf(n)
	text := "SELECT r.id FROM " + o.Name + " r WHERE r.kind = 'customer' AND r.name IN " + listOf(n) +
		" UNION ALL SELECT r.id FROM domain d CROSS JOIN " + o.Name + " r WHERE r.kind = 'domain' AND r.name = d.name AND" + of +
		" UNION ALL SELECT r.id FROM domain d CROSS JOIN account a CROSS JOIN " + o.Name + " r WHERE a.domain = d.name AND r.kind = 'account' AND r.name = a.login AND" + of +
		" UNION ALL SELECT r.id FROM domain d CROSS JOIN account a CROSS JOIN credential k CROSS JOIN " + o.Name + " r WHERE a.domain = d.name AND k.login = a.login AND r.kind = 'credential' AND r.name = k.id AND" + of
	if ended { // by the index of those that have ended, and not by that of kinds
		text += " UNION ALL SELECT r.id FROM " + o.Name + " r CROSS JOIN domain d WHERE r.ends > 0 AND r.kind || '' = 'account' AND d.name = " + domainOf("r.name") + " AND" + of
	}
	return text
}

// of adds the condition that rows are customers', where there are any.
func (o *Owned[T]) of(w *sqlkit.Where, customers []string, ended bool) {
	times := ofHolding
	if ended {
		times = ofAll
	}
	w.Add(len(customers) > 0, "id IN ("+o.OfSQL(len(customers), ended)+")", anything(customers, times)...)
}

// Paged adds what a page wants to the conditions, and returns what stands behind them. Ended says
// that rows are wanted that have ended, too.
func (o *Owned[T]) Paged(w *sqlkit.Where, p tenant.Page, ended bool) (behind string, args sqlkit.Values) {
	o.of(w, p.Customers, ended)
	return Portion(w, p)
}

// Portion adds where a page begins to the conditions, and returns what stands behind them: its order
// and its limit; nothing of a page without a limit.
func Portion(w *sqlkit.Where, p tenant.Page) (behind string, args sqlkit.Values) {
	if p.Limit <= 0 {
		return "", w.Bind()
	}
	w.Add(p.After != "", "id > ?", p.After)
	return " ORDER BY id LIMIT ?", w.Bind(p.Limit)
}

// Growth is what a change makes of the rows that hold for some customers.
type Growth struct {
	// Bound is how many there may be of them; What names their kind, for people.
	Bound tenant.Bound
	What  string
	// At is when it happens, More how many come, Fewer how many of those that hold end with it.
	At          time.Time
	More, Fewer int
}

// Bounded refuses, as fault.Conflict, what would go over a bound; of adds to the conditions that rows
// are its customers'. What makes no more is not refused.
func (n *Table[T]) Bounded(t sqlkit.Writer, op string, g Growth, of func(*sqlkit.Where)) error {
	if !g.Bound.Binds() || g.More <= g.Fewer {
		return nil
	}
	var w sqlkit.Where
	of(&w)
	w.Add(true, "(ends = 0 OR ends > ?)", g.At)
	have, _, err := t.Number("SELECT count(*) FROM (SELECT 1 FROM "+n.Name+w.Text()+" LIMIT ?) x", w.Bind(g.Bound.Most+g.Fewer+1))
	if err != nil {
		return err
	}
	return g.Bound.Refusal(op, g.What, int(have)+g.More-g.Fewer)
}

// BoundedOf is Bounded for rows that are for something.
func (o *Owned[T]) BoundedOf(t sqlkit.Writer, op string, g Growth) error {
	return o.Bounded(t, op, g, func(w *sqlkit.Where) { o.of(w, g.Bound.Customers, false) })
}
