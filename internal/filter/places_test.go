package filter

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// slow takes as long as it may over what one customer sends.
type slow struct{ Program }

func (slow) Ask(ctx context.Context, m *Message) (*Answer, error) {
	if m.Customer == "mallory" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &Answer{Verdict: Pass}, nil
}

// TestOneCustomerLeavesPlaces: whatever one customer brings, through however many accounts, another
// one does not wait for it.
func TestOneCustomerLeavesPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := New(slow{}, Options{Name: "f", Timeout: time.Minute, Pause: time.Second, Concurrent: 20, Failures: 1000}, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		for i := range 100 {
			go func() {
				for ctx.Err() == nil {
					_, _ = f.Ask(ctx, &Message{Login: fmt.Sprint("mallory", i%7), Customer: "mallory"})
				}
			}()
		}
		synctest.Wait()
		if n := f.places.count(); n != 15 {
			t.Errorf("one customer has %d of 20 places, want 15", n)
		}
		for range 20 {
			began := time.Now()
			if _, err := f.Ask(ctx, &Message{Login: "good", Customer: "good"}); err != nil || time.Since(began) > 0 {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		}
		stop()
		synctest.Wait()
		if n := f.places.count(); n != 0 || f.places.waiting.Len() != 0 || len(f.places.logins)+len(f.places.customers) != 0 {
			t.Errorf("%d places stay taken", n)
		}
	})
}

// TestWhoHasFewestIsNext: a place that becomes free is for the customer with fewest, then for the
// login with fewest, then for who has waited longest; who waits for too long gets none.
func TestWhoHasFewestIsNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(3)
		first := p.enter(t.Context(), &Message{Login: "a1", Customer: "a"})
		_ = p.enter(t.Context(), &Message{Login: "a1", Customer: "a"})
		_ = p.enter(t.Context(), &Message{Login: "b1", Customer: "b"})
		var order []string
		wait := func(ctx context.Context, login, customer string) {
			go func() {
				if leave := p.enter(ctx, &Message{Login: login, Customer: customer}); leave != nil {
					order = append(order, login)
					leave()
				}
			}()
			synctest.Wait()
		}
		short, cancel := context.WithCancel(t.Context())
		wait(t.Context(), "a1", "a")
		wait(t.Context(), "a2", "a")
		wait(t.Context(), "b1", "b")
		wait(t.Context(), "b2", "b")
		wait(short, "c0", "c")
		wait(t.Context(), "c1", "c")
		wait(t.Context(), "d", "")
		cancel()
		synctest.Wait()
		first()
		synctest.Wait()
		if got := fmt.Sprint(order); got != "[c1 d a2 b2 a1 b1]" {
			t.Errorf("they come in as %s", got)
		}
		if n := p.count(); n != 2 {
			t.Errorf("%d places are taken, want 2", n)
		}
	})
}
