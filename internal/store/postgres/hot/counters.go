package hot

import (
	"errors"
	"slices"
	"strings"
	"time"

	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/counting"
)

// Counters are locked by one statement, in the order of their keys; those that there are not
// yet are made by a later one, in the same order, before any that is there is written and
// anything else is waited for. So no two batches wait for each other. Those that are written
// without a lock wait for nobody: who has one of them locked is about to count in it.
const (
	// byIndexSQL keeps a plan that was made while there were few counters, or contacts, from
	// reading them all when there are many: plans are kept until the tables are analyzed. And
	// where there are few, the server would plan anew each time, for a gain that there is not.
	byIndexSQL = "SELECT set_config('enable_seqscan', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)"

	lockCountersSQL = "SELECT subject, data FROM counter WHERE subject = ANY($1::text[]) ORDER BY subject FOR UPDATE"

	makeCountersSQL = `INSERT INTO counter (subject, data, ends)
    SELECT subject, data, ends FROM unnest($1::text[], $2::bytea[], $3::bigint[]) u(subject, data, ends) ORDER BY subject COLLATE "C"`

	writeCountersSQL = `UPDATE counter c SET data = u.data, ends = u.ends
    FROM unnest($1::text[], $2::bytea[], $3::bigint[]) u(subject, data, ends) WHERE c.subject = u.subject`

	// changedSQL fails where fewer than all of the subjects $1 were found as they were left, with a
	// text for the log of the server: it is no number.
	changedSQL = `SELECT CASE WHEN count(*) = cardinality($1::text[]) THEN 0
        ELSE ('others have counted meanwhile, all is made again: ' || count(*) || ' of ' || cardinality($1::text[]) || ' are as they were')::int END FROM `

	// rewriteCountersSQL writes counters that were not locked, each as it was left; where one of
	// them is another by now, or gone, it fails. It waits for no lock in earnest.
	rewriteCountersSQL = `WITH rewritten AS (UPDATE counter c SET data = u.data, ends = u.ends
        FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bytea[]) u(subject, data, ends, before) WHERE c.subject = u.subject AND c.data = u.before RETURNING 1)
    ` + changedSQL + `rewritten`

	// sameCountersSQL looks at those by which something was refused.
	sameCountersSQL = changedSQL + "unnest($1::text[], $2::bytea[]) u(subject, before) JOIN counter c ON c.subject = u.subject AND c.data = u.before"

	impatientSQL = "SET LOCAL lock_timeout = '5ms'"
	patientSQL   = "SET LOCAL lock_timeout TO DEFAULT"

	metSQL = "SELECT c.login, c.recipient, c.day FROM unnest($1::text[], $2::bigint[]) u(login, recipient) JOIN contact c ON c.login = u.login AND c.recipient = u.recipient"

	meetSQL = `INSERT INTO contact (login, recipient, day)
    SELECT login, recipient, day FROM unnest($1::text[], $2::bigint[], $3::bigint[]) u(login, recipient, day) ORDER BY login COLLATE "C", recipient
    ON CONFLICT (login, recipient) DO UPDATE SET day = greatest(contact.day, excluded.day)`

	contactKinds = "tii"
)

// counterKey is what keeps two from making the same counter.
const counterKey = "counter_pkey"

// errMade says that somebody else has made a counter that was not there a moment before, or has
// counted in one that was not locked: what was judged without that does not hold, and all is to be
// made again.
var errMade = errors.New("others counted the same at the same time")

// count is a counter in a transaction.
type count struct {
	*counting.Entry
	// left is what was known of it before, and is kept of it.
	left *leftover
	// fresh says that there is no row of it, trusted that it is not locked. data is its row
	// where it is written.
	fresh, trusted bool
	data           []byte
}

// gather finds the counters of all limits in the batch, each once.
func (t *transaction) gather() {
	for _, o := range t.batch {
		t.add(o.counted.Subjects())
		t.add(o.door.Subjects())
		for _, a := range o.accepts {
			t.add(a.Subjects())
		}
	}
}

// add adds the counters of subjects that the batch has not had before.
func (t *transaction) add(subjects []limit.Subject) {
	for _, s := range subjects {
		if e, isNew := t.counted.Entry(s); isNew {
			t.counts = append(t.counts, count{Entry: e, left: t.kept.find(s)})
		}
	}
}

// readCounters adds the statements that lock and read the counters of the batch, but for those that
// are kept. Whoever counts in one of the former, on any node, waits until this transaction has ended. One that there is not has
// counted nothing; whoever else makes it meanwhile is found out when it is made here.
func (t *transaction) readCounters(p *server.Pipe) {
	t.gather()
	if len(t.counts) == 0 {
		return
	}
	var list []string
	wanted := map[string]*count{}
	for i := range t.counts {
		c := &t.counts[i]
		if t.kept.trusts(c.left) {
			c.trusted, c.Counter = true, c.left.counter
			continue
		}
		c.fresh = true
		list = append(list, c.left.key)
		wanted[c.left.key] = c
	}
	p.Exec(byIndexSQL)
	if len(list) > 0 {
		p.Query(lockCountersSQL, []any{list}, func(r *sqlkit.Row) error {
			key := r.Text()
			c := wanted[key]
			if c == nil {
				return fault.New("postgres.commit", fault.Corrupt, "the counter of %q came, which was not asked for", key)
			}
			return c.locked(t.kept, r.Blob())
		})
	}
	p.Query("SELECT "+server.ClockSQL, nil, func(r *sqlkit.Row) error {
		t.at = time.UnixMicro(r.Int64()).UTC()
		return nil
	})
}

// locked takes a row that was locked.
func (c *count) locked(k *kept, data []byte) error {
	c.fresh = false
	if k.found(c.left, data) && c.left.counter != nil {
		c.Counter = c.left.counter
		return nil
	}
	return c.Put(data)
}

// meet adds the statement that reads the days of all contacts in the batch.
func (t *transaction) meet(p *server.Pipe) {
	var logins []string
	var recipients []int64
	for _, o := range t.batch {
		for _, a := range o.accepts {
			for _, k := range a.Contacts() {
				if !t.counted.Read(k) {
					t.counted.Meet(k, 0)
					logins, recipients = append(logins, k.Login), append(recipients, k.Recipient)
				}
			}
		}
	}
	if logins == nil {
		return
	}
	p.Query(metSQL, []any{logins, recipients}, func(r *sqlkit.Row) error {
		t.counted.Meet(limit.Contact{Login: r.Text(), Recipient: r.Int64()}, r.Int64())
		return nil
	})
}

// beginCounters lets counters that there are not begin with nothing.
func (t *transaction) beginCounters() {
	for i := range t.counts {
		if c := &t.counts[i]; c.fresh {
			c.Counter = &limit.Counter{}
		}
	}
}

// counters are the rows of counters that are written: those that there were not, those that
// are locked, and behind them those that are not, with what is there of them. same are those
// that were not locked and are not written, as what was judged by them was refused.
type counters struct {
	made, locked, trusted, same []*count
	// impatient says that the server has come to trusted, and not behind them.
	impatient bool
}

// changedCounters returns what is written.
func (t *transaction) changedCounters() (w counters) {
	slices.SortFunc(t.counts, func(a, b count) int { return strings.Compare(a.left.key, b.left.key) })
	for i := range t.counts {
		c := &t.counts[i]
		list := &w.locked
		switch {
		case c.fresh:
			list = &w.made
		case c.trusted:
			list = &w.trusted
		}
		switch {
		case c.Changed:
			c.data = c.Counter.AppendBinary(make([]byte, 0, len(c.left.data)+32))
			*list = append(*list, c)
		case c.trusted:
			w.same = append(w.same, c)
		}
	}
	return w
}

// The columns of counters, each an argument of unnest.

func keys(list []*count) []string {
	return column(list, func(c *count) string { return c.left.key })
}

func data(list []*count) [][]byte { return column(list, func(c *count) []byte { return c.data }) }

func ends(list []*count) []int64 {
	return column(list, func(c *count) int64 { return counting.EndsOf(c.Counter) })
}

func before(list []*count) [][]byte {
	return column(list, func(c *count) []byte { return c.left.data })
}

func column[V any](list []*count, of func(*count) V) []V {
	values := make([]V, len(list))
	for i, c := range list {
		values[i] = of(c)
	}
	return values
}

// make adds the statement that makes counters that there are not.
func (w *counters) make(p *server.Pipe) {
	if len(w.made) > 0 {
		p.Exec(makeCountersSQL, keys(w.made), data(w.made), ends(w.made))
	}
}

// write adds the statements that write counters that there are.
func (w *counters) write(p *server.Pipe) {
	if len(w.locked) > 0 {
		p.Exec(writeCountersSQL, keys(w.locked), data(w.locked), ends(w.locked))
	}
	w.look(p)
	if len(w.trusted) > 0 {
		p.Then(impatientSQL, func() { w.impatient = true })
		p.Exec(rewriteCountersSQL, keys(w.trusted), data(w.trusted), ends(w.trusted), before(w.trusted))
		p.Then(patientSQL, func() { w.impatient = false })
	}
}

// look adds the statement that makes sure of those by which something was refused.
func (w *counters) look(p *server.Pipe) {
	if len(w.same) > 0 {
		p.Exec(sameCountersSQL, keys(w.same), before(w.same))
	}
}

// miscounted is errMade where a transaction has ended with an error because others have counted, or
// are about to. Who has waited for another lock in vain has waited long, and does not so again.
func (t *transaction) miscounted(w *counters, err error) error {
	switch {
	case server.ConstraintOf(err) == counterKey:
	case len(w.trusted)+len(w.same) > 0 && server.Mistaken(err), w.impatient && server.Waited(err):
		t.kept.missed()
	default:
		return err
	}
	t.committing = false
	return errMade
}

// keep keeps counters as a transaction that was committed has left them, and those that it has
// only read, or was not committed with, as rows alone.
func (t *transaction) keep(committed bool) {
	for i := range t.counts {
		c := &t.counts[i]
		if !committed || !c.Changed {
			c.left.counter = nil
			continue
		}
		if c.fresh {
			c.left.shy, c.left.shyness = 0, 0
		}
		t.kept.leave(c.left, c.Counter, c.data)
	}
	if committed && t.counts != nil {
		t.kept.passed()
	}
}
