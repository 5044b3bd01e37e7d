package account

import (
	"slices"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

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
