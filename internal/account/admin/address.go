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
	AddGrants, RemoveGrants   []account.Grant
	// NullSender, when not nil, allows or forbids "<>" as MAIL FROM.
	NullSender *bool
	// Plan, when not nil, names the plan that the account gets of its own; "" for the
	// customer's.
	Plan *string
}

// SetAccount changes which addresses an account may use, and its plan. Aliases and grants
// must lie in domains of the account's own customer: no customer lets another
// write in its name. Open sessions feel it at their next message.
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
	for _, g := range change.RemoveGrants {
		if err := acc.RemoveGrant(g); err != nil {
			return "", err
		}
		parts = append(parts, "grant "+g.String()+" revoked")
	}
	for _, alias := range change.AddAliases {
		if err := a.addAlias(ctx, acc, alias, customer); err != nil {
			return "", err
		}
		parts = append(parts, "alias "+alias.String()+" added")
	}
	for _, g := range change.AddGrants {
		if err := a.addGrant(ctx, acc, g, customer); err != nil {
			return "", err
		}
		parts = append(parts, "grant "+g.String()+" given")
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

// addGrant adds a grant for a domain of the customer.
func (a *Admin) addGrant(ctx context.Context, acc *account.Account, g account.Grant, customer string) error {
	if g == (account.Grant{}) || !g.Address.IsNull() && g.Domain != "" {
		return fault.New("account.grant", fault.Invalid, "a grant is for one address or for one domain")
	}
	if err := a.sameCustomer(ctx, g.Under(), customer, "grant "+g.String()); err != nil {
		return err
	}
	return acc.AddGrant(g)
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
