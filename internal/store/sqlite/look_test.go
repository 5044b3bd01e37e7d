package sqlite

import (
	"context"
	"fmt"
	"testing"

	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/store/sqlite/counters"
	"countersign/internal/store/sqlkit"
)

// lookedFor is who is looked for in these tests.
var lookedFor = limit.Subject{Kind: limit.Account, Name: "looked@example.org"}

// sending is a store with one account that is looked for, and as many others as a message names.
type sending struct {
	testing.TB
	s *Store
	n int
}

// send accepts a message that counts for lookedFor, and for so many subjects that were never seen.
func (x *sending) send(others int) {
	x.Helper()
	x.accept(others, lookedFor)
}

// others accepts one that counts for such subjects alone.
func (x *sending) others(others int) {
	x.Helper()
	x.accept(others)
}

func (x *sending) accept(others int, also ...limit.Subject) {
	x.Helper()
	x.n++
	m := benchMessage(mail.ID(fmt.Sprintf("01K%023d", x.n)), "", nil, x.n)
	limits := []limit.Limit{{Measure: limit.Messages, Window: limit.Hour, Max: 1_000_000}}
	m.Limits = &limit.Question{Want: limit.Amounts{limit.Messages: 1}}
	for _, s := range also {
		m.Limits.Levels = append(m.Limits.Levels, limit.Level{Subject: s, Limits: limits})
	}
	for i := range others {
		s := limit.Subject{Kind: limit.Account, Name: fmt.Sprintf("user%d@d%d.example", i, x.n)}
		m.Limits.Levels = append(m.Limits.Levels, limit.Level{Subject: s, Limits: limits})
	}
	if err := x.s.Accept(x.Context(), m); err != nil {
		x.Fatal(err)
	}
}

// reading counts the rows that are read.
type reading struct {
	*conn
	rows int
}

func (r *reading) Query(ctx context.Context, text string, args values, each func(*row) error) error {
	return r.conn.Query(ctx, text, args, func(one *row) error {
		r.rows++
		return each(one)
	})
}

// look says how many messages a log, and the table where it has none, have of lookedFor, and
// how many rows of the log were read for that.
func (x *sending) look(log *counters.Log, c *conn) (messages int64, rows int) {
	x.Helper()
	r := &reading{conn: c}
	found, err := log.Look(x.Context(), r, []limit.Subject{lookedFor})
	if err != nil {
		x.Fatal(err)
	}
	data, ok := found[lookedFor]
	if !ok {
		err = c.Query(x.Context(), "SELECT data FROM counter WHERE subject = ?", sqlkit.Bind("domain example.org looked"), func(one *row) error {
			data = append(data, one.Blob()...)
			return nil
		})
		if err != nil {
			x.Fatal(err)
		}
	}
	counter, err := limit.Decode(data)
	if err != nil {
		x.Fatal(err)
	}
	return counter.Used(limit.Hour, limit.Messages, x.s.now()), r.rows
}

// now looks at the latest state of the database.
func (x *sending) now(log *counters.Log) (messages int64, rows int) {
	x.Helper()
	err := x.s.db.Snapshot(x.Context(), "test", func(c *conn) error {
		messages, rows = x.look(log, c)
		return nil
	})
	if err != nil {
		x.Fatal(err)
	}
	return messages, rows
}

// TestLookReadsWhatIsNew: each row of the log is read once, however often is asked.
func TestLookReadsWhatIsNew(t *testing.T) {
	x := &sending{TB: t, s: openNew(t)}
	var log counters.Log
	for range 200 {
		x.send(0)
	}
	if n, rows := x.now(&log); n != 200 || rows != 200 {
		t.Errorf("at first %d messages are seen in %d rows", n, rows)
	}
	for want := int64(201); want < 210; want++ {
		x.send(0)
		if n, rows := x.now(&log); n != want || rows != 1 {
			t.Errorf("%d messages are seen in %d rows, want %d in 1", n, rows, want)
		}
	}
}

// TestLookFromBefore: who sees the database as it was before much went into the table misses
// nothing of that, although the log has forgotten it; and who sees it as it is, neither.
func TestLookFromBefore(t *testing.T) {
	x := &sending{TB: t, s: openNew(t)}
	x.s.memory = counters.New(counters.Bounds{Changed: 50, Log: 2000, Octets: 20_000, Portion: 10_000, Rows: 1000})
	var log counters.Log
	x.send(0)
	err := x.s.db.Snapshot(t.Context(), "test", func(before *conn) error {
		if n, _ := x.look(&log, before); n != 1 {
			t.Errorf("%d messages at first", n)
		}
		for range 40 {
			x.others(100)
			if n, _ := x.now(&log); n != 1 {
				t.Errorf("%d messages of 1", n)
			}
			if n, _ := x.look(&log, before); n != 1 {
				t.Errorf("%d messages are seen from before, of 1", n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if log.Len() > 2500 {
		t.Errorf("%d states are kept of %d", log.Len(), 40*100)
	}
}

// BenchmarkLook asks for two counters beside a log of 15,000 rows, with a message before each.
func BenchmarkLook(b *testing.B) {
	x := &sending{TB: b, s: openBench(b)}
	for range 15_000 {
		x.send(1)
	}
	subjects := []limit.Subject{lookedFor, {Kind: limit.Account, Name: "user0@d7.example"}}
	ask := func() {
		if _, _, err := x.s.Counted(b.Context(), subjects); err != nil {
			b.Fatal(err)
		}
	}
	ask()
	for b.Loop() {
		b.StopTimer()
		x.send(1)
		b.StartTimer()
		ask()
	}
}
