package hot

import (
	"errors"
	"maps"
	"slices"
	"time"

	"countersign/internal/limit"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/counting"
)

// Counters are locked by one statement, in the order of their keys; those that there are not
// yet are made by a later one, in the same order, before any that is there is written and
// anything else is waited for. So no two batches wait for each other.
const (
	// byIndexSQL keeps a plan that was made while there were few counters, or contacts, from
	// reading them all when there are many: plans are kept until the tables are analyzed.
	byIndexSQL = "SET LOCAL enable_seqscan = off"

	lockCountersSQL = "SELECT subject, data FROM counter WHERE subject = ANY($1::text[]) ORDER BY subject FOR UPDATE"

	makeCountersSQL = `INSERT INTO counter (subject, data, ends)
    SELECT subject, data, ends FROM unnest($1::text[], $2::bytea[], $3::bigint[]) u(subject, data, ends) ORDER BY subject COLLATE "C"`

	writeCountersSQL = `UPDATE counter c SET data = u.data, ends = u.ends
    FROM unnest($1::text[], $2::bytea[], $3::bigint[]) u(subject, data, ends) WHERE c.subject = u.subject`

	metSQL = "SELECT c.login, c.recipient, c.day FROM unnest($1::text[], $2::bigint[]) u(login, recipient) JOIN contact c ON c.login = u.login AND c.recipient = u.recipient"

	meetSQL = `INSERT INTO contact (login, recipient, day)
    SELECT login, recipient, day FROM unnest($1::text[], $2::bigint[], $3::bigint[]) u(login, recipient, day) ORDER BY login COLLATE "C", recipient
    ON CONFLICT (login, recipient) DO UPDATE SET day = greatest(contact.day, excluded.day)`

	counterKinds = "tbi"
	contactKinds = "tii"
)

// counterKey is what keeps two from making the same counter.
const counterKey = "counter_pkey"

// errMade says that somebody else has made a counter that was not there a moment before: what was
// judged without it does not hold, and all is to be made again.
var errMade = errors.New("others began to count the same at the same time")

// names are the subjects of all limits in the batch, by what their counters are stored under.
func (t *transaction) names() map[string]limit.Subject {
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

// lockCounters adds the statements that lock and read those counters. Whoever counts in one
// of them, on any node, waits until this transaction has ended. One that there is not has
// counted nothing; whoever else makes it meanwhile is found out when it is made here.
func (t *transaction) lockCounters(p *server.Pipe, names map[string]limit.Subject) {
	if len(names) == 0 {
		return
	}
	list := slices.Collect(maps.Keys(names))
	t.fresh = names
	p.Exec(byIndexSQL)
	p.Query(lockCountersSQL, []any{list}, func(r *sqlkit.Row) error {
		key := r.Text()
		s := names[key]
		delete(t.fresh, key)
		return t.counted.Put(s, r.Blob())
	})
	p.Query("SELECT "+server.ClockSQL, nil, func(r *sqlkit.Row) error {
		t.at = time.UnixMicro(r.Int64()).UTC()
		return nil
	})
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
	for _, s := range t.fresh {
		t.counted.Use(s, &limit.Counter{})
	}
}

// counters are the rows of counters that are written: those that there were not, or the others.
func (t *transaction) counters(fresh bool) (rows []sqlkit.Values) {
	for _, r := range t.counted.Rows() {
		if _, is := t.fresh[r.Key]; is == fresh {
			rows = append(rows, sqlkit.Bind(r.Key, r.Data, r.Ends))
		}
	}
	return rows
}
