package admin

import (
	"context"
	"strings"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// NewAccount is what an account is made from.
type NewAccount struct {
	// Address is its own address and its login; the domain must be there.
	Address mail.Address
	// Password is in clear; AddAccount hashes it. With a Directory there is none.
	Password string
	// Directory names the one that verifies its password; "" for the store.
	Directory string
	// Plan is one of its own, "" for the customer's.
	Plan       string
	NullSender bool
	Aliases    []mail.Address
	// Grants come without By and Given.
	Grants []account.Granted
	// Learned is what its Directory says of it.
	Learned account.Learned
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
	if n.Plan != "" {
		change.Plan = &n.Plan
	}
	acc := account.Account{Address: n.Address, State: account.Active, Created: a.now()}
	customer, err := a.customerOf(ctx, n.Address.Domain)
	if err != nil {
		return err
	}
	text, err := a.apply(ctx, &acc, change, customer)
	if err != nil {
		return err
	}
	acc.Directory = n.Directory
	if n.Directory != "" {
		acc.Credentials = []account.Credential{a.noPassword()}
		if learned := acc.Learn(n.Learned); learned != "" {
			text = strings.TrimPrefix(text+", "+learned+", as directory "+n.Directory+" says", ", ")
		}
	} else if err := a.putPassword(ctx, &acc, n.Password, customer); err != nil {
		return err
	}
	acc.ID = a.opt.IDs.New()
	err = a.opt.Store.PutAccount(ctx, acc, a.accountEvent(audit.AdminAdded, &acc, text))
	return named(err, objectAccount(acc.Address), "or one of its aliases is an address of an account already")
}

// SetPassword gives an account another password. Whoever authenticated with
// the old one cannot send with it any more, in open sessions too, and what was sent with
// it and still waits is held, unless keepMail lets it go.
func (a *Admin) SetPassword(ctx context.Context, address mail.Address, password string, keepMail bool) error {
	acc, err := a.account(ctx, address)
	if err != nil {
		return err
	}
	if err := ownPassword(&acc); err != nil {
		return err
	}
	customer, err := a.customerOf(ctx, acc.Address.Domain)
	if err != nil {
		return err
	}
	if err := a.putPassword(ctx, &acc, password, customer); err != nil {
		return err
	}
	text := "password, mail sent with the old one goes on"
	if !keepMail {
		acc.Password().RecallAll(acc.Revision + 1)
		text = "password, mail sent with the old one held"
	}
	err = a.opt.Store.PutAccount(ctx, acc, a.accountEvent(audit.AdminChanged, &acc, text))
	return named(err, objectAccount(acc.Address), changed)
}

// SuspendAccount stops an account and holds what it has in the queue.
func (a *Admin) SuspendAccount(ctx context.Context, address mail.Address) error {
	return a.turnAccount(ctx, address, account.Suspended)
}

// ResumeAccount undoes SuspendAccount.
func (a *Admin) ResumeAccount(ctx context.Context, address mail.Address) error {
	return a.turnAccount(ctx, address, account.Active)
}

// turnAccount changes an account's state.
func (a *Admin) turnAccount(ctx context.Context, address mail.Address, to account.State) error {
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
// same address may be added again, as another account. One of a directory is not
// removed (fault.Conflict), as its next login would make it again.
func (a *Admin) RemoveAccount(ctx context.Context, address mail.Address) error {
	acc, err := a.account(ctx, address)
	if err != nil {
		return err
	}
	if acc.Directory != "" {
		return fault.New("account.remove", fault.Conflict,
			"account %s is of directory %q and would be back at its next login: stop it with \"countersign account suspend %s\", or remove it with --force, once the directory does not know it any more",
			acc.Address, acc.Directory, acc.Address)
	}
	return a.removeAccount(ctx, acc)
}

// ForceRemoveAccount is RemoveAccount, also for an account of a directory.
func (a *Admin) ForceRemoveAccount(ctx context.Context, address mail.Address) error {
	acc, err := a.account(ctx, address)
	if err != nil {
		return err
	}
	return a.removeAccount(ctx, acc)
}

func (a *Admin) removeAccount(ctx context.Context, acc account.Account) error {
	err := a.opt.Store.RemoveAccount(ctx, acc.Login(), a.accountEvent(audit.AdminRemoved, &acc, ""))
	return named(err, objectAccount(acc.Address), used)
}

// account reads an account by its address, which also stands in its login.
func (a *Admin) account(ctx context.Context, address mail.Address) (account.Account, error) {
	acc, err := a.opt.Store.Account(ctx, address.Key())
	return acc, named(err, objectAccount(address), "")
}

// accountEvent makes an event that is also found under the account's login.
func (a *Admin) accountEvent(kind audit.Kind, acc *account.Account, text string) audit.Event {
	e := a.event(kind, objectAccount(acc.Address), text)
	e.Login = acc.Login()
	return e
}

// putPassword checks a new password and makes it that of the account, which is the
// customer's.
func (a *Admin) putPassword(ctx context.Context, acc *account.Account, password, customer string) error {
	prepared, err := a.checkPassword(ctx, acc, password, customer)
	if err != nil {
		return err
	}
	legacy, err := a.legacy(ctx, acc, customer)
	if err != nil {
		return err
	}
	secret, err := a.opt.Secrets.MakeSecret(ctx, acc.Login(), prepared, account.Password, legacy)
	if err != nil {
		return err
	}
	c := acc.Password()
	if c == nil {
		acc.Credentials = append(acc.Credentials, a.noPassword())
		c = &acc.Credentials[len(acc.Credentials)-1]
	}
	c.Replace(secret, a.now())
	return nil
}

// noPassword is the password of an account before it has one, and of one whose
// directory has it.
func (a *Admin) noPassword() account.Credential {
	return account.Credential{ID: a.opt.IDs.New(), Kind: account.Password, Name: account.PasswordName, Created: a.now(), Changed: a.now()}
}

// checkPassword prepares a new password for an account and refuses a weak one.
func (a *Admin) checkPassword(ctx context.Context, acc *account.Account, password, customer string) (string, error) {
	if a.opt.Rule == nil {
		return checkPassword(acc.Login(), password)
	}
	if err := checkLength(password); err != nil {
		return "", err
	}
	prepared, err := account.PreparePassword(password)
	if err != nil {
		return "", err
	}
	about := account.About{Login: acc.Login(), Customer: customer}
	for _, alias := range acc.Aliases {
		about.Aliases = append(about.Aliases, alias.String())
	}
	if c := acc.Password(); c != nil {
		about.Earlier = c.Earlier(account.MaxFormer + 1)
	}
	return prepared, a.opt.Rule.Check(ctx, prepared, about)
}

// legacy is Proofs.Legacy of an account of the customer.
func (a *Admin) legacy(ctx context.Context, acc *account.Account, name string) (bool, error) {
	if acc.Legacy {
		return true, nil
	}
	decides := acc.Plan
	if decides == "" {
		customer, err := a.opt.Store.Customer(ctx, name)
		if err != nil || customer.Plan == "" {
			return false, err
		}
		decides = customer.Plan
	}
	plan, err := a.opt.Store.Plan(ctx, decides)
	return plan.Legacy, err
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
