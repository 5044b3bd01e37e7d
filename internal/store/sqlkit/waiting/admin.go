package waiting

import (
	"context"
	"encoding/json"
	"maps"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/holding"
)

// adminBatch is how many deliveries one transaction of an administrative
// change treats, so that mail flows in between.
const adminBatch = 500

// selection is the beginning of a query for the deliveries d, with their
// submissions s, that a filter selects.
type selection struct {
	with  string // what comes before SELECT
	from  string
	where sqlkit.Where
}

// selected makes the selection of a filter. For one login, the index of owners
// leads; else the deliveries do, in their order.
func selected(d *sqlkit.Dialect, f queue.Filter) selection {
	var w sqlkit.Where
	byLogin := f.Login != "" && f.Submission == ""
	// Stands in the FROM clause, so its argument is the first.
	w.Argue(byLogin, sqlkit.SplitAddress(f.Login).Domain)
	w.Add(f.Submission != "", "d.submission = ?", f.Submission)
	w.Add(f.Submission != "" && f.N != 0, "d.n = ?", f.N)
	w.Add(f.Destination != "", "d.destination = ?", f.Destination)
	w.Add(!f.To.IsNull(), "d.destination = ? AND lower(d.local) = lower(?)", f.To.Domain, f.To.Local)
	w.Add(f.State != "", d.Aside+"d.state = ?", StoredState(f.State))
	w.Add(f.Why != "", "d.hold_reason = ?", f.Why)
	w.Add(f.Standing != "", standing(f.Standing))
	w.Add(f.After.Submission != "", "(d.submission, d.n) > (?, ?)", f.After.Submission, f.After.N)
	w.Add(f.Domain != "", "s.domain = ?", f.Domain)
	w.Add(f.Login != "", "s.login = ?", f.Login)
	w.Add(f.Credential != "", "s.credential = ?", f.Credential)
	w.Add(f.CredentialKind != "", "EXISTS (SELECT 1 FROM credential y WHERE y.id = s.credential AND y.kind = ?)", f.CredentialKind)
	if byLogin {
		return selection{d.AllParts, " " + d.Owned + d.Cross + "delivery d ON d.submission = s.id", w}
	}
	return selection{"", " FROM delivery d" + d.Cross + "submission s ON s.id = d.submission", w}
}

// standing is the condition that the sender of a submission s stands so.
func standing(s queue.Standing) string {
	if s == queue.Stopped {
		return "NOT " + holding.Stands
	}
	return holding.Stands
}

// query makes a query of columns, at most limit rows in order.
func (s *selection) query(columns string, limit int) (string, sqlkit.Values) {
	text := s.with + "SELECT " + columns + s.from + s.where.Text() + " ORDER BY d.submission, d.n LIMIT ?"
	return text, s.where.Bind(limit)
}

// defaultLimit is how many deliveries a listing without a limit returns.
const defaultLimit = 1000

// ListSQL makes the query of a listing of items.
func ListSQL(d *sqlkit.Dialect, f queue.Filter) (string, sqlkit.Values) {
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	sel := selected(d, f)
	return sel.query(itemColumns, limit)
}

// List implements queue.AdminStore.
func (q *Queue) List(ctx context.Context, f queue.Filter) ([]queue.Item, error) {
	text, args := ListSQL(q.opt.Dialect, f)
	var found items
	err := q.opt.Base.Read(ctx, "queue.list", func(c sqlkit.Reader) error {
		found = items{}
		return c.Query(ctx, text, args, found.scan)
	})
	return found.list, err
}

// step is what one administrative change does to each delivery that it
// applies to.
type step struct {
	// applies is a condition on the state of a delivery d.
	applies string
	// text changes deliveries, which a condition behind it chooses; args are its
	// arguments.
	text string
	args []any
	// becomes returns the stored state that follows, 0 for none.
	becomes func(target) int
	// also are statements that follow text, each with the list of deliveries.
	also []string
}

// Hold implements queue.AdminStore.
func (q *Queue) Hold(ctx context.Context, f queue.Filter, reason string, e audit.Event) (int, error) {
	return q.administer(ctx, "queue.hold", f, e, q.holdStep(reason))
}

// holdStep holds for a reason.
func (q *Queue) holdStep(reason string) step {
	return step{
		applies: q.opt.Dialect.Aside + "d.state < 3",
		text:    "UPDATE delivery SET state = 3, hold_reason = ?",
		args:    []any{reason},
		becomes: func(target) int { return Held },
	}
}

// Release implements queue.AdminStore.
func (q *Queue) Release(ctx context.Context, f queue.Filter, e audit.Event) (int, error) {
	applies := q.opt.Dialect.Aside + "d.state = 3"
	if f.Standing != "" { // somebody may be suspended between the look and the change
		applies += " AND EXISTS (SELECT 1 FROM submission s WHERE s.id = d.submission AND " + standing(f.Standing) + ")"
	}
	excusing := holding.ExcusingOf(q.opt.Dialect)
	return q.administer(ctx, "queue.release", f, e, step{
		applies: applies,
		also:    []string{excusing.Leave, excusing.Excuse},
		text:    "UPDATE delivery SET state = CASE WHEN attempts > 0 THEN 2 ELSE 1 END, hold_reason = '', next = ?",
		args:    []any{q.opt.Base.Now()},
		becomes: func(d target) int {
			if d.tried {
				return Deferred
			}
			return Queued
		},
	})
}

// Retry implements queue.AdminStore.
func (q *Queue) Retry(ctx context.Context, f queue.Filter, e audit.Event) (int, error) {
	return q.administer(ctx, "queue.retry", f, e, step{
		applies: "(" + q.opt.Dialect.Aside + "d.state = 2 OR " + q.opt.Dialect.Aside + "d.state = 1 AND d.hold_reason = '" + queue.Slowed + "')",
		text:    "UPDATE delivery SET next = ?, hold_reason = ''",
		args:    []any{q.opt.Base.Now()},
		becomes: func(d target) int { return d.state },
	})
}

// Drop implements queue.AdminStore.
func (q *Queue) Drop(ctx context.Context, f queue.Filter, e audit.Event) (int, error) {
	return q.administer(ctx, "queue.drop", f, e, step{
		applies: "true",
		text:    "DELETE FROM delivery",
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
func (q *Queue) administer(ctx context.Context, op string, f queue.Filter, e audit.Event, st step) (int, error) {
	limit, total := f.Limit, 0
	for {
		f.Limit = adminBatch
		if limit > 0 {
			f.Limit = min(limit-total, adminBatch)
		}
		found, err := q.targets(ctx, op, f, st)
		if err != nil || len(found) == 0 {
			return total, err
		}
		var changed int
		var finished []mail.ID
		err = q.opt.Base.Change(ctx, op, func(t sqlkit.Writer) (err error) {
			changed, finished, err = q.applyStep(t, found, st, e)
			return err
		})
		if err != nil {
			return total, err
		}
		q.opt.Finished(finished)
		total += changed
		if len(found) < f.Limit || limit > 0 && total >= limit {
			return total, nil
		}
		last := found[len(found)-1]
		f.After = queue.Position{Submission: last.submission, N: last.n}
	}
}

// targets finds what a step applies to, by submission and number.
func (q *Queue) targets(ctx context.Context, op string, f queue.Filter, st step) (found []target, err error) {
	sel := selected(q.opt.Dialect, f)
	sel.where.Add(true, st.applies)
	text, args := sel.query("d.submission, d.n, s.login, d.local, d.destination", f.Limit)
	err = q.opt.Base.Read(ctx, op, func(c sqlkit.Reader) error {
		found, err = sqlkit.All(ctx, c, text, args, func(r *row) target {
			return target{submission: r.ID(), n: r.Int(), login: r.Text(), to: mail.Address{Local: r.Text(), Domain: r.Domain()}}
		})
		return err
	})
	return found, err
}

// keys makes the argument of Dialect.Pairs.
func keys(list []target) (string, error) {
	pairs := make([][2]any, len(list))
	for i, d := range list {
		pairs[i] = [2]any{d.submission, d.n}
	}
	text, err := json.Marshal(pairs)
	return string(text), err
}

// pair is the key of a delivery in a row of Dialect.Pairs.
const pair = "j.value ->> 0, CAST(j.value ->> 1 AS integer)"

// StandSQL makes the query of how those of a list of deliveries stand to which a
// condition applies.
func StandSQL(d *sqlkit.Dialect, applies string) string {
	return "SELECT d.submission, d.n, d.state, d.attempts FROM " + d.Pairs + d.Cross +
		"delivery d ON (d.submission, d.n) = (" + pair + ") WHERE " + applies
}

// ChosenSQL makes the condition that a delivery is one of a list.
func ChosenSQL(d *sqlkit.Dialect) string {
	return " WHERE (submission, n) IN (SELECT " + pair + " FROM " + d.Pairs + ")"
}

// stillApplies returns those of found that still are as the step needs them, as
// they stand now: others were delivered, dropped or held meanwhile.
func (q *Queue) stillApplies(t sqlkit.Writer, found []target, st step) (now []target, err error) {
	list, err := keys(found)
	if err != nil {
		return nil, err
	}
	stands := map[queue.Key]target{}
	err = t.Query(StandSQL(q.opt.Dialect, st.applies), sqlkit.Bind(list), func(r *row) error {
		key := queue.Key{Submission: r.ID(), N: r.Int()}
		stands[key] = target{state: r.Int(), tried: r.Int() > 0}
		return nil
	})
	for _, d := range found {
		stand, applies := stands[queue.Key{Submission: d.submission, N: d.n}]
		if applies {
			d.state, d.tried = stand.state, stand.tried
			now = append(now, d)
		}
	}
	return now, err
}

// applyStep changes the deliveries that still are as the step needs them, in as
// many statements for all as for one: nobody else gets at the queue meanwhile. It
// returns how many, and the large bodies to remove after the commit.
func (q *Queue) applyStep(t sqlkit.Writer, found []target, st step, e audit.Event) (changed int, finished []mail.ID, err error) {
	found, err = q.stillApplies(t, found, st)
	if err != nil {
		return 0, nil, err
	}
	return q.change(t, found, st, e)
}

// change is applyStep for deliveries that stand as found says.
func (q *Queue) change(t sqlkit.Writer, found []target, st step, e audit.Event) (changed int, finished []mail.ID, err error) {
	if len(found) == 0 {
		return 0, nil, nil
	}
	list, err := keys(found)
	if err != nil {
		return 0, nil, err
	}
	args := append(st.args[:len(st.args):len(st.args)], list)
	if err := t.Exec(st.text+ChosenSQL(q.opt.Dialect), sqlkit.Bind(args...)); err != nil {
		return 0, nil, err
	}
	for _, text := range st.also {
		if err := t.Exec(text, sqlkit.Bind(list)); err != nil {
			return 0, nil, err
		}
	}
	var grow [States]int
	var left []mail.ID
	events := make([]audit.Event, len(found))
	for i, d := range found {
		grow[d.state]--
		if after := st.becomes(d); after != 0 {
			grow[after]++
		} else if len(left) == 0 || left[len(left)-1] != d.submission {
			left = append(left, d.submission)
		}
		events[i] = eventOf(e, d)
	}
	if len(left) > 0 {
		if finished, err = q.opt.Finish(t, left); err != nil {
			return 0, nil, err
		}
	}
	if err := q.opt.Count(t, grow[Queued], grow[Deferred], grow[Held]); err != nil {
		return 0, nil, err
	}
	return len(events), finished, q.opt.Base.Record(t, events)
}

// eventOf makes the event of one delivery from that of the change.
func eventOf(e audit.Event, d target) audit.Event {
	e.Submission, e.Delivery = d.submission, d.n
	e.Data = maps.Clone(e.Data)
	if e.Data == nil {
		e.Data = map[string]string{}
	}
	e.Data["to"] = d.to.String()
	if e.Login == "" {
		e.Login = d.login
	}
	return e
}
