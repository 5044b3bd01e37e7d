package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"countersign/internal/fault"
)

// tape is a Store that keeps batches. While stuck is not nil, Append waits for
// it; fail, when set, is asked before each.
type tape struct {
	mu      sync.Mutex
	batches [][]Event
	stuck   chan struct{}
	fail    func() error
}

func (s *tape) Append(ctx context.Context, events []Event) error {
	s.mu.Lock()
	stuck, fail := s.stuck, s.fail
	s.mu.Unlock()
	if stuck != nil {
		select {
		case <-stuck:
		case <-ctx.Done():
			return fault.Wrap("tape", fault.Canceled, ctx.Err())
		}
	}
	if fail != nil {
		if err := fail(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, append([]Event(nil), events...))
	return nil
}

func (s *tape) Search(context.Context, Query) ([]Event, error) { return nil, nil }

// texts lists the texts of all events stored, in order.
func (s *tape) texts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, b := range s.batches {
		for _, e := range b {
			out = append(out, e.Text)
		}
	}
	return out
}

func event(n int) Event { return Event{Kind: AuthPassed, Text: fmt.Sprint(n)} }

func TestEventsArriveInOrderAndInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &tape{}
		r := NewRecorder(store, RecorderOptions{Batch: 8})
		for n := range 20 {
			r.Record(event(n))
		}
		synctest.Wait()
		if n := len(store.texts()); n != 16 {
			t.Errorf("%d events stored at once, the two full batches wanted", n)
		}
		time.Sleep(100 * time.Millisecond) // fake time: the rest waits no longer
		synctest.Wait()
		got := store.texts()
		for n := range 20 {
			if n >= len(got) || got[n] != fmt.Sprint(n) {
				t.Fatalf("stored %v", got)
			}
		}
		for _, b := range store.batches {
			if len(b) > 8 {
				t.Errorf("a batch of %d", len(b))
			}
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestFlushStoresAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, began := &tape{}, time.Now()
		r := NewRecorder(store, RecorderOptions{})
		r.Record(event(1))
		if err := r.Flush(t.Context()); err != nil || len(store.texts()) != 1 {
			t.Errorf("%v, %v", store.texts(), err)
		}
		if err := r.Flush(t.Context()); err != nil { // with nothing to do
			t.Error(err)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("Flush took %v", waited)
		}
		if e := store.batches[0][0]; !e.At.Equal(began) || e.At.Location() != time.UTC {
			t.Errorf("time of an event without one: %v", e.At)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := r.Flush(t.Context()); !fault.Is(err, fault.Canceled) {
			t.Errorf("Flush after Close: %v", err)
		}
	})
}

func TestFlushEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &tape{stuck: make(chan struct{})}
		r := NewRecorder(store, RecorderOptions{})
		r.Record(event(1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Flush(ctx); !fault.Is(err, fault.Canceled) {
			t.Error(err)
		}
		close(store.stuck)
		if err := r.Close(t.Context()); err != nil || len(store.texts()) != 1 {
			t.Errorf("%v, %v", store.texts(), err)
		}
	})
}

func TestStuckStoreCostsEventsButNoSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		store, began := &tape{stuck: make(chan struct{})}, time.Now()
		r := NewRecorder(store, RecorderOptions{
			Buffer: 4, Batch: 2, Patience: 50 * time.Millisecond,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		r.Record(event(0))
		r.Record(event(1))
		synctest.Wait() // these two are in the writer's hand
		for n := 2; n < 20; n++ {
			r.Record(event(n))
		}
		if waited := time.Since(began); waited != 50*time.Millisecond {
			t.Errorf("18 calls took %v; only the first that found no room may wait", waited)
		}
		if n := r.Dropped(); n != 14 || r.Waiting() != 4 {
			t.Errorf("%d dropped and %d waiting, 14 and 4 wanted", n, r.Waiting())
		}
		if n := strings.Count(log.String(), "events lost"); n != 1 {
			t.Errorf("%d lines about lost events, 1 wanted:\n%s", n, log.String())
		}
		if n := strings.Count(log.String(), string(AuthPassed)); n != 20 {
			t.Errorf("the log has %d of 20 events", n)
		}
		close(store.stuck)
		synctest.Wait()
		r.Record(event(20))
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if got := strings.Join(store.texts(), " "); got != "0 1 2 3 4 5 20" {
			t.Errorf("stored %s", got)
		}
	})
}

func TestFailedAppendIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failures := 3
		store := &tape{fail: func() error {
			failures--
			if failures >= 0 {
				return fault.New("tape", fault.Full, "no space")
			}
			return nil
		}}
		r := NewRecorder(store, RecorderOptions{})
		r.Record(event(1))
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(store.texts()) != 1 || r.Dropped() != 0 {
			t.Errorf("stored %v, dropped %d", store.texts(), r.Dropped())
		}
		r.Close(t.Context())
	})
}

func TestEventsThatTheStoreWillNeverTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := true
		store := &tape{fail: func() error {
			if bad {
				bad = false
				return fault.New("tape", fault.Invalid, "no")
			}
			return nil
		}}
		r := NewRecorder(store, RecorderOptions{})
		for n := range 2 {
			r.Record(event(n))
			if err := r.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Join(store.texts(), " "); got != "1" || r.Dropped() != 1 {
			t.Errorf("stored %s, dropped %d: one bad batch must not stand in the way", got, r.Dropped())
		}
		r.Close(t.Context())
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &tape{}
		r := NewRecorder(store, RecorderOptions{Delay: time.Hour})
		for n := range 3 {
			r.Record(event(n))
		}
		if err := r.Close(t.Context()); err != nil || len(store.texts()) != 3 {
			t.Errorf("%v, %v", store.texts(), err)
		}
		r.Record(event(4))
		if r.Dropped() != 1 {
			t.Error("an event after Close is not counted as lost")
		}
		if err := r.Close(t.Context()); err != nil {
			t.Errorf("the second Close: %v", err)
		}
	})
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, store := range map[string]*tape{
			"stuck":   {stuck: make(chan struct{})},
			"failing": {fail: func() error { return errors.New("away") }},
		} {
			began := time.Now()
			r := NewRecorder(store, RecorderOptions{Batch: 2})
			for n := range 5 {
				r.Record(event(n))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			err := r.Close(ctx)
			cancel()
			if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "5 events") {
				t.Errorf("%s: %v", name, err)
			}
			if waited := time.Since(began); waited != 3*time.Second {
				t.Errorf("%s: Close took %v", name, waited)
			}
		}
	})
}

// Many record while one closes: every event is stored or counted.
func TestNoEventIsLostUncounted(t *testing.T) {
	defer goleak.VerifyNone(t)
	store := &tape{}
	r := NewRecorder(store, RecorderOptions{Buffer: 16, Delay: time.Millisecond})
	var all sync.WaitGroup
	const workers, each = 8, 200
	half := make(chan struct{})
	for w := range workers {
		all.Go(func() {
			for n := range each {
				if w == 0 && n == each/2 {
					close(half)
				}
				r.Record(event(n))
			}
		})
	}
	<-half
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	all.Wait()
	if got := len(store.texts()) + int(r.Dropped()); got != workers*each {
		t.Errorf("%d of %d events are stored or counted", got, workers*each)
	}
}
