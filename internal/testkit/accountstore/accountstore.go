package accountstore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Store is an account.Store in memory. It is safe for concurrent use.
type Store struct {
	mu         sync.Mutex
	generation uint64
	plans      map[string]account.Plan
	customers  map[string]account.Customer
	domains    map[mail.Domain]account.Domain
	accounts   map[string]account.Account
	uses       map[mail.ID]account.Use
	zone       map[account.ZoneRecord]bool
	events     []audit.Event
	reads      Reads
	down       error
}

// Reads counts calls, those that failed too.
type Reads struct{ Sender, Proofs int }

// New returns an empty Store.
func New() *Store {
	return &Store{
		plans: map[string]account.Plan{}, customers: map[string]account.Customer{},
		domains: map[mail.Domain]account.Domain{}, accounts: map[string]account.Account{},
		uses: map[mail.ID]account.Use{},
	}
}

// Down makes err the answer to everything, until it is nil again.
func (s *Store) Down(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

// Reads returns how many calls there were so far.
func (s *Store) Reads() Reads {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// Events returns the events of all changes so far.
func (s *Store) Events() []audit.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Alter changes the stored account with that login as no Put would: without a look
// at it, an event, or another revision or generation. It reports whether there is
// one.
func (s *Store) Alter(login string, change func(*account.Account)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, found := s.accounts[login]
	if found {
		a = cloned(a)
		change(&a)
		s.accounts[login] = a
	}
	return found
}

// put stores an object under the rules of account.Store. check, which may be nil,
// is asked before.
func put[K comparable, V any](s *Store, in map[K]V, key K, v V, e audit.Event, check func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	old, exists := in[key]
	revision := revisionOf(&v)
	switch asked := *revision; {
	case asked == 0 && exists:
		return &fault.Error{Kind: fault.Conflict}
	case asked != 0 && !exists:
		return &fault.Error{Kind: fault.NotFound}
	case exists && *revisionOf(&old) != asked:
		return &fault.Error{Kind: fault.Conflict}
	}
	if check != nil {
		if err := check(); err != nil {
			return err
		}
	}
	*revision++
	in[key] = v
	s.generation++
	s.events = append(s.events, e)
	return nil
}

// revisionOf returns the revision of an object, given by its address.
func revisionOf(object any) *int64 {
	switch o := object.(type) {
	case *account.Plan:
		return &o.Revision
	case *account.Customer:
		return &o.Revision
	case *account.Domain:
		return &o.Revision
	default:
		return &object.(*account.Account).Revision
	}
}

func get[K comparable, V any](s *Store, in map[K]V, key K) (V, error) {
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

func remove[K comparable, V any](s *Store, in map[K]V, key K, e audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	if _, ok := in[key]; !ok {
		return &fault.Error{Kind: fault.NotFound}
	}
	delete(in, key)
	s.generation++
	s.events = append(s.events, e)
	return nil
}

// values lists what keep wants, in the order of the keys.
func values[K ~string, V any](s *Store, in map[K]V, keep func(V) bool) (list []V, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(in)) {
		if keep(in[key]) {
			list = append(list, in[key])
		}
	}
	return list, s.down
}

// first returns so many at most, all for 0.
func first[T any](list []T, limit int) []T {
	if limit > 0 && len(list) > limit {
		return list[:limit]
	}
	return list
}

// PutPlan implements account.PlanStore.
func (s *Store) PutPlan(_ context.Context, p account.Plan, e audit.Event) error {
	return put(s, s.plans, p.Name, p, e, nil)
}

// Plan implements account.PlanStore.
func (s *Store) Plan(_ context.Context, name string) (account.Plan, error) {
	return get(s, s.plans, name)
}

// Plans implements account.PlanStore.
func (s *Store) Plans(_ context.Context, part account.Part) ([]account.Plan, error) {
	list, err := values(s, s.plans, func(p account.Plan) bool { return p.Name > part.After })
	return first(list, part.Limit), err
}

// RemovePlan implements account.PlanStore.
func (s *Store) RemovePlan(_ context.Context, name string, e audit.Event) error {
	return remove(s, s.plans, name, e)
}

// OnPlan implements account.PlanStore.
func (s *Store) OnPlan(_ context.Context, name, after string, limit int) (list []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, login := range slices.Sorted(maps.Keys(s.accounts)) {
		if s.accounts[login].Plan == name && login > after && len(list) < limit {
			list = append(list, login)
		}
	}
	return list, s.down
}

// PutCustomer implements account.CustomerStore.
func (s *Store) PutCustomer(_ context.Context, c account.Customer, e audit.Event) error {
	return put(s, s.customers, c.Name, c, e, nil)
}

// Customer implements account.CustomerStore.
func (s *Store) Customer(_ context.Context, name string) (account.Customer, error) {
	return get(s, s.customers, name)
}

// Customers implements account.CustomerStore.
func (s *Store) Customers(_ context.Context, part account.Part) ([]account.Customer, error) {
	list, err := values(s, s.customers, func(c account.Customer) bool { return c.Name > part.After })
	return first(list, part.Limit), err
}

// RemoveCustomer implements account.CustomerStore.
func (s *Store) RemoveCustomer(_ context.Context, name string, e audit.Event) error {
	return remove(s, s.customers, name, e)
}

// PutDomain implements account.DomainStore.
func (s *Store) PutDomain(_ context.Context, d account.Domain, e audit.Event) error {
	return put(s, s.domains, d.Name, d, e, nil)
}

// Domain implements account.DomainStore.
func (s *Store) Domain(_ context.Context, name mail.Domain) (account.Domain, error) {
	return get(s, s.domains, name)
}

// Domains implements account.DomainStore.
func (s *Store) Domains(_ context.Context, q account.DomainQuery) ([]account.Domain, error) {
	list, err := values(s, s.domains, func(d account.Domain) bool {
		return (len(q.Customers) == 0 || slices.Contains(q.Customers, d.Customer)) && string(d.Name) > q.After
	})
	return first(list, q.Limit), err
}

// Turning implements account.DomainStore.
func (s *Store) Turning(_ context.Context, selectors []string, made time.Time) ([]mail.Domain, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []mail.Domain
	for name, d := range s.domains {
		if slices.ContainsFunc(d.Keys, func(k account.Key) bool {
			return k.Stage != account.Signing || slices.Contains(selectors, k.Selector) && (k.Turned.IsZero() || k.Created.Before(made))
		}) {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list, s.down
}

// NoteZoneRecord implements account.ZoneStore.
func (s *Store) NoteZoneRecord(_ context.Context, r account.ZoneRecord) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.zone == nil {
		s.zone = map[account.ZoneRecord]bool{}
	}
	s.zone[r] = true
	return s.down
}

// UnheldZoneRecords implements account.ZoneStore.
func (s *Store) UnheldZoneRecords(_ context.Context, limit int) ([]account.ZoneRecord, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []account.ZoneRecord
	for r := range s.zone {
		if !slices.ContainsFunc(s.domains[r.Domain].Keys, func(k account.Key) bool { return k.Selector == r.Selector && k.Public == r.Text }) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b account.ZoneRecord) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Selector, b.Selector), cmp.Compare(a.Text, b.Text))
	})
	return list[:min(len(list), limit)], s.down
}

// ForgetZoneRecord implements account.ZoneStore.
func (s *Store) ForgetZoneRecord(_ context.Context, r account.ZoneRecord) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.zone, r)
	return s.down
}

// RemoveDomain implements account.DomainStore.
func (s *Store) RemoveDomain(_ context.Context, name mail.Domain, e audit.Event) error {
	return remove(s, s.domains, name, e)
}
