// Package plans holds what an engine must do about accounts that have a plan of their
// own, and about what their directories have named of them. It is a part of the suite of
// package storetest, which an engine runs beside it.
//
// Main function: Run.
package plans

import (
	"fmt"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/storetest"
	"countersign/internal/store/storetest/expect"
)

// Run runs the cases. Each gets a store of its own.
func Run(t *testing.T, open storetest.Opener) {
	for name, run := range map[string]func(*story){
		"a plan that an account is on stays": planStays,
		"its own plan decides":               ownDecides,
		"a learned plan alone stops":         learnedPlanAlone,
		"what a directory named is an alias": learnedAreAliases,
		"whose an address is":                addressesHaveOwners,
		"a learned alias yields":             learnedYields,
		"a given alias does not":             givenStays,
	} {
		t.Run(name, func(t *testing.T) { run(settled(t, open(t))) })
	}
}

// story is a case with a store that has customer acme on plan basic, plan own, and accounts
// ann and bob of acme, on no plan of their own.
type story struct {
	*testing.T
	s        storetest.Store
	ann, bob string
}

func event(text string) audit.Event {
	return audit.Event{At: start(), Kind: audit.AdminChanged, Actor: "test", Text: text}
}

func start() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 123456000, time.UTC) }

func at(local string) mail.Address { return mail.Address{Local: local, Domain: "one.example"} }

func settled(t *testing.T, s storetest.Store) *story {
	t.Helper()
	y := &story{t, s, "ann@one.example", "bob@one.example"}
	ctx := t.Context()
	for _, err := range []error{
		s.PutPlan(ctx, account.Plan{Name: "basic", MaxRecipients: 100, State: account.Active, Created: start()}, event("plan")),
		s.PutPlan(ctx, account.Plan{Name: "own", MaxRecipients: 7, State: account.Active, Created: start()}, event("plan")),
		s.PutCustomer(ctx, account.Customer{Name: "acme", Plan: "basic", State: account.Active, Created: start()}, event("customer")),
		s.PutDomain(ctx, account.Domain{Name: "one.example", Customer: "acme", State: account.Active, Created: start()}, event("domain")),
		s.PutAccount(ctx, account.Account{ID: "ACC00000000000000000000001", Address: at("ann"), State: account.Active, Created: start()}, event("ann")),
		s.PutAccount(ctx, account.Account{ID: "ACC00000000000000000000002", Address: at("bob"), State: account.Active, Created: start()}, event("bob")),
	} {
		expect.Must(y, err)
	}
	return y
}

// change changes an account as it is stored now.
func (y *story) change(login string, change func(*account.Account)) error {
	y.Helper()
	a, err := y.s.Account(y.Context(), login)
	expect.Must(y, err)
	change(&a)
	return y.s.PutAccount(y.Context(), a, event(login))
}

// move gives an account a plan of its own, "" for none.
func (y *story) move(login, plan string) {
	y.Helper()
	expect.Must(y, y.change(login, func(a *account.Account) { a.Plan = plan }))
}

// on lists who is on a plan.
func (y *story) on(plan, after string, limit int) []string {
	y.Helper()
	list, err := y.s.OnPlan(y.Context(), plan, after, limit)
	expect.Must(y, err)
	return list
}

// planStays wants a plan that only accounts are on to stay, and to be told of whom.
func planStays(y *story) {
	ctx := y.Context()
	if list := y.on("own", "", 10); len(list) != 0 {
		y.Errorf("on a new plan are %v", list)
	}
	y.move(y.ann, "own")
	y.move(y.bob, "own")
	expect.Equal(y, "on the plan", y.on("own", "", 10), []string{y.ann, y.bob})
	expect.Equal(y, "the first", y.on("own", "", 1), []string{y.ann})
	expect.Equal(y, "those behind", y.on("own", y.ann, 10), []string{y.bob})
	if list := append(y.on("basic", "", 10), y.on("x", "", 10)...); len(list) != 0 {
		y.Errorf("on a customer's plan, and on none, are %v", list)
	}
	expect.Kind(y, y.s.RemovePlan(ctx, "own", event("")), fault.Conflict, "removed under two"+": ")
	expect.Must(y, y.s.RemoveAccount(ctx, y.ann, event("")))
	expect.Kind(y, y.s.RemovePlan(ctx, "own", event("")), fault.Conflict, "removed under one"+": ")
	y.move(y.bob, "")
	expect.Must(y, y.s.RemovePlan(ctx, "own", event("")))
	expect.Kind(y, y.change(y.bob, func(a *account.Account) { a.Plan = "own" }), fault.NotFound, "a plan that is gone"+": ")
}

// turn changes the state of a plan, and returns the plan as it is then.
func (y *story) turn(name string, state account.State) account.Plan {
	y.Helper()
	p, err := y.s.Plan(y.Context(), name)
	expect.Must(y, err)
	p.State = state
	expect.Must(y, y.s.PutPlan(y.Context(), p, event(name)))
	p.Revision++
	return p
}

// wantPlans wants ann to be active or not, under these plans.
func (y *story) wantPlans(what string, active bool, plan, customers account.Plan) {
	y.Helper()
	sender, err := y.s.Sender(y.Context(), y.ann)
	expect.Must(y, err)
	expect.Equal(y, what+": plan", sender.Plan, plan)
	expect.Equal(y, what+": the customer's plan", sender.CustomerPlan, customers)
	proofs, err := y.s.Proofs(y.Context(), y.ann)
	expect.Must(y, err)
	if sender.Active() != active || proofs.Active != active {
		y.Errorf("%s: active is %v, to be proved %v, want %v", what, sender.Active(), proofs.Active, active)
	}
}

// ownDecides wants the account's plan in place of the customer's, whose suspension counts
// all the same.
func ownDecides(y *story) {
	ctx := y.Context()
	basic, own := y.turn("basic", account.Active), y.turn("own", account.Active)
	y.wantPlans("on the customer's", true, basic, basic)
	y.move(y.ann, "own")
	y.wantPlans("both active", true, own, basic)

	basic = y.turn("basic", account.Suspended)
	y.wantPlans("the customer's suspended", false, own, basic)
	basic = y.turn("basic", account.Active)

	own = y.turn("own", account.Suspended)
	y.wantPlans("its own suspended", false, own, basic)
	other, err := y.s.Sender(ctx, y.bob)
	expect.Must(y, err)
	if !other.Active() {
		y.Error("an account without that plan stands still")
	}
	c, err := y.s.Customer(ctx, "acme")
	expect.Must(y, err)
	c.Plan = ""
	expect.Must(y, y.s.PutCustomer(ctx, c, event("customer")))
	y.wantPlans("the customer has none, its own suspended", false, own, account.Plan{})
	own = y.turn("own", account.Active)
	y.wantPlans("the customer has none", true, own, account.Plan{})
}

// learnedPlanAlone wants to be told where nothing but a plan stops an account that its
// directory has named.
func learnedPlanAlone(y *story) {
	want := func(what string, alone bool) {
		y.Helper()
		proofs, err := y.s.Proofs(y.Context(), y.ann)
		expect.Must(y, err)
		if proofs.PlanAlone != alone {
			y.Errorf("%s: the plan alone stops it is %v, want %v", what, proofs.PlanAlone, alone)
		}
	}
	y.move(y.ann, "own")
	y.turn("own", account.Suspended)
	want("an operator's plan", false)
	expect.Must(y, y.change(y.ann, func(a *account.Account) { a.PlanLearned = true }))
	want("a learned one", true)
	y.turn("basic", account.Suspended)
	want("and the customer's", false)
	y.turn("basic", account.Active)
	expect.Must(y, y.change(y.ann, func(a *account.Account) { a.State = account.Suspended }))
	want("and the account", false)
	expect.Must(y, y.change(y.ann, func(a *account.Account) { a.State = account.Active }))
	want("a learned one again", true)
	y.turn("own", account.Active)
	want("nothing", false)
}

// learnedAreAliases wants nothing to be learned that is no alias.
func learnedAreAliases(y *story) {
	info := []mail.Address{at("Info")}
	err := y.change(y.ann, func(a *account.Account) { a.Learned = info })
	expect.Kind(y, err, fault.Invalid, "learned, and no alias"+": ")
	expect.Must(y, y.change(y.ann, func(a *account.Account) { a.Aliases, a.Learned = info, []mail.Address{at("info")} }))
	a, err := y.s.Account(y.Context(), y.ann)
	expect.Must(y, err)
	expect.Equal(y, "learned, as the alias is written", a.Learned, info)
}

func addressesHaveOwners(y *story) {
	ctx := y.Context()
	expect.Must(y, y.change(y.ann, func(a *account.Account) { a.Aliases = []mail.Address{at("Info")} }))
	owners, err := y.s.Owners(ctx, []string{"info@one.example", y.ann, y.bob, "nobody@one.example", ""})
	expect.Must(y, err)
	expect.Equal(y, "owners", owners, map[string]string{"info@one.example": y.ann, y.ann: y.ann, y.bob: y.bob})
	none, err := y.s.Owners(ctx, nil)
	if err != nil || len(none) != 0 {
		y.Errorf("nothing belongs to %v, %v", none, err)
	}
	_, err = y.s.Owners(ctx, make([]string, account.MaxOwned+1))
	expect.Kind(y, err, fault.Invalid, "too many"+": ")
}

// made is an account that is made at an address of our domain.
func made(n int, local string) account.Account {
	return account.Account{ID: mail.ID(fmt.Sprintf("ACC%023d", n)), Address: at(local), State: account.Active, Created: start()}
}

// learnedYields wants a new account to get its own address, where another has it as an alias
// that its directory has named: whoever is named first must not keep others out.
func learnedYields(y *story) {
	ctx := y.Context()
	aliases := []mail.Address{at("hand"), at("One"), at("two"), at("three")}
	expect.Must(y, y.change(y.ann, func(a *account.Account) { a.Aliases, a.Learned = aliases, aliases[1:] }))
	before, err := y.s.Account(ctx, y.ann)
	expect.Must(y, err)
	generation, err := y.s.Generation(ctx)
	expect.Must(y, err)

	expect.Must(y, y.s.PutAccount(ctx, made(8, "one"), event("one is made")))
	expect.Must(y, y.s.AddAccounts(ctx, []account.Account{made(9, "new"), made(10, "three")}, []audit.Event{event("new is made"), event("three is made")}))
	a, err := y.s.Account(ctx, y.ann)
	expect.Must(y, err)
	expect.Equal(y, "aliases that are left", a.Aliases, []mail.Address{at("hand"), at("two")})
	expect.Equal(y, "learned ones that are left", a.Learned, []mail.Address{at("two")})
	owners, err := y.s.Owners(ctx, []string{"one@one.example", "two@one.example", "three@one.example"})
	expect.Must(y, err)
	expect.Equal(y, "owners", owners, map[string]string{"one@one.example": "one@one.example", "two@one.example": y.ann, "three@one.example": "three@one.example"})
	sender, err := y.s.Sender(ctx, y.ann)
	expect.Must(y, err)
	if len(sender.Account.Aliases) != 2 || sender.Generation <= generation {
		y.Errorf("it still sends as %v, or nobody is told: %d after %d", at("one"), sender.Generation, generation)
	}
	before.Aliases, before.Learned = nil, nil
	expect.Kind(y, y.s.PutAccount(ctx, before, event("late")), fault.Conflict, "who read it before has read the present one"+": ")

	events, err := y.s.Search(ctx, audit.Query{Login: y.ann, Limit: 10})
	expect.Must(y, err)
	var texts []string
	for _, e := range events {
		texts = append(texts, string(e.Kind)+" "+e.Actor+" "+e.Object+": "+e.Text)
	}
	expect.Equal(y, "what is told of it", texts, []string{
		"admin.changed test account ann@one.example: alias One@one.example removed, as an account of that address is made",
		"admin.changed test account ann@one.example: alias three@one.example removed, as an account of that address is made",
	})

}

// givenStays wants no account to be made at an address that another has otherwise, nor an
// alias to be taken by one that is there.
func givenStays(y *story) {
	ctx := y.Context()
	expect.Must(y, y.change(y.ann, func(a *account.Account) {
		a.Aliases, a.Learned = []mail.Address{at("hand"), at("learned")}, []mail.Address{at("learned")}
	}))

	expect.Kind(y, y.s.PutAccount(ctx, made(8, "hand"), event("hand")), fault.Conflict, "a given alias"+": ")
	expect.Kind(y, y.s.AddAccounts(ctx, []account.Account{made(7, "free"), made(8, "hand")}, []audit.Event{event(""), event("")}), fault.Conflict, "a given alias, among many"+": ")
	greedy := made(9, "greedy")
	greedy.Aliases = []mail.Address{at("learned")}
	expect.Kind(y, y.s.PutAccount(ctx, greedy, event("greedy")), fault.Conflict, "a learned alias for an alias"+": ")
	expect.Kind(y, y.change(y.bob, func(a *account.Account) { a.Aliases = []mail.Address{at("learned")} }), fault.Conflict, "a learned alias for one that is there"+": ")
	owners, err := y.s.Owners(ctx, []string{"hand@one.example", "learned@one.example", "free@one.example"})
	expect.Must(y, err)
	expect.Equal(y, "owners", owners, map[string]string{"hand@one.example": y.ann, "learned@one.example": y.ann})
}
