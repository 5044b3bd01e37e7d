package account

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/account/phc"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// memStore is a Store in memory. down, when set, is the answer to everything.
type memStore struct {
	mu         sync.Mutex
	generation uint64
	plans      map[string]Plan
	customers  map[string]Customer
	domains    map[mail.Domain]Domain
	accounts   map[string]Account
	events     []audit.Event
	reads      int // calls of Sender
	looks      int // calls of Credential
	down       error
}

func newMemStore() *memStore {
	return &memStore{
		plans: map[string]Plan{}, customers: map[string]Customer{},
		domains: map[mail.Domain]Domain{}, accounts: map[string]Account{},
	}
}

// put stores an object under the rules of Store.
func put[K comparable, V any](s *memStore, in map[K]V, key K, v V, revision func(*V) *int64, e audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	old, exists := in[key]
	switch asked := *revision(&v); {
	case asked == 0 && exists:
		return &fault.Error{Kind: fault.Conflict}
	case asked != 0 && !exists:
		return &fault.Error{Kind: fault.NotFound}
	case exists && *revision(&old) != asked:
		return &fault.Error{Kind: fault.Conflict}
	}
	*revision(&v)++
	in[key] = v
	s.generation++
	s.events = append(s.events, e)
	return nil
}

func get[K comparable, V any](s *memStore, in map[K]V, key K) (V, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := in[key]
	if s.down != nil {
		return v, s.down
	}
	if !ok {
		return v, &fault.Error{Kind: fault.NotFound}
	}
	return v, nil
}

func remove[K comparable, V any](s *memStore, in map[K]V, key K, e audit.Event) error {
	if _, err := get(s, in, key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(in, key)
	s.generation++
	s.events = append(s.events, e)
	return nil
}

func values[K comparable, V any](s *memStore, in map[K]V, keep func(V) bool) ([]V, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Collect(maps.Values(in)), func(v V) bool { return !keep(v) }), s.down
}

func (s *memStore) PutPlan(_ context.Context, p Plan, e audit.Event) error {
	return put(s, s.plans, p.Name, p, func(p *Plan) *int64 { return &p.Revision }, e)
}
func (s *memStore) Plan(_ context.Context, name string) (Plan, error) { return get(s, s.plans, name) }
func (s *memStore) Plans(context.Context) ([]Plan, error) {
	return values(s, s.plans, func(Plan) bool { return true })
}
func (s *memStore) RemovePlan(_ context.Context, name string, e audit.Event) error {
	return remove(s, s.plans, name, e)
}
func (s *memStore) PutCustomer(_ context.Context, c Customer, e audit.Event) error {
	return put(s, s.customers, c.Name, c, func(c *Customer) *int64 { return &c.Revision }, e)
}
func (s *memStore) Customer(_ context.Context, name string) (Customer, error) {
	return get(s, s.customers, name)
}
func (s *memStore) Customers(context.Context) ([]Customer, error) {
	return values(s, s.customers, func(Customer) bool { return true })
}
func (s *memStore) RemoveCustomer(_ context.Context, name string, e audit.Event) error {
	return remove(s, s.customers, name, e)
}
func (s *memStore) PutDomain(_ context.Context, d Domain, e audit.Event) error {
	return put(s, s.domains, d.Name, d, func(d *Domain) *int64 { return &d.Revision }, e)
}
func (s *memStore) Domain(_ context.Context, name mail.Domain) (Domain, error) {
	return get(s, s.domains, name)
}
func (s *memStore) Domains(_ context.Context, customer string) ([]Domain, error) {
	return values(s, s.domains, func(d Domain) bool { return customer == "" || d.Customer == customer })
}
func (s *memStore) RemoveDomain(_ context.Context, name mail.Domain, e audit.Event) error {
	return remove(s, s.domains, name, e)
}
func (s *memStore) PutAccount(_ context.Context, a Account, e audit.Event) error {
	return put(s, s.accounts, a.Login(), a, func(a *Account) *int64 { return &a.Revision }, e)
}
func (s *memStore) Account(_ context.Context, login string) (Account, error) {
	return get(s, s.accounts, login)
}
func (s *memStore) Accounts(_ context.Context, domain mail.Domain) ([]Account, error) {
	return values(s, s.accounts, func(a Account) bool { return domain == "" || a.Address.Domain == domain })
}
func (s *memStore) RemoveAccount(_ context.Context, login string, e audit.Event) error {
	return remove(s, s.accounts, login, e)
}

func (s *memStore) Generation(context.Context) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation, s.down
}

func (s *memStore) Changed() (<-chan struct{}, bool) { return nil, false }

func (s *memStore) Sender(_ context.Context, login string) (*Sender, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.down != nil {
		return nil, s.down
	}
	a, ok := s.accounts[login]
	if !ok {
		return nil, &fault.Error{Kind: fault.NotFound}
	}
	d := s.domains[a.Address.Domain]
	out := &Sender{Account: a, Domain: d, Customer: s.customers[d.Customer], Domains: map[mail.Domain]bool{}, Generation: s.generation}
	out.Plan = s.plans[out.Customer.Plan]
	for _, name := range a.Under() {
		if other := s.domains[name]; other.Customer == d.Customer && other.State == Active {
			out.Domains[name] = true
		}
	}
	return out, nil
}

func (s *memStore) Credential(ctx context.Context, login string) (Credential, error) {
	s.mu.Lock()
	reads := s.reads
	s.looks++
	s.mu.Unlock()
	sender, err := s.Sender(ctx, login)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads = reads
	if err != nil {
		return Credential{}, err
	}
	a := &sender.Account
	return Credential{
		Account: a.ID, Revision: a.Revision, PasswordHash: a.PasswordHash, PasswordChanged: a.PasswordChanged, Active: sender.Active(),
	}, nil
}

func (s *memStore) RenewHash(_ context.Context, login, before, after string, e audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.accounts[login]
	switch {
	case s.down != nil:
		return s.down
	case !ok:
		return &fault.Error{Kind: fault.NotFound}
	case a.PasswordHash != before:
		return &fault.Error{Kind: fault.Conflict}
	}
	a.PasswordHash = after
	s.accounts[login] = a
	s.events = append(s.events, e)
	return nil
}

func (s *memStore) HashCosts(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, a := range s.accounts {
		if parts := strings.Split(a.PasswordHash, "$"); len(parts) == 6 && !slices.Contains(list, parts[3]) {
			list = append(list, parts[3])
		}
	}
	return list, s.down
}

func (s *memStore) SigningKeys(_ context.Context, domain mail.Domain) ([]Key, error) {
	return s.domains[domain].Keys, nil
}

func (s *memStore) setDown(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

var errDown = errors.New("the disk is gone")

// world is a store with two customers, their domains, and accounts.
type world struct {
	store  *memStore
	admin  *Admin
	hasher *Hasher
	// derived lists the cost of every derivation so far.
	derived *[]phc.Params
}

// cheap is as cheap as argon2id gets.
var cheap = phc.Params{MemoryKiB: 8, Iterations: 1, Parallelism: 1}

const goodPassword = "correct horse battery"

// newWorld has customers acme (plan gold; acme.example, second.example) and
// other (other.example), and accounts a@acme.example and b@acme.example.
func newWorld(t *testing.T) *world {
	t.Helper()
	hasher, derived := countingHasher(t, HasherOptions{Params: cheap, Workers: 2, Queue: 100})
	w := &world{store: newMemStore(), hasher: hasher, derived: derived}
	w.admin = NewAdmin(AdminOptions{
		Store: w.store, Hasher: hasher, IDs: &mail.IDSource{}, Actor: "cli:test",
		Now: func() time.Time { return time.Unix(1_800_000_000, 123456789) },
	})
	ctx := t.Context()
	keys := []Key{{Selector: "s1", Algorithm: "rsa"}}
	for _, err := range []error{
		w.admin.AddPlan(ctx, Plan{Name: "gold", MaxRecipients: 50}),
		w.admin.AddCustomer(ctx, "acme", "gold"),
		w.admin.AddCustomer(ctx, "other", ""),
		w.admin.AddDomain(ctx, "acme.example", "acme", keys),
		w.admin.AddDomain(ctx, "second.example", "acme", keys),
		w.admin.AddDomain(ctx, "other.example", "other", keys),
		w.admin.AddAccount(ctx, NewAccount{Address: address(t, "a@acme.example"), Password: goodPassword}),
		w.admin.AddAccount(ctx, NewAccount{Address: address(t, "b@acme.example"), Password: goodPassword}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	*derived = nil
	return w
}

// lastEvent is the event of the last change.
func (w *world) lastEvent() audit.Event { return w.store.events[len(w.store.events)-1] }

// countingHasher returns a Hasher that notes the cost of each derivation.
func countingHasher(t *testing.T, opt HasherOptions) (*Hasher, *[]phc.Params) {
	t.Helper()
	h, err := NewHasher(opt)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	derived, real := new([]phc.Params), h.derive
	h.derive = func(password, salt []byte, p phc.Params, length uint32) []byte {
		mu.Lock()
		*derived = append(*derived, p)
		mu.Unlock()
		return real(password, salt, p, length)
	}
	return h, derived
}

func address(t *testing.T, s string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// at makes an address of one that needs no quoting.
func at(s string) mail.Address {
	local, domain, _ := strings.Cut(s, "@")
	return mail.Address{Local: local, Domain: mail.Domain(strings.ToLower(domain))}
}
