package reseller

import (
	"context"
	"slices"
	"strings"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/tenant"
	"countersign/internal/web/api"
)

// Store is what a Scope asks.
type Store interface {
	Searcher
	// Domain and Account are those of account.Store.
	Domain(ctx context.Context, name mail.Domain) (account.Domain, error)
	Account(ctx context.Context, login string) (account.Account, error)
}

// Scope is what one request may see. It asks the store once for each domain. It is used by one
// goroutine.
type Scope struct {
	// Request is the one.
	Request *api.Request
	store   Store
	// owners has the customers of domains, "" for one that there is not.
	owners map[mail.Domain]string
}

// Of returns what a request may see of a store.
func Of(store Store, r *api.Request) *Scope {
	return &Scope{Request: r, store: store, owners: map[mail.Domain]string{}}
}

// All reports whether the client sees everything, also what belongs to no customer.
func (s *Scope) All() bool { return !s.Request.Client.Bounded() }

// Page is which part of a listing by ids was asked for, of what the client sees.
func (s *Scope) Page() (tenant.Page, error) {
	after := s.Request.After()
	if after != "" && !mail.ValidID(after) {
		return tenant.Page{}, api.WrongQuery("cursor", fault.New("api.page", fault.Invalid, "is not one that an answer of this listing had as next"))
	}
	return tenant.Page{Customers: s.Request.Client.Customers(), Limit: s.Request.Wanted(), After: mail.ID(after)}, nil
}

// Own is all that the client sees.
func (s *Scope) Own() tenant.Page { return tenant.Page{Customers: s.Request.Client.Customers()} }

// Bound is how many of a kind may be in force for the client's customers.
func (s *Scope) Bound() tenant.Bound {
	if s.All() {
		return tenant.Bound{}
	}
	return tenant.Bound{Customers: s.Request.Client.Customers(), Most: s.Request.Client.MostInForce()}
}

// Whole refuses a client that does not see everything: for it there is no such thing.
func (s *Scope) Whole(what string) error {
	if s.All() {
		return nil
	}
	return api.NotThere("%s", what)
}

// HasDomain reports whether the client sees a domain and what is in it.
func (s *Scope) HasDomain(name mail.Domain) (bool, error) {
	if s.All() {
		return true, nil
	}
	owner, known := s.owners[name]
	if !known {
		d, err := s.store.Domain(s.Request.Ctx, name)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return false, err
		}
		owner = d.Customer
		s.owners[name] = owner
	}
	return owner != "" && s.Request.Client.Sees(owner), nil
}

// HasLogin is HasDomain for the domain of a login; a text that is none is nobody's.
func (s *Scope) HasLogin(login string) (bool, error) {
	at := strings.LastIndexByte(login, '@')
	if at < 0 {
		return s.All(), nil
	}
	return s.HasDomain(mail.Domain(login[at+1:]))
}

// Customer refuses a customer that the client does not see.
func (s *Scope) Customer(name string) error {
	if s.Request.Client.Sees(name) && name != "" {
		return nil
	}
	return api.NotThere("customer %s", name)
}

// Domain refuses a domain that the client does not see.
func (s *Scope) Domain(name mail.Domain) error {
	has, err := s.HasDomain(name)
	if err == nil && !has {
		err = api.NotThere("domain %s", name)
	}
	return err
}

// Login refuses a login that the client does not see.
func (s *Scope) Login(login string) error {
	has, err := s.HasLogin(login)
	if err == nil && !has {
		err = api.NotThere("account %s", login)
	}
	return err
}

// Resumable refuses that a client with customers resumes what the operator has suspended. What is not
// suspended is for the one who resumes to refuse.
func (s *Scope) Resumable(object string, state account.State) error {
	if s.All() || state != account.Suspended {
		return nil
	}
	return Resumes(s.Request.Ctx, s.store, object)
}

// Missing puts a name into the error of a store that has not found something.
func Missing(err error, format string, args ...any) error {
	if fault.Is(err, fault.NotFound) {
		return api.NotThere(format, args...)
	}
	return err
}

// Address reads a login. Errors: fault.Invalid.
func Address(text string) (mail.Address, error) {
	a, err := mail.ParseAddress(text)
	if err != nil || a.IsNull() {
		return mail.Address{}, fault.New("api.login", fault.Invalid, "%.100q is not a login: logins are mail addresses", text)
	}
	return a, nil
}

// Login reads the login in a path, and refuses one that the client does not see.
func LoginIn(s *Scope, name string) (mail.Address, error) {
	a, err := Address(s.Request.Path(name))
	if err != nil {
		return a, api.WrongPath(name, err)
	}
	return a, s.Login(a.Key())
}

// Identity reads the id in a path, in either case of letters.
func Identity(r *api.Request, what string) (mail.ID, error) {
	text := strings.ToUpper(r.Path("id"))
	if !mail.ValidID(text) {
		return "", api.NotThere("%s %.40q", what, text)
	}
	return mail.ID(text), nil
}

// Credential finds a credential that is named LOGIN/NAME, and is the client's. A name has no
// slash, a login may.
func (s *Scope) Credential(text string) (id mail.ID, of string, err error) {
	at := strings.LastIndexByte(text, '/')
	if at < 0 || at == len(text)-1 {
		return "", "", fault.New("api.credential", fault.Invalid, "%q is no credential: write the account's login, a slash and the credential's name", text)
	}
	owner, err := Address(text[:at])
	if err != nil {
		return "", "", err
	}
	if err := s.Login(owner.Key()); err != nil {
		return "", "", err
	}
	a, err := s.store.Account(s.Request.Ctx, owner.Key())
	if err != nil {
		return "", "", Missing(err, "account %s", owner.Key())
	}
	i := slices.IndexFunc(a.Credentials, func(c account.Credential) bool { return c.Name == text[at+1:] })
	if i < 0 {
		return "", "", api.NotThere("credential %s", text)
	}
	return a.Credentials[i].ID, a.Login(), nil
}
