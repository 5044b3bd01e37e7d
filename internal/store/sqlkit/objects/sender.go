package objects

import (
	"context"
	"slices"

	"countersign/internal/account"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/holding"
)

// What is above an account, by its login.
const (
	ofDomainSQL   = " WHERE name = (SELECT domain FROM account WHERE login = ?)"
	ofCustomerSQL = " WHERE name = (SELECT d.customer FROM account a JOIN domain d ON d.name = a.domain WHERE a.login = ?)"
	ofPlanSQL     = " WHERE name = (SELECT plan FROM account WHERE login = ?)"
	ofTheirsSQL   = " WHERE name = (SELECT c.plan FROM account a JOIN domain d ON d.name = a.domain JOIN customer c ON c.name = d.customer WHERE a.login = ?)"
)

// OwnDomainSQL finds an active domain of an account's customer, and what is set for it; the login
// comes first.
const OwnDomainSQL = `SELECT x.alignment FROM account a JOIN domain d ON d.name = a.domain JOIN domain x ON x.customer = d.customer
    WHERE a.login = ? AND x.name = ? AND x.state = 'active'`

// LentDomainSQL finds an active domain that a grant of an account reaches across customers, and
// what is set for it; the login comes first.
const LentDomainSQL = "SELECT x.alignment FROM account a, domain x WHERE a.login = ? AND x.name = ? AND x.state = 'active' AND " + holding.Lent

// UsableDomainSQL finds an active domain of a customer, or one that a grant of an account
// reaches.
const UsableDomainSQL = "SELECT 1 FROM account a, domain x WHERE a.login = ? AND x.name = ? AND x.state = 'active' AND (x.customer = ? OR " + holding.Lent + ")"

// Sender implements account.Directory. Most accounts write under their own domain alone; of others
// it is known in which they may write when they were read, and so they are read once more.
func (s *Store) Sender(ctx context.Context, login string) (*account.Sender, error) {
	var under []mail.Domain
	for {
		read := reading{login: login, under: under}
		if err := s.base.Look(ctx, "account.sender", read.asks); err != nil {
			return nil, err
		}
		out, err := read.sender()
		if err != nil {
			return nil, err
		}
		if under = others(&out.Account); slices.Equal(under, read.under) {
			return out, nil
		}
	}
}

// others are the domains of which has to be asked whether an account may write under them: all but its
// own, unless a grant reaches that as if it were another customer's.
func others(a *account.Account) []mail.Domain {
	return slices.DeleteFunc(a.Under(), func(d mail.Domain) bool {
		return d == a.Address.Domain && !slices.ContainsFunc(a.Grants, func(g account.Granted) bool { return g.Across && g.Under() == d })
	})
}

// reading is a look at an account and what is above it.
type reading struct {
	accounts
	login string
	// under are the domains beside its own of which it is asked whether it may write under them.
	under []mail.Domain

	out account.Sender
	// own and theirs are the plan of the account and that of the customer; none or one.
	own, theirs []account.Plan
}

// asks begins anew.
func (g *reading) asks() []sqlkit.Ask {
	login := bind(g.login)
	g.out, g.own, g.theirs = account.Sender{}, nil, nil
	list := []sqlkit.Ask{{Text: GenerationSQL, Each: func(r *row) error {
		g.out.Generation = uint64(r.Int64())
		return nil
	}}}
	list = append(list, g.accounts.asks(only(g.login))...)
	list = append(list,
		sqlkit.Ask{Text: domainColumns + ofDomainSQL, Args: login, Each: func(r *row) error {
			g.out.Domain = scanDomain(r)
			return nil
		}},
		sqlkit.Ask{Text: customerColumns + ofCustomerSQL, Args: login, Each: func(r *row) error {
			g.out.Customer = scanCustomer(r)
			return nil
		}},
		sqlkit.Ask{Text: planColumns + ofPlanSQL, Args: login, Each: func(r *row) error {
			g.own = append(g.own, scanPlan(r))
			return nil
		}},
		sqlkit.Ask{Text: planColumns + ofTheirsSQL, Args: login, Each: func(r *row) error {
			g.theirs = append(g.theirs, scanPlan(r))
			return nil
		}},
	)
	for _, name := range g.under {
		list = append(list,
			sqlkit.Ask{Text: OwnDomainSQL, Args: bind(g.login, name), Each: func(r *row) error { return g.may(&g.out.Domains, name, r) }},
			sqlkit.Ask{Text: LentDomainSQL, Args: bind(g.login, name), Each: func(r *row) error { return g.may(&g.out.Lent, name, r) }},
		)
	}
	return list
}

// may notes that the account may write under a domain, what is set for which is the next column.
func (g *reading) may(which *map[mail.Domain]bool, name mail.Domain, r *row) error {
	if *which == nil {
		*which = map[mail.Domain]bool{}
	}
	(*which)[name] = true
	g.setAlignment(name, account.Alignment(r.Text()))
	return nil
}

// setAlignment notes what is set for a domain under which the account may write.
func (g *reading) setAlignment(name mail.Domain, set account.Alignment) {
	if set == "" {
		return
	}
	if g.out.Alignment == nil {
		g.out.Alignment = map[mail.Domain]account.Alignment{}
	}
	g.out.Alignment[name] = set
}

// sender puts together what was read. fault.NotFound where there is no such account.
func (g *reading) sender() (*account.Sender, error) {
	out := &g.out
	switch {
	case len(g.list) == 0:
		return nil, accountObject(g.login).missing("account.get")
	case out.Domain.Name == "":
		return nil, domainObject(string(g.list[0].Address.Domain)).missing("domain.get")
	case out.Customer.Name == "":
		return nil, customerObject(out.Domain.Customer).missing("customer.get")
	}
	out.Account = g.list[0]
	for i := range out.Account.Credentials {
		out.Account.Credentials[i].Secret = account.Secret{}
	}
	for _, p := range g.theirs {
		out.Plan, out.CustomerPlan = p, p
	}
	for _, p := range g.own {
		out.Plan = p
	}
	if out.Domains == nil {
		out.Domains = map[mail.Domain]bool{}
	}
	if out.Domain.State == account.Active {
		out.Domains[out.Domain.Name] = true
		g.setAlignment(out.Domain.Name, out.Domain.Alignment)
	}
	return out, nil
}
