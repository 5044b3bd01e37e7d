package resource

import (
	"context"
	"net/http"
	"slices"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/shown"
	"countersign/internal/web/api"
	"countersign/internal/web/api/client"
	"countersign/internal/web/api/reseller"
)

// customers are the operations on customers.
type customers struct{ Options }

func (c customers) rows() []api.Operation {
	return []api.Operation{
		{ID: "listCustomers", Method: http.MethodGet, Path: "/customers", May: client.Read, Text: "List customers.", Pages: true, Answer: shown.Customer{}, Run: c.list},
		{ID: "getCustomer", Method: http.MethodGet, Path: "/customers/{name}", May: client.Read, Text: "Return one customer.", Answer: shown.Customer{}, Run: c.get},
		{ID: "changeCustomer", Method: http.MethodPatch, Path: "/customers/{name}", May: client.Accounts, Text: "Give a customer another plan.",
			Body: planWanted{}, Answer: shown.Customer{}, Run: c.change},
		{ID: "suspendCustomer", Method: http.MethodPost, Path: "/customers/{name}/suspend", May: client.Accounts, Text: "Stop all accounts of a customer and hold what they have in the queue.",
			Answer: shown.Customer{}, Run: c.turn((*admin.Admin).SuspendCustomer)},
		{ID: "resumeCustomer", Method: http.MethodPost, Path: "/customers/{name}/resume", May: client.Accounts, Text: "Undo suspendCustomer, and release what it held.",
			Answer: shown.Customer{}, Run: c.resume},
	}
}

// planWanted is the body of changeCustomer and changeAccount.
type planWanted struct {
	Plan *string `json:"plan" required:"yes" text:"The name of the plan that it shall have; the empty text for none of its own."`
}

func (c customers) list(r *api.Request) (any, error) {
	found, err := c.found(r)
	return api.PageOf(r, shown.Each(found, shown.CustomerOf), func(v *shown.Customer) string { return v.Name }), err
}

// found are the customers of a page, of those that the client sees.
func (c customers) found(r *api.Request) ([]account.Customer, error) {
	if !r.Client.Bounded() {
		return c.Store.Customers(r.Ctx, part(r))
	}
	return named(r, r.Client.Customers(), c.Store.Customer)
}

// part is which part of a listing by name was asked for.
func part(r *api.Request) account.Part { return account.Part{After: r.After(), Limit: r.Wanted()} }

// named are those of a page, of what has some names; those that there are not are left out.
func named[T any](r *api.Request, names []string, get func(ctx context.Context, name string) (T, error)) (found []T, err error) {
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if name <= r.After() {
			continue
		}
		one, err := get(r.Ctx, name)
		switch {
		case err == nil:
			found = append(found, one)
		case !fault.Is(err, fault.NotFound):
			return nil, err
		}
		if len(found) == r.Wanted() {
			break
		}
	}
	return found, nil
}

func (c customers) get(r *api.Request) (any, error) {
	name := r.Path("name")
	if err := c.scope(r).Customer(name); err != nil {
		return nil, err
	}
	customer, err := c.Store.Customer(r.Ctx, name)
	return shown.CustomerOf(customer), reseller.Missing(err, "customer %s", name)
}

func (c customers) change(r *api.Request) (any, error) {
	name, plan := r.Path("name"), *api.Body[planWanted](r).Plan
	if err := c.scope(r).Customer(name); err != nil {
		return nil, err
	}
	if err := gives(r, plan); err != nil {
		return nil, err
	}
	if err := c.Accounts(r.Client.Actor()).SetCustomerPlan(r.Ctx, name, plan); err != nil {
		return nil, err
	}
	return c.get(r)
}

// resume is turn, of what the client may resume.
func (c customers) resume(r *api.Request) (any, error) {
	s, name := c.scope(r), r.Path("name")
	if err := s.Customer(name); err != nil {
		return nil, err
	}
	found, err := c.Store.Customer(r.Ctx, name)
	if err != nil {
		return nil, reseller.Missing(err, "customer %s", name)
	}
	if err := s.Resumable("customer "+name, found.State); err != nil {
		return nil, err
	}
	return c.turn((*admin.Admin).ResumeCustomer)(r)
}

// turn suspends or resumes.
func (c customers) turn(do func(*admin.Admin, context.Context, string) error) func(*api.Request) (any, error) {
	return func(r *api.Request) (any, error) {
		name := r.Path("name")
		if err := c.scope(r).Customer(name); err != nil {
			return nil, err
		}
		if err := do(c.Accounts(r.Client.Actor()), r.Ctx, name); err != nil {
			return nil, err
		}
		return c.get(r)
	}
}

// domains are the operations on domains.
type domains struct{ Options }

func (d domains) rows() []api.Operation {
	return []api.Operation{
		{ID: "listDomains", Method: http.MethodGet, Path: "/domains", May: client.Read, Text: "List sender domains, with what the regular look at each found last.", Query: []api.Parameter{
			{Name: "customer", Text: "Those of one customer alone."},
		}, Pages: true, Answer: shown.Domain{}, Run: d.list},
		{ID: "getDomain", Method: http.MethodGet, Path: "/domains/{name}", May: client.Read, Text: "Return one domain, with what the regular look at it found last.", Answer: shown.Domain{}, Run: d.get},
		{ID: "changeDomain", Method: http.MethodPatch, Path: "/domains/{name}", May: client.Accounts, Text: "Say what becomes of mail of a domain that will fail DMARC. Hold and refuse are for domains whose policy is quarantine or reject: mail of others is accepted with a warning.",
			Body: domainChange{}, Answer: shown.Domain{}, Run: d.change},
		{ID: "suspendDomain", Method: http.MethodPost, Path: "/domains/{name}/suspend", May: client.Accounts, Text: "Stop the accounts of a domain, and mail under its addresses, and hold what is in the queue.",
			Answer: shown.Domain{}, Run: d.turn((*admin.Admin).SuspendDomain)},
		{ID: "resumeDomain", Method: http.MethodPost, Path: "/domains/{name}/resume", May: client.Accounts, Text: "Undo suspendDomain, and release what it held.",
			Answer: shown.Domain{}, Run: d.resume},
		{ID: "lookUpDomain", Method: http.MethodGet, Path: "/domains/{name}/alignment", May: client.Read, Text: "Look a domain up as receivers do, and say what is wrong and what to publish. What is found is its last look, as of the regular one.",
			Answer: shown.Alignment{}, Costly: true, Run: d.look},
	}
}

// domainChange is the body of changeDomain.
type domainChange struct {
	Alignment string `json:"alignment" required:"yes" among:"default,off,warn,hold,refuse" text:"What becomes of mail with the domain in From that will fail DMARC; default leaves it to the configuration."`
}

func (d domains) list(r *api.Request) (any, error) {
	s, customer := d.scope(r), r.Query("customer")
	if customer != "" {
		if err := s.Customer(customer); err != nil {
			return nil, err
		}
		if _, err := d.Store.Customer(r.Ctx, customer); err != nil {
			return nil, reseller.Missing(err, "customer %s", customer)
		}
	}
	q := account.DomainsOf(customer)
	q.Part = part(r)
	if customer == "" && !s.All() {
		q.Customers = r.Client.Customers()
	}
	found, err := d.Store.Domains(r.Ctx, q)
	if err != nil {
		return nil, err
	}
	looks, err := d.Store.LooksAt(r.Ctx, shown.Each(found, func(one account.Domain) mail.Domain { return one.Name }))
	if err != nil {
		return nil, err
	}
	list := make([]shown.Domain, len(found))
	for i := range found {
		list[i] = shown.DomainOf(found[i], looks[i])
	}
	return api.PageOf(r, list, func(v *shown.Domain) string { return v.Name }), nil
}

// find returns the domain that a path names, if it is the client's.
func (d domains) find(r *api.Request) (account.Domain, error) {
	name, err := mail.ParseDomain(r.Path("name"))
	if err != nil {
		return account.Domain{}, api.WrongPath("name", fault.New("api.domain", fault.Invalid, "is no domain"))
	}
	domain, err := d.Store.Domain(r.Ctx, name)
	if err == nil && !r.Client.Sees(domain.Customer) {
		err = api.NotThere("domain %s", name)
	}
	return domain, reseller.Missing(err, "domain %s", name)
}

func (d domains) get(r *api.Request) (any, error) {
	domain, err := d.find(r)
	if err != nil {
		return nil, err
	}
	look, err := d.Store.LookAt(r.Ctx, domain.Name)
	return shown.DomainOf(domain, look), err
}

// resume is turn, of what the client may resume.
func (d domains) resume(r *api.Request) (any, error) {
	found, err := d.find(r)
	if err != nil {
		return nil, err
	}
	if err := d.scope(r).Resumable("domain "+found.Name.String(), found.State); err != nil {
		return nil, err
	}
	return d.turn((*admin.Admin).ResumeDomain)(r)
}

// turn suspends or resumes.
func (d domains) turn(do func(*admin.Admin, context.Context, mail.Domain) error) func(*api.Request) (any, error) {
	return func(r *api.Request) (any, error) {
		domain, err := d.find(r)
		if err != nil {
			return nil, err
		}
		if err := do(d.Accounts(r.Client.Actor()), r.Ctx, domain.Name); err != nil {
			return nil, err
		}
		return d.get(r)
	}
}

func (d domains) change(r *api.Request) (any, error) {
	domain, err := d.find(r)
	if err != nil {
		return nil, err
	}
	to, err := account.ParseAlignment(api.Body[domainChange](r).Alignment)
	if err != nil {
		return nil, api.Wrong("alignment", err)
	}
	if err := d.Accounts(r.Client.Actor()).SetDomainAlignment(r.Ctx, domain.Name, to); err != nil {
		return nil, err
	}
	return d.get(r)
}

func (d domains) look(r *api.Request) (any, error) {
	domain, err := d.find(r)
	if err != nil {
		return nil, err
	}
	return d.Look(r.Ctx, r.Client.Actor(), domain)
}
