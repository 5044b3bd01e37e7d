package backup

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"countersign/internal/mail"
	"countersign/internal/store/sqlite"
)

// Of the large store: a million deliveries wait, each with content of 2 KB, two
// million are finished, and the record has all of it: five million events.
const (
	benchWaiting  = 1_000_000
	benchFinished = 2_000_000
)

const fillSQL = `
INSERT INTO content (id, head, body, large, large_size) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
    SELECT i, randomblob(500), randomblob(1500), '', 0 FROM n;
INSERT INTO submission (id, session, account, credential, login, domain, customer, cause, at, expires, sender, given_size, body_type, smtputf8, dsn_return, envelope_id, size, revision, others, content)
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
    SELECT printf('01K1%022d', i), printf('01K0%022d', i), 'x', '', 'a@example.org', 'example.org', 'acme', '', 1700000000000000 + i, 2700000000000000, 'a@example.org', 0, '8BITMIME', 0, '', '', 2000, 1, 0, i FROM n;
INSERT INTO delivery (submission, n, state, next, attempts, local, destination, notify, original, hold_reason, delay_reported, last_at, last_code, last_enhanced, last_text, last_remote, content)
    SELECT id, 1, 1, at, 0, 'someone', 'recipient.example', 0, '', '', 0, 0, 0, '', '', '', content FROM submission;
UPDATE queue_total SET queued = ?1;
INSERT INTO event (at, kind, session, submission, delivery, login, actor, client, object, code, enhanced, reason, text, data)
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
    SELECT 1700000000000000 + i, CASE k WHEN 0 THEN 'submission.accepted' ELSE 'delivery.delivered' END, printf('01J0%022d', i), printf('01J1%022d', i), k,
    'a@example.org', '', '192.0.2.1', '', 250, '2.0.0', '', 'ok', CASE k WHEN 0 THEN '{"from":"a@example.org","recipients":"1","size":"2000"}' ELSE '{"to":"someone@recipient.example","attempt":"1"}' END
    FROM n, (SELECT 0 AS k UNION ALL SELECT 1);
INSERT INTO event (at, kind, session, submission, delivery, login, actor, client, object, code, enhanced, reason, text, data)
    SELECT at, 'submission.accepted', session, id, 0, login, '', '192.0.2.1', '', 250, '2.0.0', '', '', '{"from":"a@example.org","recipients":"1","size":"2000"}' FROM submission;`

// largeStore makes the large store, or opens the one in COUNTERSIGN_BENCH_STORE.
func largeStore(b *testing.B) string {
	b.Helper()
	dir := os.Getenv("COUNTERSIGN_BENCH_STORE")
	if dir == "" {
		dir = b.TempDir()
	}
	path := filepath.Join(dir, "large.db")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	s, err := sqlite.Open(b.Context(), sqlite.Options{Path: path})
	if err == nil {
		err = s.Close()
	}
	var db *sql.DB
	if err == nil {
		db, err = sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(0)")
	}
	if err == nil {
		_, err = db.Exec(fillSQL, benchWaiting, benchFinished)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkCheck checks the large store.
func BenchmarkCheck(b *testing.B) {
	path := largeStore(b)
	for b.Loop() {
		r, err := sqlite.Check(b.Context(), path, time.Now)
		if err != nil || len(r.Findings) > 0 {
			b.Fatalf("%+v, %v", r, err)
		}
	}
}

// BenchmarkAcceptBeside measures how long an acceptance and a report take while no
// backup is made of the large store, and while one is, with 16 sessions that bring
// messages at half of what the store can take.
func BenchmarkAcceptBeside(b *testing.B) {
	path := largeStore(b)
	dir := b.TempDir()
	for b.Loop() {
		s, err := sqlite.Open(b.Context(), sqlite.Options{Path: path, Server: true})
		if err != nil {
			b.Fatal(err)
		}
		one := &store{Store: s, path: path}
		before := one.measure(b, func() { time.Sleep(10 * time.Second) })
		took := time.Duration(0)
		during := one.measure(b, func() {
			started := time.Now()
			to := filepath.Join(dir, "backup")
			if _, err := Make(b.Context(), Options{Path: path, To: to, Now: time.Now}); err != nil {
				b.Error(err)
			}
			took = time.Since(started)
			if info, err := os.Stat(path + "-wal"); err == nil {
				b.ReportMetric(float64(info.Size()>>20), "wal-MiB")
			}
			if err := os.RemoveAll(to); err != nil {
				b.Error(err)
			}
		})
		after := one.measure(b, func() { time.Sleep(10 * time.Second) })
		for name, list := range map[string][]time.Duration{"before": before, "during": during, "after": after} {
			at := func(part float64) float64 { return float64(list[int(part*float64(len(list)-1))].Microseconds()) / 1000 }
			b.ReportMetric(at(0.5), name+"-p50-ms")
			b.ReportMetric(at(0.99), name+"-p99-ms")
			b.ReportMetric(at(1), name+"-max-ms")
		}
		b.ReportMetric(took.Seconds(), "backup-s")
		b.ReportMetric(float64(len(during))/took.Seconds(), "accepted/s")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// measure lets messages come and go while during runs, and returns how long
// acceptances took, the shortest first.
func (s *store) measure(b *testing.B, during func()) []time.Duration {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	var mu sync.Mutex
	var all []time.Duration
	var load sync.WaitGroup
	for range 16 {
		load.Go(func() {
			tick := time.NewTicker(8 * time.Millisecond) // 2,000 a second together
			defer tick.Stop()
			for ctx.Err() == nil {
				<-tick.C
				started := time.Now()
				id, err := s.accept(false)
				took := time.Since(started)
				if err == nil {
					err = s.deliver(mail.ID(id))
				}
				if err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				all = append(all, took)
				mu.Unlock()
			}
		})
	}
	during()
	cancel()
	load.Wait()
	slices.Sort(all)
	return all
}
