package resource

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/shown"
	"countersign/internal/web/api"
	"countersign/internal/web/api/client"
	"countersign/internal/web/api/reseller"
)

// grants are the operations on grants.
type grants struct{ Options }

func (g grants) rows() []api.Operation {
	return []api.Operation{
		{ID: "listGrants", Method: http.MethodGet, Path: "/grants", May: client.Read, Text: "List what was granted, also what has ended.", Query: []api.Parameter{
			{Name: "account", Text: "Those of one account alone."}, {Name: "domain", Text: "Those for addresses in one domain alone, whoever has them."},
		}, Pages: true, Answer: shown.Grant{}, Run: g.list},
		{ID: "addGrant", Method: http.MethodPost, Path: "/grants", May: client.Grants, Text: "Let an account send as an address that is not its own, or on behalf of it.",
			Body: grantWanted{}, Answer: shown.Grant{}, Created: true, Run: g.add},
		{ID: "removeGrant", Method: http.MethodDelete, Path: "/grants/{account}/{manner}/{for}", May: client.Grants,
			Text: "Take a grant away; what was sent under it and still waits is held.", Query: []api.Parameter{
				api.Flag("keep_mail", "Let go on what was sent under it and still waits."),
			}, Run: g.remove},
	}
}

// grantWanted is the body of addGrant.
type grantWanted struct {
	Account string    `json:"account" required:"yes" text:"The login of the account."`
	Manner  string    `json:"manner" required:"yes" among:"send-as,send-on-behalf" text:"send-as: wherever a sender is named; send-on-behalf: in From alone, where Sender names the account."`
	For     string    `json:"for" required:"yes" text:"An address, or @example.org for all of a domain."`
	Until   time.Time `json:"until" text:"When it ends; never where nothing is said."`
	Because string    `json:"because" text:"Why: the helpdesk reads it."`
	Across  bool      `json:"across_customers" text:"Allow an address or domain of another customer."`
}

// list looks at one account, or at those with grants, as many as a page takes.
func (g grants) list(r *api.Request) (any, error) {
	s := g.scope(r)
	under, err := g.under(s)
	if err != nil {
		return nil, err
	}
	p := grantPage{of: &g.Options, r: r, under: under}
	if text := r.Query("account"); text != "" {
		a, err := reseller.Address(text)
		if err != nil {
			return nil, api.WrongQuery("account", err)
		}
		if err := s.Login(a.Key()); err != nil {
			return nil, err
		}
		err = reseller.Missing(p.take(a.Key()), "account %s", a.Key())
		return p.done(), err
	}
	err = p.fill()
	return p.done(), err
}

// under reads the domain that a query names, "" for none.
func (g grants) under(s *reseller.Scope) (mail.Domain, error) {
	text := s.Request.Query("domain")
	if text == "" {
		return "", nil
	}
	d, err := mail.ParseDomain(text)
	if err != nil {
		return "", api.WrongQuery("domain", fault.New("api.grant", fault.Invalid, "is no domain"))
	}
	return d, s.Domain(d)
}

// grantPage collects the grants of a page.
type grantPage struct {
	of    *Options
	r     *api.Request
	under mail.Domain
	found []shown.Grant
}

// grantKey is by what grants are ordered: by the login of who has it first. No login has a line feed.
func grantKey(v *shown.Grant) string {
	return strings.Join([]string{v.Account, string(v.Manner), v.For}, "\n")
}

// take collects the grants of an account that are behind those of the page before.
func (p *grantPage) take(login string) error {
	a, err := p.of.Store.Account(p.r.Ctx, login)
	if err != nil {
		return err
	}
	var own []shown.Grant
	for i := range a.Grants {
		v := shown.GrantAt(p.r.Now, a.Address, &a.Grants[i])
		if (p.under == "" || a.Grants[i].Under() == p.under) && grantKey(&v) > p.r.After() {
			own = append(own, v)
		}
	}
	slices.SortFunc(own, func(a, b shown.Grant) int { return strings.Compare(grantKey(&a), grantKey(&b)) })
	p.found = append(p.found, own...)
	return nil
}

// fill takes the accounts that the client sees, from the last one of the page before on, until there is
// enough for a page.
func (p *grantPage) fill() error {
	const together = 100
	q := account.GranteeQuery{Under: p.under, Customers: p.r.Client.Customers(), Limit: together}
	if last, _, _ := strings.Cut(p.r.After(), "\n"); last != "" {
		q.After = last
		// It may have more, and may be gone, or another's, since.
		seen, err := p.of.scope(p.r).HasLogin(last)
		if err == nil && seen {
			err = p.take(last)
		}
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	for {
		logins, err := p.of.Store.Grantees(p.r.Ctx, q)
		if err != nil {
			return err
		}
		for _, login := range logins {
			if len(p.found) >= p.r.Wanted() {
				return nil
			}
			if err := p.take(login); err != nil && !fault.Is(err, fault.NotFound) { // gone meanwhile
				return err
			}
		}
		if len(logins) < together {
			return nil
		}
		q.After = logins[len(logins)-1]
	}
}

func (p *grantPage) done() api.Page {
	return api.PageOf(p.r, p.found[:min(len(p.found), p.r.Wanted())], grantKey)
}

// named reads a grant.
func (g grants) named(manner, target string) (granted account.Granted, err error) {
	if granted.Manner, err = account.ParseManner(manner); err != nil {
		return granted, err
	}
	if granted.Grant, err = account.ParseGrant(target); err != nil {
		return granted, err
	}
	return granted, nil
}

func (g grants) add(r *api.Request) (any, error) {
	body, s := api.Body[grantWanted](r), g.scope(r)
	a, err := reseller.Address(body.Account)
	if err != nil {
		return nil, api.Wrong("account", err)
	}
	if err := s.Login(a.Key()); err != nil {
		return nil, err
	}
	granted, err := g.named(body.Manner, body.For)
	if err != nil {
		return nil, api.Wrong("for", err)
	}
	if err := s.Domain(granted.Under()); err != nil {
		return nil, err
	}
	granted.Until, granted.Because, granted.Across = body.Until, body.Because, body.Across
	if err := g.Accounts(r.Client.Actor()).SetAccount(r.Ctx, a, admin.AccountChange{AddGrants: []account.Granted{granted}}); err != nil {
		return nil, err
	}
	return g.given(r, a, &granted)
}

// given shows a grant as it is stored.
func (g grants) given(r *api.Request, of mail.Address, granted *account.Granted) (any, error) {
	a, err := g.Store.Account(r.Ctx, of.Key())
	for i := range a.Grants {
		if have := &a.Grants[i]; have.Manner == granted.Manner && have.Equal(granted.Grant) {
			return shown.GrantAt(r.Now, a.Address, have), nil
		}
	}
	if err == nil {
		err = fault.New("api.grant", fault.Conflict, "the grant was taken away again meanwhile")
	}
	return nil, err
}

func (g grants) remove(r *api.Request) (any, error) {
	s := g.scope(r)
	a, err := reseller.LoginIn(s, "account")
	if err != nil {
		return nil, err
	}
	granted, err := g.named(r.Path("manner"), r.Path("for"))
	if err != nil {
		return nil, api.WrongPath("for", err)
	}
	return nil, g.Accounts(r.Client.Actor()).SetAccount(r.Ctx, a, admin.AccountChange{RemoveGrants: []account.Granted{granted}, KeepMail: r.True("keep_mail")})
}
