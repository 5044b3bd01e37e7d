package hot

import (
	"maps"
	"slices"
	"time"

	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/counting"
)

// Counters are locked by one statement, in the order of their keys, after one that makes
// those that are missing in the same order: so no two batches wait for each other.
const (
	makeCountersSQL = `INSERT INTO counter (subject, data, ends)
    SELECT subject, ''::bytea, 0 FROM unnest($1::text[]) u(subject) ORDER BY subject COLLATE "C" ON CONFLICT (subject) DO NOTHING`

	// byIndexSQL keeps a plan that was made while there were few counters, or contacts, from
	// reading them all when there are many: plans are kept until the tables are analyzed.
	byIndexSQL = "SET LOCAL enable_seqscan = off"

	lockCountersSQL = "SELECT subject, data FROM counter WHERE subject = ANY($1::text[]) ORDER BY subject FOR UPDATE"

	writeCountersSQL = `UPDATE counter c SET data = u.data, ends = u.ends
    FROM unnest($1::text[], $2::bytea[], $3::bigint[]) u(subject, data, ends) WHERE c.subject = u.subject`

	metSQL = "SELECT c.login, c.recipient, c.day FROM unnest($1::text[], $2::bigint[]) u(login, recipient) JOIN contact c ON c.login = u.login AND c.recipient = u.recipient"

	meetSQL = `INSERT INTO contact (login, recipient, day)
    SELECT login, recipient, day FROM unnest($1::text[], $2::bigint[], $3::bigint[]) u(login, recipient, day) ORDER BY login COLLATE "C", recipient
    ON CONFLICT (login, recipient) DO UPDATE SET day = greatest(contact.day, excluded.day)`

	counterKinds = "tbi"
	contactKinds = "tii"
)

// maxGone is how often a counter may be removed, as one of long ago, between the two
// statements.
const maxGone = 5

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
// of them, on any node, waits until this transaction has ended.
func (t *transaction) lockCounters(p *server.Pipe, names map[string]limit.Subject) {
	if len(names) == 0 {
		return
	}
	list := slices.Collect(maps.Keys(names))
	p.Exec(byIndexSQL)
	p.Exec(makeCountersSQL, list)
	p.Query(lockCountersSQL, []any{list}, func(r *sqlkit.Row) error {
		return t.counted.Put(names[r.Text()], r.Blob())
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

// counters are the rows of counters that are written.
func (t *transaction) counters() (rows []sqlkit.Values) {
	for _, r := range t.counted.Rows() {
		rows = append(rows, sqlkit.Bind(r.Key, r.Data, r.Ends))
	}
	return rows
}

// lockAgain locks those that were removed between the two statements, as long as there are.
func (t *transaction) lockAgain(names map[string]limit.Subject) error {
	for range maxGone {
		maps.DeleteFunc(names, func(_ string, s limit.Subject) bool { return t.counted.Have(s) })
		if len(names) == 0 {
			return nil
		}
		var p server.Pipe
		t.lockCounters(&p, names)
		if err := t.s.Send(&p); err != nil {
			return err
		}
	}
	return fault.New("queue.accept", fault.Busy, "counters of limits are removed again and again")
}
