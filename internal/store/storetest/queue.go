package storetest

import (
	"slices"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/queue"
	"countersign/internal/store/storetest/expect"
)

func dueCases() map[string]func(*testing.T, Store) {
	return map[string]func(*testing.T, Store){
		"due is ordered, bounded and pages": dueIsOrdered,
		"only what waits and is due":        onlyDue,
		"what is still to be attempted":     stillWaiting,
	}
}

func dueIsOrdered(t *testing.T, s Store) {
	ctx := expect.Within(t)
	var want []string
	for n := 9; n >= 0; n-- {
		m := Message(n, "a", "b", "c")
		for i := range m.Deliveries {
			m.Deliveries[i].Next = Start().Add(time.Duration(n/4) * time.Microsecond)
		}
		expect.Must(t, s.Accept(ctx, m))
	}
	for _, item := range everything(t, s) { // by submission, which here is by Next too
		want = append(want, name(item))
	}
	now := Start().Add(time.Second)
	expect.Equal(t, "all at once", names(expect.Got(s.Due(ctx, now, queue.Position{}, 100))(t)), want)
	for _, limit := range []int{1, 2, 7, 30} {
		var paged []string
		from := queue.Position{}
		for {
			page := expect.Got(s.Due(ctx, now, from, limit))(t)
			if len(page) == 0 {
				break
			}
			if len(page) > limit {
				t.Fatalf("a page of %d has %d", limit, len(page))
			}
			paged = append(paged, names(page)...)
			from = after(page[len(page)-1])
		}
		expect.Equal(t, "pages", paged, want)
	}
	// A position need not name a delivery that is still there.
	rest := expect.Got(s.Due(ctx, now, queue.Position{Next: Start(), Submission: ID("SUB", 1), N: 99}, 100))(t)
	expect.Equal(t, "the rest", names(rest), want[6:])
}

func onlyDue(t *testing.T, s Store) {
	ctx := expect.Within(t)
	m := Message(1, "now", "later", "held", "deferred", "far")
	m.Deliveries[1].Next = Start().Add(time.Microsecond)
	m.Deliveries[2].State = queue.Held
	m.Deliveries[3].State = queue.Deferred
	m.Deliveries[4].State, m.Deliveries[4].Next = queue.Deferred, Start().Add(time.Hour)
	expect.Must(t, s.Accept(ctx, m))
	recipients := func(now time.Time) (all []string) {
		for _, item := range expect.Got(s.Due(ctx, now, queue.Position{}, 100))(t) {
			all = append(all, item.Delivery.Recipient.To.Local)
		}
		return all
	}
	expect.Equal(t, "before", recipients(Start().Add(-time.Microsecond)), []string(nil))
	expect.Equal(t, "at start", recipients(Start()), []string{"now", "deferred"})
	expect.Equal(t, "after", recipients(Start().Add(time.Hour)), []string{"now", "deferred", "later", "far"})
}

func stillWaiting(t *testing.T, s Store) {
	ctx := expect.Within(t)
	m := Message(1, "queued", "deferred", "held", "delivered", "dropped", "held later")
	m.Deliveries[1].State, m.Deliveries[1].Next = queue.Deferred, Start().Add(1000*time.Hour)
	m.Deliveries[2].State = queue.Held
	expect.Must(t, s.Accept(ctx, m))
	expect.Must(t, s.Accept(ctx, Message(2, "another")))
	expect.Must(t, s.Report(ctx, Outcome(ID("SUB", 1), 4, queue.Delivered)))
	expect.Got(s.Drop(ctx, queue.Filter{Submission: ID("SUB", 1), N: 5}, audit.Event{At: Start()}))(t)
	var keys []queue.Key
	for _, n := range []int{6, 5, 4, 3, 2, 1, 0, 7} {
		keys = append(keys, queue.Key{Submission: ID("SUB", 1), N: n})
	}
	keys = append(keys, queue.Key{Submission: ID("SUB", 2), N: 1}, queue.Key{Submission: ID("SUB", 3), N: 1}, keys[5])
	expect.Equal(t, "waiting", expect.Got(s.Waiting(ctx, keys))(t), []bool{true, false, false, false, true, true, false, false, true, false, true})
	expect.Got(s.Hold(ctx, queue.Filter{Submission: ID("SUB", 1), N: 6}, "x", audit.Event{At: Start()}))(t)
	expect.Equal(t, "after a hold", expect.Got(s.Waiting(ctx, keys[:1]))(t), []bool{false})
	expect.Got(s.Release(ctx, queue.Filter{}, audit.Event{At: Start()}))(t)
	expect.Equal(t, "after a release", expect.Got(s.Waiting(ctx, keys[:4]))(t), []bool{true, false, false, true})
	expect.Equal(t, "nothing asked", len(expect.Got(s.Waiting(ctx, nil))(t)), 0)
}

func reportCases() map[string]func(*testing.T, Store) {
	return map[string]func(*testing.T, Store){
		"final outcomes leave, the last takes the message": finalOutcomesLeave,
		"a deferred outcome waits":                         deferredWaits,
		"a held outcome waits for a person":                heldWaits,
		"an outcome for what is gone keeps its event":      goneKeepsEvent,
		"made again, it is stored once":                    againIsOnce,
		"a delivery held meanwhile stays held":             heldMeanwhile,
		"reports to the sender come with the outcome":      reportsComeAlong,
		"a report that cannot be stored stops the outcome": reportIsWhole,
		"several outcomes at once":                         severalOutcomes,
		"no outcome but those of an attempt":               wrongOutcomes,
	}
}

func finalOutcomesLeave(t *testing.T, s Store) {
	ctx := expect.Within(t)
	expect.Must(t, s.Accept(ctx, Message(1, "a", "b")))
	expect.Must(t, s.Report(ctx, Outcome(ID("SUB", 1), 2, queue.Failed)))
	expect.Equal(t, "left", names(everything(t, s)), []string{string(ID("SUB", 1)) + "/1"})
	expect.Got(s.Content(ctx, ID("SUB", 1)))(t)
	expect.Must(t, s.Report(ctx, Outcome(ID("SUB", 1), 1, queue.Delivered)))
	if n := len(everything(t, s)); n != 0 {
		t.Errorf("%d deliveries are left", n)
	}
	_, err := s.Content(ctx, ID("SUB", 1))
	expect.Kind(t, err, fault.NotFound)
	WantStats(t, s, 0, 0, 0)
	if oldest := expect.Got(s.Stats(ctx))(t).Oldest; !oldest.IsZero() {
		t.Errorf("an empty queue has an oldest of %v", oldest)
	}
	if n := len(eventsOf(t, s, ID("SUB", 1))); n != 3 {
		t.Errorf("there are %d events, want accepted, failed, delivered", n)
	}
	expect.Must(t, s.Accept(ctx, Message(1, "a"))) // the id is free again
}

func deferredWaits(t *testing.T, s Store) {
	ctx := expect.Within(t)
	m := Message(1, "a")
	expect.Must(t, s.Accept(ctx, m))
	r := Outcome(ID("SUB", 1), 1, queue.Deferred)
	r.Outcomes[0].DelayReported = true
	expect.Must(t, s.Report(ctx, r))
	want := m.Deliveries[0]
	want.State, want.Attempts, want.Next, want.Last, want.DelayReported = queue.Deferred, 1, Start().Add(time.Hour), result(), true
	expect.Equal(t, "delivery", everything(t, s)[0].Delivery, want)
	expect.Must(t, s.Report(ctx, Outcome(ID("SUB", 1), 1, queue.Deferred)))
	want.Attempts = 2 // and what was reported stays so
	expect.Equal(t, "delivery", everything(t, s)[0].Delivery, want)
	WantStats(t, s, 0, 1, 0)
}

func heldWaits(t *testing.T, s Store) {
	ctx := expect.Within(t)
	expect.Must(t, s.Accept(ctx, Message(1, "a")))
	expect.Must(t, s.Report(ctx, Outcome(ID("SUB", 1), 1, queue.Held)))
	d := everything(t, s)[0].Delivery
	if d.State != queue.Held || d.HoldReason != "policy" || d.Attempts != 1 || d.Last != result() {
		t.Errorf("got %+v", d)
	}
	if n := len(expect.Got(s.Due(ctx, Start().Add(time.Hour), queue.Position{}, 10))(t)); n != 0 {
		t.Errorf("%d held deliveries are due", n)
	}
	WantStats(t, s, 0, 0, 1)
}

func goneKeepsEvent(t *testing.T, s Store) {
	ctx := expect.Within(t)
	expect.Must(t, s.Accept(ctx, Message(1, "a", "b")))
	expect.Must(t, s.Report(ctx, Outcome(ID("SUB", 1), 1, queue.Delivered)))
	for _, state := range []queue.State{queue.Delivered, queue.Deferred, queue.Held, queue.Failed} {
		expect.Must(t, s.Report(ctx, Outcome(ID("SUB", 1), 1, state)))
		expect.Must(t, s.Report(ctx, Outcome(ID("SUB", 2), 1, state)))
	}
	WantStats(t, s, 1, 0, 0)
	if n := len(eventsOf(t, s, ID("SUB", 1))); n != 6 {
		t.Errorf("there are %d events, want 6", n)
	}
	if n := len(eventsOf(t, s, ID("SUB", 2))); n != 4 {
		t.Errorf("there are %d events, want 4", n)
	}
}

func againIsOnce(t *testing.T, s Store) {
	ctx := expect.Within(t)
	expect.Must(t, s.Accept(ctx, Message(1, "a", "b", "c")))
	expect.Got(s.Hold(ctx, queue.Filter{Submission: ID("SUB", 1), N: 1}, "operator", audit.Event{At: Start(), Kind: audit.DeliveryHeld}))(t)
	before := len(eventsOf(t, s, ID("SUB", 1)))
	again := func(state queue.State, numbers ...int) error {
		r := Outcome(ID("SUB", 1), numbers[0], state)
		for _, n := range numbers[1:] {
			r.Outcomes = append(r.Outcomes, Outcome(ID("SUB", 1), n, state).Outcomes...)
		}
		r.Again = true
		r.Reports = []queue.Acceptance{bounce(10+before, ID("SUB", 1))}
		return s.Report(ctx, r)
	}
	expect.Must(t, again(queue.Delivered, 1)) // it was not, the first time; that it is held matters nothing
	expect.Kind(t, again(queue.Delivered, 1), fault.NotFound)
	expect.Kind(t, again(queue.Failed, 2, 1), fault.NotFound) // all or nothing
	expect.Kind(t, again(queue.Deferred, 9), fault.NotFound)
	expect.Equal(t, "left", names(everything(t, s)), []string{string(ID("SUB", 1)) + "/2", string(ID("SUB", 1)) + "/3", string(ID("SUB", 10+before)) + "/1"})
	if n := len(eventsOf(t, s, ID("SUB", 1))); n != before+1 {
		t.Errorf("there are %d events, want %d", n, before+1)
	}
	WantStats(t, s, 3, 0, 0)
}

func heldMeanwhile(t *testing.T, s Store) {
	ctx := expect.Within(t)
	expect.Must(t, s.Accept(ctx, Message(1, "a", "b")))
	hold := audit.Event{At: Start(), Kind: audit.DeliveryHeld}
	expect.Got(s.Hold(ctx, queue.Filter{}, "operator", hold))(t)
	expect.Must(t, s.Report(ctx, Outcome(ID("SUB", 1), 1, queue.Deferred)))
	d := everything(t, s)[0].Delivery
	if d.State != queue.Held || d.HoldReason != "operator" || d.Attempts != 1 || d.Last != result() {
		t.Errorf("got %+v", d)
	}
	WantStats(t, s, 0, 0, 2)
	expect.Must(t, s.Report(ctx, Outcome(ID("SUB", 1), 1, queue.Delivered))) // it arrived all the same
	expect.Must(t, s.Report(ctx, Outcome(ID("SUB", 1), 2, queue.Failed)))
	WantStats(t, s, 0, 0, 0)
}

func reportsComeAlong(t *testing.T, s Store) {
	ctx := expect.Within(t)
	expect.Must(t, s.Accept(ctx, Message(1, "a")))
	r := Outcome(ID("SUB", 1), 1, queue.Failed)
	r.Reports = []queue.Acceptance{bounce(2, ID("SUB", 1))}
	r.Reports[0].Content.Body, r.Reports[0].Content.Large = nil, writeBody(t, s, long())
	expect.Must(t, s.Report(ctx, r))
	items := everything(t, s)
	expect.Equal(t, "left", names(items), []string{string(ID("SUB", 2)) + "/1"})
	expect.Equal(t, "report", *items[0].Submission, r.Reports[0].Submission)
	if readBody(t, expect.Got(s.Content(ctx, ID("SUB", 2)))(t).Large) != long() {
		t.Error("the report's body is not what was given")
	}
	if n := len(eventsOf(t, s, ID("SUB", 2))); n != 1 {
		t.Errorf("the report has %d events", n)
	}
	WantStats(t, s, 1, 0, 0)
}

func reportIsWhole(t *testing.T, s Store) {
	ctx := expect.Within(t)
	expect.Must(t, s.Accept(ctx, Message(1, "a")))
	r := Outcome(ID("SUB", 1), 1, queue.Failed)
	r.Reports = []queue.Acceptance{bounce(2, ID("SUB", 1)), bounce(1, ID("SUB", 1))} // the second id is taken
	expect.Kind(t, s.Report(ctx, r), fault.Conflict)
	expect.Equal(t, "left", names(everything(t, s)), []string{string(ID("SUB", 1)) + "/1"})
	WantStats(t, s, 1, 0, 0)
	if n := len(eventsOf(t, s, ID("SUB", 1))) + len(eventsOf(t, s, ID("SUB", 2))); n != 1 {
		t.Errorf("there are %d events, want 1", n)
	}
	expect.Must(t, s.Accept(ctx, Message(2, "a"))) // nothing of the first report is left
}

func severalOutcomes(t *testing.T, s Store) {
	ctx := expect.Within(t)
	expect.Must(t, s.Accept(ctx, Message(1, "a", "b", "c", "d", "e")))
	r := &queue.Report{Submission: ID("SUB", 1)}
	for i, state := range []queue.State{queue.Delivered, queue.Deferred, queue.Held, queue.Failed} {
		r.Outcomes = append(r.Outcomes, Outcome(ID("SUB", 1), i+1, state).Outcomes...)
		r.Events = append(r.Events, audit.Event{At: Start(), Kind: audit.DeliveryDelivered, Submission: ID("SUB", 1), Delivery: i + 1})
	}
	expect.Must(t, s.Report(ctx, r))
	WantStats(t, s, 1, 1, 1)
	var order []int
	for _, e := range eventsOf(t, s, ID("SUB", 1))[1:] {
		order = append(order, e.Delivery)
	}
	if !slices.Equal(order, []int{1, 2, 3, 4}) {
		t.Errorf("the events came in the order %v", order)
	}
}

func wrongOutcomes(t *testing.T, s Store) {
	ctx := expect.Within(t)
	expect.Must(t, s.Accept(ctx, Message(1, "a")))
	for _, state := range []queue.State{queue.Queued, queue.Dropped, "", "lost"} {
		expect.Kind(t, s.Report(ctx, Outcome(ID("SUB", 1), 1, state)), fault.Invalid)
	}
	twice := Outcome(ID("SUB", 1), 1, queue.Deferred)
	twice.Outcomes = append(twice.Outcomes, Outcome(ID("SUB", 1), 1, queue.Delivered).Outcomes...)
	expect.Kind(t, s.Report(ctx, twice), fault.Invalid)
	same := Outcome(ID("SUB", 1), 1, queue.Failed)
	same.Reports = []queue.Acceptance{bounce(2, ID("SUB", 1)), bounce(2, ID("SUB", 1))}
	expect.Kind(t, s.Report(ctx, same), fault.Conflict)
	WantStats(t, s, 1, 0, 0)
}
