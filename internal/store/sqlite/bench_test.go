package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/loadgen"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlkit/waiting"
	"countersign/internal/store/storetest/counting"
)

// producers is how many sessions bring messages at the same time.
const producers = 64

func openBench(b *testing.B) *Store {
	b.Helper()
	s, err := Open(context.Background(), Options{Path: filepath.Join(b.TempDir(), "bench.db"), Server: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// benchMessage makes a message of 4 KB with one recipient and one event.
func benchMessage(id mail.ID, session mail.ID, body []byte, n int) *queue.Acceptance {
	now := time.Now()
	login := fmt.Sprintf("user%d@sender.example", n%500)
	return &queue.Acceptance{
		Submission: queue.Submission{
			ID: id, Session: session, Login: login, Domain: "sender.example", Customer: "acme", At: now, Expires: now.Add(120 * time.Hour),
			Envelope: mail.Envelope{From: mail.Address{Local: "user", Domain: "sender.example"}, Body: mail.Body8Bit}, Size: 5000,
		},
		Deliveries: []queue.Delivery{{
			Submission: id, N: 1, State: queue.Queued, Next: now,
			Recipient: mail.Recipient{To: mail.Address{Local: "someone", Domain: "recipient.example"}},
		}},
		Content: queue.Content{Head: body[:min(len(body), 1000)], Body: body},
		Events: []audit.Event{{
			At: now, Kind: audit.Accepted, Session: session, Submission: id, Login: login, Client: "192.0.2.1", Code: 250, Enhanced: "2.0.0",
			Data: map[string]string{"size": "5000", "recipients": "1"},
		}},
	}
}

// spread runs work b.N times on many goroutines and reports percentiles, and
// what the process has used meanwhile, the callers included.
func spread(b *testing.B, work func(n int) error) {
	b.Helper()
	var next atomic.Int64
	took := make([]time.Duration, b.N)
	var wg sync.WaitGroup
	before := usage(b)
	b.ResetTimer()
	for range producers {
		wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= b.N {
					return
				}
				began := time.Now()
				if err := work(n); err != nil {
					b.Error(err)
					return
				}
				took[n] = time.Since(began)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	after := usage(b)
	slices.Sort(took)
	b.ReportMetric((after.CPUSeconds-before.CPUSeconds)/float64(b.N)*1000, "cpu-s/1000")
	b.ReportMetric(float64(after.PeakKiB)/1024, "peak-MiB")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	b.ReportMetric(float64(took[b.N/2])/1e6, "p50-ms")
	b.ReportMetric(float64(took[b.N*99/100])/1e6, "p99-ms")
}

// usage returns what this process has used so far, and lets its peak of memory
// begin anew (proc_pid_clear_refs(5)).
func usage(b *testing.B) loadgen.Usage {
	b.Helper()
	u, err := loadgen.ReadUsage(os.Getpid())
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
	return u
}

func BenchmarkAccept(b *testing.B) {
	s := openBench(b)
	body := bytes.Repeat([]byte("0123456789abcde\n"), 256)
	var ids mail.IDSource
	spread(b, func(n int) error {
		return s.Accept(context.Background(), benchMessage(ids.New(), ids.New(), body, n))
	})
}

// BenchmarkAcceptLimited is BenchmarkAccept with limits of five subjects for each message.
func BenchmarkAcceptLimited(b *testing.B) {
	s := openBench(b)
	body := bytes.Repeat([]byte("0123456789abcde\n"), 256)
	var ids mail.IDSource
	spread(b, func(n int) error {
		m := benchMessage(ids.New(), ids.New(), body, n)
		m.Limits = counting.Loaded(n)
		return s.Accept(context.Background(), m)
	})
}

// BenchmarkAcceptBesideSearch accepts while the record, of a million older
// events, is searched without a pause for what is not in it.
func BenchmarkAcceptBesideSearch(b *testing.B) {
	s := openBench(b)
	fillRecord(b, s)
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			_, _ = s.Search(ctx, audit.Query{Since: time.Unix(1, 0), Reason: "no such reason"})
		}
	})
	body := bytes.Repeat([]byte("0123456789abcde\n"), 256)
	var ids mail.IDSource
	spread(b, func(n int) error {
		return s.Accept(context.Background(), benchMessage(ids.New(), ids.New(), body, n))
	})
	stop()
	wg.Wait()
}

// BenchmarkSearch searches a record of a million events, one a millisecond.
func BenchmarkSearch(b *testing.B) {
	s := openBench(b)
	fillRecord(b, s)
	start := time.UnixMilli(0)
	for name, q := range map[string]audit.Query{
		"newest":          {Newest: true, Limit: 100},
		"account":         {Login: "user7@sender.example", Newest: true, Limit: 100},
		"unknown account": {Login: "nobody"},
		"account, logins": {Login: "user7@sender.example", Kind: audit.AuthPassed, Newest: true, Limit: 10},
		"time, all":       {Since: start, Limit: 100, Newest: true},
		"time, reason":    {Since: start.Add(time.Millisecond), Reason: "no such reason"},
		"time, recipient": {Since: start.Add(time.Millisecond), To: mail.Address{Local: "x", Domain: "y.example"}},
		"minute, reason":  {Since: start.Add(15 * time.Minute), Reason: "no such reason"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Search(context.Background(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// fillRecord stores a million events of 1,000 accounts without going through
// Append.
func fillRecord(b *testing.B, s *Store) {
	b.Helper()
	err := s.change(context.Background(), "bench", func(t *tx) error {
		return t.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
    INSERT INTO event SELECT NULL, i * 1000, 'delivery.delivered', '', printf('%026d', i), 1, 'user' || (i % 1000) || '@sender.example', '', '', '',
    250, '2.0.0', '', 'taken', '{"to":"someone@recipient.example","attempt":"1"}' FROM n`, nil)
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAcceptRelying is BenchmarkAccept with messages that rely on a second
// domain, as those under an alias or a grant may.
func BenchmarkAcceptRelying(b *testing.B) {
	s := openBench(b)
	body := bytes.Repeat([]byte("0123456789abcde\n"), 256)
	var ids mail.IDSource
	spread(b, func(n int) error {
		m := benchMessage(ids.New(), ids.New(), body, n)
		m.Domains = []mail.Domain{"sender.example", "alias.example"}
		return s.Accept(context.Background(), m)
	})
}

func BenchmarkAcceptThenDeliver(b *testing.B) {
	s := openBench(b)
	body := bytes.Repeat([]byte("0123456789abcde\n"), 256)
	var ids mail.IDSource
	spread(b, func(n int) error {
		m := benchMessage(ids.New(), ids.New(), body, n)
		if err := s.Accept(context.Background(), m); err != nil {
			return err
		}
		return s.Report(context.Background(), delivered(m.Submission.ID))
	})
}

// delivered is the report that the only recipient has the message.
func delivered(id mail.ID) *queue.Report {
	return &queue.Report{
		Submission: id,
		Outcomes:   []queue.Outcome{{N: 1, State: queue.Delivered, Result: queue.Result{At: time.Now(), Code: 250}}},
		Events:     []audit.Event{{At: time.Now(), Kind: audit.DeliveryDelivered, Submission: id, Delivery: 1, Code: 250}},
	}
}

// BenchmarkLargeQueue asks a queue of a million deliveries of 1,000 accounts
// what it is asked while mail flows, and lets an account be suspended.
func BenchmarkLargeQueue(b *testing.B) {
	s := openBench(b)
	ctx := context.Background()
	fill(b, s)
	for name, ask := range map[string]func() error{
		"due":   func() error { _, err := s.Due(ctx, time.UnixMicro(1<<50), queue.Position{}, 1000); return err },
		"stats": func() error { _, err := s.Stats(ctx); return err },
		"list":  func() error { _, err := s.List(ctx, queue.Filter{Limit: 100}); return err },
		"list login": func() error {
			_, err := s.List(ctx, queue.Filter{Login: "user7@sender.example", Limit: 100})
			return err
		},
		"list domain": func() error { _, err := s.List(ctx, queue.Filter{Domain: "nowhere.example"}); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := ask(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// fill stores the rows of a million deliveries without going through Accept.
func fill(b *testing.B, s *Store) {
	b.Helper()
	const numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) "
	err := s.change(context.Background(), "bench", func(t *tx) error {
		t.waiting[waiting.Queued] = 1_000_000
		err := t.Exec(`INSERT INTO submission SELECT printf('%026d', i), '', '', '', 'user' || (i % 1000) || '@sender.example', 'sender.example', 'acme', '',
    i, i, 'a@b', 0, '', 0, '', '', 1, 1, 0, i FROM (`+numbers+`SELECT i FROM n)`, nil)
		if err != nil {
			return err
		}
		if err := t.Exec("INSERT INTO content SELECT i, NULL, NULL, '', 0 FROM ("+numbers+"SELECT i FROM n)", nil); err != nil {
			return err
		}
		return t.Exec(`INSERT INTO delivery SELECT printf('%026d', i), 1, 1, i, 0, 'someone', 'recipient.example', 0, '', '', 0, 0, 0, '', '', '', i
    FROM (`+numbers+`SELECT i FROM n)`, nil)
	})
	if err != nil {
		b.Fatal(err)
	}
}
