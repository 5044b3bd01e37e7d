package numbered

import (
	"strings"

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

// WhoseLoginSQL is the customer of the login of a row r, of what LoginOfSQL finds.
func WhoseLoginSQL() string {
	return "CASE WHEN r.login LIKE '%@%' THEN (SELECT d.customer FROM domain d WHERE d.name = " + domainOf("r.login") + ") END"
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

// WhoseSQL is the customer that a row r is for, of what OfSQL finds without those that have ended.
func (o *Owned[T]) WhoseSQL() string {
	return `CASE r.kind WHEN 'customer' THEN r.name
    WHEN 'domain' THEN (SELECT d.customer FROM domain d WHERE d.name = r.name)
    WHEN 'account' THEN (SELECT d.customer FROM account a JOIN domain d ON d.name = a.domain WHERE a.login = r.name)
    WHEN 'credential' THEN (SELECT d.customer FROM credential k JOIN account a ON a.login = k.login JOIN domain d ON d.name = a.domain WHERE k.id = r.name) END`
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
