package call

import (
	"slices"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Credential returns the id of a credential of an account by its name, with the account's
// login. Errors: fault.NotFound, and those of the store.
func (o *Opened) Credential(of mail.Address, name string) (id mail.ID, login string, err error) {
	login = of.Key()
	a, err := o.Store.Account(o.Ctx, login)
	if err != nil {
		return "", login, Missing(err, "account "+login)
	}
	i := slices.IndexFunc(a.Credentials, func(c account.Credential) bool { return c.Name == name })
	if i < 0 {
		return "", login, fault.New("cli.credential", fault.NotFound, "account %s has no credential %q; see \"countersign credential list %s\"", login, name, login)
	}
	return a.Credentials[i].ID, login, nil
}
