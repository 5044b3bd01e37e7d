package admin

import (
	"context"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// ReadyToAdd says before a password is asked for whether AddAccount can succeed, as far as
// the address decides it. Errors are those of AddAccount.
func (a *Admin) ReadyToAdd(ctx context.Context, address mail.Address) error {
	if err := checkAddress(address); err != nil {
		return err
	}
	if _, err := a.customerOf(ctx, address.Domain); err != nil {
		return err
	}
	switch _, err := a.opt.Store.Account(ctx, address.Key()); {
	case err == nil:
		return fault.New("account.add", fault.Conflict, "%s %s", objectAccount(address), taken)
	case !fault.Is(err, fault.NotFound):
		return err
	}
	return nil
}

// ReadyForPassword says before a password is asked for whether SetPassword can succeed, as
// far as the account decides it. Errors are those of SetPassword.
func (a *Admin) ReadyForPassword(ctx context.Context, address mail.Address) error {
	acc, err := a.account(ctx, address)
	if err != nil {
		return err
	}
	return ownPassword(&acc)
}

// ownPassword refuses an account whose password another system knows.
func ownPassword(acc *account.Account) error {
	if acc.Directory == "" {
		return nil
	}
	return fault.New("account.password", fault.Conflict, "the password of %s is in directory %q: change it there", acc.Address, acc.Directory)
}
