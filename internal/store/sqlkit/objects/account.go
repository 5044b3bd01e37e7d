package objects

import (
	"context"
	"slices"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/numbered"
)

const accountColumns = `SELECT id, address, state, directory, coalesce(plan, ''), plan_learned, legacy, null_sender, sender_mode, created, revision FROM account`

func scanAccount(r *row) account.Account {
	return account.Account{
		ID: r.ID(), Address: r.Address(), State: account.State(r.Text()), Directory: r.Text(), Plan: r.Text(), PlanLearned: r.Bool(),
		Legacy: r.Bool(), NullSender: r.Bool(), SenderMode: account.SenderMode(r.Text()), Created: r.Time(), Revision: r.Int64(),
	}
}

// PutAccount implements account.AccountStore.
func (s *Store) PutAccount(ctx context.Context, a account.Account, e audit.Event) error {
	const op = "account.put"
	if err := checkForm(op, &a); err != nil {
		return err
	}
	o := accountObject(a.Login())
	return s.alter(ctx, op, o, e, func(t writer) ([]audit.Event, error) {
		if err := o.checkRevision(t, op, a.Revision); err != nil {
			return nil, err
		}
		if err := checkAccount(t, &a); err != nil {
			return nil, err
		}
		return s.writeAccount(t, &a, e)
	})
}

// checkForm checks what of an account needs no look at others.
func checkForm(op string, a *account.Account) error {
	if err := checkState(op, a.State); err != nil {
		return err
	}
	if a.ID == "" || a.Address.IsNull() {
		return fault.New(op, fault.Invalid, "an account needs an id and an address")
	}
	if err := checkMode(op, a.SenderMode); err != nil {
		return err
	}
	for i := range a.Grants {
		if err := a.Grants[i].Check(); err != nil {
			return err
		}
	}
	for _, learned := range a.Learned {
		if !slices.ContainsFunc(a.Aliases, func(alias mail.Address) bool { return alias.Key() == learned.Key() }) {
			return fault.New(op, fault.Invalid, "%s was learned of a directory, and is no alias of account %q", learned, a.Login())
		}
	}
	return nil
}

// writeAccount writes an account with all that it has, e being its event. more are the
// events of others that had to yield to it, and of what was set for credentials that it has no
// more.
func (s *Store) writeAccount(t writer, a *account.Account, e audit.Event) (more []audit.Event, err error) {
	if a.Revision == 0 {
		if more, err = takeBack(t, a, e); err != nil {
			return nil, err
		}
	}
	const text = `INSERT INTO account (login, id, address, domain, state, directory, plan, plan_learned, legacy, null_sender, sender_mode, created, revision)
    VALUES (?, ?, ?, ?, ?, ?, nullif(?, ''), ?, ?, ?, ?, ?, 1)
    ON CONFLICT (login) DO UPDATE SET address = excluded.address, state = excluded.state, directory = excluded.directory, plan = excluded.plan,
    plan_learned = excluded.plan_learned, legacy = excluded.legacy, null_sender = excluded.null_sender, sender_mode = excluded.sender_mode, revision = account.revision + 1`
	err = t.Exec(text, bind(a.Login(), a.ID, a.Address, a.Address.Domain, string(a.State), a.Directory, a.Plan, a.PlanLearned, a.Legacy, a.NullSender, string(a.SenderMode), a.Created))
	if err != nil {
		return nil, err
	}
	if err := putAddresses(t, a); err != nil {
		return nil, err
	}
	gone, err := s.revoked(t, a)
	if err == nil {
		err = putCredentials(t, a)
	}
	if err != nil {
		return nil, err
	}
	ended, err := s.endAll(t, gone, e)
	return append(more, ended...), err
}

// revoked says which credentials that anything is set for a stored account will have no more.
func (s *Store) revoked(t writer, a *account.Account) (gone numbered.Gone, err error) {
	if a.Revision == 0 {
		return gone, nil
	}
	var kept []mail.ID
	for i := range a.Credentials {
		kept = append(kept, a.Credentials[i].ID)
	}
	gone.Login = a.Login()
	gone.Owners, err = s.credentialsOf(t, a.Login(), kept...)
	return gone, err
}

// takeBack takes the own address of a new account from the one that has learned it as an
// alias of its directory, if there is one, and returns the event of that.
func takeBack(t writer, a *account.Account, e audit.Event) (more []audit.Event, err error) {
	const holderSQL = `SELECT h.address, x.address FROM account_address x JOIN account h ON h.login = x.login
    WHERE x.key = ? AND x.login <> ? AND x.learned = 1`
	var holder, alias mail.Address
	err = t.Query(holderSQL, bind(a.Login(), a.Login()), func(r *row) error {
		holder, alias = r.Address(), r.Address()
		return nil
	})
	if err != nil || holder.IsNull() {
		return nil, err
	}
	if err := t.Exec("DELETE FROM account_address WHERE key = ?", bind(alias.Key())); err != nil {
		return nil, err
	}
	// Who has read it with the alias does not put it back.
	if err := t.Exec("UPDATE account SET revision = revision + 1 WHERE login = ?", bind(holder.Key())); err != nil {
		return nil, err
	}
	return []audit.Event{account.YieldEvent(e, holder, alias)}, nil
}

// takenSQL finds that another account has an address, ownTakenSQL that it does so otherwise
// than as an alias that its directory has named, which yields to a new account.
const (
	takenSQL    = "SELECT 1 FROM account_address WHERE key = ? AND login <> ?"
	ownTakenSQL = takenSQL + " AND learned = 0"
)

// checkAccount checks what an account refers to: its domain and plan, and addresses
// that no other account has.
func checkAccount(t writer, a *account.Account) error {
	const op = "account.put"
	if err := domainObject(string(a.Address.Domain)).require(t, op); err != nil {
		return err
	}
	if a.Plan != "" {
		if err := planObject(a.Plan).require(t, op); err != nil {
			return err
		}
	}
	const otherSQL = "SELECT 1 FROM account WHERE (login = ?1 AND id <> ?2) OR (id = ?2 AND login <> ?1)"
	other, err := t.Exists(otherSQL, bind(a.Login(), a.ID))
	if err != nil {
		return err
	}
	if other {
		return fault.New(op, fault.Conflict, "account %q is another one now", a.Login())
	}
	seen := map[string]bool{}
	for i, address := range append([]mail.Address{a.Address}, a.Aliases...) {
		key := address.Key()
		if seen[key] {
			return fault.New(op, fault.Invalid, "address %s stands twice in account %q", address, a.Login())
		}
		seen[key] = true
		text := takenSQL
		if i == 0 && a.Revision == 0 {
			text = ownTakenSQL
		}
		taken, err := t.Exists(text, bind(key, a.Login()))
		if err != nil {
			return err
		}
		if taken {
			return fault.New(op, fault.Conflict, "address %s belongs to another account", address)
		}
	}
	return checkCredentials(t, a)
}

// putAddresses replaces the addresses and grants of an account.
func putAddresses(t writer, a *account.Account) error {
	login := bind(a.Login())
	for _, text := range []string{"DELETE FROM account_address WHERE login = ?", "DELETE FROM account_grant WHERE login = ?"} {
		if err := t.Exec(text, login); err != nil {
			return err
		}
	}
	learned := map[string]bool{}
	for _, address := range a.Learned {
		learned[address.Key()] = true
	}
	for i, address := range append([]mail.Address{a.Address}, a.Aliases...) {
		err := t.Exec("INSERT INTO account_address (key, login, position, address, learned) VALUES (?, ?, ?, ?, ?)",
			bind(address.Key(), a.Login(), i, address, learned[address.Key()]))
		if err != nil {
			return err
		}
	}
	return putGrants(t, a)
}

// OwnerSQL finds whose an address is.
const OwnerSQL = "SELECT login FROM account_address WHERE key = ?"

// Owners implements account.AddressStore.
func (s *Store) Owners(ctx context.Context, addresses []string) (owners map[string]string, err error) {
	const op = "account.owners"
	if len(addresses) > account.MaxOwned {
		return nil, fault.New(op, fault.Invalid, "%d addresses are asked for; at most %d can be", len(addresses), account.MaxOwned)
	}
	err = s.base.Snapshot(ctx, op, func(c reader) error {
		owners = map[string]string{}
		for _, address := range addresses {
			err := c.Query(ctx, OwnerSQL, bind(address), func(r *row) error {
				owners[address] = r.Text()
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return owners, err
}

// Account implements account.AccountStore.
func (s *Store) Account(ctx context.Context, login string) (account.Account, error) {
	var found accounts
	err := s.base.Look(ctx, "account.get", func() []sqlkit.Ask { return found.asks(only(login)) })
	if err == nil && len(found.list) == 0 {
		err = accountObject(login).missing("account.get")
	}
	if err != nil {
		return account.Account{}, err
	}
	return found.list[0], nil
}

// accounts are those that were read, index their places by login.
type accounts struct {
	list  []account.Account
	index map[string]int
}

// asks reads the accounts that are chosen with all that they have, in place of those that were.
func (a *accounts) asks(these chosen) []sqlkit.Ask {
	*a = accounts{index: map[string]int{}}
	each := func(r *row) error {
		one := scanAccount(r)
		a.index[one.Login()] = len(a.list)
		a.list = append(a.list, one)
		return nil
	}
	return []sqlkit.Ask{
		{Text: accountColumns + " WHERE " + these.condition + " ORDER BY login", Args: these.args, Each: each},
		a.addresses(these), a.grants(these), a.credentials(these),
	}
}

// of takes the next column, a login, and returns whose the rest of the row is; nil where that was
// not read.
func (a *accounts) of(r *row) *account.Account {
	if i, known := a.index[r.Text()]; known {
		return &a.list[i]
	}
	return nil
}

// Accounts implements account.AccountStore.
func (s *Store) Accounts(ctx context.Context, q account.AccountQuery) (list []account.Account, err error) {
	var w sqlkit.Where
	w.Add(q.Domain != "", "domain = ?", q.Domain)
	w.Add(q.After != "", "login > ?", q.After)
	text, args := "SELECT login FROM account"+w.Text(), w.Bind()
	if q.Limit > 0 {
		text, args = text+" ORDER BY login LIMIT ?", w.Bind(q.Limit)
	}
	var found accounts
	err = s.base.Look(ctx, "account.list", func() []sqlkit.Ask { return found.asks(chosen{"login IN (" + text + ")", args}) })
	return found.list, err
}

// chosen are some accounts: a condition on their logins with its arguments.
type chosen struct {
	condition string
	args      sqlkit.Values
}

// only is the account with that login.
func only(login string) chosen { return chosen{"login = ?", bind(login)} }

// addresses reads aliases into the accounts that are chosen.
func (a *accounts) addresses(these chosen) sqlkit.Ask {
	const text = "SELECT login, address, learned FROM account_address WHERE position > 0 AND "
	return sqlkit.Ask{Text: text + these.condition + " ORDER BY login, position", Args: these.args, Each: func(r *row) error {
		if of := a.of(r); of != nil {
			of.Aliases = append(of.Aliases, r.Address())
			if r.Bool() {
				of.Learned = append(of.Learned, of.Aliases[len(of.Aliases)-1])
			}
		}
		return nil
	}}
}

// RemoveAccount implements account.AccountStore.
func (s *Store) RemoveAccount(ctx context.Context, login string, e audit.Event) error {
	const dropSQL = "DELETE FROM account WHERE login = ?" // with addresses, grants and credentials
	const forgetSQL = "DELETE FROM contact WHERE login = ?"
	return s.remove(ctx, accountObject(login), e, "", dropSQL, forgetSQL)
}
