package account

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
)

// watch runs Senders in the bubble until the test ends.
func watch(t *testing.T, w *world, opt SendersOptions) *Senders {
	t.Helper()
	s := NewSenders(w.store, opt)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return s
}

func TestSendersCostNoLookWhileNothingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := watch(t, w, SendersOptions{})
		for range 50 {
			if _, err := s.Sender(t.Context(), "a@acme.example"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond) // fake time
		}
		if w.store.reads != 1 {
			t.Errorf("%d looks at the store in 5 s, 1 wanted", w.store.reads)
		}
	})
}

func TestSendersFeelAChangeWithinASecond(t *testing.T) {
	changes := map[string]func(*world) error{
		"account":  func(w *world) error { return w.admin.SuspendAccount(context.Background(), at("a@acme.example")) },
		"domain":   func(w *world) error { return w.admin.SuspendDomain(context.Background(), "acme.example") },
		"customer": func(w *world) error { return w.admin.SuspendCustomer(context.Background(), "acme") },
		"plan":     func(w *world) error { return w.admin.SuspendPlan(context.Background(), "gold") },
		"move": func(w *world) error {
			if err := w.admin.SuspendCustomer(context.Background(), "other"); err != nil {
				return err
			}
			return w.admin.SetDomainCustomer(context.Background(), "acme.example", "other")
		},
		"removal": func(w *world) error { return w.admin.RemoveAccount(context.Background(), at("a@acme.example")) },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				s := watch(t, w, SendersOptions{})
				time.Sleep(50 * time.Millisecond)
				if _, err := s.Sender(t.Context(), "a@acme.example"); err != nil {
					t.Fatal(err)
				}
				if err := change(w); err != nil {
					t.Fatal(err)
				}
				time.Sleep(250 * time.Millisecond)
				sender, err := s.Sender(t.Context(), "a@acme.example")
				if err == nil && sender.Active() {
					t.Error("not felt after 250 ms")
				}
				if name == "removal" && !fault.Is(err, fault.NotFound) {
					t.Error(err)
				}
			})
		})
	}
}

func TestSendersAreNeverStaleForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := watch(t, w, SendersOptions{})
		if _, err := s.Sender(t.Context(), "a@acme.example"); err != nil {
			t.Fatal(err)
		}
		w.store.setDown(errDown)
		time.Sleep(500 * time.Millisecond)
		if _, err := s.Sender(t.Context(), "a@acme.example"); err != nil {
			t.Errorf("a short absence of the store is felt: %v", err)
		}
		time.Sleep(300 * time.Millisecond)
		if _, err := s.Sender(t.Context(), "a@acme.example"); err == nil {
			t.Error("the last answer is given for ever")
		}
		w.store.setDown(nil)
		if _, err := s.Sender(t.Context(), "a@acme.example"); err != nil {
			t.Errorf("the store is back, and not asked: %v", err)
		}
	})
}

func TestSendersWithoutRunAskTheDirectory(t *testing.T) {
	w := newWorld(t)
	s := NewSenders(w.store, SendersOptions{})
	for want := 1; want <= 3; want++ {
		if _, err := s.Sender(t.Context(), "a@acme.example"); err != nil || w.store.reads != want {
			t.Errorf("question %d: %d looks, %v", want, w.store.reads, err)
		}
	}
}

func TestSendersAfterTheStoreWasPutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := watch(t, w, SendersOptions{})
		if _, err := s.Sender(t.Context(), "a@acme.example"); err != nil {
			t.Fatal(err)
		}
		w.store.mu.Lock()
		w.store.generation = 1
		a := w.store.accounts["a@acme.example"]
		a.State = Suspended
		w.store.accounts["a@acme.example"] = a
		w.store.mu.Unlock()
		time.Sleep(250 * time.Millisecond)
		sender, err := s.Sender(t.Context(), "a@acme.example")
		if err != nil || sender.Active() {
			t.Errorf("still what it was before: %v", err)
		}
	})
}

func TestSendersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := watch(t, w, SendersOptions{Max: 4})
		for i := range 10 {
			login := fmt.Sprintf("m%d@acme.example", i)
			err := w.admin.AddAccount(t.Context(), NewAccount{Address: address(t, login), Password: goodPassword})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Sender(t.Context(), login); err != nil {
				t.Fatal(err)
			}
			if i == 6 { // from here on older entries are out of date
				time.Sleep(time.Second)
			}
			if n := len(s.entries); n > 4 {
				t.Fatalf("%d entries, 4 allowed", n)
			}
		}
	})
}

func TestSeenGenerationOutdatesWhatIsKept(t *testing.T) {
	now := time.Now()
	w := newWorld(t)
	s := NewSenders(w.store, SendersOptions{Now: func() time.Time { return now }})
	s.poll(t.Context())
	first, err := s.Sender(t.Context(), "a@acme.example")
	if err != nil {
		t.Fatal(err)
	}
	reads := w.store.reads
	if _, err := s.Sender(t.Context(), "a@acme.example"); err != nil || w.store.reads != reads {
		t.Fatalf("the second answer is not kept: %d reads (%v)", w.store.reads-reads, err)
	}
	s.Seen(first.Generation + 1)
	if _, err := s.Sender(t.Context(), "a@acme.example"); err != nil || w.store.reads != reads+1 {
		t.Errorf("an answer older than what was seen is still given: %d reads (%v)", w.store.reads-reads, err)
	}
}
