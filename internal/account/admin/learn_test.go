package admin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// learnable is a world with an account m@acme.example of a directory, and plans silver and
// bronze.
func learnable(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	for _, err := range []error{
		w.admin.AddPlan(t.Context(), account.Plan{Name: "silver"}), w.admin.AddPlan(t.Context(), account.Plan{Name: "bronze"}),
		w.admin.AddAccount(t.Context(), admin.NewAccount{Address: at("m@acme.example"), Directory: "panel"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// learn lets the account learn, and wants one event with that text; none for "".
func (w *world) learn(t *testing.T, l account.Learned, text string) account.Account {
	t.Helper()
	before := len(w.store.Events())
	changed, err := w.admin.Learn(t.Context(), w.account(t, "m@acme.example"), l)
	if err != nil || changed != (text != "") {
		t.Fatalf("%+v: changed is %v, %v", l, changed, err)
	}
	events := w.store.Events()[before:]
	switch {
	case text == "" && len(events) > 0, text != "" && len(events) != 1:
		t.Fatalf("%+v leaves %d events", l, len(events))
	case text != "" && (events[0].Text != text+", as directory panel says" || events[0].Kind != audit.AdminChanged || events[0].Login != "m@acme.example"):
		t.Fatalf("%+v leaves %+v", l, events[0])
	}
	return w.account(t, "m@acme.example")
}

func list(addresses ...string) (all []mail.Address) {
	for _, a := range addresses {
		all = append(all, at(a))
	}
	return all
}

func TestLearnPlan(t *testing.T) {
	w := learnable(t)
	set := func(plan string) {
		t.Helper()
		if err := w.admin.SetAccount(t.Context(), at("m@acme.example"), admin.AccountChange{Plan: &plan}); err != nil {
			t.Fatal(err)
		}
	}
	w.learn(t, account.Learned{}, "")
	a := w.learn(t, account.Learned{Plan: "silver"}, "plan silver")
	if a.Plan != "silver" || !a.PlanLearned {
		t.Fatalf("%+v", a)
	}
	w.learn(t, account.Learned{Plan: "silver"}, "")
	w.learn(t, account.Learned{Plan: "bronze"}, "plan bronze")
	if a = w.learn(t, account.Learned{}, "the customer's plan"); a.Plan != "" || a.PlanLearned {
		t.Fatalf("%+v", a)
	}
	// What an operator has given stays whatever the directory names, until it is taken away.
	set("silver")
	for _, named := range []string{"", "bronze", "silver", ""} {
		if a = w.learn(t, account.Learned{Plan: named}, ""); a.Plan != "silver" || a.PlanLearned {
			t.Fatalf("%q: %+v", named, a)
		}
	}
	set("")
	a = w.learn(t, account.Learned{Plan: "bronze"}, "plan bronze")
	_, err := w.admin.Learn(t.Context(), a, account.Learned{Plan: "tin"})
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("a plan that there is not: %v", err)
	}
}

func TestLearnAliases(t *testing.T) {
	w := learnable(t)
	byHand := admin.AccountChange{AddAliases: list("hand@acme.example")}
	if err := w.admin.SetAccount(t.Context(), at("m@acme.example"), byHand); err != nil {
		t.Fatal(err)
	}
	a := w.learn(t, account.Learned{Aliases: list("hand@acme.example", "one@acme.example", "M@acme.example", "One@acme.example", "two@acme.example")},
		"alias one@acme.example added, alias two@acme.example added")
	if !slices.Equal(a.Aliases, list("hand@acme.example", "one@acme.example", "two@acme.example")) || !slices.Equal(a.Learned, list("one@acme.example", "two@acme.example")) {
		t.Fatalf("%+v", a)
	}
	w.learn(t, account.Learned{Aliases: list("two@acme.example", "one@acme.example")}, "")
	// One that an operator gives too stays.
	if err := w.admin.SetAccount(t.Context(), at("m@acme.example"), admin.AccountChange{AddAliases: list("two@acme.example")}); err != nil {
		t.Fatal(err)
	}
	a = w.learn(t, account.Learned{}, "alias one@acme.example removed")
	if !slices.Equal(a.Aliases, list("hand@acme.example", "two@acme.example")) || len(a.Learned) > 0 {
		t.Fatalf("%+v", a)
	}
	// One that an operator takes away comes back where the directory names it.
	w.learn(t, account.Learned{Aliases: list("one@acme.example")}, "alias one@acme.example added")
	if err := w.admin.SetAccount(t.Context(), at("m@acme.example"), admin.AccountChange{RemoveAliases: list("one@acme.example")}); err != nil {
		t.Fatal(err)
	}
	if a = w.account(t, "m@acme.example"); len(a.Learned) > 0 {
		t.Fatalf("%+v", a)
	}
	w.learn(t, account.Learned{Aliases: list("one@acme.example")}, "alias one@acme.example added")
}

func TestLearnIsBounded(t *testing.T) {
	w := learnable(t)
	var many []mail.Address
	for i := range account.MaxLearned + 10 {
		many = append(many, at(fmt.Sprintf("x%d@acme.example", i)))
	}
	changed, err := w.admin.Learn(t.Context(), w.account(t, "m@acme.example"), account.Learned{Aliases: many})
	if a := w.account(t, "m@acme.example"); err != nil || !changed || len(a.Aliases) != account.MaxLearned {
		t.Fatalf("%d aliases, %v", len(a.Aliases), err)
	}
	if text := w.lastEvent().Text; len(text) > 1000 {
		t.Errorf("the event has %d octets", len(text))
	}
	w.learn(t, account.Learned{Aliases: many}, "") // no write at each login
}

func TestOwnPlan(t *testing.T) {
	w := learnable(t)
	ctx := t.Context()
	own := admin.NewAccount{Address: at("own@acme.example"), Password: goodPassword, Plan: "silver"}
	if err := w.admin.AddAccount(ctx, own); err != nil {
		t.Fatal(err)
	}
	if e := w.lastEvent(); e.Text != "plan silver" {
		t.Errorf("%+v", e)
	}
	if err := w.admin.RemovePlan(ctx, "silver"); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "used by account own@acme.example;") {
		t.Error(err)
	}
	for i := range 4 {
		own.Address = at(fmt.Sprintf("own%d@acme.example", i))
		if err := w.admin.AddAccount(ctx, own); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.admin.RemovePlan(ctx, "silver"); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "own0@acme.example, own1@acme.example, own2@acme.example and others;") {
		t.Error(err)
	}
	own.Address, own.Plan = at("tin@acme.example"), "tin"
	if err := w.admin.AddAccount(ctx, own); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "plan tin does not exist") {
		t.Error(err)
	}
	none := ""
	if err := w.admin.SetAccount(ctx, at("own@acme.example"), admin.AccountChange{Plan: &none}); err != nil {
		t.Fatal(err)
	}
	if e := w.lastEvent(); e.Text != "the customer's plan" || w.account(t, "own@acme.example").Plan != "" {
		t.Errorf("%+v", e)
	}
}

// TestOwnPlanDecidesKeys: which keys a new password gets is the account's plan's matter.
func TestOwnPlanDecidesKeys(t *testing.T) {
	w := learnable(t)
	ctx := t.Context()
	legacy := func(login string) bool {
		a := w.account(t, login)
		return a.Password().Secret.Key("CRAM-MD5") != ""
	}
	if err := w.admin.AddPlan(ctx, account.Plan{Name: "old", Legacy: true}); err != nil {
		t.Fatal(err)
	}
	for plan, want := range map[string]bool{"old": true, "silver": false, "": false} {
		at := at("k" + plan + "@acme.example")
		if err := w.admin.AddAccount(ctx, admin.NewAccount{Address: at, Password: goodPassword, Plan: plan}); err != nil || legacy(at.Key()) != want {
			t.Errorf("plan %q: %v, %v", plan, legacy(at.Key()), err)
		}
	}
	if err := w.admin.SetCustomerPlan(ctx, "acme", "old"); err != nil {
		t.Fatal(err)
	}
	for plan, want := range map[string]bool{"old": true, "silver": false, "": true} {
		at := at("k" + plan + "@acme.example")
		if err := w.admin.SetPassword(ctx, at, goodPassword+"!", false); err != nil || legacy(at.Key()) != want {
			t.Errorf("customer's plan old, own %q: %v, %v", plan, legacy(at.Key()), err)
		}
	}
}

// An account that its directory would make again is removed only by force.
func TestRemoveAccountOfADirectory(t *testing.T) {
	w := learnable(t)
	err := w.admin.RemoveAccount(t.Context(), at("m@acme.example"))
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), `directory "panel"`) ||
		!strings.Contains(err.Error(), "countersign account suspend m@acme.example") || !strings.Contains(err.Error(), "--force") {
		t.Error(err)
	}
	w.account(t, "m@acme.example") // which is there
	if err := w.admin.ForceRemoveAccount(t.Context(), at("m@acme.example")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Account(t.Context(), "m@acme.example"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	for _, remove := range []func() error{
		func() error { return w.admin.RemoveAccount(t.Context(), at("m@acme.example")) },
		func() error { return w.admin.ForceRemoveAccount(t.Context(), at("m@acme.example")) },
	} {
		if err := remove(); !fault.Is(err, fault.NotFound) {
			t.Error(err)
		}
	}
}
