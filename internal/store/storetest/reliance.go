package storetest

import (
	"strconv"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/storetest/expect"
)

func relianceCases() map[string]func(*testing.T, Store) {
	return map[string]func(*testing.T, Store){
		"mail that relies on another domain follows it":  reliedIsHeld,
		"mail follows a domain that moves or is removed": reliedMoves,
		"finished mail relies on nothing":                reliedIsForgotten,
		"each hold and release is on record":             followingIsRecorded,
	}
}

// crowdRelies is crowd with 6, of ann, that relies on two.example too, and 7, of
// bob, that relies on one.example and on three.example, which has no account.
func crowdRelies(t *testing.T, s Store) people {
	t.Helper()
	ctx := expect.Within(t)
	p := crowd(t, s)
	expect.Must(t, s.PutDomain(ctx, account.Domain{Name: "three.example", Customer: "acme", State: account.Active, Created: Start()}, Event("")))
	p.generation = expect.Got(s.Generation(ctx))(t)
	six := messageOf(p.ann, "acme", p.generation, 6)
	six.Domains = []mail.Domain{"two.example", "one.example"}
	expect.Must(t, s.Accept(ctx, six))
	seven := messageOf(p.bob, "acme", p.generation, 7)
	seven.Domains = []mail.Domain{"three.example", "two.example", "one.example"}
	expect.Must(t, s.Accept(ctx, seven))
	return p
}

func reliedIsHeld(t *testing.T, s Store) {
	crowdRelies(t, s)
	stateOf(t, s, "two.example", account.Suspended)
	wantHeld(t, s, 3, 6, 7)
	stateOf(t, s, "one.example", account.Suspended)
	wantHeld(t, s, 1, 2, 3, 6, 7)
	stateOf(t, s, "two.example", account.Active)
	wantHeld(t, s, 1, 2, 6, 7)
	stateOf(t, s, "ann@one.example", account.Suspended)
	stateOf(t, s, "one.example", account.Active)
	wantHeld(t, s, 1, 2, 6)
	stateOf(t, s, "two.example", account.Suspended)
	stateOf(t, s, "ann@one.example", account.Active)
	wantHeld(t, s, 3, 6, 7)
	stateOf(t, s, "acme", account.Suspended)
	stateOf(t, s, "two.example", account.Active)
	wantHeld(t, s, 1, 2, 3, 6, 7)
	stateOf(t, s, "acme", account.Active)
	wantHeld(t, s)
}

func reliedMoves(t *testing.T, s Store) {
	ctx := expect.Within(t)
	crowdRelies(t, s)
	move := func(name mail.Domain, customer string) {
		t.Helper()
		d := expect.Got(s.Domain(ctx, name))(t)
		d.Customer = customer
		expect.Must(t, s.PutDomain(ctx, d, Event("")))
	}
	// What relies on a domain of somebody else's waits, whoever moved away.
	move("two.example", "other")
	wantHeld(t, s, 6, 7)
	move("one.example", "other")
	wantHeld(t, s, 7)
	move("three.example", "other")
	wantHeld(t, s)
	stateOf(t, s, "other", account.Suspended)
	wantHeld(t, s, 1, 2, 3, 4, 6, 7)
	move("one.example", "acme")
	wantHeld(t, s, 3, 4, 6, 7)
	move("two.example", "acme")
	wantHeld(t, s, 4, 7)
	stateOf(t, s, "other", account.Active)
	wantHeld(t, s, 7)

	three := expect.Got(s.Domain(ctx, "three.example"))(t)
	three.Customer = "acme"
	expect.Must(t, s.PutDomain(ctx, three, Event("")))
	wantHeld(t, s)
	expect.Must(t, s.RemoveDomain(ctx, "three.example", Event("")))
	wantHeld(t, s, 7)
	// It may come back, even as somebody else's.
	three.Customer, three.Revision = "other", 0
	expect.Must(t, s.PutDomain(ctx, three, Event("")))
	wantHeld(t, s, 7)
	move("three.example", "acme")
	wantHeld(t, s)
	expect.Must(t, s.RemoveDomain(ctx, "three.example", Event("")))
	wantHeld(t, s, 7)
	expect.Must(t, s.PutDomain(ctx, account.Domain{Name: "three.example", Customer: "acme", State: account.Active, Created: Start()}, Event("")))
	wantHeld(t, s)
}

func reliedIsForgotten(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := crowdRelies(t, s)
	expect.Must(t, s.Report(ctx, Outcome(ID("SUB", 6), 1, queue.Delivered)))
	expect.Got(s.Drop(ctx, queue.Filter{Submission: ID("SUB", 7)}, audit.Event{At: Start()}))(t)
	for n := 6; n <= 7; n++ { // the ids are free again
		expect.Must(t, s.Accept(ctx, messageOf(p.ann, "acme", p.generation, n)))
	}
	stateOf(t, s, "two.example", account.Suspended)
	wantHeld(t, s, 3)
}

func followingIsRecorded(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := crowdRelies(t, s)
	expect.Must(t, s.Report(ctx, Outcome(ID("SUB", 7), 1, queue.Delivered)))
	seven := messageOf(p.bob, "acme", p.generation, 7)
	seven.Deliveries = Message(7, "a", "b", "c").Deliveries
	seven.Deliveries[1].State, seven.Deliveries[1].Attempts = queue.Deferred, 1
	seven.Domains = append(seven.Domains, "one.example")
	expect.Must(t, s.Accept(ctx, seven))
	expect.Got(s.Hold(ctx, queue.Filter{Submission: ID("SUB", 7), N: 3}, "policy", audit.Event{At: Start()}))(t)
	put := func(state account.State, e audit.Event) {
		t.Helper()
		d := expect.Got(s.Domain(ctx, "one.example"))(t)
		d.State = state
		expect.Must(t, s.PutDomain(ctx, d, e))
	}
	began := time.Now().Truncate(time.Microsecond)
	put(account.Suspended, audit.Event{At: Start(), Kind: audit.AdminSuspended, Actor: "cli:root", Object: "domain one.example", Text: "spam"})
	put(account.Active, audit.Event{At: Start(), Kind: audit.AdminResumed, Actor: "cli:ops", Object: "domain one.example"})
	put(account.Active, audit.Event{At: Start(), Kind: audit.AdminChanged, Actor: "cli:ops", Object: "domain one.example"})
	for n, login := range map[int]string{1: p.ann.Login(), 3: "", 6: p.ann.Login(), 7: p.bob.Login()} {
		deliveries := "1"
		if n == 7 {
			deliveries = "2" // the third was held for another reason, and stays so
		}
		var all []audit.Event
		for _, e := range eventsOf(t, s, ID("SUB", n)) {
			if e.Reason != "" {
				if e.At.Before(began) || e.At.After(time.Now()) {
					t.Errorf("an event of now is of %v", e.At)
				}
				e.Seq, e.At = 0, time.Time{}
				all = append(all, e)
			}
		}
		held := audit.Event{
			Kind: audit.DeliveryHeld, Submission: ID("SUB", n), Login: login, Actor: "cli:root", Object: "domain one.example",
			Reason: queue.HoldSuspended, Text: "domain one.example: spam", Data: map[string]string{"deliveries": deliveries},
		}
		released := held
		released.Kind, released.Actor, released.Text = audit.DeliveryReleased, "cli:ops", "domain one.example"
		want := []audit.Event{held, released}
		if login == "" {
			want = nil
		}
		expect.Equal(t, "events of message "+strconv.Itoa(n), all, want)
	}
	WantStats(t, s, 6, 2, 1)
}
