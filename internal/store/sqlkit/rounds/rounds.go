// Package rounds keeps what is known of the looks at domains: it is rounds.Store of package policy in
// the SQL that the engines share.
//
// There is a row for each domain that was ever looked at, which goes with the domain.
//
// Main types: Watchlist.
package rounds

import (
	"context"
	"strings"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/policy/rounds"
	"countersign/internal/store/sqlkit"
)

// Watchlist implements rounds.Store. It is safe for concurrent use.
type Watchlist struct{ base sqlkit.Base }

// New returns the looks of a database. b has a Change that need not keep anybody else out.
func New(b sqlkit.Base) *Watchlist { return &Watchlist{b} }

const columns = "SELECT domain, node, taken, looked, verdict, failing, slow, policy, reason FROM domain_look"

// Statements; those that are exported are for the test that reads the plans of queries.
const (
	// TakeSQL takes a domain in hand that there is, if it is due and in nobody's hand.
	TakeSQL = `INSERT INTO domain_look (domain, node, taken, looked, verdict, failing, slow) SELECT name, ?, ?, 0, '', 0, 0 FROM domain WHERE name = ?
    ON CONFLICT (domain) DO UPDATE SET node = excluded.node, taken = excluded.taken WHERE domain_look.looked < ? AND domain_look.taken < ?`
	// TakenSQL finds one that was taken in that name at that time.
	TakenSQL = columns + " WHERE domain = ? AND node = ? AND taken = ?"

	// CustomerSQL finds those of a customer's domains.
	CustomerSQL = columns + " WHERE domain IN (SELECT name FROM domain WHERE customer = ?) ORDER BY domain"

	allSQL  = columns + " ORDER BY domain"
	keepSQL = "UPDATE domain_look SET taken = 0, looked = ?, verdict = ?, failing = ?, slow = ?, policy = ?, reason = ? WHERE domain = ?"
)

// OfSQL finds those of n domains. It is exported as the statements above are.
func OfSQL(n int) string {
	return columns + " WHERE domain IN (" + strings.TrimSuffix(strings.Repeat("?, ", n), ", ") + ")"
}

// TakeLooks implements rounds.Store.
func (w *Watchlist) TakeLooks(ctx context.Context, domains []mail.Domain, t rounds.Turn) (list []rounds.Look, err error) {
	if err := rounds.CheckTurn(domains, t); err != nil {
		return nil, err
	}
	err = w.base.Change(ctx, "rounds.take", func(tx sqlkit.Writer) error {
		list = nil
		for _, name := range domains {
			had, err := find(tx, sqlkit.Bind(name, t.Node, t.At))
			if err != nil || len(had) > 0 { // at this very time, so that what follows would not tell
				return err
			}
			if err := tx.Exec(TakeSQL, sqlkit.Bind(t.Node, t.At, name, t.Due, t.Lapsed)); err != nil {
				return err
			}
			got, err := find(tx, sqlkit.Bind(name, t.Node, t.At))
			if err != nil {
				return err
			}
			list = append(list, got...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// find runs TakenSQL.
func find(tx sqlkit.Writer, args sqlkit.Values) (list []rounds.Look, err error) {
	err = tx.Query(TakenSQL, args, func(r *sqlkit.Row) error {
		list = append(list, scan(r))
		return nil
	})
	return list, err
}

// KeepLook implements rounds.Store.
func (w *Watchlist) KeepLook(ctx context.Context, l rounds.Look, events ...audit.Event) error {
	const op = "rounds.keep"
	if err := rounds.CheckLook(l); err != nil {
		return err
	}
	return w.base.Change(ctx, op, func(tx sqlkit.Writer) error {
		had, err := find(tx, sqlkit.Bind(l.Domain, l.Node, l.Taken))
		if err != nil {
			return err
		}
		if len(had) == 0 {
			return fault.New(op, fault.Conflict, "node %q does not have domain %s in hand any more", l.Node, l.Domain)
		}
		if err := tx.Exec(keepSQL, sqlkit.Bind(l.At, l.Verdict, l.Failing, l.Slow, l.Policy, l.Reason, l.Domain)); err != nil {
			return err
		}
		return w.base.Record(tx, events)
	})
}

// AllLooks implements rounds.Reader.
func (w *Watchlist) AllLooks(ctx context.Context, customer string) (list []rounds.Look, err error) {
	query, args := allSQL, sqlkit.Values(nil)
	if customer != "" {
		query, args = CustomerSQL, sqlkit.Bind(customer)
	}
	return w.list(ctx, "rounds.list", query, args)
}

// LookAt implements rounds.Reader.
func (w *Watchlist) LookAt(ctx context.Context, domain mail.Domain) (rounds.Look, error) {
	list, err := w.LooksAt(ctx, []mail.Domain{domain})
	if err != nil {
		return rounds.Look{Domain: domain}, err
	}
	return list[0], nil
}

// LooksAt implements rounds.Reader.
func (w *Watchlist) LooksAt(ctx context.Context, domains []mail.Domain) ([]rounds.Look, error) {
	if err := rounds.CheckAsked(domains); err != nil || len(domains) == 0 {
		return nil, err
	}
	names, kept := make([]any, len(domains)), make(map[mail.Domain]rounds.Look, len(domains))
	for i, name := range domains {
		names[i] = name
	}
	found, err := w.list(ctx, "rounds.find", OfSQL(len(names)), sqlkit.Bind(names...))
	if err != nil {
		return nil, err
	}
	for _, l := range found {
		kept[l.Domain] = l
	}
	list := make([]rounds.Look, len(domains))
	for i, name := range domains {
		list[i] = kept[name]
		list[i].Domain = name
	}
	return list, nil
}

func (w *Watchlist) list(ctx context.Context, op, query string, args sqlkit.Values) (list []rounds.Look, err error) {
	err = w.base.Read(ctx, op, func(c sqlkit.Reader) error {
		list, err = sqlkit.All(ctx, c, query, args, scan)
		return err
	})
	return list, err
}

func scan(r *sqlkit.Row) rounds.Look {
	return rounds.Look{
		Domain: r.Domain(), Node: r.Text(), Taken: r.Time(), At: r.Time(), Verdict: r.Text(), Failing: r.Bool(), Slow: r.Bool(),
		Policy: r.Text(), Reason: r.Text(),
	}
}
