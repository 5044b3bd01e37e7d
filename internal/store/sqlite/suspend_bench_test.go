package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit/waiting"
)

// BenchmarkSuspend suspends and resumes an account with very many waiting
// deliveries, as a command beside the server does, while 16 sessions of others
// bring mail to the server. It logs the time until the change is durable, which
// stops the deliveries, and until all are held; and what the sessions notice.
func BenchmarkSuspend(b *testing.B) {
	for _, deliveries := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(deliveries), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "bench.db")
			s, command := openAt(b, path, true), openAt(b, path, false)
			a := addAccount(b, s)
			fillWaiting(b, s, a, deliveries, 1)
			b.ResetTimer()
			for range b.N {
				for _, state := range []account.State{account.Suspended, account.Active} {
					a.State = state
					suspendUnderLoad(b, s, command, a)
					a.Revision++
				}
			}
		})
	}
}

// addAccount stores the account ann@sender.example, with a password, and all above
// it.
func addAccount(t testing.TB, s *Store) account.Account {
	t.Helper()
	ctx, e := context.Background(), audit.Event{Kind: audit.AdminAdded}
	a := account.Account{ID: "ANN", Address: mail.Address{Local: "ann", Domain: "sender.example"}, State: account.Active}
	a.Credentials = []account.Credential{{ID: "KEY", Kind: account.Password, Name: "password", Secret: account.Secret{Hash: "x"}}}
	for _, err := range []error{
		s.PutCustomer(ctx, account.Customer{Name: "acme", State: account.Active}, e),
		s.PutDomain(ctx, account.Domain{Name: "sender.example", Customer: "acme", State: account.Active}, e),
		s.PutAccount(ctx, a, e),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	a.Revision = 1
	return a
}

// fillWaiting stores the rows of n waiting messages of an account under its
// password. gap is 1 or
// more: of so many that came, one still waits.
func fillWaiting(t testing.TB, s *Store, a account.Account, n, gap int) {
	t.Helper()
	numbers := fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + %d FROM n WHERE i < %d) ", gap, gap, n*gap)
	err := s.change(context.Background(), "bench", func(t *tx) error {
		t.waiting[waiting.Queued] += n
		err := t.Exec(`INSERT INTO submission SELECT printf('%026d', i), '', ?, 'KEY', ?, 'sender.example', 'acme', '',
    i, i, 'a@b', 0, '', 0, '', '', 1, 1, 0, i FROM (`+numbers+`SELECT i FROM n)`, bind(a.ID, a.Login()))
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
		t.Fatal(err)
	}
}

// suspendUnderLoad stores a while others accept, after a time of accepting alone.
func suspendUnderLoad(b *testing.B, s, command *Store, a account.Account) {
	ctx := context.Background()
	report := func(what string, took []time.Duration, in time.Duration) {
		slices.Sort(took)
		b.Logf("%s: %.0f accepts/s, p50 %v, p99 %v, max %v", what, float64(len(took))/in.Seconds(), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
	}
	report("alone", acceptWhile(b, s, func() { time.Sleep(2 * time.Second) }), 2*time.Second)
	before, err := s.Generation(ctx)
	if err != nil {
		b.Fatal(err)
	}
	var done, durable time.Duration
	took := acceptWhile(b, s, func() {
		began := time.Now()
		var watch sync.WaitGroup
		watch.Go(func() {
			for now := before; now == before && err == nil; now, err = s.Generation(ctx) {
				time.Sleep(time.Millisecond)
			}
			durable = time.Since(began)
		})
		if err := command.PutAccount(ctx, a, audit.Event{Kind: audit.AdminChanged}); err != nil {
			b.Fatal(err)
		}
		done = time.Since(began)
		watch.Wait()
	})
	if err != nil {
		b.Fatal(err)
	}
	report(fmt.Sprintf("%s, durable after %v, all followed after %v", a.State, durable.Round(time.Millisecond), done.Round(time.Millisecond)), took, done)
}

// acceptWhile accepts in 16 sessions while work runs, and returns how long each
// acceptance took.
func acceptWhile(b *testing.B, s *Store, work func()) []time.Duration {
	ctx, stop := context.WithCancel(context.Background())
	body := bytes.Repeat([]byte("0123456789abcde\n"), 256)
	var ids mail.IDSource
	var flow sync.WaitGroup
	took := make([][]time.Duration, 16)
	for i := range took {
		flow.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				began := time.Now()
				if err := s.Accept(context.Background(), benchMessage(ids.New(), ids.New(), body, n)); err != nil {
					b.Error(err)
					return
				}
				took[i] = append(took[i], time.Since(began))
			}
		})
	}
	work()
	stop()
	flow.Wait()
	return slices.Concat(took...)
}
