package account

import (
	"context"
	"slices"
	"strings"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// AccountChange says what to change of an account, all of it or nothing.
// Removals come before additions.
type AccountChange struct {
	AddAliases, RemoveAliases []mail.Address
	AddGrants, RemoveGrants   []Grant
	// NullSender, when not nil, allows or forbids "<>" as MAIL FROM.
	NullSender *bool
	// Plan, when not nil, names the plan that the account gets of its own; "" for the
	// customer's.
	Plan *string
}

// ParseGrant reads "a@example.org", one address, or "@example.org", all of a
// domain.
func ParseGrant(s string) (Grant, error) {
	const op = "account.grant"
	if name, ok := strings.CutPrefix(s, "@"); ok {
		domain, err := mail.ParseDomain(name)
		if err != nil {
			return Grant{}, fault.New(op, fault.Invalid, "%q is not a grant: %v", s, err)
		}
		return Grant{Domain: domain}, nil
	}
	address, err := mail.ParseAddress(s)
	if err != nil {
		return Grant{}, fault.New(op, fault.Invalid, "%q is not a grant: %v; write an address, or @example.org for a whole domain", s, err)
	}
	return Grant{Address: address}, nil
}

// String returns the form that ParseGrant reads.
func (g Grant) String() string {
	if g.Address.IsNull() {
		return "@" + g.Domain.String()
	}
	return g.Address.String()
}

// equal reports whether two grants allow the same.
func (g Grant) equal(other Grant) bool {
	return g.Address.Key() == other.Address.Key() && g.Domain == other.Domain
}

// under returns the domain that a grant is for.
func (g Grant) under() mail.Domain {
	if g.Address.IsNull() {
		return g.Domain
	}
	return g.Address.Domain
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
func (a *Admin) apply(ctx context.Context, acc *Account, change AccountChange, customer string) (string, error) {
	var parts []string
	for _, alias := range change.RemoveAliases {
		if err := acc.removeAlias(alias); err != nil {
			return "", err
		}
		parts = append(parts, "alias "+alias.String()+" removed")
	}
	for _, g := range change.RemoveGrants {
		if err := acc.removeGrant(g); err != nil {
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
func (a *Admin) addAlias(ctx context.Context, acc *Account, alias mail.Address, customer string) error {
	if err := checkAddress(alias); err != nil {
		return err
	}
	if err := a.sameCustomer(ctx, alias.Domain, customer, "alias "+alias.String()); err != nil {
		return err
	}
	if i := indexOf(acc.Learned, alias); i >= 0 { // which stays now, whatever the directory says
		acc.Learned = slices.Delete(slices.Clone(acc.Learned), i, i+1)
		return nil
	}
	if alias.Key() == acc.Login() || indexOf(acc.Aliases, alias) >= 0 {
		return fault.New("account.alias", fault.Conflict, "%s is an address of account %s already", alias, acc.Address)
	}
	acc.Aliases = append(slices.Clone(acc.Aliases), alias)
	return nil
}

// addGrant adds a grant for a domain of the customer.
func (a *Admin) addGrant(ctx context.Context, acc *Account, g Grant, customer string) error {
	const op = "account.grant"
	if g == (Grant{}) || !g.Address.IsNull() && g.Domain != "" {
		return fault.New(op, fault.Invalid, "a grant is for one address or for one domain")
	}
	if err := a.sameCustomer(ctx, g.under(), customer, "grant "+g.String()); err != nil {
		return err
	}
	if slices.ContainsFunc(acc.Grants, g.equal) {
		return fault.New(op, fault.Conflict, "account %s has the grant %s already", acc.Address, g)
	}
	acc.Grants = append(slices.Clone(acc.Grants), g)
	return nil
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
		return ForeignDomain(what, domain, owner, customer)
	}
	return nil
}

// ForeignDomain is the refusal to let an account of a customer use what is in a domain
// of another, the owner.
func ForeignDomain(what string, domain mail.Domain, owner, customer string) error {
	return fault.New("account.set", fault.Invalid, "%s: domain %s belongs to customer %s, the account to customer %s; an account may only use addresses of its own customer", what, domain, owner, customer)
}

// indexOf finds an address in a list, -1 where it is not there.
func indexOf(list []mail.Address, a mail.Address) int {
	return slices.IndexFunc(list, func(other mail.Address) bool { return other.Key() == a.Key() })
}

// removeAlias takes an alias away.
func (a *Account) removeAlias(alias mail.Address) error {
	i := indexOf(a.Aliases, alias)
	if i < 0 {
		return fault.New("account.alias", fault.NotFound, "account %s has no alias %s", a.Address, alias)
	}
	a.Aliases = slices.Delete(slices.Clone(a.Aliases), i, i+1)
	if i = indexOf(a.Learned, alias); i >= 0 {
		a.Learned = slices.Delete(slices.Clone(a.Learned), i, i+1)
	}
	return nil
}

// removeGrant takes a grant away.
func (a *Account) removeGrant(g Grant) error {
	i := slices.IndexFunc(a.Grants, g.equal)
	if i < 0 {
		return fault.New("account.grant", fault.NotFound, "account %s has no grant %s", a.Address, g)
	}
	a.Grants = slices.Delete(slices.Clone(a.Grants), i, i+1)
	return nil
}
