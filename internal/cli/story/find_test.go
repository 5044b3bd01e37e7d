package story

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// sent makes the events of a submission to x@to.example, delivered after as many
// deferrals as told.
func sent(n, deferrals int) []audit.Event {
	id := mail.ID(fmt.Sprintf("M%04d", n))
	at := start.Add(time.Duration(n) * time.Minute)
	event := func(kind audit.Kind) audit.Event {
		return audit.Event{At: at, Kind: kind, Submission: id, Login: "a@b.example", Delivery: 1, Data: map[string]string{"to": "X@to.example"}}
	}
	all := []audit.Event{{At: at, Kind: audit.Accepted, Submission: id, Login: "a@b.example", Data: map[string]string{"from": "a@b.example"}}}
	for range deferrals {
		all = append(all, event(audit.DeliveryDeferred))
	}
	return append(all, event(audit.DeliveryDelivered))
}

func TestFindGoesBackUntilEnough(t *testing.T) {
	var events []audit.Event
	for n := range 5 {
		events = append(events, sent(n, 900)...)
	}
	x := mail.Address{Local: "x", Domain: "to.example"}
	for limit, want := range map[int]string{1: "M0004 more", 3: "M0002 M0003 M0004 more", 5: "M0000 M0001 M0002 M0003 M0004", 9: "M0000 M0001 M0002 M0003 M0004"} {
		found, more, err := Find(t.Context(), fill(t, events...), Wanted{To: x, Since: start, Limit: limit})
		got := ""
		for _, f := range found {
			got += f.Submission.String() + " "
			if len(f.Recipients) != 1 || f.Outcome() != "delivered" || f.To() != "X@to.example" || f.From != "a@b.example" {
				t.Errorf("found %+v", f)
			}
		}
		if more {
			got += "more"
		}
		if strings.TrimSpace(got) != want || err != nil {
			t.Errorf("limit %d: %q, %v", limit, got, err)
		}
	}
}

func TestFoundInWords(t *testing.T) {
	f := Found{Recipients: []Recipient{{1, "a", "delivered"}, {2, "b", "failed"}, {3, "c", "delivered"}, {4, "d", "held"}, {5, "e", "held"}}}
	if got := f.To() + "; " + f.Outcome(); got != "a, b, c, and 2 more; 2 delivered, 1 failed, 2 held" {
		t.Error(got)
	}
	for kind, want := range map[audit.Kind]string{
		audit.DeliveryDropped: "dropped", audit.DeliveryReleased: "queued", audit.DeliveryRetried: "queued", audit.Accepted: "",
	} {
		if got := outcomeOf(kind); got != want {
			t.Errorf("%s leaves %q", kind, got)
		}
	}
}

func TestFindTellsOfTheQueue(t *testing.T) {
	events := append(sent(1, 0), audit.Event{At: start, Kind: audit.Accepted, Submission: "M0009", Login: "a@b.example"})
	item := queue.Item{
		Delivery:   queue.Delivery{Submission: "M0009", N: 1, State: queue.Held, Recipient: mail.Recipient{To: mail.Address{Local: "y", Domain: "z"}}},
		Submission: &queue.Submission{ID: "M0009", At: start},
	}
	found, _, err := Find(t.Context(), withQueue{fill(t, events...), []queue.Item{item}}, Wanted{Login: "a@b.example", Limit: 9})
	if err != nil || len(found) != 2 || found[1].To()+" "+found[1].Outcome() != "y@z held" {
		t.Errorf("found %+v, %v", found, err)
	}
	// What was never tried is known to the queue alone.
	store := withQueue{fill(t, events...), []queue.Item{item}}
	y := mail.Address{Local: "y", Domain: "z"}
	for want, w := range map[int][]Wanted{
		1: {{To: y, Limit: 9}, {To: y, Since: start, Limit: 9}, {To: y, Until: start.Add(1), Limit: 9}},
		0: {{To: y, Since: start.Add(1), Limit: 9}, {To: y, Until: start, Limit: 9}, {To: mail.Address{Local: "x", Domain: "z"}, Limit: 9}},
	} {
		for _, one := range w {
			if found, _, err := Find(t.Context(), store, one); err != nil || len(found) != want {
				t.Errorf("%+v finds %+v, %v", one, found, err)
			}
		}
	}
}

// TestFindCountsNoCollectiveEvent: what a suspension holds or releases of many
// submissions at once is no recipient.
func TestFindCountsNoCollectiveEvent(t *testing.T) {
	events := sent(1, 1)
	for _, kind := range []audit.Kind{audit.DeliveryHeld, audit.DeliveryReleased} {
		events = append(events, audit.Event{At: start, Kind: kind, Submission: "M0001", Login: "a@b.example", Text: "account a@b.example"})
	}
	found, _, err := Find(t.Context(), fill(t, events...), Wanted{Login: "a@b.example", Limit: 9})
	if err != nil || len(found) != 1 || found[0].To()+" "+found[0].Outcome() != "X@to.example delivered" {
		t.Errorf("found %+v, %v", found, err)
	}
}

// TestFollowerPrintsEachEventOnce lets a record grow in steps of more than a
// page between looks at it.
func TestFollowerPrintsEachEventOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := fill(t, sent(0, 3)...)
		var got []string
		f := Follow(r, audit.Query{Kind: "delivery.delivered"}, func(events []audit.Event) error {
			for _, e := range events {
				got = append(got, e.Submission.String())
			}
			return nil
		})
		if err := f.Last(t.Context(), 5, start); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		tick, done := make(chan time.Time), make(chan error)
		go func() { done <- f.Go(ctx, tick) }()
		for n := 1; n < 4; n++ {
			if err := r.Append(ctx, sent(n, 1500*(n-1))); err != nil {
				t.Fatal(err)
			}
			tick <- start
			synctest.Wait()
		}
		stop()
		if err := <-done; err != nil || fmt.Sprint(got) != "[M0000 M0001 M0002 M0003]" {
			t.Errorf("printed %v, %v", got, err)
		}
	})
}

func TestFollowerEnds(t *testing.T) {
	full := errors.New("nobody reads")
	r := fill(t, sent(0, 0)...)
	f := Follow(r, audit.Query{}, func([]audit.Event) error { return full })
	if err := f.Last(t.Context(), 1, start); !errors.Is(err, full) {
		t.Errorf("Last: %v", err)
	}
	tick := make(chan time.Time, 1)
	tick <- start
	if err := f.Go(t.Context(), tick); !errors.Is(err, full) {
		t.Errorf("Go: %v", err)
	}
}
