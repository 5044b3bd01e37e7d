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
	sqlcounting "countersign/internal/store/sqlkit/counting"
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
	var began, passed, refused, unknown atomic.Int64
	var sending sync.WaitGroup
	for n := range senders {
		sending.Go(func() {
			for i := range each {
				a := countedMessage(n*each+i, n%7, room)
				began.Add(1)
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
	cut := cutting(t, url, &began, stop)
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

// TestCounterThatComesMeanwhile: a counter that was not there when a message was judged, and that
// somebody else makes before it is stored, counts for that message all the same.
func TestCounterThatComesMeanwhile(t *testing.T) {
	other := newStranger(t)
	s := other.gate
	full, now := &limit.Counter{}, time.Now()
	full.Count(limit.Amounts{limit.Recipients: 10}, limit.Windowed(0).And(limit.Hour), now, now)
	other.run("BEGIN")
	other.run("INSERT INTO counter (subject, data, ends) VALUES ($1, $2, $3)", sqlcounting.KeyOf(limit.Subject{Kind: limit.Everything}), full.AppendBinary(nil), now.Add(24*time.Hour).UnixMicro())
	answer := make(chan error, 1)
	go func() { answer <- s.Accept(context.Background(), countedMessage(0, 0, 10)) }()
	for waits := 0; waits == 0; {
		select {
		case err := <-answer:
			t.Fatalf("it waits for nobody: %v", err)
		default:
		}
		if err := other.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waits); err != nil {
			t.Fatal(err)
		}
	}
	other.run("COMMIT")
	if err := <-answer; !fault.Is(err, fault.Busy) {
		t.Errorf("the eleventh of ten recipients is answered %v", err)
	}
	// One that passes counts on top of what the other has counted.
	if err := s.Accept(t.Context(), countedMessage(1, 0, 12)); err != nil {
		t.Error(err)
	}
	counters, at, err := s.Counted(t.Context(), []limit.Subject{{Kind: limit.Everything}})
	if err != nil {
		t.Fatal(err)
	}
	if n := counters[0].Used(limit.Hour, limit.Recipients, at); n != 12 {
		t.Errorf("%d are counted, want 12", n)
	}
	var stored int
	if err := other.QueryRow(t.Context(), "SELECT count(*) FROM submission").Scan(&stored); err != nil || stored != 1 {
		t.Errorf("%d are stored, %v", stored, err)
	}
}

// TestRefusedBesideOthers: of messages that are stored together those that their limits refuse
// leave nothing, and the others are there.
func TestRefusedBesideOthers(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	s, err := Open(t.Context(), Options{URL: url, Server: true, Node: "1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	const messages, room = 60, 20
	var passed atomic.Int64
	var sending sync.WaitGroup
	for n := range messages {
		sending.Go(func() {
			a := countedMessage(2*n, n%2, room) // of one recipient each
			switch err := s.Accept(context.Background(), a); {
			case err == nil:
				passed.Add(1)
			case !fault.Is(err, fault.Busy):
				t.Error(err)
			}
		})
	}
	sending.Wait()
	waiting, err := s.List(t.Context(), queue.Filter{Limit: 1000})
	if err != nil || passed.Load() != room || len(waiting) != room {
		t.Errorf("%d passed, %d wait, %v; want %d", passed.Load(), len(waiting), err, room)
	}
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	var submissions, contents int
	if err := c.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM submission), (SELECT count(*) FROM content)").Scan(&submissions, &contents); err != nil || submissions != room || contents != room {
		t.Errorf("%d submissions and %d contents are stored, %v; want %d", submissions, contents, err, room)
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

// cutting ends all other connections of the database again and again, until stop is closed; each
// time that messages have been answered since, so that others have begun, as on a machine that is
// busy a new connection takes long.
func cutting(t *testing.T, url string, began *atomic.Int64, stop <-chan struct{}) <-chan struct{} {
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
		for last := int64(0); ; {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			now := began.Load()
			if now < last+3 {
				continue
			}
			last = now
			const text = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
			if _, err := c.Exec(context.Background(), text); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	return done
}
