// Package grants is "countersign grant": the commands about what accounts may send under
// beside their own addresses.
//
// What may be granted stands in packages account and account/admin, what a grant is good for in
// package policy/sender; here it gets names, flags and tables.
//
// Main types: Group, View.
package grants

import (
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/shown"
)

// Group is "countersign grant".
type Group struct {
	Add    add    `cmd:"" help:"Let an account send as an address that is not its own, or on behalf of it; felt on all gates within a second."`
	List   list   `cmd:"" help:"List what was granted, also what has ended."`
	Show   show   `cmd:"" help:"Say by which rule an account may send under an address, or why it may not."`
	Remove remove `cmd:"" help:"Take a grant away; what was sent under it and still waits is held."`
}

// manner is an argument that says how a grant may be used.
type manner struct{ account.Manner }

// UnmarshalText reads its name.
func (m *manner) UnmarshalText(text []byte) (err error) {
	m.Manner, err = account.ParseManner(string(text))
	return argument.Plain(err)
}

// grant are the arguments that name a grant.
type grant struct {
	Login  argument.Address `arg:"" help:"The account's address."`
	Manner manner           `arg:"" help:"send-as: wherever a sender is named; send-on-behalf: in From alone, where Sender names the account."`
	Target argument.Grant   `arg:"" name:"address|@domain" help:"An address, or @example.org for all of a domain."`
}

// granted is the grant as it is named.
func (g *grant) granted() account.Granted {
	return account.Granted{Grant: g.Target.Grant, Manner: g.Manner.Manner}
}

type add struct {
	grant
	Until           argument.Expiry `help:"When it ends: 90d, 2027-01-31 or '2027-01-31 18:00' (in UTC), 2027-01-31T18:00:00Z, midnight (in UTC), or never." placeholder:"WHEN"`
	Because         string          `help:"Why: the helpdesk reads it." placeholder:"TEXT"`
	AcrossCustomers bool            `help:"Allow an address or domain of another customer, which then is sent under by one that is not its own."`
}

// Run does it.
func (cmd *add) Run(c *call.Call) error {
	g := cmd.granted()
	g.Until, g.Because, g.Across = cmd.Until.Of(c.Env.Now()), cmd.Because, cmd.AcrossCustomers
	return c.With(func(o *call.Opened) error {
		err := o.Admin().SetAccount(c.Ctx, cmd.Login.Address, admin.AccountChange{AddGrants: []account.Granted{g}})
		if err != nil {
			return err
		}
		end := "without an end"
		if !g.Until.IsZero() {
			end = "until " + table.Stamp(g.Until)
		}
		return c.Say("%s may %s %s", cmd.Login, &g, end)
	})
}

type remove struct {
	grant
	KeepMail bool `help:"Let go on what was sent under it and still waits; it is held else."`
}

// Run does it.
func (cmd *remove) Run(c *call.Call) error {
	g := cmd.granted()
	return c.With(func(o *call.Opened) error {
		held, err := o.HoldsMailOf(cmd.Login.Key(), func() error {
			return o.Admin().SetAccount(c.Ctx, cmd.Login.Address, admin.AccountChange{RemoveGrants: []account.Granted{g}, KeepMail: cmd.KeepMail})
		})
		if err != nil {
			return err
		}
		return c.Say("%s may not %s any more; %s", cmd.Login, &g, held)
	})
}

type list struct {
	Login  argument.Address `arg:"" optional:"" help:"Those of one account alone."`
	Domain argument.Domain  `help:"Those for addresses in one domain alone, whoever has them." placeholder:"NAME"`
	call.AsJSON
}

// Run does it.
func (cmd *list) Run(c *call.Call) error {
	heads := []string{"ACCOUNT", "MANNER", "FOR", "STATE", "UNTIL", "ACROSS", "BY", "BECAUSE"}
	return call.List(c, cmd.AsJSON, heads, func(v View) View { return v }, View.cells, func(s call.Store) ([]View, error) {
		if cmd.Login.Domain != "" {
			a, err := s.Account(c.Ctx, cmd.Login.Key())
			return cmd.of(c, &a), call.Missing(err, "account "+cmd.Login.String())
		}
		return cmd.all(c, s)
	})
}

// all looks through all accounts with grants, page by page.
func (cmd *list) all(c *call.Call, s call.Store) (found []View, err error) {
	const page = 500
	for after := ""; ; {
		logins, err := s.Grantees(c.Ctx, account.GranteeQuery{Under: cmd.Domain.Domain, After: after, Limit: page})
		if err != nil {
			return nil, err
		}
		for _, login := range logins {
			a, err := s.Account(c.Ctx, login)
			if err != nil && !fault.Is(err, fault.NotFound) { // gone meanwhile
				return nil, err
			}
			found = append(found, cmd.of(c, &a)...)
		}
		if len(logins) < page {
			return found, nil
		}
		after = logins[len(logins)-1]
	}
}

// of lists those of an account.
func (cmd *list) of(c *call.Call, a *account.Account) (found []View) {
	for i := range a.Grants {
		if g := &a.Grants[i]; cmd.Domain.Domain == "" || g.Under() == cmd.Domain.Domain {
			found = append(found, NewView(a.Address, g, c.Env.Now()))
		}
	}
	return found
}

// View is a shown.Grant that can be printed.
type View struct{ shown.Grant }

// NewView is what is printed of a grant of an account, as of now.
func NewView(of mail.Address, g *account.Granted, now time.Time) View {
	return View{shown.GrantAt(now, of, g)}
}

func (v View) cells() []string {
	until := ""
	if v.Until != nil {
		until = table.Stamp(*v.Until)
	}
	return []string{v.Account, string(v.Manner), v.For, v.State, until, map[bool]string{true: "yes"}[v.Across], v.By, v.Because}
}

// Line says in one line what a grant is: "send-as @example.org, until ..., across customers".
func (v View) Line() string {
	parts := []string{string(v.Manner) + " " + v.For}
	switch {
	case v.State == "ended":
		parts = append(parts, "ENDED "+table.Stamp(*v.Until))
	case v.Until != nil:
		parts = append(parts, "until "+table.Stamp(*v.Until))
	}
	parts = append(parts, map[bool]string{true: "across customers"}[v.Across])
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}
