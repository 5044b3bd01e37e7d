package cli

import (
	"fmt"
	"time"

	"countersign/internal/account"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/table"
	"countersign/internal/config"
)

// planGroup is "countersign plan".
type planGroup struct {
	Add     planAdd               `cmd:"" help:"Add a plan."`
	List    planList              `cmd:"" help:"List plans."`
	Show    planShow              `cmd:"" help:"Show a plan."`
	Set     planSet               `cmd:"" help:"Change the limits of a plan."`
	Suspend act[planName, string] `cmd:"" help:"Stop all accounts of all customers that have a plan and hold what they have in the queue."`
	Resume  act[planName, string] `cmd:"" help:"Undo suspend, and release what it held."`
	Remove  act[planName, string] `cmd:"" help:"Remove a plan that no customer has."`
}

// planLimits are the limits of a plan as flags.
type planLimits struct {
	MaxRecipients  *int           `help:"Recipients of one message; 0 for the server's limit." placeholder:"N"`
	MaxMessageSize *argument.Size `help:"Size of one message, such as 25MB; 0 for the server's limit." placeholder:"SIZE"`
	MaxMessages    *int           `help:"Messages of one session; 0 for the server's limit." placeholder:"N"`
}

// change turns the flags that were given into a change.
func (l planLimits) change() account.PlanChange {
	c := account.PlanChange{MaxRecipients: l.MaxRecipients, MaxMessages: l.MaxMessages}
	if l.MaxMessageSize != nil {
		n := l.MaxMessageSize.Bytes()
		c.MaxMessageBytes = &n
	}
	return c
}

type planAdd struct {
	planName
	planLimits
}

func (p *planAdd) Run(c *call) error {
	plan := account.Plan{Name: p.Name}
	change := p.change()
	if change.MaxRecipients != nil {
		plan.MaxRecipients = *change.MaxRecipients
	}
	if change.MaxMessageBytes != nil {
		plan.MaxMessageBytes = *change.MaxMessageBytes
	}
	if change.MaxMessages != nil {
		plan.MaxMessages = *change.MaxMessages
	}
	return c.creating().administer(p.String()+" added", func(a *account.Admin) error {
		return a.AddPlan(c.ctx, plan)
	})
}

type planSet struct {
	planName
	planLimits
}

func (p *planSet) Run(c *call) error {
	change := p.change()
	if change == (account.PlanChange{}) {
		return usage("nothing to change was given: name at least one limit")
	}
	return c.administer(p.String()+" changed", func(a *account.Admin) error {
		return a.SetPlan(c.ctx, p.Name, change)
	})
}

// planView is a plan as it is printed.
type planView struct {
	Name            string        `json:"name"`
	State           account.State `json:"state"`
	MaxRecipients   int           `json:"max_recipients"`
	MaxMessageBytes int64         `json:"max_message_bytes"`
	MaxMessages     int           `json:"max_messages"`
	Created         time.Time     `json:"created"`
}

func viewPlan(p account.Plan) planView {
	return planView{p.Name, p.State, p.MaxRecipients, p.MaxMessageBytes, p.MaxMessages, p.Created}
}

type planList struct{ asJSON }

func (p *planList) Run(c *call) error {
	heads := []string{"NAME", "STATE", "RECIPIENTS", "MESSAGE SIZE", "MESSAGES", "CREATED"}
	cells := func(v planView) []string {
		return []string{
			v.Name, string(v.State), orServer(int64(v.MaxRecipients)), sizeText(v.MaxMessageBytes), orServer(int64(v.MaxMessages)), table.Stamp(v.Created),
		}
	}
	return list(c, p.asJSON, heads, viewPlan, cells, func(s Store) ([]account.Plan, error) { return s.Plans(c.ctx) })
}

type planShow struct {
	planName
	asJSON
}

func (p *planShow) Run(c *call) error {
	return c.with(func(o *opened) error {
		plan, err := o.store.Plan(c.ctx, p.Name)
		if err != nil {
			return missing(err, p.String())
		}
		return c.show(p.asJSON, viewPlan(plan))
	})
}

func (v planView) details(t table.Table) {
	t.Row("plan", v.Name)
	t.Row("state", string(v.State))
	t.Row("max recipients", orServer(int64(v.MaxRecipients)))
	t.Row("max message size", sizeText(v.MaxMessageBytes))
	t.Row("max messages", orServer(int64(v.MaxMessages)))
	t.Row("created", table.Stamp(v.Created))
}

// orServer prints a limit; 0 is that of the server.
func orServer(limit int64) string {
	if limit == 0 {
		return "the server's"
	}
	return fmt.Sprint(limit)
}

// sizeText prints a limit of octets.
func sizeText(n int64) string {
	if n == 0 {
		return orServer(0)
	}
	return config.Size(n).String()
}
