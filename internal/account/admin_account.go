package account

import (
	"context"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// NewAccount is what an account is made from.
type NewAccount struct {
	// Address is its own address and its login; the domain must be there.
	Address mail.Address
	// Password is in clear; AddAccount hashes it.
	Password   string
	NullSender bool
	Aliases    []mail.Address
	Grants     []Grant
}

// AddAccount stores a new active account.
func (a *Admin) AddAccount(ctx context.Context, n NewAccount) error {
	if err := checkAddress(n.Address); err != nil {
		return err
	}
	change := AccountChange{AddAliases: n.Aliases, AddGrants: n.Grants}
	if n.NullSender {
		change.NullSender = &n.NullSender
	}
	now := a.now()
	acc := Account{Address: n.Address, State: Active, Created: now, PasswordChanged: now}
	customer, err := a.customerOf(ctx, n.Address.Domain)
	if err != nil {
		return err
	}
	text, err := a.apply(ctx, &acc, change, customer)
	if err != nil {
		return err
	}
	acc.PasswordHash, err = a.hash(ctx, acc.Login(), n.Password)
	if err != nil {
		return err
	}
	acc.ID = a.opt.IDs.New()
	err = a.opt.Store.PutAccount(ctx, acc, a.accountEvent(audit.AdminAdded, &acc, text))
	return named(err, objectAccount(acc.Address), "or one of its aliases is an address of an account already")
}

// SetPassword gives an account another password. Whoever authenticated with
// the old one cannot send with it any more, in open sessions too.
func (a *Admin) SetPassword(ctx context.Context, address mail.Address, password string) error {
	acc, err := a.account(ctx, address)
	if err != nil {
		return err
	}
	acc.PasswordHash, err = a.hash(ctx, acc.Login(), password)
	if err != nil {
		return err
	}
	// The clock may have been set back; the time names the password.
	acc.PasswordChanged = later(a.now(), acc.PasswordChanged)
	err = a.opt.Store.PutAccount(ctx, acc, a.accountEvent(audit.AdminChanged, &acc, "password"))
	return named(err, objectAccount(acc.Address), changed)
}

// later returns now, or the next moment after before where now is not later.
func later(now, before time.Time) time.Time {
	if now.After(before) {
		return now
	}
	return before.Add(time.Microsecond)
}

// SuspendAccount stops an account and holds what it has in the queue.
func (a *Admin) SuspendAccount(ctx context.Context, address mail.Address) error {
	return a.turnAccount(ctx, address, Suspended)
}

// ResumeAccount undoes SuspendAccount.
func (a *Admin) ResumeAccount(ctx context.Context, address mail.Address) error {
	return a.turnAccount(ctx, address, Active)
}

// turnAccount changes an account's state.
func (a *Admin) turnAccount(ctx context.Context, address mail.Address, to State) error {
	acc, err := a.account(ctx, address)
	if err != nil {
		return err
	}
	if err := turn(objectAccount(acc.Address), acc.State, to); err != nil {
		return err
	}
	acc.State = to
	err = a.opt.Store.PutAccount(ctx, acc, a.accountEvent(stateEvent(to), &acc, ""))
	return named(err, objectAccount(acc.Address), changed)
}

// RemoveAccount removes an account for good; its waiting mail is held. The
// same address may be added again, as another account.
func (a *Admin) RemoveAccount(ctx context.Context, address mail.Address) error {
	acc, err := a.account(ctx, address)
	if err != nil {
		return err
	}
	err = a.opt.Store.RemoveAccount(ctx, acc.Login(), a.accountEvent(audit.AdminRemoved, &acc, ""))
	return named(err, objectAccount(acc.Address), used)
}

// account reads an account by its address, which also stands in its login.
func (a *Admin) account(ctx context.Context, address mail.Address) (Account, error) {
	acc, err := a.opt.Store.Account(ctx, address.Key())
	return acc, named(err, objectAccount(address), "")
}

// accountEvent makes an event that is also found under the account's login.
func (a *Admin) accountEvent(kind audit.Kind, acc *Account, text string) audit.Event {
	e := a.event(kind, objectAccount(acc.Address), text)
	e.Login = acc.Login()
	return e
}

// hash checks and hashes a new password.
func (a *Admin) hash(ctx context.Context, login, password string) (string, error) {
	prepared, err := checkPassword(login, password)
	if err != nil {
		return "", err
	}
	return a.opt.Hasher.Hash(ctx, prepared)
}

// checkAddress refuses addresses that no account or alias may have.
func checkAddress(address mail.Address) error {
	const op = "account.address"
	if address.IsNull() {
		return fault.New(op, fault.Invalid, "no address was given")
	}
	if _, literal := address.Domain.Literal(); literal {
		return fault.New(op, fault.Invalid, "%s is under an address literal; accounts and aliases need a domain", address)
	}
	return nil
}
