package postgres

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/storetest/counting"
	"countersign/internal/testkit/pgcluster"
)

// producers is how many sessions bring messages at the same time.
const producers = 64

// openBench opens a database on a cluster of its own, with the durability that a
// server has by default.
func openBench(b *testing.B) *Store {
	b.Helper()
	c := pgcluster.Start(b, pgcluster.Options{Prepare: prepare, Settings: map[string]string{"shared_buffers": "256MB", "max_wal_size": "4GB"}})
	return openAt(b, c.Database(b), true)
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

// spread runs work b.N times on many goroutines and reports percentiles.
func spread(b *testing.B, work func(n int) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	all := make([]time.Duration, b.N)
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
				all[n] = time.Since(began)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	slices.Sort(all)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkAccept accepts messages of 4 KB.
func BenchmarkAccept(b *testing.B) {
	s := openBench(b)
	var ids mail.IDSource
	body := bytes.Repeat([]byte("0123456789abcdef"), 4096/16)
	spread(b, func(n int) error {
		return s.Accept(b.Context(), benchMessage(ids.New(), ids.New(), body, n))
	})
}

// BenchmarkAcceptLimited is BenchmarkAccept with limits of five subjects for each message.
func BenchmarkAcceptLimited(b *testing.B) {
	s := openBench(b)
	var ids mail.IDSource
	body := bytes.Repeat([]byte("0123456789abcdef"), 4096/16)
	spread(b, func(n int) error {
		m := benchMessage(ids.New(), ids.New(), body, n)
		m.Limits = counting.Loaded(n)
		return s.Accept(b.Context(), m)
	})
}

// BenchmarkAcceptAndReport also delivers each message, so that the tables turn
// over.
func BenchmarkAcceptAndReport(b *testing.B) {
	s := openBench(b)
	var ids mail.IDSource
	body := bytes.Repeat([]byte("0123456789abcdef"), 4096/16)
	spread(b, func(n int) error {
		m := benchMessage(ids.New(), ids.New(), body, n)
		if err := s.Accept(b.Context(), m); err != nil {
			return err
		}
		return s.Report(b.Context(), delivered(m.Submission.ID))
	})
}

// delivered is the report of a message that went out.
func delivered(id mail.ID) *queue.Report {
	return &queue.Report{
		Submission: id,
		Outcomes:   []queue.Outcome{{N: 1, State: queue.Delivered, Result: queue.Result{At: time.Now(), Code: 250}}},
		Events:     []audit.Event{{At: time.Now(), Kind: audit.DeliveryDelivered, Submission: id, Delivery: 1, Code: 250}},
	}
}

// BenchmarkBesideAMillion accepts messages beside a million waiting deliveries,
// and reads what is due in pages of 1000. It also holds all queries to their
// indexes there.
func BenchmarkBesideAMillion(b *testing.B) {
	s := openBench(b)
	fill(b, s, 1_000_000)
	checkPlans(b, s)
	b.Run("accept", func(b *testing.B) {
		var ids mail.IDSource
		body := bytes.Repeat([]byte("0123456789abcdef"), 4096/16)
		spread(b, func(n int) error {
			return s.Accept(b.Context(), benchMessage(ids.New(), ids.New(), body, n))
		})
	})
	b.Run("due", func(b *testing.B) {
		from := queue.Position{}
		for b.Loop() {
			due, err := s.Due(b.Context(), time.Now(), from, 1000)
			if err != nil {
				b.Fatal(err)
			}
			from = queue.Position{}
			if len(due) == 1000 {
				last := due[len(due)-1].Delivery
				from = queue.Position{Next: last.Next, Submission: last.Submission, N: last.N}
			}
		}
	})
}

// BenchmarkConnections has connections come in as 800 logins a second make them, each of another
// network and then of another account, and counts in how many transactions they are stored.
func BenchmarkConnections(b *testing.B) {
	s := openBench(b)
	const every = time.Second / 800
	number := func() (n int64) {
		err := s.db.Change(b.Context(), "test", func(t *server.Tx) (err error) {
			n, _, err = t.Number("SELECT pg_current_xact_id()::text::bigint", nil)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	connect := func(of limit.Subject) {
		l := limit.Limit{Measure: limit.Connections, Window: limit.AtOnce, Max: 1_000_000, Action: limit.Defer}
		levels := []limit.Level{{Subject: of, Limits: []limit.Limit{l}}, {Subject: limit.Subject{Kind: limit.Everything}, Limits: []limit.Limit{l}}}
		if d, err := s.Connect(b.Context(), limit.Connects(levels)); err != nil || !d.Passes() {
			b.Error(err)
		}
	}
	var coming sync.WaitGroup
	before, began := number(), time.Now()
	b.ResetTimer()
	for n := range b.N {
		time.Sleep(time.Until(began.Add(time.Duration(n) * every)))
		coming.Go(func() {
			connect(limit.Subject{Kind: limit.Network, Name: fmt.Sprintf("192.0.%d.%d", n/250%250, n%250)})
			connect(limit.Subject{Kind: limit.Account, Name: fmt.Sprintf("user%d@sender.example", n%2000)})
		})
	}
	coming.Wait()
	b.StopTimer()
	b.ReportMetric(float64(number()-before-1)/float64(b.N), "transactions/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}
