package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/queue"
	"countersign/internal/store/storetest/expect"
)

func concurrencyCases() map[string]func(*testing.T, Store) {
	return map[string]func(*testing.T, Store){
		"no change of an object is lost":            noLostUpdate,
		"many sessions and deliveries at once":      manyAtWork,
		"one of many wins an id":                    oneWins,
		"no message slips past a suspension":        nothingSlipsPast,
		"events of one call stay together in order": eventsStayTogether,
	}
}

// Together runs work n times at the same time.
func Together(n int, work func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { work(i) })
	}
	wg.Wait()
}

func noLostUpdate(t *testing.T, s Store) {
	settle(t, s)
	Together(8, func(int) {
		for done := 0; done < 5; {
			p, err := s.Plan(t.Context(), "basic")
			if err != nil {
				t.Error(err)
				return
			}
			p.MaxMessages++
			err = s.PutPlan(t.Context(), p, Event("plan"))
			switch {
			case err == nil:
				done++
			case !fault.Is(err, fault.Conflict):
				t.Error(err)
				return
			}
		}
	})
	if p := expect.Got(s.Plan(t.Context(), "basic"))(t); p.MaxMessages != 90 || p.Revision != 41 {
		t.Errorf("got %+v, want forty changes", p)
	}
}

func manyAtWork(t *testing.T, s Store) {
	const workers, each = 16, 20
	Together(workers, func(w int) {
		for i := range each {
			m := Message(w*each+i, "a", "b")
			if err := s.Accept(t.Context(), m); err != nil {
				t.Error(err)
			}
			if err := s.Report(t.Context(), Outcome(m.Submission.ID, 1, queue.Delivered)); err != nil {
				t.Error(err)
			}
			if _, err := s.Due(t.Context(), Start(), queue.Position{}, 5); err != nil {
				t.Error(err)
			}
			if i%2 == 0 {
				if err := s.Report(t.Context(), Outcome(m.Submission.ID, 2, queue.Deferred)); err != nil {
					t.Error(err)
				}
			}
		}
	})
	WantStats(t, s, workers*each/2, workers*each/2, 0)
	if n := len(everything(t, s)); n != workers*each {
		t.Errorf("%d deliveries are left, want %d", n, workers*each)
	}
	all := expect.Got(s.Search(t.Context(), audit.Query{Limit: 10_000}))(t)
	if want := workers * each * 5 / 2; len(all) != want {
		t.Errorf("there are %d events, want %d", len(all), want)
	}
}

func oneWins(t *testing.T, s Store) {
	var won atomic.Int32
	Together(20, func(i int) {
		m := Message(1, fmt.Sprint("r", i))
		switch err := s.Accept(t.Context(), m); {
		case err == nil:
			won.Add(1)
		case !fault.Is(err, fault.Conflict):
			t.Error(err)
		}
	})
	if won.Load() != 1 || len(everything(t, s)) != 1 || len(eventsOf(t, s, ID("SUB", 1))) != 1 {
		t.Errorf("%d callers got the id; the queue has %v", won.Load(), everything(t, s))
	}
}

func nothingSlipsPast(t *testing.T, s Store) {
	p := settle(t, s)
	ann := p.ann // as she was
	var accepted atomic.Int32
	Together(9, func(w int) {
		if w == 0 {
			p.ann.State = account.Suspended
			if err := s.PutAccount(t.Context(), p.ann, Event("")); err != nil {
				t.Error(err)
			}
			return
		}
		for i := range 50 {
			err := s.Accept(context.WithoutCancel(t.Context()), messageOf(ann, "acme", p.generation, w*100+i))
			if fault.Is(err, fault.Denied) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			accepted.Add(1)
		}
	})
	WantStats(t, s, 0, 0, int(accepted.Load()))
}

func eventsStayTogether(t *testing.T, s Store) {
	Together(10, func(w int) {
		for range 5 {
			events := make([]audit.Event, 4)
			for i := range events {
				events[i] = audit.Event{At: Start(), Actor: fmt.Sprint(w), Delivery: i}
			}
			if err := s.Append(t.Context(), events); err != nil {
				t.Error(err)
			}
		}
	})
	all := expect.Got(s.Search(t.Context(), audit.Query{}))(t)
	if len(all) != 200 {
		t.Fatalf("there are %d events", len(all))
	}
	for i, e := range all {
		if e.Delivery != i%4 || e.Actor != all[i/4*4].Actor {
			t.Fatalf("event %d is number %d of %s", i, e.Delivery, e.Actor)
		}
	}
}
