package resource

import (
	"context"
	"net/http"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/shown"
	"countersign/internal/web/api"
	"countersign/internal/web/api/client"
)

// customers are the operations on customers.
type customers struct{ Options }

func (c customers) rows() []api.Operation {
	return []api.Operation{
		{ID: "listCustomers", Method: http.MethodGet, Path: "/customers", May: client.Read, Text: "List customers.", Pages: true, Answer: customerShown{}, Run: c.list},
		{ID: "getCustomer", Method: http.MethodGet, Path: "/customers/{name}", May: client.Read, Text: "Return one customer.", Answer: customerShown{}, Run: c.get},
		{ID: "changeCustomer", Method: http.MethodPatch, Path: "/customers/{name}", May: client.Accounts, Text: "Give a customer another plan.",
			Body: planWanted{}, Answer: customerShown{}, Run: c.change},
		{ID: "suspendCustomer", Method: http.MethodPost, Path: "/customers/{name}/suspend", May: client.Accounts, Text: "Stop all accounts of a customer and hold what they have in the queue.",
			Answer: customerShown{}, Run: c.turn((*admin.Admin).SuspendCustomer)},
		{ID: "resumeCustomer", Method: http.MethodPost, Path: "/customers/{name}/resume", May: client.Accounts, Text: "Undo suspendCustomer, and release what it held.",
			Answer: customerShown{}, Run: c.turn((*admin.Admin).ResumeCustomer)},
	}
}

// planWanted is the body of changeCustomer and changeAccount.
type planWanted struct {
	Plan *string `json:"plan" required:"yes" text:"The name of the plan that it shall have; the empty text for none of its own."`
}

// customerShown is what is shown of a customer.
type customerShown struct {
	Name    string        `json:"name"`
	Plan    string        `json:"plan"` // "" for none
	State   account.State `json:"state"`
	Created time.Time     `json:"created"`
}

func showCustomer(c account.Customer) customerShown {
	return customerShown{c.Name, c.Plan, c.State, c.Created}
}

func (c customers) list(r *api.Request) (any, error) {
	found, err := c.Store.Customers(r.Ctx)
	if err != nil {
		return nil, err
	}
	seen, err := visible(c.scope(r), found, func(customer *account.Customer) (bool, error) { return r.Client.Sees(customer.Name), nil })
	return api.Paged(r, shown.Each(seen, showCustomer), func(v *customerShown) string { return v.Name }), err
}

func (c customers) get(r *api.Request) (any, error) {
	name := r.Path("name")
	if err := c.scope(r).customer(name); err != nil {
		return nil, err
	}
	customer, err := c.Store.Customer(r.Ctx, name)
	return showCustomer(customer), missing(err, "customer %s", name)
}

func (c customers) change(r *api.Request) (any, error) {
	name, plan := r.Path("name"), *api.Body[planWanted](r).Plan
	if err := c.scope(r).customer(name); err != nil {
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

// turn suspends or resumes.
func (c customers) turn(do func(*admin.Admin, context.Context, string) error) func(*api.Request) (any, error) {
	return func(r *api.Request) (any, error) {
		name := r.Path("name")
		if err := c.scope(r).customer(name); err != nil {
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
		{ID: "listDomains", Method: http.MethodGet, Path: "/domains", May: client.Read, Text: "List sender domains.", Query: []api.Parameter{
			{Name: "customer", Text: "Those of one customer alone."},
		}, Pages: true, Answer: domainShown{}, Run: d.list},
		{ID: "getDomain", Method: http.MethodGet, Path: "/domains/{name}", May: client.Read, Text: "Return one domain.", Answer: domainShown{}, Run: d.get},
		{ID: "suspendDomain", Method: http.MethodPost, Path: "/domains/{name}/suspend", May: client.Accounts, Text: "Stop the accounts of a domain, and mail under its addresses, and hold what is in the queue.",
			Answer: domainShown{}, Run: d.turn((*admin.Admin).SuspendDomain)},
		{ID: "resumeDomain", Method: http.MethodPost, Path: "/domains/{name}/resume", May: client.Accounts, Text: "Undo suspendDomain, and release what it held.",
			Answer: domainShown{}, Run: d.turn((*admin.Admin).ResumeDomain)},
		{ID: "lookUpDomain", Method: http.MethodGet, Path: "/domains/{name}/alignment", May: client.Read, Text: "Look a domain up as receivers do, and say what is wrong and what to publish.",
			Answer: shown.Alignment{}, Costly: true, Run: d.look},
	}
}

// domainShown is what is shown of a domain.
type domainShown struct {
	Name     string        `json:"name"`
	Customer string        `json:"customer"`
	State    account.State `json:"state"`
	Created  time.Time     `json:"created"`
}

func showDomain(d account.Domain) domainShown {
	return domainShown{d.Name.String(), d.Customer, d.State, d.Created}
}

func (d domains) list(r *api.Request) (any, error) {
	s, customer := d.scope(r), r.Query("customer")
	if customer != "" {
		if err := s.customer(customer); err != nil {
			return nil, err
		}
		if _, err := d.Store.Customer(r.Ctx, customer); err != nil {
			return nil, missing(err, "customer %s", customer)
		}
	}
	found, err := d.Store.Domains(r.Ctx, customer)
	if err != nil {
		return nil, err
	}
	seen, err := visible(s, found, func(domain *account.Domain) (bool, error) { return r.Client.Sees(domain.Customer), nil })
	return api.Paged(r, shown.Each(seen, showDomain), func(v *domainShown) string { return v.Name }), err
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
	return domain, missing(err, "domain %s", name)
}

func (d domains) get(r *api.Request) (any, error) {
	domain, err := d.find(r)
	return showDomain(domain), err
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

func (d domains) look(r *api.Request) (any, error) {
	domain, err := d.find(r)
	if err != nil {
		return nil, err
	}
	return d.Look(r.Ctx, domain)
}
