package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"countersign/internal/fault"
	"countersign/internal/limit"
	sqlcounting "countersign/internal/store/sqlkit/counting"
)

// stranger counts in a database in which a gate has counted before.
type stranger struct {
	*testing.T
	gate *Store
	*pgx.Conn
}

func newStranger(t *testing.T) *stranger {
	t.Helper()
	url := shared.Cluster(t).Database(t)
	s, err := Open(t.Context(), Options{URL: url, Server: true, Node: "1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	other, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close(context.Background()) })
	return &stranger{t, s, other}
}

// run runs a statement.
func (s *stranger) run(text string, args ...any) {
	s.Helper()
	if _, err := s.Exec(s.Context(), text, args...); err != nil {
		s.Fatal(err)
	}
}

// everybody is under what is counted what all send.
var everybody = sqlcounting.KeyOf(limit.Subject{Kind: limit.Everything})

// use puts so many recipients into the counter of all.
func (s *stranger) use(recipients int64) {
	s.Helper()
	c, now := &limit.Counter{}, time.Now()
	c.Count(limit.Amounts{limit.Recipients: recipients}, limit.Windowed(0).And(limit.Hour), now, now)
	s.run("UPDATE counter SET data = $1 WHERE subject = $2", c.AppendBinary(nil), everybody)
}

// passes wants the n-th message, of one recipient where n is even, of an account to be accepted
// where so many are allowed.
func (s *stranger) passes(n, account int, room int64) {
	s.Helper()
	if err := s.gate.Accept(s.Context(), countedMessage(n, account, room)); err != nil {
		s.Errorf("message %d: %v", n, err)
	}
}

// counted wants so many recipients to be counted.
func (s *stranger) counted(want int64) {
	s.Helper()
	counters, at, err := s.gate.Counted(s.Context(), []limit.Subject{{Kind: limit.Everything}})
	if err != nil {
		s.Fatal(err)
	}
	if n := counters[0].Used(limit.Hour, limit.Recipients, at); n != want {
		s.Errorf("%d are counted, want %d", n, want)
	}
}

// TestOthersCountMeanwhile: what somebody else counts between two messages of a gate counts for
// the second one, also where a counter is removed.
func TestOthersCountMeanwhile(t *testing.T) {
	s := newStranger(t)
	s.passes(0, 0, 10)
	s.passes(2, 0, 10)
	s.use(10)
	if err := s.gate.Accept(t.Context(), countedMessage(4, 0, 10)); !fault.Is(err, fault.Busy) {
		t.Errorf("the eleventh of ten recipients is answered %v", err)
	}
	s.counted(10)
	for n := range 20 { // it is locked for a while, then trusted again
		s.passes(6+2*n, 1, 100)
	}
	s.use(10)
	s.passes(46, 2, 11)
	s.counted(11)
	s.passes(48, 3, 12)
	s.run("DELETE FROM counter WHERE subject = $1", everybody)
	s.passes(50, 0, 1_000)
	s.counted(1)
}

// TestOtherHasNotCountedYet: a gate waits for who is about to count in a counter that it has
// counted in last.
func TestOtherHasNotCountedYet(t *testing.T) {
	s := newStranger(t)
	s.passes(0, 0, 10)
	s.passes(2, 0, 10)
	s.run("BEGIN")
	s.use(10)
	answer := make(chan error, 1)
	go func() { answer <- s.gate.Accept(context.Background(), countedMessage(4, 0, 10)) }()
	for waits := 0; waits == 0; {
		select {
		case err := <-answer:
			t.Fatalf("it waits for nobody: %v", err)
		default:
		}
		if err := s.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waits); err != nil {
			t.Fatal(err)
		}
	}
	s.run("COMMIT")
	if err := <-answer; !fault.Is(err, fault.Busy) {
		t.Errorf("the eleventh of ten recipients is answered %v", err)
	}
	s.counted(10)
}

// TestLoneGateLocksNothing: counters that nobody else counts in are written without a look. Who
// keeps a row from being locked does not keep it from being written.
func TestLoneGateLocksNothing(t *testing.T) {
	s := newStranger(t)
	s.passes(0, 0, 1_000)
	s.run("BEGIN")
	s.run("SELECT 1 FROM counter FOR KEY SHARE")
	for n := range 5 {
		s.passes(2+2*n, 0, 1_000)
	}
	s.run("ROLLBACK")
	s.counted(6)
}

// TestLockOfOthersIsWaitedForOnce: where something else than a counter is locked for too long,
// nothing is made again for it.
func TestLockOfOthersIsWaitedForOnce(t *testing.T) {
	s := newStranger(t)
	s.passes(0, 0, 1_000)
	s.passes(2, 0, 1_000)
	s.run("CREATE SEQUENCE tries")
	s.run(`CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
        PERFORM nextval('tries'); RAISE SQLSTATE '55P03' USING MESSAGE = 'canceling statement due to lock timeout'; END$$`)
	for i, table := range []string{"delivery", "queue_total"} { // before the counters are written, and behind them
		s.run("CREATE TRIGGER wait BEFORE INSERT ON " + table + " EXECUTE FUNCTION wait()")
		if err := s.gate.Accept(t.Context(), countedMessage(4+4*i, 0, 1_000)); !fault.Is(err, fault.Busy) {
			t.Errorf("where %s is locked: %v", table, err)
		}
		s.run("DROP TRIGGER wait ON " + table)
		var tries int
		if err := s.QueryRow(t.Context(), "SELECT last_value FROM tries").Scan(&tries); err != nil || tries != 1 {
			t.Errorf("%s was tried %d times: %v", table, tries, err)
		}
		s.run("ALTER SEQUENCE tries RESTART")
		s.passes(6+4*i, 0, 1_000) // so that the counters are known again
	}
}
