package inspection

import (
	"context"
	"fmt"

	"countersign/internal/soundness"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/holding"
	"countersign/internal/store/sqlkit/waiting"
)

// Query finds what is wrong in one way.
type Query struct {
	Kind soundness.Kind
	// Text selects a text for each, which says where.
	Text string
}

// Tables looks at the tables. damaged says of an error that it comes of damaged
// data: then the rest is checked all the same.
func Tables(ctx context.Context, c sqlkit.Reader, d *sqlkit.Dialect, f *soundness.Findings, damaged func(error) bool) error {
	for _, q := range Queries(d) {
		if err := Run(ctx, c, q, f, damaged); err != nil {
			return err
		}
	}
	return tolerate(totals(ctx, c, d, f), "the totals", f, damaged)
}

// Run runs one query and notes what it finds.
func Run(ctx context.Context, c sqlkit.Reader, q Query, f *soundness.Findings, damaged func(error) bool) error {
	err := c.Query(ctx, q.Text, nil, func(r *sqlkit.Row) error {
		f.Add(q.Kind, r.Text())
		return nil
	})
	return tolerate(err, "what would be "+string(q.Kind), f, damaged)
}

// tolerate notes an error that comes of damaged data, and returns any other.
func tolerate(err error, what string, f *soundness.Findings, damaged func(error) bool) error {
	if err != nil && damaged(err) {
		f.Add(soundness.Unread, fmt.Sprintf("%s: %v", what, err))
		return nil
	}
	return err
}

// Queries returns the queries of Tables. Each walks one table and looks others up by
// their keys, or compares two sorted lists.
func Queries(d *sqlkit.Dialect) []Query {
	list := []Query{
		{soundness.NoSubmission, `SELECT d.submission || '/' || CAST(d.n AS text) FROM delivery d
    WHERE NOT EXISTS (SELECT 1 FROM submission s WHERE s.id = d.submission)`},
		// What is due is looked for by the number.
		{soundness.OtherNumber, `SELECT d.submission || '/' || CAST(d.n AS text) FROM delivery d
    JOIN submission s ON s.id = d.submission WHERE s.content <> d.content`},
		{soundness.NoDelivery, `SELECT s.id FROM submission s WHERE NOT EXISTS (SELECT 1 FROM delivery d WHERE d.submission = s.id)`},
		{soundness.NoContent, `SELECT s.id FROM submission s WHERE NOT EXISTS (SELECT 1 FROM content c WHERE c.id = s.content)`},
		{soundness.UnusedContent, `SELECT 'content ' || CAST(x.id AS text) FROM (SELECT id FROM content EXCEPT SELECT content FROM submission) x`},
		{soundness.UnusedReliance, `SELECT r.submission || ' on ' || r.domain FROM relied r WHERE NOT EXISTS (SELECT 1 FROM submission s WHERE s.id = r.submission)`},
		{soundness.OwnAddress, `SELECT 'account ' || a.login FROM account a
    WHERE NOT EXISTS (SELECT 1 FROM account_address x WHERE x.key = a.login AND x.login = a.login AND x.position = 0 AND x.address = a.address)`},
		// Not while mail still follows a change, nor what an operator released.
		{soundness.Unheld, `SELECT s.id || '/' || CAST(d.n AS text) FROM submission s JOIN delivery d ON d.submission = s.id
    WHERE d.state < 3 AND NOT ` + holding.Proven(d) + `
    AND NOT EXISTS (SELECT 1 FROM following) AND NOT EXISTS (SELECT 1 FROM event e
        WHERE e.submission = s.id AND e.submission <> '' AND e.delivery = d.n AND e.kind = 'delivery.released' AND e.reason <> 'suspended')`},
		{soundness.SharedSubject, `SELECT kind || ' ' || subject || ' of ' || min(login) || ' and ' || max(login) FROM credential
    WHERE subject <> '' GROUP BY kind, subject HAVING count(*) > 1`},
		{soundness.UnusedUse, `SELECT 'use of ' || u.credential || ' by ' || u.login FROM credential_use u
    WHERE NOT EXISTS (SELECT 1 FROM credential k WHERE k.id = u.credential AND k.login = u.login)`},
	}
	list = append(list, ofNothing()...)
	for _, r := range []struct{ table, row, column, other, key string }{
		{"customer", "name", "plan", "plan", "name"},
		{"domain", "name", "customer", "customer", "name"},
		{"domain_key", "selector", "domain", "domain", "name"},
		{"account", "login", "domain", "domain", "name"},
		{"account", "login", "plan", "plan", "name"},
		{"account_address", "key", "login", "account", "login"},
		{"account_grant", "login", "login", "account", "login"},
		{"credential", "name", "login", "account", "login"},
		{"credential_use", "credential", "login", "account", "login"},
	} {
		list = append(list, Query{soundness.UnknownObject, fmt.Sprintf(`SELECT '%[1]s ' || x.%[2]s || ' names %[4]s ' || x.%[3]s FROM %[1]s x
    WHERE x.%[3]s IS NOT NULL AND NOT EXISTS (SELECT 1 FROM %[4]s o WHERE o.%[5]s = x.%[3]s)`, r.table, r.row, r.column, r.other, r.key)})
	}
	// A local part with an "@" in it is passed over: where its domain begins is
	// not for SQL to say.
	foreign := func(what, table, text, domain, condition string) Query {
		return Query{soundness.ForeignAddress, fmt.Sprintf(`SELECT 'account ' || a.login || ', %s ' || %s FROM %s x
    JOIN account a ON a.login = x.login JOIN domain own ON own.name = a.domain
    WHERE %s AND %s(%s, '@') = 0 AND NOT EXISTS (SELECT 1 FROM domain o WHERE o.name = %s AND o.customer = own.customer)`,
			what, text, table, condition, d.Position, domain, domain)}
	}
	behind := func(column string) string {
		return "substr(" + column + ", " + d.Position + "(" + column + ", '@') + 1)"
	}
	return append(list,
		foreign("alias", "account_address", "x.address", behind("x.key"), "x.position > 0"),
		foreign("grant for", "account_grant", "x.address", behind("x.address"), "x.address <> ''"),
		foreign("grant for all of", "account_grant", "x.domain", "x.domain", "x.address = '' AND x.target = ''"),
		foreign("grant for", "account_grant", "x.target", "x.under", "x.target <> '' AND x.across = 0"))
}

// countStatesSQL counts what the totals should be.
const countStatesSQL = "SELECT state, count(*) FROM delivery GROUP BY state"

// totals compares the totals with what is counted.
func totals(ctx context.Context, c sqlkit.Reader, d *sqlkit.Dialect, f *soundness.Findings) error {
	var kept, counted [waiting.States]int64
	err := c.Query(ctx, d.Totals, nil, func(r *sqlkit.Row) error {
		kept[waiting.Queued], kept[waiting.Deferred], kept[waiting.Held] = r.Int64(), r.Int64(), r.Int64()
		return nil
	})
	if err != nil {
		return err
	}
	err = c.Query(ctx, countStatesSQL, nil, func(r *sqlkit.Row) error {
		state, n := r.Int64(), r.Int64()
		f.Deliveries += n
		if state <= 0 || state >= int64(len(counted)) {
			f.Add(soundness.Totals, fmt.Sprintf("%d deliveries in the unknown state %d", n, state))
			return nil
		}
		counted[state] = n
		return nil
	})
	if err != nil {
		return err
	}
	for _, state := range []struct {
		n    int
		name string
	}{{waiting.Queued, "queued"}, {waiting.Deferred, "deferred"}, {waiting.Held, "held"}} {
		if kept[state.n] != counted[state.n] {
			f.Add(soundness.Totals, fmt.Sprintf("%s: %d wait, the total says %d", state.name, counted[state.n], kept[state.n]))
		}
	}
	return nil
}

// ofNothing finds the limits and the entries of access lists without an end that are for what
// there is not. One with an end goes by itself.
func ofNothing() (list []Query) {
	for _, r := range []struct{ kind, table, key string }{
		{"credential", "credential", "id"}, {"account", "account", "login"}, {"domain", "domain", "name"}, {"customer", "customer", "name"}, {"plan", "plan", "name"},
	} {
		list = append(list, Query{soundness.LimitOfNothing, fmt.Sprintf(`SELECT r.id || ' for ' || r.kind || ' ' || r.name FROM limit_rule r
    WHERE r.kind = '%s' AND r.ends = 0 AND r.name <> '*' AND NOT EXISTS (SELECT 1 FROM %s o WHERE o.%s = r.name)`, r.kind, r.table, r.key)})
		list = append(list, Query{soundness.EntryOfNothing, fmt.Sprintf(`SELECT e.id || ' for ' || e.kind || ' ' || e.name FROM access_entry e
    WHERE e.kind = '%s' AND e.ends = 0 AND NOT EXISTS (SELECT 1 FROM %s o WHERE o.%s = e.name)`, r.kind, r.table, r.key)})
	}
	return list
}
