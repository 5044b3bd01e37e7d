package resource

import (
	"slices"
	"strings"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/web/api"
	"countersign/internal/web/api/reseller"
)

// scope is what one request may see. It asks the store once for each domain.
type scope struct {
	o *Options
	r *api.Request
	// owners has the customers of domains, "" for one that there is not.
	owners map[mail.Domain]string
}

func (o *Options) scope(r *api.Request) *scope {
	return &scope{o: o, r: r, owners: map[mail.Domain]string{}}
}

// all reports whether the client sees everything, also what belongs to no customer.
func (s *scope) all() bool { return !s.r.Client.Bounded() }

// whole refuses a client that does not see everything: for it there is no such thing.
func (s *scope) whole(what string) error {
	if s.all() {
		return nil
	}
	return api.NotThere("%s", what)
}

// hasDomain reports whether the client sees a domain and what is in it.
func (s *scope) hasDomain(name mail.Domain) (bool, error) {
	if s.all() {
		return true, nil
	}
	owner, known := s.owners[name]
	if !known {
		d, err := s.o.Store.Domain(s.r.Ctx, name)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return false, err
		}
		owner = d.Customer
		s.owners[name] = owner
	}
	return owner != "" && s.r.Client.Sees(owner), nil
}

// hasLogin is hasDomain for the domain of a login; a text that is none is nobody's.
func (s *scope) hasLogin(login string) (bool, error) {
	at := strings.LastIndexByte(login, '@')
	if at < 0 {
		return s.all(), nil
	}
	return s.hasDomain(mail.Domain(login[at+1:]))
}

// customer refuses a customer that the client does not see.
func (s *scope) customer(name string) error {
	if s.r.Client.Sees(name) && name != "" {
		return nil
	}
	return api.NotThere("customer %s", name)
}

// domain refuses a domain that the client does not see.
func (s *scope) domain(name mail.Domain) error {
	has, err := s.hasDomain(name)
	if err == nil && !has {
		err = api.NotThere("domain %s", name)
	}
	return err
}

// login refuses a login that the client does not see.
func (s *scope) login(login string) error {
	has, err := s.hasLogin(login)
	if err == nil && !has {
		err = api.NotThere("account %s", login)
	}
	return err
}

// resumable refuses that a client with customers resumes what the operator has suspended. What is not
// suspended is for the one who resumes to refuse.
func (s *scope) resumable(object string, state account.State) error {
	if s.all() || state != account.Suspended {
		return nil
	}
	return reseller.Resumes(s.r.Ctx, s.o.Store, object)
}

// visible leaves of a list what the client sees; has says of one whether it does.
func visible[T any](s *scope, items []T, has func(*T) (bool, error)) (seen []T, err error) {
	if s.all() {
		return items, nil
	}
	for i := range items {
		ok, err := has(&items[i])
		if err != nil {
			return nil, err
		}
		if ok {
			seen = append(seen, items[i])
		}
	}
	return seen, nil
}

// missing puts a name into the error of a store that has not found something.
func missing(err error, format string, args ...any) error {
	if fault.Is(err, fault.NotFound) {
		return api.NotThere(format, args...)
	}
	return err
}

// address reads a login.
func address(text string) (mail.Address, error) {
	a, err := mail.ParseAddress(text)
	if err == nil && a.IsNull() {
		err = fault.New("api.login", fault.Invalid, "%q is not a login: logins are mail addresses", text)
	}
	return a, err
}

// login reads the login in a path, and refuses one that the client does not see.
func login(s *scope, name string) (mail.Address, error) {
	a, err := address(s.r.Path(name))
	if err != nil {
		return a, api.WrongPath(name, err)
	}
	return a, s.login(a.Key())
}

// identity reads the id in a path, in either case of letters.
func identity(r *api.Request, what string) (mail.ID, error) {
	text := strings.ToUpper(r.Path("id"))
	if !mail.ValidID(text) {
		return "", api.NotThere("%s %.40q", what, text)
	}
	return mail.ID(text), nil
}

// credential finds a credential that is named LOGIN/NAME, and is the client's. A name has no
// slash, a login may.
func (s *scope) credential(text string) (id mail.ID, of string, err error) {
	at := strings.LastIndexByte(text, '/')
	if at < 0 || at == len(text)-1 {
		return "", "", fault.New("api.credential", fault.Invalid, "%q is no credential: write the account's login, a slash and the credential's name", text)
	}
	owner, err := address(text[:at])
	if err != nil {
		return "", "", err
	}
	if err := s.login(owner.Key()); err != nil {
		return "", "", err
	}
	a, err := s.o.Store.Account(s.r.Ctx, owner.Key())
	if err != nil {
		return "", "", missing(err, "account %s", owner.Key())
	}
	i := slices.IndexFunc(a.Credentials, func(c account.Credential) bool { return c.Name == text[at+1:] })
	if i < 0 {
		return "", "", api.NotThere("credential %s", text)
	}
	return a.Credentials[i].ID, a.Login(), nil
}
