package postgres

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// TestCountingOnThreeNodes: three nodes accept at once under the same limits while their
// connections are cut again and again: exactly as many recipients pass as the limits say,
// each that passed is stored once, and no two nodes wait for each other in a circle.
func TestCountingOnThreeNodes(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	var nodes []*Store
	for n := range 3 {
		s, err := Open(t.Context(), Options{URL: url, Server: true, Node: fmt.Sprint(n + 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		nodes = append(nodes, s)
	}
	const room, senders, each = 400, 30, 20
	var passed, refused, unknown atomic.Int64
	var sending sync.WaitGroup
	for n := range senders {
		sending.Go(func() {
			for i := range each {
				a := countedMessage(n*each+i, n%7, room)
				switch err := nodes[n%3].Accept(context.Background(), a); {
				case err == nil:
					passed.Add(int64(len(a.Deliveries)))
				case fault.Is(err, fault.Busy):
					refused.Add(1)
				default:
					unknown.Add(int64(len(a.Deliveries)))
				}
			}
		})
	}
	stop := make(chan struct{})
	cut := cutting(t, url, stop)
	sending.Wait()
	close(stop)
	<-cut
	everybody := limit.Subject{Kind: limit.Everything}
	counters, at, err := nodes[0].Counted(t.Context(), []limit.Subject{everybody})
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := nodes[0].List(t.Context(), queue.Filter{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	counted := counters[0].Used(limit.Hour, limit.Recipients, at)
	if counted != int64(len(waiting)) || counted > room || counted < passed.Load() || counted > passed.Load()+unknown.Load() {
		t.Errorf("%d recipients are counted, %d wait, %d passed and of %d nobody knows; %d are allowed", counted, len(waiting), passed.Load(), unknown.Load(), room)
	}
	if counted < room-1 || refused.Load() == 0 {
		t.Errorf("only %d of %d passed although %d messages were refused", counted, room, refused.Load())
	}
}

// countedMessage makes the n-th message, of one or two recipients.
func countedMessage(n, account int, room int64) *queue.Acceptance {
	id, at := mail.ID(fmt.Sprintf("01K%023d", n+1)), time.Now().UTC()
	a := &queue.Acceptance{
		Submission: queue.Submission{ID: id, At: at, Expires: at.Add(time.Hour)},
		Limits: &limit.Question{Want: limit.Amounts{limit.Recipients: int64(1 + n%2)}, Levels: []limit.Level{
			{Subject: limit.Subject{Kind: limit.Account, Name: fmt.Sprint(account)}, Limits: []limit.Limit{{Measure: limit.Recipients, Window: limit.Day, Max: room, Action: limit.Defer}}},
			{Subject: limit.Subject{Kind: limit.Everything}, Limits: []limit.Limit{{Measure: limit.Recipients, Window: limit.Hour, Max: room, Action: limit.Defer}}},
		}},
	}
	for i := range 1 + n%2 {
		a.Deliveries = append(a.Deliveries, queue.Delivery{Submission: id, N: i + 1, State: queue.Queued, Next: at, Recipient: mail.Recipient{To: mail.Address{Local: "x", Domain: "there.example"}}})
	}
	return a
}

// cutting ends all other connections of the database again and again, until stop is closed.
func cutting(t *testing.T, url string, stop <-chan struct{}) <-chan struct{} {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer c.Close(context.Background())
		tick := time.NewTicker(30 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			const text = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
			if _, err := c.Exec(context.Background(), text); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	return done
}
