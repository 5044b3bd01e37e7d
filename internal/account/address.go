package account

import (
	"slices"
	"strings"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

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

// Equal reports whether two grants allow the same.
func (g Grant) Equal(other Grant) bool {
	return g.Address.Key() == other.Address.Key() && g.Domain == other.Domain
}

// Under returns the domain that a grant is for.
func (g Grant) Under() mail.Domain {
	if g.Address.IsNull() {
		return g.Domain
	}
	return g.Address.Domain
}

// indexOf finds an address in a list, -1 where it is not there.
func indexOf(list []mail.Address, a mail.Address) int {
	return slices.IndexFunc(list, func(other mail.Address) bool { return other.Key() == a.Key() })
}

// AddAlias gives an account an alias, which stays whatever its directory says: fault.Conflict
// where it is an address of the account already.
func (a *Account) AddAlias(alias mail.Address) error {
	if i := indexOf(a.Learned, alias); i >= 0 { // which stays now
		a.Learned = slices.Delete(slices.Clone(a.Learned), i, i+1)
		return nil
	}
	if alias.Key() == a.Login() || indexOf(a.Aliases, alias) >= 0 {
		return fault.New("account.alias", fault.Conflict, "%s is an address of account %s already", alias, a.Address)
	}
	a.Aliases = append(slices.Clone(a.Aliases), alias)
	return nil
}

// RemoveAlias takes an alias away: fault.NotFound where the account has no such one.
func (a *Account) RemoveAlias(alias mail.Address) error {
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

// AddGrant gives an account a grant: fault.Conflict where it has it already.
func (a *Account) AddGrant(g Grant) error {
	if slices.ContainsFunc(a.Grants, g.Equal) {
		return fault.New("account.grant", fault.Conflict, "account %s has the grant %s already", a.Address, g)
	}
	a.Grants = append(slices.Clone(a.Grants), g)
	return nil
}

// RemoveGrant takes a grant away: fault.NotFound where the account has no such one.
func (a *Account) RemoveGrant(g Grant) error {
	i := slices.IndexFunc(a.Grants, g.Equal)
	if i < 0 {
		return fault.New("account.grant", fault.NotFound, "account %s has no grant %s", a.Address, g)
	}
	a.Grants = slices.Delete(slices.Clone(a.Grants), i, i+1)
	return nil
}
