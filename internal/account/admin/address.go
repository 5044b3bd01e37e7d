package admin

import (
	"context"
	"strings"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// AccountChange says what to change of an account, all of it or nothing.
// Removals come before additions.
type AccountChange struct {
	AddAliases, RemoveAliases []mail.Address
	// AddGrants come without By and Given. Of RemoveGrants, Grant and Manner say which.
	AddGrants, RemoveGrants []account.Granted
	// KeepMail lets go on what was sent under a grant that is removed and still waits; it is
	// held else.
	KeepMail bool
	// SenderMode, when not nil, says what becomes of mail under addresses that are not the
	// account's; "" leaves it to the plan.
	SenderMode *account.SenderMode
	// NullSender, when not nil, allows or forbids "<>" as MAIL FROM.
	NullSender *bool
	// Plan, when not nil, names the plan that the account gets of its own; "" for the
	// customer's.
	Plan *string
}

// SetAccount changes which addresses an account may use, and its plan. Aliases and grants
// must lie in domains of the account's own customer, unless a grant says that it may reach
// another: no customer lets another write in its name. Open sessions feel it at their next
// message, and waiting mail follows a grant that is removed (account.Account.RecallGrant).
func (a *Admin) SetAccount(ctx context.Context, address mail.Address, change AccountChange) error {
	acc, err := a.account(ctx, address)
	if err != nil {
		return err
	}
	customer, err := a.customerOf(ctx, acc.Address.Domain)
	if err != nil {
		return err
	}
	text, err := a.apply(ctx, &acc, change, customer)
	if err != nil {
		return err
	}
	if text == "" {
		return fault.New("account.set", fault.Invalid, "nothing to change was given")
	}
	err = a.opt.Store.PutAccount(ctx, acc, a.accountEvent(audit.AdminChanged, &acc, text))
	return named(err, objectAccount(acc.Address), "was changed meanwhile, or an alias is an address of another account already")
}

// apply changes acc, an account of that customer, and says what it changed.
func (a *Admin) apply(ctx context.Context, acc *account.Account, change AccountChange, customer string) (string, error) {
	var parts []string
	for _, alias := range change.RemoveAliases {
		if err := acc.RemoveAlias(alias); err != nil {
			return "", err
		}
		parts = append(parts, "alias "+alias.String()+" removed")
	}
	gone, err := a.removeGrants(acc, change.RemoveGrants)
	if err != nil {
		return "", err
	}
	for _, alias := range change.AddAliases {
		if err := a.addAlias(ctx, acc, alias, customer); err != nil {
			return "", err
		}
		parts = append(parts, "alias "+alias.String()+" added")
	}
	for _, g := range change.AddGrants {
		text, err := a.addGrant(ctx, acc, g, customer)
		if err != nil {
			return "", err
		}
		parts = append(parts, text)
	}
	parts = append(parts, a.recall(acc, gone, change.KeepMail)...)
	if change.SenderMode != nil {
		if acc.SenderMode, err = account.ParseSenderMode(string(*change.SenderMode)); err != nil {
			return "", err
		}
		parts = append(parts, modeText(acc.SenderMode, "that of the plan"))
	}
	if change.NullSender != nil {
		acc.NullSender = *change.NullSender
		parts = append(parts, map[bool]string{true: "null sender allowed", false: "null sender forbidden"}[acc.NullSender])
	}
	if change.Plan != nil {
		if err := a.planExists(ctx, *change.Plan); err != nil {
			return "", err
		}
		acc.Plan, acc.PlanLearned = *change.Plan, false
		parts = append(parts, map[bool]string{true: "the customer's plan", false: "plan " + acc.Plan}[acc.Plan == ""])
	}
	return strings.Join(parts, ", "), nil
}

// addAlias adds an alias in a domain of the customer.
func (a *Admin) addAlias(ctx context.Context, acc *account.Account, alias mail.Address, customer string) error {
	if err := checkAddress(alias); err != nil {
		return err
	}
	if err := a.sameCustomer(ctx, alias.Domain, customer, "alias "+alias.String()); err != nil {
		return err
	}
	return acc.AddAlias(alias)
}

// sameCustomer refuses a domain that is not one of the customer's. An unknown
// domain and a foreign one are told apart only for the operator's eyes, who is
// the one that asks.
func (a *Admin) sameCustomer(ctx context.Context, domain mail.Domain, customer, what string) error {
	owner, err := a.customerOf(ctx, domain)
	if fault.Is(err, fault.NotFound) {
		return fault.New("account.set", fault.Invalid, "%s: domain %s is not one of this server's; add it to customer %s first", what, domain, customer)
	}
	if err != nil {
		return err
	}
	if owner != customer {
		return account.ForeignDomain(what, domain, owner, customer)
	}
	return nil
}
