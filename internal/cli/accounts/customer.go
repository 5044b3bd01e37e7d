package accounts

import (
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/mail"
	"countersign/internal/shown"
)

// customerGroup is "countersign customer".
type customerGroup struct {
	Add     customerAdd               `cmd:"" help:"Add a customer."`
	List    customerList              `cmd:"" help:"List customers."`
	Show    customerShow              `cmd:"" help:"Show a customer with its domains."`
	Set     customerSet               `cmd:"" help:"Give a customer another plan."`
	Suspend act[customerName, string] `cmd:"" help:"Stop all accounts of a customer and hold what they have in the queue."`
	Resume  act[customerName, string] `cmd:"" help:"Undo suspend, and release what it held."`
	Remove  act[customerName, string] `cmd:"" help:"Remove a customer that has no domains."`
}

type customerAdd struct {
	customerName
	Plan string `help:"Its plan." placeholder:"PLAN"`
}

func (cmd *customerAdd) Run(c *call.Call) error {
	return c.Creating().Administer(cmd.String()+" added", func(a *admin.Admin) error {
		return a.AddCustomer(c.Ctx, cmd.Name, cmd.Plan)
	})
}

type customerSet struct {
	customerName
	Plan   string `help:"The plan that it shall have." placeholder:"PLAN" xor:"plan" required:""`
	NoPlan bool   `help:"Take its plan away." xor:"plan" required:""`
}

func (cmd *customerSet) Run(c *call.Call) error {
	return c.Administer(cmd.String()+" changed", func(a *admin.Admin) error {
		return a.SetCustomerPlan(c.Ctx, cmd.Name, cmd.Plan)
	})
}

// customerView is a customer as it is printed.
type customerView struct {
	Name string `json:"name"`
	Plan string `json:"plan"`
	standing
	Created time.Time `json:"created"`
	// Domains is set by show alone.
	Domains []mail.Domain `json:"domains,omitempty"`
}

func viewCustomer(c account.Customer) customerView {
	return customerView{Name: c.Name, Plan: c.Plan, standing: standing{State: c.State}, Created: c.Created}
}

type customerList struct{ call.AsJSON }

func (cmd *customerList) Run(c *call.Call) error {
	cells := func(v customerView) []string {
		return []string{v.Name, string(v.State), v.Plan, table.Stamp(v.Created)}
	}
	heads := []string{"NAME", "STATE", "PLAN", "CREATED"}
	return call.List(c, cmd.AsJSON, heads, viewCustomer, cells, func(s call.Store) ([]account.Customer, error) { return s.Customers(c.Ctx, account.Part{}) })
}

type customerShow struct {
	customerName
	call.AsJSON
}

func (cmd *customerShow) Run(c *call.Call) error {
	return c.With(func(o *call.Opened) error {
		customer, err := o.Store.Customer(c.Ctx, cmd.Name)
		if err != nil {
			return call.Missing(err, cmd.String())
		}
		domains, err := o.Store.Domains(c.Ctx, account.DomainsOf(customer.Name))
		if err != nil {
			return err
		}
		above, err := suspendedPlan(c.Ctx, o.Store, customer.Plan)
		if err != nil {
			return err
		}
		v := viewCustomer(customer)
		v.standing = v.under(above)
		v.Domains = shown.Each(domains, func(d account.Domain) mail.Domain { return d.Name })
		return c.Show(cmd.AsJSON, v)
	})
}

func (v customerView) Details(t table.Table) {
	t.Row("customer", v.Name)
	t.Row("state", v.standing.String())
	t.Row("plan", v.Plan)
	t.Row("created", table.Stamp(v.Created))
	t.Row("domains", strings.Join(shown.Each(v.Domains, mail.Domain.String), ", "))
}
