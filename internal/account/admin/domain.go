package admin

import (
	"context"
	"slices"
	"strings"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// AddDomain stores a new active domain of a customer with its DKIM keys.
func (a *Admin) AddDomain(ctx context.Context, name mail.Domain, customer string, keys []account.Key) error {
	const op = "account.domain"
	if err := account.CheckDomain(name); err != nil {
		return err
	}
	if len(keys) == 0 {
		return fault.New(op, fault.Invalid, "domain %s has no DKIM key", name)
	}
	if _, err := a.opt.Store.Customer(ctx, customer); err != nil {
		return named(err, objectCustomer(customer), "")
	}
	d := account.Domain{Name: name, Customer: customer, State: account.Active, Keys: keys, Created: a.now()}
	err := a.opt.Store.PutDomain(ctx, d, a.event(audit.AdminAdded, objectDomain(name), "customer "+customer+", keys "+selectors(keys)))
	return named(err, objectDomain(name), taken)
}

// RekeyDomain gives a domain, as it was read from the store, other DKIM keys.
func (a *Admin) RekeyDomain(ctx context.Context, d account.Domain, keys []account.Key) error {
	text := "keys " + selectors(keys) + " instead of " + selectors(d.Keys)
	d.Keys = keys
	err := a.opt.Store.PutDomain(ctx, d, a.event(audit.AdminChanged, objectDomain(d.Name), text))
	return named(err, objectDomain(d.Name), changed)
}

// selectors lists the selectors of keys.
func selectors(keys []account.Key) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Selector
	}
	return strings.Join(names, ", ")
}

// SuspendDomain stops the accounts of a domain, and mail under its addresses,
// and holds what is in the queue.
func (a *Admin) SuspendDomain(ctx context.Context, name mail.Domain) error {
	return a.turnDomain(ctx, name, account.Suspended)
}

// ResumeDomain undoes SuspendDomain.
func (a *Admin) ResumeDomain(ctx context.Context, name mail.Domain) error {
	return a.turnDomain(ctx, name, account.Active)
}

// turnDomain changes a domain's state.
func (a *Admin) turnDomain(ctx context.Context, name mail.Domain, to account.State) error {
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

// SetDomainCustomer moves a domain with its keys and accounts to another
// customer. It is fault.Conflict while an alias or a grant crosses the border
// of the domain, in either direction: no customer writes in another's name.
// Waiting mail is held or released as the suspension of the new customer and
// its plan says.
func (a *Admin) SetDomainCustomer(ctx context.Context, name mail.Domain, customer string) error {
	const op = "account.domain"
	d, err := a.opt.Store.Domain(ctx, name)
	if err != nil {
		return named(err, objectDomain(name), "")
	}
	if _, err := a.opt.Store.Customer(ctx, customer); err != nil {
		return named(err, objectCustomer(customer), "")
	}
	if d.Customer == customer {
		return fault.New(op, fault.Conflict, "%s belongs to customer %s already", objectDomain(name), customer)
	}
	// Those of the new customer too: what was stored while another domain
	// moved would be good again.
	tied := func(acc *account.Account) string { return tieOver(acc, name) }
	ties, err := a.eachAccount(ctx, []string{d.Customer, customer}, tied)
	if err != nil {
		return err
	}
	if ties, err = a.eachGrantee(ctx, name, tied, ties); err != nil {
		return err
	}
	if len(ties) > 0 {
		return fault.New(op, fault.Conflict, "%s cannot go to customer %s because of account %s; remove those aliases and grants first", objectDomain(name), customer, fewOf(ties))
	}
	text := "customer " + customer + " instead of " + d.Customer
	d.Customer = customer
	err = a.opt.Store.PutDomain(ctx, d, a.event(audit.AdminChanged, objectDomain(name), text))
	return named(err, objectDomain(name), changed)
}

// SetDomainAlignment says what is done about messages with a domain in From that will fail DMARC;
// "" leaves it to the configuration. Open sessions feel it at their next message. fault.Conflict
// where it is set already.
func (a *Admin) SetDomainAlignment(ctx context.Context, name mail.Domain, to account.Alignment) error {
	const op = "account.domain"
	if _, err := account.ParseAlignment(to.String()); err != nil {
		return err
	}
	d, err := a.opt.Store.Domain(ctx, name)
	if err != nil {
		return named(err, objectDomain(name), "")
	}
	if d.Alignment == to {
		return fault.New(op, fault.Conflict, "%s has alignment %s already", objectDomain(name), to)
	}
	text := "alignment " + to.String() + " instead of " + d.Alignment.String()
	d.Alignment = to
	err = a.opt.Store.PutDomain(ctx, d, a.event(audit.AdminChanged, objectDomain(name), text))
	return named(err, objectDomain(name), changed)
}

// RemoveDomain removes a domain, with its keys, that has no accounts, that
// no account of its customer has aliases in, and that nobody has grants for: those would wait
// there for the domain's next owner.
func (a *Admin) RemoveDomain(ctx context.Context, name mail.Domain) error {
	d, err := a.opt.Store.Domain(ctx, name)
	if err != nil {
		return named(err, objectDomain(name), "")
	}
	uses := func(acc *account.Account) string { return useOf(acc, name) }
	users, err := a.eachAccount(ctx, []string{d.Customer}, uses)
	if err != nil {
		return err
	}
	if users, err = a.eachGrantee(ctx, name, uses, users); err != nil {
		return err
	}
	if err := inUse(objectDomain(name), "account", users); err != nil {
		return err
	}
	err = a.opt.Store.RemoveDomain(ctx, name, a.event(audit.AdminRemoved, objectDomain(name), ""))
	return named(err, objectDomain(name), used)
}

// eachAccount collects what say says of the accounts of customers, but "".
func (a *Admin) eachAccount(ctx context.Context, customers []string, say func(*account.Account) string) ([]string, error) {
	var said []string
	for _, customer := range customers {
		domains, err := a.opt.Store.Domains(ctx, account.DomainsOf(customer))
		if err != nil {
			return nil, err
		}
		for _, d := range domains {
			accounts, err := a.opt.Store.Accounts(ctx, account.AccountQuery{Domain: d.Name})
			if err != nil {
				return nil, err
			}
			for i := range accounts {
				if text := say(&accounts[i]); text != "" {
					said = append(said, text)
				}
			}
		}
	}
	return said, nil
}

// eachGrantee adds to said what say says of accounts with grants under a domain, whoever's
// they are.
func (a *Admin) eachGrantee(ctx context.Context, domain mail.Domain, say func(*account.Account) string, said []string) ([]string, error) {
	const page = 500
	for after := ""; ; {
		logins, err := a.opt.Store.Grantees(ctx, account.GranteeQuery{Under: domain, After: after, Limit: page})
		if err != nil {
			return nil, err
		}
		for _, login := range logins {
			acc, err := a.opt.Store.Account(ctx, login)
			if fault.Is(err, fault.NotFound) {
				continue // gone meanwhile
			}
			if err != nil {
				return nil, err
			}
			if text := say(&acc); text != "" && !slices.Contains(said, text) {
				said = append(said, text)
			}
		}
		if len(logins) < page {
			return said, nil
		}
		after = logins[len(logins)-1]
	}
}

// tieOver names an account with those of its aliases and grants that cross the
// border of a domain: out of it for an account inside, into it for one outside.
// "" where none does.
func tieOver(a *account.Account, domain mail.Domain) string {
	inside := a.Address.Domain == domain
	var ties []string
	for _, alias := range a.Aliases {
		if (alias.Domain == domain) != inside {
			ties = append(ties, "alias "+alias.String())
		}
	}
	for i := range a.Grants {
		if g := &a.Grants[i]; (g.Under() == domain) != inside {
			ties = append(ties, "grant "+g.String())
		}
	}
	if len(ties) == 0 {
		return ""
	}
	return a.Address.String() + " (" + strings.Join(ties, ", ") + ")"
}

// useOf names an account with how it depends on a domain, "" where it does
// not.
func useOf(a *account.Account, domain mail.Domain) string {
	if a.Address.Domain == domain {
		return a.Address.String()
	}
	for _, alias := range a.Aliases {
		if alias.Domain == domain {
			return a.Address.String() + " (alias " + alias.String() + ")"
		}
	}
	for i := range a.Grants {
		if g := &a.Grants[i]; g.Under() == domain {
			return a.Address.String() + " (grant " + g.String() + ")"
		}
	}
	return ""
}
