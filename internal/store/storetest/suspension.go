package storetest

import (
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/queue"
	"countersign/internal/store/storetest/expect"
)

func suspensionCases() map[string]func(*testing.T, Store) {
	return map[string]func(*testing.T, Store){
		"an account's deliveries are held, others' not":  accountIsHeld,
		"a domain's deliveries are held, others' not":    domainIsHeld,
		"a customer's deliveries are held, others' not":  customerIsHeld,
		"a plan's deliveries are held, others' not":      planIsHeld,
		"an account's own plan holds its deliveries":     ownPlanIsHeld,
		"a customer's deliveries follow its plan":        movedCustomerFollows,
		"a domain's deliveries follow its customer":      movedDomainFollows,
		"release waits for the last suspension":          releaseWaits,
		"only what was held for a suspension is let go":  otherHoldsStay,
		"a removed account's deliveries stay held":       removedIsHeld,
		"changes that do not suspend leave the queue be": otherChangesLeave,
	}
}

// stateOf sets the state of an object as it is stored now.
func stateOf(t *testing.T, s Store, what string, state account.State) {
	t.Helper()
	ctx := expect.Within(t)
	switch what {
	case "basic", "own":
		p := expect.Got(s.Plan(ctx, what))(t)
		p.State = state
		expect.Must(t, s.PutPlan(ctx, p, Event(what)))
	case "acme", "other":
		c := expect.Got(s.Customer(ctx, what))(t)
		c.State = state
		expect.Must(t, s.PutCustomer(ctx, c, Event(what)))
	case "one.example", "two.example":
		for _, d := range expect.Got(s.Domains(ctx, account.DomainsOf("")))(t) {
			if string(d.Name) == what {
				d.State = state
				expect.Must(t, s.PutDomain(ctx, d, Event(what)))
			}
		}
	default:
		a := expect.Got(s.Account(ctx, what))(t)
		a.State = state
		expect.Must(t, s.PutAccount(ctx, a, Event(what)))
	}
}

// crowd stores: 1 queued of ann, 2 deferred of ann, 3 of bob (same customer),
// 4 of eve (another customer), 5 a report.
func crowd(t *testing.T, s Store) people {
	t.Helper()
	ctx := expect.Within(t)
	p := settle(t, s)
	expect.Must(t, s.PutCustomer(ctx, account.Customer{Name: "other", State: account.Active, Created: Start()}, Event("")))
	expect.Must(t, s.PutDomain(ctx, account.Domain{Name: "other.example", Customer: "other", State: account.Active, Created: Start()}, Event("")))
	eve := account.Account{ID: ID("ACC", 3), Address: address("eve", "other.example"), State: account.Active, Created: Start()}
	expect.Must(t, s.PutAccount(ctx, eve, Event("")))
	p.generation = expect.Got(s.Generation(ctx))(t)
	expect.Must(t, s.Accept(ctx, messageOf(p.ann, "acme", p.generation, 1)))
	tried := messageOf(p.ann, "acme", p.generation, 2)
	tried.Deliveries[0].State, tried.Deliveries[0].Attempts, tried.Deliveries[0].Next = queue.Deferred, 1, Start().Add(time.Hour)
	expect.Must(t, s.Accept(ctx, tried))
	expect.Must(t, s.Accept(ctx, messageOf(p.bob, "acme", p.generation, 3)))
	expect.Must(t, s.Accept(ctx, messageOf(eve, "other", p.generation, 4)))
	b := bounce(5, ID("SUB", 1))
	expect.Must(t, s.Accept(ctx, &b))
	return p
}

// wantHeld checks which of the crowd's messages are held for a suspension, and
// that the others are as they were.
func wantHeld(t *testing.T, s Store, held ...int) {
	t.Helper()
	want := map[int]queue.State{1: queue.Queued, 2: queue.Deferred, 3: queue.Queued, 4: queue.Queued, 5: queue.Queued}
	for n := 6; n <= 7; n++ {
		if len(expect.Got(s.List(t.Context(), queue.Filter{Submission: ID("SUB", n)}))(t)) > 0 { // see crowdRelies
			want[n] = queue.Queued
		}
	}
	total := map[queue.State]int{}
	for _, n := range held {
		want[n] = queue.Held
	}
	for n, state := range want {
		total[state]++
		d := expect.Got(s.List(t.Context(), queue.Filter{Submission: ID("SUB", n)}))(t)[0].Delivery
		right := d.HoldReason == ""
		if state == queue.Held {
			right = d.HoldReason == queue.HoldSuspended || d.HoldReason == queue.HoldRemoved
		}
		if d.State != state || !right {
			t.Errorf("message %d is %s for %q, want it to be %s", n, d.State, d.HoldReason, state)
		}
		if waiting := expect.Got(s.Waiting(t.Context(), []queue.Key{{Submission: d.Submission, N: d.N}}))(t)[0]; waiting == (state == queue.Held) {
			t.Errorf("message %d is %s, and to be attempted: %v", n, state, waiting)
		}
	}
	WantStats(t, s, total[queue.Queued], total[queue.Deferred], total[queue.Held])
}

func accountIsHeld(t *testing.T, s Store) {
	crowd(t, s)
	stateOf(t, s, "ann@one.example", account.Suspended)
	wantHeld(t, s, 1, 2)
	stateOf(t, s, "ann@one.example", account.Active)
	wantHeld(t, s)
	if next := expect.Got(s.List(expect.Within(t), queue.Filter{Submission: ID("SUB", 2)}))(t)[0].Delivery.Next; !next.Equal(Start().Add(time.Hour)) {
		t.Errorf("what was deferred is due at %v", next)
	}
}

func domainIsHeld(t *testing.T, s Store) {
	crowd(t, s)
	stateOf(t, s, "two.example", account.Suspended)
	wantHeld(t, s, 3)
	stateOf(t, s, "two.example", account.Active)
	wantHeld(t, s)
}

func customerIsHeld(t *testing.T, s Store) {
	crowd(t, s)
	stateOf(t, s, "acme", account.Suspended)
	wantHeld(t, s, 1, 2, 3)
	stateOf(t, s, "other", account.Suspended)
	wantHeld(t, s, 1, 2, 3, 4)
	stateOf(t, s, "acme", account.Active)
	wantHeld(t, s, 4)
}

func planIsHeld(t *testing.T, s Store) {
	crowd(t, s)
	stateOf(t, s, "basic", account.Suspended)
	wantHeld(t, s, 1, 2, 3)
	stateOf(t, s, "basic", account.Active)
	wantHeld(t, s)
}

func ownPlanIsHeld(t *testing.T, s Store) {
	ctx := expect.Within(t)
	crowd(t, s)
	expect.Must(t, s.PutPlan(ctx, account.Plan{Name: "own", State: account.Active, Created: Start()}, Event("")))
	move := func(login, plan string) {
		t.Helper()
		a := expect.Got(s.Account(ctx, login))(t)
		a.Plan = plan
		expect.Must(t, s.PutAccount(ctx, a, Event("")))
	}
	move("ann@one.example", "own")
	wantHeld(t, s)
	stateOf(t, s, "own", account.Suspended)
	wantHeld(t, s, 1, 2)
	stateOf(t, s, "basic", account.Suspended)
	wantHeld(t, s, 1, 2, 3)
	stateOf(t, s, "own", account.Active)
	wantHeld(t, s, 1, 2, 3) // the customer's stands above
	stateOf(t, s, "basic", account.Active)
	wantHeld(t, s)

	stateOf(t, s, "own", account.Suspended)
	wantHeld(t, s, 1, 2)
	move("bob@two.example", "own")
	wantHeld(t, s, 1, 2, 3)
	move("ann@one.example", "")
	wantHeld(t, s, 3)
	move("bob@two.example", "basic") // which its customer has, too: found once
	wantHeld(t, s)
	stateOf(t, s, "basic", account.Suspended)
	wantHeld(t, s, 1, 2, 3)
	stateOf(t, s, "basic", account.Active)
	wantHeld(t, s)
}

// movedTo gives a customer another plan.
func movedTo(t *testing.T, s Store, customer, plan string) {
	t.Helper()
	c := expect.Got(s.Customer(expect.Within(t), customer))(t)
	c.Plan = plan
	expect.Must(t, s.PutCustomer(expect.Within(t), c, Event(customer)))
}

func movedCustomerFollows(t *testing.T, s Store) {
	ctx := expect.Within(t)
	crowd(t, s)
	for _, name := range []string{"stopped", "stopped too"} {
		expect.Must(t, s.PutPlan(ctx, account.Plan{Name: name, State: account.Suspended, Created: Start()}, Event("")))
	}
	movedTo(t, s, "acme", "stopped")
	wantHeld(t, s, 1, 2, 3)
	movedTo(t, s, "other", "stopped")
	wantHeld(t, s, 1, 2, 3, 4)
	movedTo(t, s, "acme", "stopped too")
	wantHeld(t, s, 1, 2, 3, 4)
	stateOf(t, s, "one.example", account.Suspended)
	movedTo(t, s, "acme", "basic")
	wantHeld(t, s, 1, 2, 4)
	movedTo(t, s, "other", "")
	wantHeld(t, s, 1, 2)
	stateOf(t, s, "one.example", account.Active)
	wantHeld(t, s)

	// Both at once: the suspension counts.
	c := expect.Got(s.Customer(ctx, "acme"))(t)
	c.Plan, c.State = "stopped", account.Suspended
	expect.Must(t, s.PutCustomer(ctx, c, Event("")))
	wantHeld(t, s, 1, 2, 3)
	c = expect.Got(s.Customer(ctx, "acme"))(t)
	c.Plan = ""
	expect.Must(t, s.PutCustomer(ctx, c, Event("")))
	wantHeld(t, s, 1, 2, 3)
	c = expect.Got(s.Customer(ctx, "acme"))(t)
	c.Plan, c.State = "stopped", account.Active
	expect.Must(t, s.PutCustomer(ctx, c, Event("")))
	wantHeld(t, s, 1, 2, 3)
	movedTo(t, s, "acme", "")
	wantHeld(t, s)
}

func movedDomainFollows(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := crowd(t, s)
	move := func(customer string) {
		t.Helper()
		d := expect.Got(s.Domain(ctx, p.two.Name))(t)
		d.Customer = customer
		expect.Must(t, s.PutDomain(ctx, d, Event("")))
	}
	move("other")
	wantHeld(t, s)
	stateOf(t, s, "acme", account.Suspended)
	wantHeld(t, s, 1, 2)
	move("acme")
	wantHeld(t, s, 1, 2, 3)
	stateOf(t, s, "other", account.Suspended)
	wantHeld(t, s, 1, 2, 3, 4)
	move("other")
	wantHeld(t, s, 1, 2, 3, 4)
	stateOf(t, s, "acme", account.Active)
	wantHeld(t, s, 3, 4)
	move("acme")
	wantHeld(t, s, 4)

	// A customer's plan counts as well.
	stateOf(t, s, "other", account.Active)
	stateOf(t, s, "basic", account.Suspended)
	wantHeld(t, s, 1, 2, 3)
	move("other")
	wantHeld(t, s, 1, 2)
	move("acme")
	wantHeld(t, s, 1, 2, 3)
	// What is suspended itself stays held.
	stateOf(t, s, "bob@two.example", account.Suspended)
	move("other")
	wantHeld(t, s, 1, 2, 3)
	stateOf(t, s, "bob@two.example", account.Active)
	wantHeld(t, s, 1, 2)
}

func releaseWaits(t *testing.T, s Store) {
	crowd(t, s)
	stateOf(t, s, "basic", account.Suspended)
	stateOf(t, s, "ann@one.example", account.Suspended)
	stateOf(t, s, "one.example", account.Suspended)
	stateOf(t, s, "acme", account.Suspended)
	wantHeld(t, s, 1, 2, 3)
	stateOf(t, s, "ann@one.example", account.Active)
	wantHeld(t, s, 1, 2, 3)
	stateOf(t, s, "acme", account.Active)
	wantHeld(t, s, 1, 2, 3)
	stateOf(t, s, "basic", account.Active)
	wantHeld(t, s, 1, 2)
	stateOf(t, s, "one.example", account.Active)
	wantHeld(t, s)
}

func otherHoldsStay(t *testing.T, s Store) {
	ctx := expect.Within(t)
	crowd(t, s)
	expect.Got(s.Hold(ctx, queue.Filter{Submission: ID("SUB", 1)}, "policy", audit.Event{At: Start()}))(t)
	stateOf(t, s, "ann@one.example", account.Suspended)
	stateOf(t, s, "ann@one.example", account.Active)
	all := states(t, s)
	if all[key(1, "1")] != queue.Held || all[key(2, "1")] != queue.Deferred {
		t.Errorf("got %v", all)
	}
	WantStats(t, s, 3, 1, 1)
}

func removedIsHeld(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := crowd(t, s)
	expect.Must(t, s.RemoveAccount(ctx, p.ann.Login(), Event("")))
	wantHeld(t, s, 1, 2)
	stateOf(t, s, "acme", account.Suspended)
	stateOf(t, s, "acme", account.Active)
	wantHeld(t, s, 1, 2) // nobody speaks for them any more
	// Nor does a later account of the same name.
	expect.Must(t, s.PutAccount(ctx, account.Account{ID: ID("ACC", 9), Address: p.ann.Address, State: account.Suspended, Created: Start()}, Event("")))
	stateOf(t, s, "ann@one.example", account.Active)
	wantHeld(t, s, 1, 2)
}

func otherChangesLeave(t *testing.T, s Store) {
	ctx := expect.Within(t)
	p := crowd(t, s)
	p.ann.NullSender = true
	expect.Must(t, s.PutAccount(ctx, p.ann, Event("")))
	p.customer.Plan = ""
	expect.Must(t, s.PutCustomer(ctx, p.customer, Event("")))
	wantHeld(t, s)
	stateOf(t, s, "ann@one.example", account.Suspended)
	expect.Got(s.Release(ctx, queue.Filter{Submission: ID("SUB", 1)}, audit.Event{At: Start()}))(t) // an operator's will
	stateOf(t, s, "ann@one.example", account.Suspended)                                             // no change of state
	wantHeld(t, s, 2)
}
