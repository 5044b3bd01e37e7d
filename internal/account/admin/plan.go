package admin

import (
	"context"
	"strconv"
	"strings"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
)

// PlanChange says what to change of a plan; nil fields stay as they are. A
// limit of 0 leaves it to the server's own.
type PlanChange struct {
	MaxRecipients   *int
	MaxMessageBytes *int64
	MaxMessages     *int
	// SenderMode is that of accounts without one of their own; "" is account.Enforce.
	SenderMode *account.SenderMode
}

// AddPlan stores a new active plan with the name, limits, SenderMode and Legacy of p.
func (a *Admin) AddPlan(ctx context.Context, p account.Plan) error {
	if err := account.CheckName("plan", p.Name); err != nil {
		return err
	}
	c := PlanChange{MaxRecipients: &p.MaxRecipients, MaxMessageBytes: &p.MaxMessageBytes, MaxMessages: &p.MaxMessages}
	text, err := c.apply(&p)
	if err != nil {
		return err
	}
	if p.SenderMode != "" {
		if _, err := account.ParseSenderMode(string(p.SenderMode)); err != nil {
			return err
		}
		text += ", " + modeText(p.SenderMode, "")
	}
	if p.Legacy {
		text += ", legacy mechanisms allowed"
	}
	p.State, p.Created, p.Revision = account.Active, a.now(), 0
	err = a.opt.Store.PutPlan(ctx, p, a.event(audit.AdminAdded, objectPlan(p.Name), text))
	return named(err, objectPlan(p.Name), taken)
}

// SetPlan changes a plan's limits and mode of senders. Sessions feel it at their next message.
func (a *Admin) SetPlan(ctx context.Context, name string, c PlanChange) error {
	p, err := a.opt.Store.Plan(ctx, name)
	if err != nil {
		return named(err, objectPlan(name), "")
	}
	text, err := c.apply(&p)
	if err != nil {
		return err
	}
	if text == "" {
		return fault.New("account.plan", fault.Invalid, "nothing to change was given")
	}
	err = a.opt.Store.PutPlan(ctx, p, a.event(audit.AdminChanged, objectPlan(name), text))
	return named(err, objectPlan(name), changed)
}

// SuspendPlan stops all accounts of all customers that have a plan, and those that have
// it themselves, and holds what they have in the queue.
func (a *Admin) SuspendPlan(ctx context.Context, name string) error {
	return a.turnPlan(ctx, name, account.Suspended)
}

// ResumePlan undoes SuspendPlan. Customers, domains and accounts that are
// suspended themselves stay so.
func (a *Admin) ResumePlan(ctx context.Context, name string) error {
	return a.turnPlan(ctx, name, account.Active)
}

// turnPlan changes a plan's state.
func (a *Admin) turnPlan(ctx context.Context, name string, to account.State) error {
	p, err := a.opt.Store.Plan(ctx, name)
	if err != nil {
		return named(err, objectPlan(name), "")
	}
	if err := turn(objectPlan(name), p.State, to); err != nil {
		return err
	}
	p.State = to
	err = a.opt.Store.PutPlan(ctx, p, a.event(stateEvent(to), objectPlan(name), ""))
	return named(err, objectPlan(name), changed)
}

// RemovePlan removes a plan that neither a customer nor an account has.
func (a *Admin) RemovePlan(ctx context.Context, name string) error {
	customers, err := a.opt.Store.Customers(ctx, account.Part{})
	if err != nil {
		return err
	}
	var users []string
	for _, c := range customers {
		if c.Plan == name {
			users = append(users, c.Name)
		}
	}
	if err := inUse(objectPlan(name), "customer", users); err != nil {
		return err
	}
	logins, err := a.opt.Store.OnPlan(ctx, name, "", maxNamed+1)
	if err != nil {
		return err
	}
	if len(logins) > maxNamed {
		logins = append(logins[:maxNamed-1], logins[maxNamed-1]+" and others")
	}
	if err := inUse(objectPlan(name), "account", logins); err != nil {
		return err
	}
	err = a.opt.Store.RemovePlan(ctx, name, a.event(audit.AdminRemoved, objectPlan(name), ""))
	return named(err, objectPlan(name), used)
}

// apply changes p and says what it changed.
func (c PlanChange) apply(p *account.Plan) (string, error) {
	var said []string
	say := func(what string, to int64) { said = append(said, what+" "+strconv.FormatInt(to, 10)) }
	if c.MaxRecipients != nil {
		p.MaxRecipients = *c.MaxRecipients
		say("max recipients", int64(p.MaxRecipients))
	}
	if c.MaxMessageBytes != nil {
		p.MaxMessageBytes = *c.MaxMessageBytes
		say("max message bytes", p.MaxMessageBytes)
	}
	if c.MaxMessages != nil {
		p.MaxMessages = *c.MaxMessages
		say("max messages", int64(p.MaxMessages))
	}
	if p.MaxRecipients < 0 || p.MaxMessageBytes < 0 || p.MaxMessages < 0 {
		return "", fault.New("account.plan", fault.Invalid, "a limit cannot be negative; 0 leaves it to the server's own limit")
	}
	if c.SenderMode != nil {
		mode, err := account.ParseSenderMode(string(*c.SenderMode))
		if err != nil {
			return "", err
		}
		p.SenderMode = mode
		said = append(said, modeText(mode, string(account.Enforce)))
	}
	return strings.Join(said, ", "), nil
}
