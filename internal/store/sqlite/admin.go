package sqlite

import (
	"context"
	"maps"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlite/database"
)

// adminBatch is how many deliveries one transaction of an administrative
// change treats, so that mail flows in between.
const adminBatch = 500

// withParts lists the parts of the index submission_owner; see the schema.
const withParts = `WITH RECURSIVE part (n) AS (SELECT min(id) >> 9 FROM content
    UNION ALL SELECT n + 1 FROM part WHERE n < (SELECT max(id) >> 9 FROM content)) `

// fromParts selects by domain within each part.
const fromParts = "FROM part CROSS JOIN submission s ON s.content >> 9 = part.n AND s.domain <> '' AND s.domain = ?"

// selection is the beginning of a query for the deliveries d, with their
// submissions s, that a filter selects.
type selection struct {
	with  string // what comes before SELECT
	from  string
	where database.Where
}

// selected makes the selection of a filter. For one login, the index of owners
// leads; else the deliveries do, in their order.
func selected(f queue.Filter) selection {
	var w database.Where
	byLogin := f.Login != "" && f.Submission == ""
	// Stands in the FROM clause, so its argument is the first.
	w.Argue(byLogin, database.SplitAddress(f.Login).Domain)
	w.Add(f.Submission != "", "d.submission = ?", f.Submission)
	w.Add(f.Submission != "" && f.N != 0, "d.n = ?", f.N)
	w.Add(f.Destination != "", "d.destination = ?", f.Destination)
	w.Add(!f.To.IsNull(), "d.destination = ? AND lower(d.local) = lower(?)", f.To.Domain, f.To.Local)
	w.Add(f.State != "", "+d.state = ?", storedState(f.State))
	w.Add(f.After.Submission != "", "(d.submission, d.n) > (?, ?)", f.After.Submission, f.After.N)
	w.Add(f.Domain != "", "s.domain = ?", f.Domain)
	w.Add(f.Login != "", "s.login = ?", f.Login)
	if byLogin {
		return selection{withParts, " " + fromParts + " CROSS JOIN delivery d ON d.submission = s.id", w}
	}
	return selection{"", " FROM delivery d CROSS JOIN submission s ON s.id = d.submission", w}
}

// query makes a query of columns, at most limit rows in order.
func (s *selection) query(columns string, limit int) (string, values) {
	text := s.with + "SELECT " + columns + s.from + s.where.Text() + " ORDER BY d.submission, d.n LIMIT ?"
	return text, s.where.Bind(limit)
}

// listSQL makes the query of a listing of items.
func listSQL(f queue.Filter) (string, values) {
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	sel := selected(f)
	return sel.query(itemColumns, limit)
}

// List implements queue.AdminStore.
func (s *Store) List(ctx context.Context, f queue.Filter) ([]queue.Item, error) {
	text, args := listSQL(f)
	var found items
	err := s.db.Read(ctx, "queue.list", func(c *conn) error { return c.Query(ctx, text, args, found.scan) })
	return found.list, err
}

// step is what one administrative change does to each delivery that it
// applies to.
type step struct {
	// applies is a condition on the state of a delivery d.
	applies string
	// text changes one delivery; args come before its key.
	text string
	args []any
	// becomes returns the stored state that follows, 0 for none.
	becomes func(target) int
}

// Hold implements queue.AdminStore.
func (s *Store) Hold(ctx context.Context, f queue.Filter, reason string, e audit.Event) (int, error) {
	return s.administer(ctx, "queue.hold", f, e, step{
		applies: "+d.state < 3",
		text:    "UPDATE delivery SET state = 3, hold_reason = ? WHERE submission = ? AND n = ?",
		args:    []any{reason},
		becomes: func(target) int { return stateHeld },
	})
}

// Release implements queue.AdminStore.
func (s *Store) Release(ctx context.Context, f queue.Filter, e audit.Event) (int, error) {
	return s.administer(ctx, "queue.release", f, e, step{
		applies: "+d.state = 3",
		text:    "UPDATE delivery SET state = iif(attempts > 0, 2, 1), hold_reason = '', next = ? WHERE submission = ? AND n = ?",
		args:    []any{s.now()},
		becomes: func(d target) int {
			if d.tried {
				return stateDeferred
			}
			return stateQueued
		},
	})
}

// Retry implements queue.AdminStore.
func (s *Store) Retry(ctx context.Context, f queue.Filter, e audit.Event) (int, error) {
	return s.administer(ctx, "queue.retry", f, e, step{
		applies: "+d.state = 2",
		text:    "UPDATE delivery SET next = ? WHERE submission = ? AND n = ?",
		args:    []any{s.now()},
		becomes: func(target) int { return stateDeferred },
	})
}

// Drop implements queue.AdminStore.
func (s *Store) Drop(ctx context.Context, f queue.Filter, e audit.Event) (int, error) {
	return s.administer(ctx, "queue.drop", f, e, step{
		applies: "true",
		text:    deleteDeliverySQL,
		becomes: func(target) int { return 0 },
	})
}

// target is a delivery to change.
type target struct {
	submission mail.ID
	n          int
	login      string
	to         mail.Address
	state      int
	tried      bool
}

// administer applies a step to all deliveries that f selects and returns how
// many changed. They are looked for without holding up the writer, then
// changed in transactions of adminBatch each. Limit 0 sets no limit here.
// After an error, the number is that of what had changed before.
func (s *Store) administer(ctx context.Context, op string, f queue.Filter, e audit.Event, st step) (int, error) {
	limit, total := f.Limit, 0
	for {
		f.Limit = adminBatch
		if limit > 0 {
			f.Limit = min(limit-total, adminBatch)
		}
		found, err := s.targets(ctx, op, f, st)
		if err != nil || len(found) == 0 {
			return total, err
		}
		var changed int
		var finished []mail.ID
		err = s.change(ctx, op, func(t *tx) (err error) {
			changed, finished, err = t.applyStep(found, st, e)
			return err
		})
		if err != nil {
			return total, err
		}
		s.removeBodies(finished)
		total += changed
		if len(found) < f.Limit || limit > 0 && total >= limit {
			return total, nil
		}
		last := found[len(found)-1]
		f.After = queue.Position{Submission: last.submission, N: last.n}
	}
}

// targets finds what a step applies to, by submission and number.
func (s *Store) targets(ctx context.Context, op string, f queue.Filter, st step) (found []target, err error) {
	sel := selected(f)
	sel.where.Add(true, st.applies)
	text, args := sel.query("d.submission, d.n, s.login, d.local, d.destination", f.Limit)
	err = s.db.Read(ctx, op, func(c *conn) error {
		found, err = all(ctx, c, text, args, func(r *row) target {
			return target{submission: r.ID(), n: r.Int(), login: r.Text(), to: mail.Address{Local: r.Text(), Domain: r.Domain()}}
		})
		return err
	})
	return found, err
}

// applyStep changes the deliveries that still are as the step needs them. It
// returns how many, and the large bodies to remove after the commit.
func (t *tx) applyStep(found []target, st step, e audit.Event) (changed int, finished []mail.ID, err error) {
	for _, d := range found {
		key := bind(d.submission, d.n)
		applies := false
		err := t.Query("SELECT d.state, d.attempts > 0 FROM delivery d WHERE d.submission = ? AND d.n = ? AND "+st.applies, key, func(r *row) error {
			d.state, d.tried, applies = r.Int(), r.Bool(), true
			return nil
		})
		if err != nil {
			return 0, nil, err
		}
		if !applies {
			continue // delivered, dropped or held meanwhile
		}
		large, err := t.changeOne(d, st, e)
		if err != nil {
			return 0, nil, err
		}
		finished = append(finished, large...)
		changed++
	}
	return changed, finished, nil
}

// changeOne changes one delivery and stores its event.
func (t *tx) changeOne(d target, st step, e audit.Event) (finished []mail.ID, err error) {
	args := append(st.args[:len(st.args):len(st.args)], d.submission, d.n)
	if err := t.Exec(st.text, bind(args...)); err != nil {
		return nil, err
	}
	t.waiting[d.state]--
	if after := st.becomes(d); after != 0 {
		t.waiting[after]++
	} else if finished, err = t.finish(d.submission); err != nil {
		return nil, err
	}
	e.Submission, e.Delivery = d.submission, d.n
	e.Data = maps.Clone(e.Data)
	if e.Data == nil {
		e.Data = map[string]string{}
	}
	e.Data["to"] = d.to.String()
	if e.Login == "" {
		e.Login = d.login
	}
	events, err := bindEvents([]audit.Event{e})
	if err != nil {
		return nil, err
	}
	return finished, insertEvents(t, events)
}
