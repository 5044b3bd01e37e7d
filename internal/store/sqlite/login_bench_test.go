package sqlite

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/phc"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// BenchmarkFailedLogin lets logins fail in turn that exist and that do not,
// where one customer has 50,000 domains. The hash is the cheapest there is, so
// that all else shows: the medians and the difference between them, which is
// what a stop-watch could tell.
func BenchmarkFailedLogin(b *testing.B) {
	s := openBench(b)
	fillDomains(b, s)
	hasher, err := account.NewHasher(account.HasherOptions{Params: phc.Params{MemoryKiB: 8, Iterations: 1, Parallelism: 1}})
	if err != nil {
		b.Fatal(err)
	}
	admin := account.NewAdmin(account.AdminOptions{Store: s, Hasher: hasher, IDs: &mail.IDSource{}, Actor: "bench"})
	known := mail.Address{Local: "known", Domain: "d7.example"}
	if err := admin.AddAccount(b.Context(), account.NewAccount{Address: known, Password: "a long bench password"}); err != nil {
		b.Fatal(err)
	}
	v := account.NewVerifier(s, hasher, account.VerifierOptions{})
	logins := []string{known.String(), "nobody@d7.example", "nobody@nowhere.example"}
	took := make([][]time.Duration, len(logins))
	for b.Loop() {
		for range 200 {
			for i, login := range logins {
				began := time.Now()
				_, err := v.Password(b.Context(), account.Attempt{Login: login, Password: "a wrong password", Client: netip.MustParseAddr("192.0.2.7")})
				took[i] = append(took[i], time.Since(began))
				if !fault.Is(err, fault.Unauthenticated) {
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
