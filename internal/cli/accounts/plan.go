package accounts

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/config"
)

// planGroup is "countersign plan".
type planGroup struct {
	Add     planAdd               `cmd:"" help:"Add a plan."`
	List    planList              `cmd:"" help:"List plans."`
	Show    planShow              `cmd:"" help:"Show a plan."`
	Set     planSet               `cmd:"" help:"Change the limits of a plan."`
	Suspend act[planName, string] `cmd:"" help:"Stop all accounts of all customers that have a plan, and those that have it themselves, and hold what they have in the queue."`
	Resume  act[planName, string] `cmd:"" help:"Undo suspend, and release what it held."`
	Remove  act[planName, string] `cmd:"" help:"Remove a plan that no customer and no account has."`
}

// planLimits are the limits of a plan as flags.
type planLimits struct {
	MaxRecipients  *int                 `help:"Recipients of one message; 0 for the server's limit." placeholder:"N"`
	MaxMessageSize *argument.Size       `help:"Size of one message, such as 25MB; 0 for the server's limit." placeholder:"SIZE"`
	MaxMessages    *int                 `help:"Messages of one session; 0 for the server's limit." placeholder:"N"`
	SenderMode     *argument.SenderMode `help:"What becomes of mail under addresses that are not the account's: enforce, rewrite or shadow; - for enforce." placeholder:"MODE"`
}

// change turns the flags that were given into a change.
func (l planLimits) change() admin.PlanChange {
	c := admin.PlanChange{MaxRecipients: l.MaxRecipients, MaxMessages: l.MaxMessages, SenderMode: argument.Mode(l.SenderMode)}
	if l.MaxMessageSize != nil {
		n := l.MaxMessageSize.Bytes()
		c.MaxMessageBytes = &n
	}
	return c
}

type planAdd struct {
	planName
	planLimits
	Legacy bool `help:"Allow CRAM-MD5 and DIGEST-MD5 on all its accounts, for which a form of the password is kept that is as good as the password."`
}

func (p *planAdd) Run(c *call.Call) error {
	plan := account.Plan{Name: p.Name, Legacy: p.Legacy}
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
	if change.SenderMode != nil {
		plan.SenderMode = *change.SenderMode
	}
	return c.Creating().Administer(p.String()+" added", func(a *admin.Admin) error {
		return a.AddPlan(c.Ctx, plan)
	})
}

type planSet struct {
	planName
	planLimits
	Legacy *bool `negatable:"" help:"Allow or forbid CRAM-MD5 and DIGEST-MD5 on all its accounts, for which a form of the password is kept that is as good as the password."`
}

func (p *planSet) Run(c *call.Call) error {
	change := p.change()
	limits := change != (admin.PlanChange{})
	if !limits && p.Legacy == nil {
		return call.Usage("nothing to change was given: name at least one limit, --sender-mode, --legacy or --no-legacy")
	}
	return c.With(func(o *call.Opened) error {
		if limits {
			if err := o.Admin().SetPlan(c.Ctx, p.Name, change); err != nil {
				return err
			}
		}
		if p.Legacy != nil {
			if err := o.Credentials().SetPlanLegacy(c.Ctx, p.Name, *p.Legacy); err != nil {
				return err
			}
		}
		return c.Say("%s changed", p)
	})
}

// planView is a plan as it is printed.
type planView struct {
	Name            string             `json:"name"`
	State           account.State      `json:"state"`
	MaxRecipients   int                `json:"max_recipients"`
	MaxMessageBytes int64              `json:"max_message_bytes"`
	MaxMessages     int                `json:"max_messages"`
	SenderMode      account.SenderMode `json:"sender_mode,omitempty"`
	Legacy          bool               `json:"legacy"`
	Created         time.Time          `json:"created"`
}

func viewPlan(p account.Plan) planView {
	return planView{p.Name, p.State, p.MaxRecipients, p.MaxMessageBytes, p.MaxMessages, p.SenderMode, p.Legacy, p.Created}
}

type planList struct{ call.AsJSON }

func (p *planList) Run(c *call.Call) error {
	heads := []string{"NAME", "STATE", "RECIPIENTS", "MESSAGE SIZE", "MESSAGES", "CREATED"}
	cells := func(v planView) []string {
		return []string{
			v.Name, string(v.State), orServer(int64(v.MaxRecipients)), sizeText(v.MaxMessageBytes), orServer(int64(v.MaxMessages)), table.Stamp(v.Created),
		}
	}
	return call.List(c, p.AsJSON, heads, viewPlan, cells, func(s call.Store) ([]account.Plan, error) { return s.Plans(c.Ctx, account.Part{}) })
}

type planShow struct {
	planName
	call.AsJSON
}

func (p *planShow) Run(c *call.Call) error {
	return c.With(func(o *call.Opened) error {
		plan, err := o.Store.Plan(c.Ctx, p.Name)
		if err != nil {
			return call.Missing(err, p.String())
		}
		return c.Show(p.AsJSON, viewPlan(plan))
	})
}

func (v planView) Details(t table.Table) {
	t.Row("plan", v.Name)
	t.Row("state", string(v.State))
	t.Row("max recipients", orServer(int64(v.MaxRecipients)))
	t.Row("max message size", sizeText(v.MaxMessageBytes))
	t.Row("max messages", orServer(int64(v.MaxMessages)))
	t.Row("mode of senders", string(cmp.Or(v.SenderMode, account.Enforce)))
	t.Row("legacy", map[bool]string{true: "ALLOWED: " + strings.Join(account.LegacyMechanisms(), " and ") + " on all its accounts", false: "forbidden"}[v.Legacy])
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
