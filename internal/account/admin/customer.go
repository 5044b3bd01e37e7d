package admin

import (
	"context"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
)

// AddCustomer stores a new active customer; plan is "" for none.
func (a *Admin) AddCustomer(ctx context.Context, name, plan string) error {
	if err := account.CheckName("customer", name); err != nil {
		return err
	}
	if err := a.planExists(ctx, plan); err != nil {
		return err
	}
	c := account.Customer{Name: name, Plan: plan, State: account.Active, Created: a.now()}
	err := a.opt.Store.PutCustomer(ctx, c, a.event(audit.AdminAdded, objectCustomer(name), planText(plan)))
	return named(err, objectCustomer(name), taken)
}

// SetCustomerPlan gives a customer another plan, "" for none. A suspended plan
// stops the customer's accounts and holds what they have in the queue; leaving
// one undoes that.
func (a *Admin) SetCustomerPlan(ctx context.Context, name, plan string) error {
	c, err := a.opt.Store.Customer(ctx, name)
	if err != nil {
		return named(err, objectCustomer(name), "")
	}
	if err := a.planExists(ctx, plan); err != nil {
		return err
	}
	c.Plan = plan
	err = a.opt.Store.PutCustomer(ctx, c, a.event(audit.AdminChanged, objectCustomer(name), planText(plan)))
	return named(err, objectCustomer(name), changed)
}

// SuspendCustomer stops all accounts of all domains of a customer and holds
// what they have in the queue.
func (a *Admin) SuspendCustomer(ctx context.Context, name string) error {
	return a.turnCustomer(ctx, name, account.Suspended)
}

// ResumeCustomer undoes SuspendCustomer. Domains and accounts that are
// suspended themselves stay so, and all of them under a suspended plan.
func (a *Admin) ResumeCustomer(ctx context.Context, name string) error {
	return a.turnCustomer(ctx, name, account.Active)
}

// turnCustomer changes a customer's state.
func (a *Admin) turnCustomer(ctx context.Context, name string, to account.State) error {
	c, err := a.opt.Store.Customer(ctx, name)
	if err != nil {
		return named(err, objectCustomer(name), "")
	}
	if err := turn(objectCustomer(name), c.State, to); err != nil {
		return err
	}
	c.State = to
	err = a.opt.Store.PutCustomer(ctx, c, a.event(stateEvent(to), objectCustomer(name), ""))
	return named(err, objectCustomer(name), changed)
}

// RemoveCustomer removes a customer that has no domains.
func (a *Admin) RemoveCustomer(ctx context.Context, name string) error {
	if name == "" { // which would list the domains of all
		return fault.New("account.remove", fault.Invalid, "no customer was named")
	}
	domains, err := a.opt.Store.Domains(ctx, account.DomainsOf(name))
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	var users []string
	for _, d := range domains {
		users = append(users, d.Name.String())
	}
	if err := inUse(objectCustomer(name), "domain", users); err != nil {
		return err
	}
	err = a.opt.Store.RemoveCustomer(ctx, name, a.event(audit.AdminRemoved, objectCustomer(name), ""))
	return named(err, objectCustomer(name), used)
}

// planExists refuses a plan that is not there; "" always is.
func (a *Admin) planExists(ctx context.Context, plan string) error {
	if plan == "" {
		return nil
	}
	_, err := a.opt.Store.Plan(ctx, plan)
	return named(err, objectPlan(plan), "")
}

// planText says which plan a customer now has.
func planText(plan string) string {
	if plan == "" {
		return "no plan"
	}
	return "plan " + plan
}
