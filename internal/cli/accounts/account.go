package accounts

import (
	"countersign/internal/account/admin"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/password"
	"countersign/internal/mail"
)

// accountGroup is "countersign account".
type accountGroup struct {
	Add     accountAdd                     `cmd:"" help:"Add an account. The password is asked for, or read as one line from standard input."`
	List    accountList                    `cmd:"" help:"List accounts."`
	Show    accountShow                    `cmd:"" help:"Show an account."`
	Set     accountSet                     `cmd:"" help:"Change which addresses an account may use, its plan, and more."`
	Import  accountImport                  `cmd:"" help:"Add the accounts of a list that another system has written, with their passwords."`
	Passwd  accountPasswd                  `cmd:"" help:"Change the password of an account; asked for, or read as one line from standard input."`
	Suspend act[accountName, mail.Address] `cmd:"" help:"Stop an account and hold what it has in the queue."`
	Resume  act[accountName, mail.Address] `cmd:"" help:"Undo suspend, and release what it held."`
	Remove  accountRemove                  `cmd:"" help:"Remove an account for good; what it has in the queue is held."`
}

type accountAdd struct {
	Address    argument.Address   `arg:"" help:"Its address, which is also its login."`
	Alias      []argument.Address `help:"A further address of its own; may be repeated." placeholder:"ADDRESS" sep:"none"`
	Grant      []argument.Grant   `help:"An address, or @domain for all of one, that it may also use; may be repeated." placeholder:"ADDRESS" sep:"none"`
	NullSender bool               `help:"Allow MAIL FROM:<>, for bounces that it sends."`
	Plan       string             `help:"A plan of its own, in place of the customer's." placeholder:"PLAN"`
	password.New
}

func (cmd *accountAdd) Run(c *call.Call) error {
	return c.Creating().Needing("auth", "dkim.key_file", "hostname").With(func(o *call.Opened) error {
		by := o.Admin()
		if err := by.ReadyToAdd(c.Ctx, cmd.Address.Address); err != nil {
			return err
		}
		secret, generated, err := cmd.Get(c.Stdin, c.Stderr)
		if err != nil {
			return err
		}
		err = by.AddAccount(c.Ctx, admin.NewAccount{
			Address: cmd.Address.Address, Password: secret, NullSender: cmd.NullSender, Plan: cmd.Plan,
			Aliases: argument.Addresses(cmd.Alias), Grants: argument.SendAs(cmd.Grant),
		})
		if err != nil {
			return err
		}
		return c.Say("account %s added%s", cmd.Address, once(generated))
	})
}

type accountPasswd struct {
	accountName
	password.New
	KeepMail bool `help:"Let go on what was sent with the old one and still waits; it is held else."`
}

func (cmd *accountPasswd) Run(c *call.Call) error {
	return c.Needing("auth", "dkim.key_file", "hostname").With(func(o *call.Opened) error {
		if err := o.Admin().ReadyForPassword(c.Ctx, cmd.Address.Address); err != nil {
			return err
		}
		secret, generated, err := cmd.Get(c.Stdin, c.Stderr)
		if err != nil {
			return err
		}
		change := func() error { return o.Admin().SetPassword(c.Ctx, cmd.Address.Address, secret, cmd.KeepMail) }
		done := "password of " + cmd.String() + " changed"
		if cmd.KeepMail {
			if err := change(); err != nil {
				return err
			}
			return c.Say("%s", done+once(generated))
		}
		a, err := o.Store.Account(c.Ctx, cmd.Address.Key())
		if err != nil {
			return call.Missing(err, cmd.String())
		}
		old := mail.ID("")
		if p := a.Password(); p != nil {
			old = p.ID
		}
		held, err := o.HoldsMail(a.Login(), old, change)
		if err != nil {
			return err
		}
		return c.Say("%s", done+"; "+held+once(generated))
	})
}

// once is the one showing of a generated password.
func once(generated string) string {
	if generated == "" {
		return ""
	}
	return "\npassword: " + generated
}

type accountSet struct {
	accountName
	AddAlias    []argument.Address   `help:"Give it a further address of its own; may be repeated." placeholder:"ADDRESS" sep:"none"`
	RemoveAlias []argument.Address   `help:"Take an alias away; may be repeated." placeholder:"ADDRESS" sep:"none"`
	Grant       []argument.Grant     `help:"Let it send as an address, or @domain for all of one; may be repeated. See also \"countersign grant\"." placeholder:"ADDRESS" sep:"none"`
	RevokeGrant []argument.Grant     `help:"Take a grant to send as an address away; may be repeated." placeholder:"ADDRESS" sep:"none"`
	SenderMode  *argument.SenderMode `help:"What becomes of mail under addresses that are not its own: enforce, rewrite or shadow; - leaves it to the plan." placeholder:"MODE"`
	NullSender  *bool                `negatable:"" help:"Allow or forbid MAIL FROM:<>."`
	Plan        *string              `help:"Give it a plan of its own, in place of the customer's; - takes it away." placeholder:"PLAN"`
	Legacy      *bool                `negatable:"" help:"Allow or forbid CRAM-MD5 and DIGEST-MD5, for which a form of the password is kept that is as good as the password."`
}

func (cmd *accountSet) Run(c *call.Call) error {
	change := admin.AccountChange{
		AddAliases: argument.Addresses(cmd.AddAlias), RemoveAliases: argument.Addresses(cmd.RemoveAlias),
		AddGrants: argument.SendAs(cmd.Grant), RemoveGrants: argument.SendAs(cmd.RevokeGrant),
		NullSender: cmd.NullSender, Plan: cmd.Plan, SenderMode: argument.Mode(cmd.SenderMode),
	}
	if cmd.Plan != nil && *cmd.Plan == "-" {
		change.Plan = new(string)
	}
	others := len(cmd.AddAlias)+len(cmd.RemoveAlias)+len(cmd.Grant)+len(cmd.RevokeGrant) > 0 || cmd.NullSender != nil || cmd.Plan != nil || cmd.SenderMode != nil
	if !others && cmd.Legacy == nil {
		return call.Usage("nothing to change was given: see \"countersign account set --help\"")
	}
	return c.With(func(o *call.Opened) error {
		if others {
			if err := o.Admin().SetAccount(c.Ctx, cmd.Address.Address, change); err != nil {
				return err
			}
		}
		if cmd.Legacy != nil {
			if err := o.Credentials().SetLegacy(c.Ctx, cmd.Address.Address, *cmd.Legacy); err != nil {
				return err
			}
		}
		return c.Say("%s changed", cmd)
	})
}

type accountRemove struct {
	accountName
	Force bool `help:"Remove it also where a directory knows it, whose next login makes it again."`
}

// Run does it.
func (cmd *accountRemove) Run(c *call.Call) error {
	return c.Administer(cmd.String()+" removed", func(a *admin.Admin) error {
		if cmd.Force {
			return a.ForceRemoveAccount(c.Ctx, cmd.Address.Address)
		}
		return a.RemoveAccount(c.Ctx, cmd.Address.Address)
	})
}
