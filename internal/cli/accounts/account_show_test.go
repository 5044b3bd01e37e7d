package accounts

import (
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/mail"
)

// TestViewOfAnAccountElsewhere: what a directory has named is told from what an operator has
// given.
func TestViewOfAnAccountElsewhere(t *testing.T) {
	at := func(local string) mail.Address { return mail.Address{Local: local, Domain: "example.org"} }
	v := viewAccount(account.Account{
		Address: at("a"), Directory: "panel", Plan: "gold", PlanLearned: true,
		Aliases: []mail.Address{at("hand"), at("info")}, Learned: []mail.Address{at("info")},
	}, time.Time{})
	if v.planText() != "gold, its own, as directory panel says" || len(v.Aliases) != 2 || len(v.LearnedAliases) != 1 || v.LearnedAliases[0] != "info@example.org" {
		t.Errorf("%+v: plan %s", v, v.planText())
	}
	none, gold := "", "gold"
	for _, c := range []struct {
		view accountView
		want string
	}{
		{accountView{Plan: "gold"}, "gold, its own"},
		{accountView{DecidingPlan: &gold}, "gold, the customer's"},
		{accountView{DecidingPlan: &none}, ""},
		{accountView{}, ""},
	} {
		if got := c.view.planText(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.view, got, c.want)
		}
	}
}
