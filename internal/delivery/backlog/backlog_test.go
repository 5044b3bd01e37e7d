package backlog

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign/internal/mail"
	"countersign/internal/queue"
)

// clock is a clock that stands until it is moved.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// bench makes jobs with ids of their own.
type bench struct {
	*Backlog[string]
	clock *clock
	made  int
}

func newBench(limits Limits) *bench {
	c := &clock{at: time.Unix(1_800_000_000, 0)}
	return &bench{Backlog: New[string](limits, c.now), clock: c}
}

// job makes the only job of a submission.
func (b *bench) job(customer, login, destination string) *Job[string] {
	b.made++
	id := mail.ID(fmt.Sprintf("%026d", b.made))
	return &Job[string]{
		Destination: destination,
		Submission:  &queue.Submission{ID: id, Customer: customer, Login: login, At: b.clock.at},
		Deliveries:  []queue.Delivery{{Submission: id, N: 1}},
	}
}

// offer offers a job.
func (b *bench) offer(customer, login, destination string) bool {
	j := b.job(customer, login, destination)
	return b.Offer(j.Submission.ID, []*Job[string]{j})
}

// running gives out all that may run.
func (b *bench) running() map[string]int {
	count := map[string]int{}
	for j := b.Next(); j != nil; j = b.Next() {
		count[j.Submission.Login]++
	}
	return count
}

var wide = Limits{Workers: 64, PerDestination: 8, Jobs: 4096, Bytes: 64 << 20}

// TestOneAccountLeavesWorkersForOthers: an account with messages to any number
// of destinations, all of which hang, gets a quarter of the workers and its
// customer half; whoever comes next finds some.
func TestOneAccountLeavesWorkersForOthers(t *testing.T) {
	b := newBench(wide)
	for i := range 500 {
		b.offer("evil", "a@evil", fmt.Sprintf("hang%d", i))
	}
	if n := b.running()["a@evil"]; n != 16 {
		t.Errorf("one account runs %d of 64, want 16", n)
	}
	for i := range 40 {
		for l := range 20 {
			b.offer("evil", fmt.Sprintf("%d@evil", l), fmt.Sprintf("hang%d-%d", l, i))
		}
	}
	b.running()
	if n := b.turns.customers["evil"].running; n != 32 {
		t.Errorf("one customer runs %d of 64, want 32", n)
	}
	for customer := range 10 {
		login := fmt.Sprintf("a@good%d", customer)
		b.offer(fmt.Sprint("good", customer), login, "site.example"+login)
		if n := b.running()[login]; n != 1 {
			t.Fatalf("%s has to wait", login)
		}
	}
}

// TestManyBadCustomersLeaveSomething: each new customer halves nothing: all of
// them together still leave their share to the next.
func TestManyBadCustomersLeaveSomething(t *testing.T) {
	b := newBench(wide)
	for c := range 20 {
		for i := range 40 {
			b.offer(fmt.Sprint("evil", c), fmt.Sprint("a@evil", c), fmt.Sprintf("hang%d-%d", c, i))
		}
	}
	b.running()
	b.offer("good", "a@good", "site.example")
	if n := b.running()["a@good"]; n != 1 {
		t.Errorf("the next customer has to wait behind 20 that hang (%d workers are free)", b.turns.free())
	}
}

// TestOneDestinationIsShared: an account with thousands of messages for a destination
// does not stand before one message of another account.
func TestOneDestinationIsShared(t *testing.T) {
	b := newBench(wide)
	for range 1000 {
		b.offer("big", "a@big", "large.example")
	}
	first := b.Next()
	if b.Next() != nil {
		t.Fatal("a destination that has not answered gets more than one")
	}
	b.offer("small", "a@small", "large.example")
	b.Leave(first, false, false)
	b.Done(first)
	second := b.Next()
	if second == nil || b.Next() != nil {
		t.Fatal("the place that was left is not given out once")
	}
	b.Leave(second, false, false)
	b.Done(second)
	third := b.Next()
	if second.Submission.Login == third.Submission.Login {
		t.Errorf("twice %s", third.Submission.Login)
	}
}

// TestMemoryIsShared: no destination, account or customer fills the memory,
// with jobs or with bytes.
func TestMemoryIsShared(t *testing.T) {
	limits := Limits{Workers: 1, PerDestination: 1, Jobs: 1024, Bytes: 1 << 20}
	fill := func(b *bench, customer, login, destination string) (n int) {
		for b.offer(customer, login, destination) {
			n++
		}
		return n
	}
	b := newBench(limits)
	account := fill(b, "evil", "a@evil", "x.example")
	customer := account
	for i := range 50 {
		customer += fill(b, "evil", fmt.Sprint(i, "@evil"), fmt.Sprint("x", i))
	}
	other := fill(b, "good", "a@good", "y.example")
	if account != 256 || customer != 512 || other != 128 {
		t.Errorf("an account has %d, its customer %d, the next account %d; want a quarter, half, and a quarter of the rest", account, customer, other)
	}
	b = newBench(limits)
	large := func(customer, destination string) bool {
		j := b.job(customer, "a@"+customer, destination)
		j.Content = &queue.Content{Body: make([]byte, 16<<10)}
		return b.Offer(j.Submission.ID, []*Job[string]{j})
	}
	n := 0
	for large("evil", fmt.Sprint("hang", n)) {
		n++
	}
	if n > 32 || n < 16 || !large("good", "site.example") || b.Full() {
		t.Errorf("one account keeps %d of 64 times 16 KiB", n)
	}
}

// TestParkedDestinationWaits: a job that was put back comes again when its
// destination's time is over, and before those behind it.
func TestParkedDestinationWaits(t *testing.T) {
	b := newBench(wide)
	b.offer("c", "a@c", "busy.example")
	b.offer("c", "a@c", "busy.example")
	j := b.Next()
	b.Park(j, time.Second)
	b.Done(j)
	b.Sweep()
	if b.Next() != nil {
		t.Fatal("a parked destination is tried")
	}
	if b.Waiting() != 2 || !b.Known(j.Deliveries[0]) {
		t.Errorf("%d wait, want 2, in flight", b.Waiting())
	}
	b.clock.at = b.clock.at.Add(time.Second)
	b.Sweep()
	if again := b.Next(); again != j || again.Parked != 1 {
		t.Errorf("%+v comes first, want the job that was put back", again)
	}
}

// TestClockSetBackDoesNotPark: a destination is not left alone for hours.
func TestClockSetBackDoesNotPark(t *testing.T) {
	b := newBench(wide)
	b.offer("c", "a@c", "busy.example")
	j := b.Next()
	b.Park(j, time.Second)
	b.Done(j)
	b.clock.at = b.clock.at.Add(-2 * time.Hour)
	b.Sweep()
	if b.Next() == nil {
		t.Error("the destination waits for a time that is two hours away")
	}
}

// TestLastOfSubmission: only the last of a submission's jobs is told so.
func TestLastOfSubmission(t *testing.T) {
	b := newBench(wide)
	first := b.job("c", "a@c", "one.example")
	second := &Job[string]{Destination: "two.example", Submission: first.Submission, Deliveries: []queue.Delivery{{Submission: first.Submission.ID, N: 2}}}
	b.Offer(first.Submission.ID, []*Job[string]{first, second})
	b.Next()
	b.Next()
	if b.Last(first) || !b.Last(second) {
		t.Error("the first of two is the last")
	}
	if len(b.flights.jobs) != 0 {
		t.Error("a count is left behind")
	}
}

// TestNothingIsLostOrStuck does random things and then lets everything finish: each
// job comes out exactly once, no bound is passed, and nothing is left behind.
func TestNothingIsLostOrStuck(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		limits := Limits{Workers: rapid.IntRange(1, 12).Draw(r, "workers"), PerDestination: rapid.IntRange(1, 4).Draw(r, "width"), Jobs: 60, Bytes: 1 << 20}
		b := newBench(limits)
		var out []*Job[string]
		taken, finished := 0, map[mail.ID]bool{}
		end := func(i int, how int) {
			j := out[i]
			out = append(out[:i], out[i+1:]...)
			if how == 3 {
				b.Park(j, time.Second)
				b.Done(j)
				return
			}
			b.Leave(j, how == 0, how == 1)
			b.Land(j.Submission.ID, 1)
			b.Last(j)
			b.Done(j)
			if finished[j.Submission.ID] {
				r.Fatal("a job came twice")
			}
			finished[j.Submission.ID] = true
		}
		give := func() {
			for j := b.Next(); j != nil; j = b.Next() {
				out = append(out, j)
				active := 0
				for _, o := range out {
					if o.Destination == j.Destination {
						active++
					}
				}
				if len(out) > limits.Workers || active > limits.PerDestination {
					r.Fatalf("%d run, %d at one destination", len(out), active)
				}
			}
		}
		for range rapid.IntRange(1, 150).Draw(r, "steps") {
			switch rapid.IntRange(0, 4).Draw(r, "what") {
			case 0, 1:
				customer := rapid.SampledFrom([]string{"", "a", "b"}).Draw(r, "customer")
				login := customer + rapid.SampledFrom([]string{"1", "2"}).Draw(r, "login")
				if b.offer(customer, login, rapid.SampledFrom([]string{"x", "y", "z"}).Draw(r, "to")) {
					taken++
				}
			case 2:
				give()
			case 3:
				if len(out) > 0 {
					end(rapid.IntRange(0, len(out)-1).Draw(r, "which"), rapid.IntRange(0, 3).Draw(r, "how"))
				}
			case 4:
				b.clock.at = b.clock.at.Add(700 * time.Millisecond)
				b.Sweep()
			}
		}
		for range 10_000 {
			if len(finished) == taken {
				break
			}
			give()
			if len(out) > 0 {
				end(0, 2)
				continue
			}
			b.clock.at = b.clock.at.Add(time.Second)
			b.Sweep()
		}
		if len(finished) != taken || b.Waiting() != 0 {
			r.Fatalf("%d of %d came out, %d wait", len(finished), taken, b.Waiting())
		}
		b.clock.at = b.clock.at.Add(2 * placeKept)
		b.Sweep()
		if n := len(b.turns.owners) + len(b.turns.customers) + len(b.turns.lanes) + len(b.turns.places) + len(b.flights.flying) + len(b.flights.jobs); n != 0 {
			r.Fatalf("%d things are left behind", n)
		}
	})
}

// TestUnreachableDestinationsAreForgotten: what cannot be reached leaves nothing
// behind, however many they are; one that has answered is remembered for a while,
// unless there are very many of those.
func TestUnreachableDestinationsAreForgotten(t *testing.T) {
	b := newBench(wide)
	try := func(destination string, reached bool) {
		t.Helper()
		b.offer("c", "a@c", destination)
		j := b.Next()
		if j == nil || j.Destination != destination {
			t.Fatalf("got %v", j)
		}
		b.Leave(j, reached, !reached)
		b.Done(j)
	}
	for i := range 1000 {
		try(fmt.Sprint("gone", i), false)
	}
	if n := len(b.turns.places); n != 0 {
		t.Errorf("%d destinations are remembered for nothing", n)
	}
	try("there", true)
	try("there", false)
	if n := len(b.turns.places); n != 0 {
		t.Errorf("one that cannot be reached any more is remembered")
	}
	for i := range maxPlaces {
		try(fmt.Sprint("there", i), true)
	}
	b.Sweep()
	if n := len(b.turns.places); n != maxPlaces {
		t.Errorf("%d destinations that answered are remembered, want %d", n, maxPlaces)
	}
	b.offer("c", "a@c", "there0")
	if n := b.turns.places["there0"].width; n != 2 {
		t.Errorf("one that answered has %d places", n)
	}
	b.turns.place("one more").width = 2
	b.Sweep()
	if n := len(b.turns.places); n != 1 { // the one that a job waits for
		t.Errorf("%d destinations are remembered when there are too many", n)
	}
}
