package accountstore

import (
	"context"
	"slices"
	"strings"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// PutAccount implements account.AccountStore.
func (s *Store) PutAccount(_ context.Context, a account.Account, e audit.Event) error {
	a = cloned(a)
	slices.SortFunc(a.Credentials, func(x, y account.Credential) int { return strings.Compare(x.Name, y.Name) })
	err := put(s, s.accounts, a.Login(), a, e, func() error { return s.check(&a) })
	if err == nil && a.Revision == 0 {
		s.takeBack(&a, e)
	}
	if err == nil {
		s.forget()
	}
	return err
}

// AddAccounts implements account.AccountStore.
func (s *Store) AddAccounts(ctx context.Context, list []account.Account, events []audit.Event) error {
	if len(list) > account.MaxAdded {
		return &fault.Error{Kind: fault.Invalid}
	}
	for i := range list {
		if err := s.PutAccount(ctx, list[i], events[i]); err != nil {
			s.undo(list[:i])
			return err
		}
	}
	return nil
}

// takeBack takes the address of a new account from the one that has learned it as an alias.
func (s *Store) takeBack(made *account.Account, e audit.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for login, a := range s.accounts {
		if i := aliasAt(a.Learned, made.Login()); i >= 0 && login != made.Login() {
			s.events = append(s.events, account.YieldEvent(e, a.Address, a.Learned[i]))
			a = cloned(a)
			a.Learned = slices.Delete(a.Learned, i, i+1)
			i = aliasAt(a.Aliases, made.Login())
			a.Aliases = slices.Delete(a.Aliases, i, i+1)
			a.Revision++
			s.accounts[login] = a
		}
	}
}

// aliasAt finds an alias by its key, -1 where it is not there.
func aliasAt(list []mail.Address, key string) int {
	return slices.IndexFunc(list, func(alias mail.Address) bool { return alias.Key() == key })
}

// undo takes away what AddAccounts has added.
func (s *Store) undo(list []account.Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range list {
		delete(s.accounts, list[i].Login())
	}
	s.events = s.events[:len(s.events)-len(list)]
	s.generation -= uint64(len(list))
}

// check checks an account against itself and all others. The caller has locked s.
func (s *Store) check(a *account.Account) error {
	if _, ok := s.domains[a.Address.Domain]; !ok {
		return &fault.Error{Kind: fault.NotFound}
	}
	if _, ok := s.plans[a.Plan]; !ok && a.Plan != "" {
		return &fault.Error{Kind: fault.NotFound}
	}
	for _, learned := range a.Learned {
		if !slices.ContainsFunc(a.Aliases, func(alias mail.Address) bool { return alias.Key() == learned.Key() }) {
			return &fault.Error{Kind: fault.Invalid}
		}
	}
	for i := range a.Grants {
		if err := a.Grants[i].Check(); err != nil {
			return err
		}
	}
	for i := range a.Credentials {
		if !wellFormed(a.Credentials[:i], &a.Credentials[i]) {
			return &fault.Error{Kind: fault.Invalid}
		}
		if holder := s.holderOf(a.Credentials[i].ID); holder != "" && holder != a.Login() {
			return &fault.Error{Kind: fault.Conflict}
		}
	}
	for login, other := range s.accounts {
		if a.Revision == 0 && aliasAt(other.Learned, a.Login()) >= 0 { // which yields
			other.Aliases = slices.DeleteFunc(slices.Clone(other.Aliases), func(alias mail.Address) bool { return alias.Key() == a.Login() })
		}
		if login != a.Login() && (addressShared(a, &other) || subjectShared(a.Credentials, other.Credentials)) {
			return &fault.Error{Kind: fault.Conflict}
		}
	}
	for i := range a.Credentials {
		if subjectShared(a.Credentials[i:i+1], a.Credentials[i+1:]) {
			return &fault.Error{Kind: fault.Conflict}
		}
	}
	return nil
}

// wellFormed reports whether a credential may stand behind those of its account
// before it.
func wellFormed(before []account.Credential, c *account.Credential) bool {
	twice := slices.ContainsFunc(before, func(o account.Credential) bool { return o.Name == c.Name || o.ID == c.ID })
	return !twice && c.Check() == nil
}

func addressShared(a, b *account.Account) bool {
	has := func(key string) bool {
		return key == b.Login() || slices.ContainsFunc(b.Aliases, func(alias mail.Address) bool { return alias.Key() == key })
	}
	return has(a.Login()) || slices.ContainsFunc(a.Aliases, func(alias mail.Address) bool { return has(alias.Key()) })
}

func subjectShared(a, b []account.Credential) bool {
	for _, c := range a {
		if c.Subject != "" && slices.ContainsFunc(b, func(o account.Credential) bool { return o.Kind == c.Kind && o.Subject == c.Subject }) {
			return true
		}
	}
	return false
}

// Owners implements account.AddressStore.
func (s *Store) Owners(_ context.Context, addresses []string) (map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(addresses) > account.MaxOwned {
		return nil, &fault.Error{Kind: fault.Invalid}
	}
	owners := map[string]string{}
	for login, a := range s.accounts {
		for _, address := range append([]mail.Address{a.Address}, a.Aliases...) {
			if slices.Contains(addresses, address.Key()) {
				owners[address.Key()] = login
			}
		}
	}
	return owners, s.down
}

// Grantees implements account.AddressStore.
func (s *Store) Grantees(_ context.Context, q account.GranteeQuery) (list []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for login, a := range s.accounts {
		under := func(g account.Granted) bool { return q.Under == "" || g.Under() == q.Under }
		theirs := len(q.Customers) == 0 || slices.Contains(q.Customers, s.domains[a.Address.Domain].Customer)
		if login > q.After && theirs && slices.ContainsFunc(a.Grants, under) {
			list = append(list, login)
		}
	}
	slices.Sort(list)
	return list[:min(len(list), q.Limit)], s.down
}

// forget drops the uses of credentials that are no more.
func (s *Store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.uses {
		if s.holderOf(id) == "" {
			delete(s.uses, id)
		}
	}
}

// holderOf returns the login whose a credential is. The caller has locked s.
func (s *Store) holderOf(id mail.ID) string {
	for login, a := range s.accounts {
		if slices.ContainsFunc(a.Credentials, func(c account.Credential) bool { return c.ID == id }) {
			return login
		}
	}
	return ""
}

// cloned returns a that shares no list of credentials with it.
func cloned(a account.Account) account.Account {
	a.Credentials = slices.Clone(a.Credentials)
	return a
}

// Account implements account.AccountStore.
func (s *Store) Account(_ context.Context, login string) (account.Account, error) {
	a, err := get(s, s.accounts, login)
	return cloned(a), err
}

// Accounts implements account.AccountStore.
func (s *Store) Accounts(_ context.Context, q account.AccountQuery) ([]account.Account, error) {
	list, err := values(s, s.accounts, func(a account.Account) bool {
		return (q.Domain == "" || a.Address.Domain == q.Domain) && a.Login() > q.After
	})
	if q.Limit > 0 {
		list = list[:min(len(list), q.Limit)]
	}
	for i := range list {
		list[i] = cloned(list[i])
	}
	return list, err
}

// RemoveAccount implements account.AccountStore.
func (s *Store) RemoveAccount(_ context.Context, login string, e audit.Event) error {
	err := remove(s, s.accounts, login, e)
	if err == nil {
		s.forget()
	}
	return err
}

// Generation implements account.Directory.
func (s *Store) Generation(context.Context) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation, s.down
}

// Changed implements account.Directory: it tells nobody.
func (s *Store) Changed() (<-chan struct{}, bool) { return nil, false }

// Sender implements account.Directory.
func (s *Store) Sender(_ context.Context, login string) (*account.Sender, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads.Sender++
	out, err := s.sender(login)
	if err != nil {
		return nil, err
	}
	for i := range out.Account.Credentials {
		out.Account.Credentials[i].Secret = account.Secret{}
	}
	return out, nil
}

// sender is Sender with secrets. The caller has locked s.
func (s *Store) sender(login string) (*account.Sender, error) {
	if s.down != nil {
		return nil, s.down
	}
	a, ok := s.accounts[login]
	if !ok {
		return nil, &fault.Error{Kind: fault.NotFound}
	}
	d := s.domains[a.Address.Domain]
	d.Keys = nil
	out := &account.Sender{Account: cloned(a), Domain: d, Customer: s.customers[d.Customer], Domains: map[mail.Domain]bool{}, Generation: s.generation}
	out.CustomerPlan = s.plans[out.Customer.Plan]
	out.Plan = out.CustomerPlan
	if a.Plan != "" {
		out.Plan = s.plans[a.Plan]
	}
	for i := range a.Grants {
		name := a.Grants[i].Under()
		d, lender := s.domains[name], s.customers[s.domains[name].Customer]
		if a.Grants[i].Across && d.State == account.Active && lender.State == account.Active && (lender.Plan == "" || s.plans[lender.Plan].State == account.Active) {
			if out.Lent == nil {
				out.Lent = map[mail.Domain]bool{}
			}
			out.Lent[name] = true
		}
	}
	for _, name := range a.Under() {
		if other := s.domains[name]; other.Customer == d.Customer && other.State == account.Active {
			out.Domains[name] = true
		}
	}
	return out, nil
}

// SigningKeys implements account.Directory.
func (s *Store) SigningKeys(_ context.Context, domain mail.Domain) ([]account.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []account.Key
	for _, k := range s.domains[domain].Keys {
		if k.Stage == account.Signing {
			keys = append(keys, k)
		}
	}
	return keys, s.down
}
