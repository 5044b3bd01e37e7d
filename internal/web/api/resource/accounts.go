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
	"countersign/internal/web/api/reseller"
)

// accounts are the operations on accounts.
type accounts struct{ Options }

func (a accounts) rows() []api.Operation {
	return []api.Operation{
		{ID: "listAccounts", Method: http.MethodGet, Path: "/accounts", May: client.Read, Text: "List the accounts of a domain, which has to be named.", Query: []api.Parameter{
			{Name: "domain", Text: "The domain."},
		}, Pages: true, Answer: accountShown{}, Run: a.list},
		{ID: "getAccount", Method: http.MethodGet, Path: "/accounts/{login}", May: client.Read, Text: "Return one account, and whether it can send.", Answer: accountWhole{}, Run: a.get},
		{ID: "changeAccount", Method: http.MethodPatch, Path: "/accounts/{login}", May: client.Accounts, Text: "Give an account another plan of its own.",
			Body: planWanted{}, Answer: accountWhole{}, Run: a.change},
		{ID: "suspendAccount", Method: http.MethodPost, Path: "/accounts/{login}/suspend", May: client.Accounts, Text: "Stop an account and hold what it has in the queue.",
			Answer: accountWhole{}, Run: a.turn((*admin.Admin).SuspendAccount)},
		{ID: "resumeAccount", Method: http.MethodPost, Path: "/accounts/{login}/resume", May: client.Accounts, Text: "Undo suspendAccount, and release what it held.",
			Answer: accountWhole{}, Run: a.resume},
	}
}

// accountShown is what is shown of an account: nothing of what it proves itself with.
type accountShown struct {
	ID        mail.ID       `json:"id"`
	Login     string        `json:"login"`
	Address   string        `json:"address"`
	State     account.State `json:"state"`
	Directory string        `json:"directory,omitempty"` // where its password is known; left out for here
	Plan      string        `json:"plan"`                // its own; "" for the customer's
	Aliases   []string      `json:"aliases"`
	Created   time.Time     `json:"created"`
}

// accountWhole has also what follows from what is above it.
type accountWhole struct {
	accountShown
	Customer     string   `json:"customer"`
	DecidingPlan string   `json:"deciding_plan"` // its own or the customer's; "" for none
	CanSend      bool     `json:"can_send"`
	SuspendedBy  []string `json:"suspended_by"` // what of the account and all above it is suspended
}

func showAccount(a account.Account) accountShown {
	return accountShown{
		ID: a.ID, Login: a.Login(), Address: a.Address.String(), State: a.State, Directory: a.Directory, Plan: a.Plan,
		Aliases: shown.Each(a.Aliases, mail.Address.String), Created: a.Created,
	}
}

func (a accounts) list(r *api.Request) (any, error) {
	name, err := mail.ParseDomain(r.Query("domain"))
	if err != nil {
		return nil, api.WrongQuery("domain", fault.New("api.account", fault.Invalid, "names no domain, which it has to"))
	}
	if err := a.scope(r).Domain(name); err != nil {
		return nil, err
	}
	if _, err := a.Store.Domain(r.Ctx, name); err != nil {
		return nil, reseller.Missing(err, "domain %s", name)
	}
	found, err := a.Store.Accounts(r.Ctx, account.AccountQuery{Domain: name, After: r.After(), Limit: r.Wanted()})
	return api.PageOf(r, shown.Each(found, showAccount), func(v *accountShown) string { return v.Login }), err
}

func (a accounts) get(r *api.Request) (any, error) {
	of, err := reseller.LoginIn(a.scope(r), "login")
	if err != nil {
		return nil, err
	}
	sender, err := a.Store.Sender(r.Ctx, of.Key())
	if err != nil {
		return nil, reseller.Missing(err, "account %s", of.Key())
	}
	return accountWhole{
		accountShown: showAccount(sender.Account), Customer: sender.Customer.Name, DecidingPlan: sender.Plan.Name,
		CanSend: sender.Active(), SuspendedBy: append([]string{}, sender.Suspended()...),
	}, nil
}

func (a accounts) change(r *api.Request) (any, error) {
	of, err := reseller.LoginIn(a.scope(r), "login")
	if err != nil {
		return nil, err
	}
	plan := api.Body[planWanted](r).Plan
	if *plan != "" { // without one of its own it has its customer's
		if err := gives(r, *plan); err != nil {
			return nil, err
		}
	}
	if err := a.Accounts(r.Client.Actor()).SetAccount(r.Ctx, of, admin.AccountChange{Plan: plan}); err != nil {
		return nil, err
	}
	return a.get(r)
}

// resume is turn, of what the client may resume.
func (a accounts) resume(r *api.Request) (any, error) {
	s := a.scope(r)
	of, err := reseller.LoginIn(s, "login")
	if err != nil {
		return nil, err
	}
	found, err := a.Store.Account(r.Ctx, of.Key())
	if err != nil {
		return nil, reseller.Missing(err, "account %s", of.Key())
	}
	if err := s.Resumable("account "+found.Address.String(), found.State); err != nil {
		return nil, err
	}
	return a.turn((*admin.Admin).ResumeAccount)(r)
}

// turn suspends or resumes.
func (a accounts) turn(do func(*admin.Admin, context.Context, mail.Address) error) func(*api.Request) (any, error) {
	return func(r *api.Request) (any, error) {
		of, err := reseller.LoginIn(a.scope(r), "login")
		if err != nil {
			return nil, err
		}
		if err := do(a.Accounts(r.Client.Actor()), r.Ctx, of); err != nil {
			return nil, err
		}
		return a.get(r)
	}
}
