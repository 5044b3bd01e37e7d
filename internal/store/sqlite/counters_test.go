package sqlite

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/store/sqlite/counters"
	"countersign/internal/store/sqlkit/incoming"
)

// tight are bounds at which everything happens all the time.
var tight = counters.Bounds{Changed: 7, Log: 2000, Octets: 20_000, Portion: 1, Rows: 1}

// ledger is what a store should have counted.
type ledger struct {
	*testing.T
	path     string
	s        *Store
	now      time.Time
	clock    atomic.Pointer[time.Time]
	random   *rand.Rand
	n        int
	counters map[limit.Subject]*limit.Counter
}

// set sets the clock, which the store looks at from goroutines of its own.
func (l *ledger) set(now time.Time) {
	l.now = now
	l.clock.Store(&now)
}

// open opens the store anew, at that path.
func (l *ledger) open(path string) {
	l.Helper()
	l.set(l.now)
	s, err := Open(l.Context(), Options{Path: path, Server: true, Now: func() time.Time { return *l.clock.Load() }})
	if err != nil {
		l.Fatal(err)
	}
	s.memory = counters.New(tight)
	l.path, l.s = path, s
}

// question asks for some of fifty subjects, of which each may have 40 messages in an hour.
func (l *ledger) question() *limit.Question {
	q := &limit.Question{Warn: 80, Want: limit.Amounts{limit.Messages: 1, limit.Recipients: 3, limit.Bytes: 100}}
	for kind := range limit.Everything {
		name := fmt.Sprint("s", l.random.IntN(20/(int(kind)+1)))
		q.Levels = append(q.Levels, limit.Level{Subject: limit.Subject{Kind: kind, Name: name}, Limits: []limit.Limit{
			{Measure: limit.Messages, Window: limit.Hour, Max: 40, Action: limit.Defer}, {Measure: limit.Recipients, Window: limit.Day, Max: 100_000},
		}})
	}
	return q
}

// accept brings a message, and counts what was accepted.
func (l *ledger) accept() {
	l.Helper()
	l.n++
	m := benchMessage(mail.ID(fmt.Sprintf("01K%023d", l.n)), "", make([]byte, 3000), l.n)
	m.Limits = l.question()
	err := l.s.Accept(l.Context(), m)
	d := (&limit.Question{Levels: m.Limits.Levels, Want: m.Limits.Want, Warn: 80}).Judge(l, l.now)
	switch {
	case err == nil && !d.Passes():
		l.Fatalf("message %d is accepted over the limit", l.n)
	case err == nil:
		limit.Count(m.Limits.Levels, m.Limits.Want, &d)
	case fault.Is(err, fault.Full):
	case fault.Is(err, fault.Busy) && d.Passes():
		l.Fatalf("message %d is refused: %v", l.n, err)
	case !fault.Is(err, fault.Busy):
		l.Fatal(err)
	}
}

// Counter and Met implement limit.Ledger.
func (l *ledger) Counter(s limit.Subject) *limit.Counter {
	if l.counters[s] == nil {
		l.counters[s] = &limit.Counter{}
	}
	return l.counters[s]
}

func (l *ledger) Met(limit.Contact) int64 { return 0 }

// compare wants the store to have counted exactly what the ledger has.
func (l *ledger) compare(when string) {
	l.Helper()
	var subjects []limit.Subject
	for s := range l.counters {
		subjects = append(subjects, s)
	}
	got, _, err := l.s.Counted(l.Context(), subjects)
	if err != nil {
		l.Fatal(err)
	}
	for i, s := range subjects {
		want, err := limit.Decode(l.counters[s].AppendBinary(nil))
		if err != nil {
			l.Fatal(err)
		}
		got[i].Forget(l.now)
		want.Forget(l.now)
		if g, w := got[i].AppendBinary(nil), want.AppendBinary(nil); string(g) != string(w) {
			l.Fatalf("%s, message %d: %s has %d messages, want %d", when, l.n, s, got[i].Used(limit.Hour, limit.Messages, l.now), want.Used(limit.Hour, limit.Messages, l.now))
		}
	}
}

// crash goes on with the files as they are now, as if the process had been killed.
func (l *ledger) crash() {
	l.Helper()
	to := filepath.Join(l.TempDir(), "data", "test.db")
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		l.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(l.path+suffix, to+suffix); err != nil {
			l.Fatal(err)
		}
	}
	l.close()
	l.open(to)
}

func (l *ledger) close() {
	l.Helper()
	if err := l.s.Close(); err != nil {
		l.Fatal(err)
	}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// full lets one message come while the database may not grow.
func (l *ledger) full() {
	l.Helper()
	pages := func(most int) {
		err := l.s.change(l.Context(), "test", func(t *tx) error {
			_, _, err := t.Number(fmt.Sprintf("PRAGMA max_page_count = %d", most), nil)
			return err
		})
		if err != nil {
			l.Fatal(err)
		}
	}
	pages(1)
	for range 3 {
		l.accept()
	}
	pages(1 << 30)
}

// TestCountersAreExact holds what the store counts against a model, while the log is put
// away all the time, transactions fail, the process is killed, stopped, and time passes.
func TestCountersAreExact(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			l := &ledger{T: t, now: time.Unix(1_800_000_000, 0).UTC(), random: rand.New(rand.NewPCG(seed, 1)), counters: map[limit.Subject]*limit.Counter{}}
			l.open(filepath.Join(t.TempDir(), "data", "test.db"))
			for range 500 {
				l.set(l.now.Add(time.Duration(l.random.IntN(120)) * time.Second))
				l.accept()
				switch l.random.IntN(60) {
				case 0:
					l.crash()
					l.compare("killed")
				case 1:
					l.close()
					l.open(l.path)
					l.compare("stopped")
				case 2:
					l.full()
					l.compare("full")
				case 3:
					if _, err := l.s.PruneCounts(t.Context(), l.now.Add(-24*time.Hour), 10); err != nil {
						t.Fatal(err)
					}
					l.compare("pruned")
				case 4:
					l.set(l.now.Add(time.Duration(l.random.IntN(5)) * 24 * time.Hour))
				}
			}
			l.compare("at the end")
			l.close()
		})
	}
}

// TestLogIsPutAway: after a server has stopped, and before a copy, everything is in the
// table of counters, where programs that do not know the log find it.
func TestLogIsPutAway(t *testing.T) {
	l := &ledger{T: t, now: time.Now().UTC(), random: rand.New(rand.NewPCG(1, 1)), counters: map[limit.Subject]*limit.Counter{}}
	l.open(filepath.Join(t.TempDir(), "data", "test.db"))
	inTable := func(s *Store) {
		t.Helper()
		var logged, rows int64
		err := s.db.Read(t.Context(), "test", func(c *conn) (err error) {
			if logged, _, err = c.Number(t.Context(), "SELECT count(data) FROM counter_log", nil); err == nil {
				rows, _, err = c.Number(t.Context(), "SELECT count(*) FROM counter", nil)
			}
			return err
		})
		if err != nil || logged != 0 || rows != int64(len(l.counters)) {
			t.Errorf("%d rows of the log have counters, %d of %d are in their table (%v)", logged, rows, len(l.counters), err)
		}
	}
	for range 30 {
		l.accept()
	}
	l.close()
	before := openAt(t, l.path, false)
	inTable(before)
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	l.open(l.path)
	for range 30 {
		l.accept()
	}
	l.crash()
	l.close0()
	side, err := OpenSide(t.Context(), Options{Path: l.path}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := side.Close(); err != nil {
		t.Fatal(err)
	}
	after := openAt(t, l.path, false)
	inTable(after)
	l.s = after
	l.compare("copied")
}

// close0 closes without putting anything away.
func (l *ledger) close0() {
	l.Helper()
	if err := l.s.db.Close(); err != nil {
		l.Fatal(err)
	}
	l.s.stopWatching()
}

// countMany counts a message of so many accounts, each with an hour and a day, and returns
// by how much memory has grown at most meanwhile.
func countMany(t testing.TB, s *Store, subjects int) (most int64) {
	const together = 2000
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse)
	}
	before := heap()
	limits := []limit.Limit{{Measure: limit.Messages, Window: limit.Hour, Max: 10}, {Measure: limit.Recipients, Window: limit.Day, Max: 100}}
	for n := 0; n < subjects; n += together {
		m := benchMessage(mail.ID(fmt.Sprintf("01K%023d", n)), "", nil, n)
		m.Limits = &limit.Question{Want: limit.Amounts{limit.Messages: 1, limit.Recipients: 1}}
		for i := range together {
			m.Limits.Levels = append(m.Limits.Levels, limit.Level{Subject: limit.Subject{Kind: limit.Account, Name: fmt.Sprintf("user%d@d%d.example", n+i, (n+i)/10)}, Limits: limits})
		}
		if err := s.Accept(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if n%20_000 == 0 {
			most = max(most, heap()-before)
		}
	}
	return max(most, heap()-before)
}

// TestIdleCountersAreDropped: memory has the counters of those who send, whatever the others
// have sent before.
func TestIdleCountersAreDropped(t *testing.T) {
	s := openNew(t)
	small := counters.Usual
	small.Changed = 2000
	s.memory = counters.New(small)
	const subjects = 60_000
	if most := countMany(t, s, subjects); most > 15<<20 {
		t.Errorf("the counters of %d subjects take %d MiB", subjects, most>>20)
	}
	list, at, err := s.Counted(t.Context(), []limit.Subject{{Kind: limit.Account, Name: "user0@d0.example"}, {Kind: limit.Account, Name: "user59999@d5999.example"}})
	if err != nil || list[0].Used(limit.Hour, limit.Messages, at) != 1 || list[1].Used(limit.Day, limit.Recipients, at) != 1 {
		t.Errorf("they are not counted: %+v, %v", list, err)
	}
}

// BenchmarkMillionSubjects counts of a million accounts, and says how much memory that took
// at most; over the 500 MB that they may take it fails.
func BenchmarkMillionSubjects(b *testing.B) {
	for b.Loop() {
		took := countMany(b, openBench(b), 1_000_000)
		if took > 500_000_000 {
			b.Errorf("%d octets", took)
		}
		b.ReportMetric(float64(took)/(1<<20), "MiB")
	}
}

// TestWhatFailedIsNotCounted: a transaction that counts and then comes to nothing has counted
// nothing, although memory was changed.
func TestWhatFailedIsNotCounted(t *testing.T) {
	l := &ledger{T: t, now: time.Now().UTC(), random: rand.New(rand.NewPCG(1, 1)), counters: map[limit.Subject]*limit.Counter{}}
	l.open(filepath.Join(t.TempDir(), "data", "test.db"))
	make := func(x *tx) error {
		if err := x.Exec("CREATE TABLE whole (id INTEGER PRIMARY KEY)", nil); err != nil {
			return err
		}
		return x.Exec("CREATE TABLE part (id INTEGER REFERENCES whole (id) DEFERRABLE INITIALLY DEFERRED)", nil)
	}
	if err := l.s.change(t.Context(), "test", make); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		l.accept()
		m := benchMessage(mail.ID(fmt.Sprintf("01L%023d", n)), "", nil, n)
		m.Limits = l.question()
		p, err := incoming.Prepare(m, l.s.owned)
		if err != nil {
			t.Fatal(err)
		}
		err = l.s.change(t.Context(), "test", func(x *tx) error {
			if err := x.insert(p); err != nil {
				return err
			}
			return x.Exec("INSERT INTO part (id) VALUES (1)", nil) // which the commit refuses
		})
		if err == nil {
			t.Fatal("it is stored")
		}
	}
	for range 20 {
		l.accept()
	}
	l.compare("failed")
	l.close()
}
