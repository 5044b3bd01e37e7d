package app

import (
	"bytes"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/testkit/pgcluster"
)

// copiedMessages is how many messages of 4 KB wait in the store that is copied.
const copiedMessages = 100_000

// BenchmarkCopy copies a full queue to PostgreSQL, on a server of its own that is as
// durable as one is by default, and back, verification included.
func BenchmarkCopy(b *testing.B) {
	cluster := pgcluster.Start(b, pgcluster.Options{Settings: map[string]string{"shared_buffers": "256MB", "max_wal_size": "4GB"}})
	inSQLite := inFile(b)
	inSQLite.with(func(s Store) { acceptMany(b, s, copiedMessages) })
	inPostgres := inDatabase(b, cluster)
	copyTo(inSQLite, inPostgres)
	for name, c := range map[string]struct {
		from place
		to   func() place
	}{
		"to PostgreSQL": {inSQLite, func() place { return inDatabase(b, cluster) }},
		"to SQLite":     {inPostgres, func() place { return inFile(b) }},
	} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				copyTo(c.from, c.to())
			}
			b.ReportMetric(float64(b.N*copiedMessages)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// acceptMany fills a store from many sessions.
func acceptMany(b *testing.B, s Store, messages int64) {
	b.Helper()
	var ids mail.IDSource
	var next atomic.Int64
	var all sync.WaitGroup
	body := bytes.Repeat([]byte("0123456789abcdef"), 4096/16)
	for range 64 {
		all.Go(func() {
			for next.Add(1) <= messages {
				now := time.Now()
				id := ids.New()
				err := s.Accept(b.Context(), &queue.Acceptance{
					Submission: queue.Submission{ID: id, Session: ids.New(), Login: "user@sender.example", Domain: "sender.example", Customer: "acme", At: now, Expires: now.Add(time.Hour), Size: 5000},
					Deliveries: []queue.Delivery{{Submission: id, N: 1, State: queue.Queued, Next: now, Recipient: mail.Recipient{To: mail.Address{Local: "someone", Domain: "recipient.example"}}}},
					Content:    queue.Content{Head: body[:1000], Body: body},
					Events: []audit.Event{{
						At: now, Kind: audit.Accepted, Submission: id, Login: "user@sender.example", Client: "192.0.2.1", Code: 250,
						Data: map[string]string{"size": "5000", "recipients": "1"},
					}},
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}
