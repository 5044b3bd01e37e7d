package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
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
		Content: queue.Content{Head: body[:1000], Body: body},
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
	took := make([]time.Duration, b.N)
	var wg sync.WaitGroup
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
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	b.ReportMetric(float64(took[b.N/2])/1e6, "p50-ms")
	b.ReportMetric(float64(took[b.N*99/100])/1e6, "p99-ms")
}

func BenchmarkAccept(b *testing.B) {
	s := openBench(b)
	body := bytes.Repeat([]byte("0123456789abcde\n"), 256)
	var ids mail.IDSource
	spread(b, func(n int) error {
		return s.Accept(context.Background(), benchMessage(ids.New(), ids.New(), body, n))
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
