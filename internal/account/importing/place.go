package importing

import (
	"context"

	"countersign/internal/account"
	"countersign/internal/account/roster"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// place is a domain that accounts go into.
type place struct {
	customer, plan string
	// legacy is that of the plan.
	legacy bool
	// taken says, in a dry run, whose each address of the customer is.
	taken map[string]string
	// err is why none go there.
	err error
}

// first refuses a line with an address that stood in one before, and notes those of the
// others.
func (r *run) first(rec *roster.Record, line int) error {
	all := append([]mail.Address{rec.Address}, rec.Aliases...)
	for i, a := range all {
		if before, twice := r.seen[a.Key()]; twice {
			return fault.New("account.import", fault.Conflict, "%s stands in line %d already; remove one of the two", a, before)
		}
		for _, other := range all[:i] {
			if other.Key() == a.Key() {
				return fault.New("account.import", fault.Conflict, "%s stands twice in the line; remove one of the two", a)
			}
		}
	}
	for _, a := range all {
		r.seen[a.Key()] = line
	}
	return nil
}

// placeOf returns a domain, made where it is wanted; the results of that come before the
// line's. Errors of the domain itself are the same for each of its lines.
func (r *run) placeOf(ctx context.Context, name mail.Domain, line int, j *job) (*place, error) {
	if p, known := r.places[name]; known {
		return p, p.err
	}
	p := &place{}
	err := r.find(ctx, name, p, line, j)
	if err != nil && why(err) == "" {
		return nil, err
	}
	p.err = err
	r.places[name] = p
	return p, err
}

// find reads or makes a domain.
func (r *run) find(ctx context.Context, name mail.Domain, p *place, line int, j *job) error {
	const op = "account.import"
	d, err := r.opt.Store.Domain(ctx, name)
	switch {
	case fault.Is(err, fault.NotFound) && !r.opt.CreateDomains:
		return fault.New(op, fault.NotFound, "domain %s does not exist; add it first, or let the import make it (--create-domains)", name)
	case fault.Is(err, fault.NotFound):
		if err := r.make(ctx, name, line, j); err != nil {
			return err
		}
		p.customer, p.plan = r.opt.Customer, r.opt.Plan
	case err != nil:
		return err
	case r.opt.Customer != "" && d.Customer != r.opt.Customer:
		return fault.New(op, fault.Conflict, "domain %s belongs to customer %s, not to %s", name, d.Customer, r.opt.Customer)
	default:
		p.customer = d.Customer
	}
	return r.above(ctx, p)
}

// make makes a domain, and its customer where that is missing too.
func (r *run) make(ctx context.Context, name mail.Domain, line int, j *job) error {
	if err := account.CheckDomain(name); err != nil {
		return err
	}
	if r.newCustomer {
		if !r.opt.DryRun {
			if err := r.opt.Admin.AddCustomer(ctx, r.opt.Customer, r.opt.Plan); err != nil {
				return err
			}
		}
		r.newCustomer = false
		r.made(&r.summary.Customers)
		j.first = append(j.first, Result{Line: line, Object: "customer " + r.opt.Customer, Outcome: Added, Text: planText(r.opt.Plan)})
	}
	if !r.opt.DryRun {
		keys, err := r.opt.Keys(ctx, name)
		if err != nil {
			return err
		}
		if err := r.opt.Admin.AddDomain(ctx, name, r.opt.Customer, keys); err != nil {
			return err
		}
	}
	r.made(&r.summary.Domains)
	j.first = append(j.first, Result{Line: line, Object: "domain " + name.String(), Outcome: Added, Text: "its records are to be published"})
	return nil
}

// made counts one more.
func (r *run) made(n *int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*n++
}

// above reads the plan of a domain's customer, and in a dry run whose its addresses are.
func (r *run) above(ctx context.Context, p *place) error {
	c, err := r.opt.Store.Customer(ctx, p.customer)
	switch {
	case fault.Is(err, fault.NotFound) && r.opt.DryRun: // it would have been made
		c.Plan = p.plan
		err = nil
	case err != nil:
		return missing(err, "customer "+p.customer)
	}
	p.plan = c.Plan
	if p.plan != "" {
		plan, err := r.opt.Store.Plan(ctx, p.plan)
		if err != nil {
			return missing(err, "plan "+p.plan)
		}
		p.legacy = plan.Legacy
	}
	if r.opt.DryRun && r.taken[p.customer] == nil {
		err = r.survey(ctx, p.customer)
	}
	p.taken = r.taken[p.customer]
	return err
}

// survey notes whose the addresses of a customer's domains are, as storing an account
// would find out.
func (r *run) survey(ctx context.Context, customer string) error {
	taken := map[string]string{}
	domains, err := r.opt.Store.Domains(ctx, account.DomainsOf(customer))
	if err != nil {
		return err
	}
	for _, d := range domains {
		accounts, err := r.opt.Store.Accounts(ctx, account.AccountQuery{Domain: d.Name})
		if err != nil {
			return err
		}
		for i := range accounts {
			login := accounts[i].Login()
			taken[login] = login
			for _, alias := range accounts[i].Aliases {
				taken[alias.Key()] = login
			}
		}
	}
	r.taken[customer] = taken
	return nil
}
