package sqlite

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// BenchmarkProofs asks in turn for the proofs of logins that exist and that do not,
// where one customer has 50,000 domains: the medians and the difference between
// them, which is what a stop-watch could tell.
func BenchmarkProofs(b *testing.B) {
	s := openBench(b)
	fillDomains(b, s)
	known := account.Account{
		ID: "KNOWN", Address: mail.Address{Local: "known", Domain: "d7.example"}, State: account.Active,
		Credentials: []account.Credential{{ID: "PASSWORD", Kind: account.Password, Name: "password", Secret: account.Secret{Hash: "$x$1", Cost: "x"}}},
	}
	if err := s.PutAccount(b.Context(), known, audit.Event{Kind: audit.AdminAdded}); err != nil {
		b.Fatal(err)
	}
	logins := []string{known.Login(), "nobody@d7.example", "nobody@nowhere.example"}
	took := make([][]time.Duration, len(logins))
	for b.Loop() {
		for range 200 {
			for i, login := range logins {
				began := time.Now()
				_, err := s.Proofs(b.Context(), login)
				took[i] = append(took[i], time.Since(began))
				if (err == nil) != (i == 0) || i > 0 && !fault.Is(err, fault.NotFound) {
					b.Fatal(err)
				}
			}
		}
	}
	median := func(i int) float64 {
		slices.Sort(took[i])
		return float64(took[i][len(took[i])/2]) / 1e3
	}
	b.ReportMetric(median(0), "known-µs")
	b.ReportMetric(median(1), "unknown-µs")
	b.ReportMetric(median(2), "unknown-domain-µs")
	b.ReportMetric(median(0)-median(1), "difference-µs")
}

// fillDomains stores a customer with a plan and 50,000 domains.
func fillDomains(b *testing.B, s *Store) {
	b.Helper()
	ctx, now := context.Background(), time.Now()
	e := audit.Event{At: now, Kind: audit.AdminAdded}
	if err := s.PutPlan(ctx, account.Plan{Name: "basic", State: account.Active, Created: now}, e); err != nil {
		b.Fatal(err)
	}
	if err := s.PutCustomer(ctx, account.Customer{Name: "large", Plan: "basic", State: account.Active, Created: now}, e); err != nil {
		b.Fatal(err)
	}
	err := s.change(ctx, "bench", func(t *tx) error {
		for i := range 50_000 {
			err := t.Exec("INSERT INTO domain (name, customer, state, created, revision) VALUES (?, 'large', 'active', 0, 1)", bind(fmt.Sprintf("d%d.example", i)))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
