package account

import (
	"fmt"
	"slices"
	"strings"

	"countersign/internal/audit"
	"countersign/internal/mail"
)

// Learned is what the directory of an account says of it.
type Learned struct {
	// Plan is the plan that it names; "" for none.
	Plan string
	// Aliases are the further addresses that it names, in domains of the account's
	// customer, at most MaxLearned.
	Aliases []mail.Address
}

// MaxLearned is how many aliases an account gets of its directory.
const MaxLearned = 200

// Learns says what Learn would change of it, "" for nothing.
func (a Account) Learns(l Learned) string { return a.Learn(l) }

// Learn makes an account what its directory says, and says what it changed, "" for nothing. A
// plan that is named takes the place of none, and of one that was named before, which goes where
// none is named any more. Aliases come and go likewise. Plan and aliases that an operator has
// given stay.
func (a *Account) Learn(l Learned) string {
	var parts []string
	switch {
	case a.PlanGiven(): // which stays, whatever the directory says
	case l.Plan != "" && l.Plan != a.Plan:
		a.Plan, a.PlanLearned = l.Plan, true
		parts = append(parts, "plan "+l.Plan)
	case l.Plan == "" && a.PlanLearned:
		a.Plan, a.PlanLearned = "", false
		parts = append(parts, "the customer's plan")
	}
	for _, gone := range slices.Clone(a.Learned) {
		if indexOf(l.Aliases, gone) < 0 && a.RemoveAlias(gone) == nil {
			parts = append(parts, "alias "+gone.String()+" removed")
		}
	}
	for _, alias := range l.Aliases[:min(len(l.Aliases), MaxLearned)] {
		if alias.Key() != a.Login() && indexOf(a.Aliases, alias) < 0 {
			a.Aliases = append(slices.Clone(a.Aliases), alias)
			a.Learned = append(slices.Clone(a.Learned), alias)
			parts = append(parts, "alias "+alias.String()+" added")
		}
	}
	return fewChanges(parts)
}

// YieldEvent is the event of an account that loses an alias, which its directory had named,
// as an account is made whose own address it is. made is the event of that.
func YieldEvent(made audit.Event, holder, alias mail.Address) audit.Event {
	return audit.Event{
		At: made.At, Kind: audit.AdminChanged, Actor: made.Actor, Object: "account " + holder.String(), Login: holder.Key(),
		Text: "alias " + alias.String() + " removed, as an account of that address is made",
	}
}

// maxChanges is how many changes an event tells of what was learned.
const maxChanges = 10

// fewChanges lists the first changes and the number of the others.
func fewChanges(parts []string) string {
	list := strings.Join(parts[:min(len(parts), maxChanges)], ", ")
	if more := len(parts) - maxChanges; more > 0 {
		list += fmt.Sprintf(" and %d changes more", more)
	}
	return list
}
