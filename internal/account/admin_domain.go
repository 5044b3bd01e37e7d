package account

import (
	"context"
	"strings"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// AddDomain stores a new active domain of a customer with its DKIM keys.
func (a *Admin) AddDomain(ctx context.Context, name mail.Domain, customer string, keys []Key) error {
	const op = "account.domain"
	if _, literal := name.Literal(); literal || !strings.Contains(name.String(), ".") {
		return fault.New(op, fault.Invalid, "%q cannot be a sender domain: a full domain name is needed, such as example.org", name)
	}
	if len(keys) == 0 {
		return fault.New(op, fault.Invalid, "domain %s has no DKIM key", name)
	}
	if _, err := a.opt.Store.Customer(ctx, customer); err != nil {
		return named(err, objectCustomer(customer), "")
	}
	d := Domain{Name: name, Customer: customer, State: Active, Keys: keys, Created: a.now()}
	err := a.opt.Store.PutDomain(ctx, d, a.event(audit.AdminAdded, objectDomain(name), "customer "+customer+", keys "+selectors(keys)))
	return named(err, objectDomain(name), taken)
}

// selectors lists the selectors of keys.
func selectors(keys []Key) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Selector
	}
	return strings.Join(names, ", ")
}

// SuspendDomain stops the accounts of a domain, and mail under its addresses,
// and holds what is in the queue.
func (a *Admin) SuspendDomain(ctx context.Context, name mail.Domain) error {
	return a.turnDomain(ctx, name, Suspended)
}

// ResumeDomain undoes SuspendDomain.
func (a *Admin) ResumeDomain(ctx context.Context, name mail.Domain) error {
	return a.turnDomain(ctx, name, Active)
}

// turnDomain changes a domain's state.
func (a *Admin) turnDomain(ctx context.Context, name mail.Domain, to State) error {
	d, err := a.opt.Store.Domain(ctx, name)
	if err != nil {
		return named(err, objectDomain(name), "")
	}
	if err := turn(objectDomain(name), d.State, to); err != nil {
		return err
	}
	d.State = to
	err = a.opt.Store.PutDomain(ctx, d, a.event(stateEvent(to), objectDomain(name), ""))
	return named(err, objectDomain(name), changed)
}

// RemoveDomain removes a domain, with its keys, that has no accounts and that
// no account of its customer has aliases in or grants for: those would wait
// there for the domain's next owner.
func (a *Admin) RemoveDomain(ctx context.Context, name mail.Domain) error {
	d, err := a.opt.Store.Domain(ctx, name)
	if err != nil {
		return named(err, objectDomain(name), "")
	}
	users, err := a.usersOf(ctx, d)
	if err != nil {
		return err
	}
	if err := inUse(objectDomain(name), "account", users); err != nil {
		return err
	}
	err = a.opt.Store.RemoveDomain(ctx, name, a.event(audit.AdminRemoved, objectDomain(name), ""))
	return named(err, objectDomain(name), used)
}

// usersOf lists the accounts that depend on a domain.
func (a *Admin) usersOf(ctx context.Context, d Domain) ([]string, error) {
	siblings, err := a.opt.Store.Domains(ctx, d.Customer)
	if err != nil {
		return nil, err
	}
	var users []string
	for _, sibling := range siblings {
		accounts, err := a.opt.Store.Accounts(ctx, sibling.Name)
		if err != nil {
			return nil, err
		}
		for i := range accounts {
			if use := accounts[i].useOf(d.Name); use != "" {
				users = append(users, use)
			}
		}
	}
	return users, nil
}

// useOf names an account with how it depends on a domain, "" where it does
// not.
func (a *Account) useOf(domain mail.Domain) string {
	if a.Address.Domain == domain {
		return a.Address.String()
	}
	for _, alias := range a.Aliases {
		if alias.Domain == domain {
			return a.Address.String() + " (alias " + alias.String() + ")"
		}
	}
	for _, g := range a.Grants {
		if g.under() == domain {
			return a.Address.String() + " (grant " + g.String() + ")"
		}
	}
	return ""
}
