package hot

import (
	"errors"
	"slices"
	"time"

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

	counterKinds = "tbi"
	trustedKinds = counterKinds + "b"
	contactKinds = "tii"
)

// counterKey is what keeps two from making the same counter.
const counterKey = "counter_pkey"

// errMade says that somebody else has made a counter that was not there a moment before, or has
// counted in one that was not locked: what was judged without that does not hold, and all is to be
// made again.
var errMade = errors.New("others counted the same at the same time")

// subjects are those of all limits in the batch, by what their counters are stored under.
func (t *transaction) subjects() map[string]limit.Subject {
	names := map[string]limit.Subject{}
	for _, o := range t.batch {
		for _, s := range slices.Concat(o.counted.Subjects(), o.door.Subjects()) {
			names[counting.KeyOf(s)] = s
		}
		for _, a := range o.accepts {
			for _, s := range a.Subjects() {
				names[counting.KeyOf(s)] = s
			}
		}
	}
	return names
}

// readCounters adds the statements that lock and read those counters, but for those that are
// kept. Whoever counts in one of the former, on any node, waits until this transaction has ended. One that there is not has
// counted nothing; whoever else makes it meanwhile is found out when it is made here.
func (t *transaction) readCounters(p *server.Pipe, names map[string]limit.Subject) {
	if len(names) == 0 {
		return
	}
	t.names, t.fresh, t.trusted, t.left = names, map[string]bool{}, map[string]bool{}, make(map[string]*leftover, len(names))
	list := make([]string, 0, len(names))
	for key, s := range names {
		l := t.kept.take(key)
		t.left[key] = l
		if t.kept.trusts(l) {
			t.trusted[key] = true
			t.counted.Use(s, l.counter)
			continue
		}
		t.fresh[key] = true
		list = append(list, key)
	}
	p.Exec(byIndexSQL)
	if len(list) > 0 {
		p.Query(lockCountersSQL, []any{list}, func(r *sqlkit.Row) error { return t.locked(r.Text(), r.Blob()) })
	}
	p.Query("SELECT "+server.ClockSQL, nil, func(r *sqlkit.Row) error {
		t.at = time.UnixMicro(r.Int64()).UTC()
		return nil
	})
}

// locked takes a row that was locked.
func (t *transaction) locked(key string, data []byte) error {
	delete(t.fresh, key)
	l := t.left[key]
	if l == nil {
		l = &leftover{data: data}
		t.left[key] = l
	}
	same := l.found(data)
	if same && l.counter != nil {
		t.counted.Use(t.names[key], l.counter)
		return nil
	}
	return t.counted.Put(t.names[key], data)
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
	for key := range t.fresh {
		t.counted.Use(t.names[key], &limit.Counter{})
	}
}

// counters are the rows of counters that are written: those that there were not, those that
// are locked, and behind them those that are not, with what is there of them. same are those
// that were not locked and are not written, as what was judged by them was refused.
type counters struct {
	made, locked, trusted, same []sqlkit.Values
	// impatient says that the server has come to trusted, and not behind them.
	impatient bool
}

// changedCounters returns what is written, and keeps in mind what is there afterwards.
func (t *transaction) changedCounters() (c counters) {
	written := map[string]bool{}
	for _, r := range t.counted.Rows() {
		l := t.left[r.Key]
		written[r.Key] = true
		switch {
		case t.fresh[r.Key]:
			c.made = append(c.made, sqlkit.Bind(r.Key, r.Data, r.Ends))
			l = &leftover{}
		case t.trusted[r.Key]:
			c.trusted = append(c.trusted, sqlkit.Bind(r.Key, r.Data, r.Ends, l.data))
		default:
			c.locked = append(c.locked, sqlkit.Bind(r.Key, r.Data, r.Ends))
		}
		t.after = append(t.after, after{r.Key, &leftover{t.counted.Counter(t.names[r.Key]), r.Data, l.shy, l.shyness}})
	}
	for key := range t.trusted {
		if !written[key] {
			c.same = append(c.same, sqlkit.Bind(key, t.left[key].data))
		}
	}
	return c
}

// after is what is there of a counter once the transaction is committed.
type after struct {
	key string
	*leftover
}

// write adds the statements that write counters that there are.
func (c *counters) write(p *server.Pipe) {
	if len(c.locked) > 0 {
		p.Exec(writeCountersSQL, columns(c.locked, counterKinds)...)
	}
	c.look(p)
	if len(c.trusted) > 0 {
		p.Then(impatientSQL, func() { c.impatient = true })
		p.Exec(rewriteCountersSQL, columns(c.trusted, trustedKinds)...)
		p.Then(patientSQL, func() { c.impatient = false })
	}
}

// look adds the statement that makes sure of those by which something was refused.
func (c *counters) look(p *server.Pipe) {
	if len(c.same) > 0 {
		p.Exec(sameCountersSQL, columns(c.same, "tb")...)
	}
}

// miscounted is errMade where a transaction has ended with an error because others have counted, or
// are about to. Who has waited for another lock in vain has waited long, and does not so again.
func (t *transaction) miscounted(c *counters, err error) error {
	switch {
	case server.ConstraintOf(err) == counterKey:
	case len(c.trusted)+len(c.same) > 0 && server.Mistaken(err), c.impatient && server.Waited(err):
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
	for key, l := range t.left {
		if l != nil {
			t.kept.put(key, &leftover{nil, l.data, l.shy, l.shyness})
		}
	}
	if !committed || t.names == nil {
		return
	}
	for _, a := range t.after {
		t.kept.put(a.key, a.leftover)
	}
	t.kept.passed()
}
