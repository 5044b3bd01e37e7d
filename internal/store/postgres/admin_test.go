package postgres

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/queue"
)

// TestAdministrationIsAFewTurns holds, releases, makes due and drops a thousand
// deliveries, each in transactions that keep all others from the queue: what they
// cost must not grow with the number of deliveries.
func TestAdministrationIsAFewTurns(t *testing.T) {
	b, through := standBetween(t, shared.Cluster(t).Database(t))
	s := openAt(t, through, true)
	const messages, recipients = 500, 2
	for n := range messages {
		if err := s.Accept(t.Context(), letterTo(n, recipients)); err != nil {
			t.Fatal(err)
		}
	}
	var turns atomic.Int64
	count := func(fromServer bool, _ []byte) bool {
		if !fromServer {
			turns.Add(1)
		}
		return false
	}
	deferAll := func() {
		for n := range messages {
			r := &queue.Report{Submission: subOf(n)}
			for i := range recipients {
				r.Outcomes = append(r.Outcomes, queue.Outcome{N: i + 1, State: queue.Deferred, Next: time.Unix(1, 0)})
			}
			if err := s.Report(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, e := context.Background(), audit.Event{At: time.Unix(1, 0), Kind: audit.DeliveryHeld, Actor: "cli:me"}
	for _, step := range []struct {
		name   string
		before func()
		do     func() (int, error)
	}{
		{"hold", func() {}, func() (int, error) { return s.Hold(ctx, queue.Filter{}, "x", e) }},
		{"release", func() {}, func() (int, error) { return s.Release(ctx, queue.Filter{}, e) }},
		{"retry", deferAll, func() (int, error) { return s.Retry(ctx, queue.Filter{}, e) }},
		{"drop", func() {}, func() (int, error) { return s.Drop(ctx, queue.Filter{}, e) }},
	} {
		step.before()
		turns.Store(0)
		b.cut.Store(&count)
		began := time.Now()
		n, err := step.do()
		took := time.Since(began)
		b.cut.Store(nil)
		t.Logf("%s: %d deliveries in %d turns, %v", step.name, n, turns.Load(), took.Round(time.Millisecond))
		// Others of the process ask the server too meanwhile: the watch over what is
		// to be held does, a few times a second.
		if err != nil || n != messages*recipients || turns.Load() > 60 {
			t.Errorf("%s: %d in %d turns, %v", step.name, n, turns.Load(), err)
		}
	}
	wantQueue(t, s)
	if events := search(t, s, audit.Query{Kind: audit.DeliveryHeld}); len(events) != 4*messages*recipients {
		t.Errorf("there are %d events", len(events))
	}
}
