package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/app/revoked"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/sink"
	"countersign/internal/testkit/pgcluster"
)

// BenchmarkRevoked puts a certificate on a list with 10,000 messages waiting that came with it,
// among 10,000 that came with another, and reports how long it takes until all are held.
func BenchmarkRevoked(b *testing.B) {
	for engine, extra := range map[string]func() string{
		"SQLite": func() string { return "" },
		"PostgreSQL": func() string {
			cluster := pgcluster.Start(b, pgcluster.Options{Settings: map[string]string{"shared_buffers": "256MB", "max_wal_size": "4GB"}})
			return fmt.Sprintf("[store]\nurl = %q\n", cluster.Database(b))
		},
	} {
		b.Run(engine, func(b *testing.B) {
			const n = 10_000
			w := newWorld(b, "[delivery]\nenabled = false\n"+extra(), func(sink.Message) error { return nil })
			withCertificates(b, w.app.store, 2*n)
			for range b.N {
				changed := make(chan struct{}, 1)
				ctx, stop := context.WithCancel(b.Context())
				var running sync.WaitGroup
				h := revoked.New(revoked.Options{
					Store: w.app.store, Changed: changed, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
					Revokes: func(path string) bool { return path == "1" },
				})
				running.Go(func() { h.Run(ctx) })
				began := time.Now()
				changed <- struct{}{}
				pace := time.NewTicker(10 * time.Millisecond)
				for held := 0; held < n; <-pace.C {
					stats, err := w.app.store.Stats(ctx)
					if err != nil {
						b.Fatal(err)
					}
					held = stats.Held
				}
				b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms-until-held")
				stop()
				running.Wait()
			}
		})
	}
}

// withCertificates stores messages of the test account that came with two certificates, in turns.
func withCertificates(b *testing.B, s Store, n int) {
	b.Helper()
	ctx := b.Context()
	a, err := s.Account(ctx, testLogin)
	if err != nil {
		b.Fatal(err)
	}
	card := account.Credential{ID: "CARD", Kind: account.Certificate, Name: "card", Subject: "cn:card", Created: time.Now(), Changed: time.Now()}
	a.Credentials = append(a.Credentials, card)
	if err := s.PutAccount(ctx, a, audit.Event{At: time.Now(), Kind: audit.AdminChanged}); err != nil {
		b.Fatal(err)
	}
	generation, err := s.Generation(ctx)
	if err != nil {
		b.Fatal(err)
	}
	var accepting sync.WaitGroup
	for g := range 64 {
		accepting.Go(func() {
			for i := g; i < n; i += 64 {
				id := mail.ID(fmt.Sprintf("%026d", i))
				m := &queue.Acceptance{
					Submission: queue.Submission{
						ID: id, Session: id, Account: a.ID, Credential: card.ID, Login: a.Login(), Domain: a.Address.Domain, Customer: "acme",
						At: time.Now(), Expires: time.Now().Add(time.Hour), Envelope: mail.Envelope{From: a.Address}, Size: 1000,
					},
					Deliveries: []queue.Delivery{{Submission: id, N: 1, State: queue.Queued, Next: time.Now(), Recipient: mail.Recipient{To: a.Address}}},
					Content:    queue.Content{Head: make([]byte, 500), Body: make([]byte, 500)},
					Events: []audit.Event{{
						At: time.Now(), Kind: audit.Accepted, Session: id, Submission: id, Login: a.Login(), Data: map[string]string{queue.CertificatePath: fmt.Sprint(i % 2)},
					}},
					Generation: generation, Revision: a.Revision + 1, Domains: []mail.Domain{a.Address.Domain},
				}
				if err := s.Accept(context.WithoutCancel(ctx), m); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	accepting.Wait()
}
