package cli

import (
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/cli/table"
	"countersign/internal/mail"
)

// customerGroup is "countersign customer".
type customerGroup struct {
	Add     customerAdd     `cmd:"" help:"Add a customer."`
	List    customerList    `cmd:"" help:"List customers."`
	Show    customerShow    `cmd:"" help:"Show a customer with its domains."`
	Set     customerSet     `cmd:"" help:"Give a customer another plan."`
	Suspend customerSuspend `cmd:"" help:"Stop all accounts of a customer and hold what they have in the queue."`
	Resume  customerResume  `cmd:"" help:"Undo suspend, and release what it held."`
	Remove  customerRemove  `cmd:"" help:"Remove a customer that has no domains."`
}

type customerAdd struct {
	Name string `arg:"" help:"Its name."`
	Plan string `help:"Its plan." placeholder:"PLAN"`
}

func (cmd *customerAdd) Run(c *call) error {
	return c.administer("customer "+cmd.Name+" added", func(a *account.Admin) error {
		return a.AddCustomer(c.ctx, cmd.Name, cmd.Plan)
	})
}

type customerSet struct {
	Name   string `arg:"" help:"Its name."`
	Plan   string `help:"The plan that it shall have." placeholder:"PLAN" xor:"plan" required:""`
	NoPlan bool   `help:"Take its plan away." xor:"plan" required:""`
}

func (cmd *customerSet) Run(c *call) error {
	return c.administer("customer "+cmd.Name+" changed", func(a *account.Admin) error {
		return a.SetCustomerPlan(c.ctx, cmd.Name, cmd.Plan)
	})
}

type customerSuspend struct {
	Name string `arg:"" help:"Its name."`
}

func (cmd *customerSuspend) Run(c *call) error {
	return c.administer("customer "+cmd.Name+" suspended", func(a *account.Admin) error {
		return a.SuspendCustomer(c.ctx, cmd.Name)
	})
}

type customerResume struct {
	Name string `arg:"" help:"Its name."`
}

func (cmd *customerResume) Run(c *call) error {
	return c.administer("customer "+cmd.Name+" resumed", func(a *account.Admin) error {
		return a.ResumeCustomer(c.ctx, cmd.Name)
	})
}

type customerRemove struct {
	Name string `arg:"" help:"Its name."`
}

func (cmd *customerRemove) Run(c *call) error {
	return c.administer("customer "+cmd.Name+" removed", func(a *account.Admin) error {
		return a.RemoveCustomer(c.ctx, cmd.Name)
	})
}

// customerView is a customer as it is printed.
type customerView struct {
	Name    string        `json:"name"`
	Plan    string        `json:"plan"`
	State   account.State `json:"state"`
	Created time.Time     `json:"created"`
	// Domains is set by show alone.
	Domains []mail.Domain `json:"domains,omitempty"`
}

func viewCustomer(c account.Customer) customerView {
	return customerView{Name: c.Name, Plan: c.Plan, State: c.State, Created: c.Created}
}

type customerList struct{ asJSON }

func (cmd *customerList) Run(c *call) error {
	return c.with(func(o *opened) error {
		customers, err := o.store.Customers(c.ctx)
		if err != nil {
			return err
		}
		heads := []string{"NAME", "STATE", "PLAN", "CREATED"}
		return table.List(c.stdout, cmd.JSON, views(customers, viewCustomer), heads, func(v customerView) []string {
			return []string{
				v.Name, string(v.State), v.Plan, table.Stamp(v.Created),
			}
		})
	})
}

type customerShow struct {
	Name string `arg:"" help:"Its name."`
	asJSON
}

func (cmd *customerShow) Run(c *call) error {
	return c.with(func(o *opened) error {
		customer, err := o.store.Customer(c.ctx, cmd.Name)
		if err != nil {
			return missing(err, "customer "+cmd.Name)
		}
		domains, err := o.store.Domains(c.ctx, customer.Name)
		if err != nil {
			return err
		}
		v := viewCustomer(customer)
		v.Domains = views(domains, func(d account.Domain) mail.Domain { return d.Name })
		if cmd.JSON {
			return table.JSON(c.stdout, v)
		}
		t := table.New(c.stdout)
		t.Row("customer", v.Name)
		t.Row("state", string(v.State))
		t.Row("plan", v.Plan)
		t.Row("created", table.Stamp(v.Created))
		t.Row("domains", strings.Join(views(v.Domains, mail.Domain.String), ", "))
		return t.Flush()
	})
}
