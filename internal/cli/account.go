package cli

import (
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/password"
	"countersign/internal/cli/table"
	"countersign/internal/mail"
)

// accountGroup is "countersign account".
type accountGroup struct {
	Add     accountAdd                     `cmd:"" help:"Add an account. The password is asked for, or read as one line from standard input."`
	List    accountList                    `cmd:"" help:"List accounts."`
	Show    accountShow                    `cmd:"" help:"Show an account."`
	Set     accountSet                     `cmd:"" help:"Change which addresses an account may use."`
	Passwd  accountPasswd                  `cmd:"" help:"Change the password of an account; asked for, or read as one line from standard input."`
	Suspend act[accountName, mail.Address] `cmd:"" help:"Stop an account and hold what it has in the queue."`
	Resume  act[accountName, mail.Address] `cmd:"" help:"Undo suspend, and release what it held."`
	Remove  act[accountName, mail.Address] `cmd:"" help:"Remove an account for good; what it has in the queue is held."`
}

type accountAdd struct {
	Address    argument.Address   `arg:"" help:"Its address, which is also its login."`
	Alias      []argument.Address `help:"A further address of its own; may be repeated." placeholder:"ADDRESS" sep:"none"`
	Grant      []argument.Grant   `help:"An address, or @domain for all of one, that it may also use; may be repeated." placeholder:"ADDRESS" sep:"none"`
	NullSender bool               `help:"Allow MAIL FROM:<>, for bounces that it sends."`
	password.New
}

func (cmd *accountAdd) Run(c *call) error {
	secret, generated, err := cmd.Get(c.stdin, c.stderr)
	if err != nil {
		return err
	}
	return c.creating().needing("auth").administer("account "+cmd.Address.String()+" added"+shown(generated), func(a *account.Admin) error {
		return a.AddAccount(c.ctx, account.NewAccount{
			Address: cmd.Address.Address, Password: secret, NullSender: cmd.NullSender,
			Aliases: argument.Addresses(cmd.Alias), Grants: argument.Grants(cmd.Grant),
		})
	})
}

type accountPasswd struct {
	accountName
	password.New
}

func (cmd *accountPasswd) Run(c *call) error {
	secret, generated, err := cmd.Get(c.stdin, c.stderr)
	if err != nil {
		return err
	}
	return c.needing("auth").administer("password of "+cmd.String()+" changed"+shown(generated), func(a *account.Admin) error {
		return a.SetPassword(c.ctx, cmd.Address.Address, secret)
	})
}

// shown is the one showing of a generated password.
func shown(generated string) string {
	if generated == "" {
		return ""
	}
	return "\npassword: " + generated
}

type accountSet struct {
	accountName
	AddAlias    []argument.Address `help:"Give it a further address of its own; may be repeated." placeholder:"ADDRESS" sep:"none"`
	RemoveAlias []argument.Address `help:"Take an alias away; may be repeated." placeholder:"ADDRESS" sep:"none"`
	Grant       []argument.Grant   `help:"Let it use an address, or @domain for all of one; may be repeated." placeholder:"ADDRESS" sep:"none"`
	RevokeGrant []argument.Grant   `help:"Take a grant away; may be repeated." placeholder:"ADDRESS" sep:"none"`
	NullSender  *bool              `negatable:"" help:"Allow or forbid MAIL FROM:<>."`
}

func (cmd *accountSet) Run(c *call) error {
	change := account.AccountChange{
		AddAliases: argument.Addresses(cmd.AddAlias), RemoveAliases: argument.Addresses(cmd.RemoveAlias),
		AddGrants: argument.Grants(cmd.Grant), RemoveGrants: argument.Grants(cmd.RevokeGrant),
		NullSender: cmd.NullSender,
	}
	if len(cmd.AddAlias)+len(cmd.RemoveAlias)+len(cmd.Grant)+len(cmd.RevokeGrant) == 0 && cmd.NullSender == nil {
		return usage("nothing to change was given: see \"countersign account set --help\"")
	}
	return c.administer(cmd.String()+" changed", func(a *account.Admin) error {
		return a.SetAccount(c.ctx, cmd.Address.Address, change)
	})
}

// accountView is an account as it is printed: without its password hash.
type accountView struct {
	ID      mail.ID `json:"id"`
	Address string  `json:"address"`
	standing
	NullSender      bool      `json:"null_sender"`
	Aliases         []string  `json:"aliases"`
	Grants          []string  `json:"grants"`
	HasPassword     bool      `json:"has_password"`
	PasswordChanged time.Time `json:"password_changed"`
	Created         time.Time `json:"created"`
}

func viewAccount(a account.Account) accountView {
	return accountView{
		ID: a.ID, Address: a.Address.String(), standing: standing{State: a.State}, NullSender: a.NullSender,
		Aliases: views(a.Aliases, mail.Address.String), Grants: views(a.Grants, account.Grant.String),
		HasPassword: a.PasswordHash != "", PasswordChanged: a.PasswordChanged, Created: a.Created,
	}
}

type accountList struct {
	Domain argument.Domain `help:"Those of one domain alone." placeholder:"NAME"`
	asJSON
}

func (cmd *accountList) Run(c *call) error {
	cells := func(v accountView) []string {
		return []string{v.Address, string(v.State), strings.Join(v.Aliases, ","), strings.Join(v.Grants, ","), table.Stamp(v.Created)}
	}
	heads := []string{"ADDRESS", "STATE", "ALIASES", "GRANTS", "CREATED"}
	return list(c, cmd.asJSON, heads, viewAccount, cells, func(s Store) ([]account.Account, error) {
		accounts, err := s.Accounts(c.ctx, cmd.Domain.Domain)
		return accounts, missing(err, "domain "+cmd.Domain.String())
	})
}

type accountShow struct {
	accountName
	asJSON
}

func (cmd *accountShow) Run(c *call) error {
	return c.with(func(o *opened) error {
		a, err := o.store.Account(c.ctx, cmd.Address.Key())
		if err != nil {
			return missing(err, cmd.String())
		}
		above, err := suspendedDomain(c.ctx, o.store, a.Address.Domain)
		if err != nil {
			return err
		}
		v := viewAccount(a)
		v.standing = v.under(above)
		return c.show(cmd.asJSON, v)
	})
}

func (v accountView) details(t table.Table) {
	t.Row("account", v.Address)
	t.Row("id", string(v.ID))
	t.Row("state", v.standing.String())
	t.Row("null sender", map[bool]string{true: "allowed", false: "forbidden"}[v.NullSender])
	t.Row("aliases", strings.Join(v.Aliases, ", "))
	t.Row("grants", strings.Join(v.Grants, ", "))
	t.Row("password of", table.Stamp(v.PasswordChanged))
	t.Row("created", table.Stamp(v.Created))
}
