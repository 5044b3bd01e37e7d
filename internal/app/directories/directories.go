package directories

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/config"
	"countersign/internal/directory"
	"countersign/internal/directory/database"
	"countersign/internal/directory/dovecot"
	"countersign/internal/directory/ldap"
	"countersign/internal/directory/web"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Options are what a Set is made of. All fields are needed, but Now.
type Options struct {
	Store account.Store
	// Admin makes accounts, domains and customers.
	Admin *account.Admin
	// NewKeys makes the DKIM keys of a new domain.
	NewKeys func(domain mail.Domain) ([]account.Key, error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Set is all directories of a configuration. It is safe for concurrent use.
type Set struct {
	opt  Options
	list []entry
}

// entry is one of them.
type entry struct {
	*directory.Guard
	config.Directory
	// dovecot is what the guard stands before where it is of that kind, else nil.
	dovecot *dovecot.Dovecot
}

// Open opens them. Errors are those of the directories, with the name.
func Open(list []config.Directory, opt Options) (*Set, error) {
	s := &Set{opt: opt}
	for _, d := range list {
		source, err := open(&d, opt.Now)
		if err == nil {
			var guard *directory.Guard
			guarding := Guarding(&d)
			guarding.Now = opt.Now
			guard, err = directory.NewGuard(source, guarding)
			of, _ := source.(*dovecot.Dovecot)
			s.list = append(s.list, entry{guard, d, of})
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("directory %q: %w", d.Name, err), s.Close())
		}
	}
	return s, nil
}

// open opens one.
func open(d *config.Directory, now func() time.Time) (directory.Source, error) {
	switch d.Kind {
	case "dovecot":
		return dovecot.New(Dovecot(d))
	case "ldap":
		return ldap.New(LDAP(d))
	case "http":
		key, err := web.ReadKey(d.KeyFile)
		if err != nil {
			return nil, err
		}
		callback := Callback(d, key)
		callback.Now = now
		return web.New(callback)
	}
	return database.Open(Database(d))
}

// Remember implements login.Directories.
func (s *Set) Remember(name string) time.Duration {
	i := slices.IndexFunc(s.list, func(e entry) bool { return e.Guard.Name() == name })
	if i < 0 {
		return 0
	}
	return Remembering(&s.list[i].Directory)
}

// Remembering is how long passwords that a directory has verified are remembered.
func Remembering(d *config.Directory) time.Duration { return d.Remember.Std() }

// Guarding is what the configuration bounds a directory by.
func Guarding(d *config.Directory) directory.GuardOptions {
	return directory.GuardOptions{Timeout: d.Timeout.Std(), Concurrent: d.Connections, Failures: d.Failures, Pause: d.Pause.Std()}
}

// Dovecot is what the configuration says of a directory of kind dovecot.
func Dovecot(d *config.Directory) dovecot.Options {
	return dovecot.Options{Name: d.Name, Address: d.URL, TrustNetwork: d.TrustNetwork, Domain: d.DefaultDomain, Exchanges: exchanges}
}

// exchanges is how many may be under way at one Dovecot: clients take their time between
// two steps.
const exchanges = 1000

// LDAP is what the configuration says of a directory of kind ldap.
func LDAP(d *config.Directory) ldap.Options {
	o := ldap.Options{
		Name: d.Name, URL: d.URL, StartTLS: d.StartTLS, Authority: d.CAFile, BindDN: d.BindDN, PasswordFile: d.PasswordFile,
		UserDN: d.UserDN, Base: d.SearchBase, Filter: d.SearchFilter, Disabled: d.DisabledFilter, Decoy: d.DecoyDN,
		GroupBase: d.GroupBase, GroupFilter: d.GroupFilter, Connections: d.Connections,
		Attributes: ldap.Attributes{
			Login: d.LoginAttribute, Hash: d.PasswordAttribute, Plan: d.PlanAttribute, Customer: d.CustomerAttribute,
			Aliases: d.AliasAttribute, Networks: d.NetworkAttribute,
		},
	}
	for _, text := range d.GroupPlans {
		plan, group, _ := strings.Cut(text, "=")
		o.Plans = append(o.Plans, ldap.Plan{Group: group, Plan: plan})
	}
	return o
}

// Callback is what the configuration says of a directory of kind http.
func Callback(d *config.Directory, key []byte) web.Options {
	return web.Options{
		Name: d.Name, URL: d.URL, Key: key, SendPassword: d.SendPassword, Authority: d.CAFile, Connections: d.Connections,
	}
}

// Database is what the configuration says of a directory of kind sql.
func Database(d *config.Directory) database.Options {
	return database.Options{
		Name: d.Name, URL: d.URL, PasswordFile: d.PasswordFile, Query: d.Query, Scheme: d.Scheme,
		Connections: d.Connections, Timeout: d.Timeout.Std(),
	}
}

// Close closes them.
func (s *Set) Close() error {
	var all []error
	for _, e := range s.list {
		if e.Guard != nil {
			all = append(all, e.Guard.Close())
		}
	}
	return errors.Join(all...)
}

// States tells how each is, by its name.
func (s *Set) States() map[string]func() directory.State {
	all := map[string]func() directory.State{}
	for _, e := range s.list {
		all[e.Guard.Name()] = e.Guard.State
	}
	return all
}

// For implements login.Directories. The domain "" is that of exchanges of which nobody
// knows yet whose they are.
func (s *Set) For(domain mail.Domain) (list []directory.Source) {
	for i := range s.list {
		e := &s.list[i]
		if len(e.Domains) == 0 || slices.Contains(e.Domains, string(domain)) {
			list = append(list, e.source())
		}
	}
	return list
}

// Ensure implements login.Directories. Several gates may do the same at once.
func (s *Set) Ensure(ctx context.Context, name string, a *directory.Answer) error {
	address, err := directory.Normal(a.Login)
	if err != nil {
		return homeless("%v", err)
	}
	d := s.named(name)
	switch {
	case d == nil:
		return homeless("there is no directory %q", name)
	case len(d.Domains) > 0 && !slices.Contains(d.Domains, string(address.Domain)):
		return homeless("directory %q answers for %s, whose domain is not one of its own", name, address)
	}
	_, err = s.opt.Store.Account(ctx, address.Key())
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	if err := s.domain(ctx, d, address.Domain, a); err != nil {
		return err
	}
	n := account.NewAccount{Address: address, Directory: name}
	seen := map[string]bool{address.Key(): true}
	for _, alias := range a.Aliases {
		other, err := directory.Normal(alias)
		if err == nil && d.Aliases && other.Domain == address.Domain && !seen[other.Key()] {
			seen[other.Key()] = true
			n.Aliases = append(n.Aliases, other)
		}
	}
	err = s.opt.Admin.AddAccount(ctx, n)
	if fault.Is(err, fault.Conflict) && len(n.Aliases) > 0 { // perhaps an alias is somebody else's
		n.Aliases = nil
		err = s.opt.Admin.AddAccount(ctx, n)
	}
	if fault.Is(err, fault.Conflict) {
		return nil // another login has made it; the caller looks
	}
	return err
}

// named returns a directory's configuration.
func (s *Set) named(name string) *config.Directory {
	for i := range s.list {
		if s.list[i].Guard.Name() == name {
			return &s.list[i].Directory
		}
	}
	return nil
}

// domain makes sure that there is a domain.
func (s *Set) domain(ctx context.Context, d *config.Directory, name mail.Domain, a *directory.Answer) error {
	customer := a.Customer
	if customer == "" || len(d.Domains) > 0 { // who answers for some domains does not choose whose they are
		customer = d.Customer
	}
	known, err := s.opt.Store.Domain(ctx, name)
	if err == nil && customer != "" && known.Customer != customer {
		return homeless("domain %s is another customer's than %q, as directory %q has it", name, customer, d.Name)
	}
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	if !d.CreateDomains || customer == "" {
		return homeless("domain %s is nobody's: add it, or set create_domains for directory %q", name, d.Name)
	}
	if _, err := s.opt.Store.Customer(ctx, customer); fault.Is(err, fault.NotFound) {
		err = s.opt.Admin.AddCustomer(ctx, customer, a.Plan)
		if err != nil && !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	keys, err := s.opt.NewKeys(name)
	if err != nil {
		return err
	}
	err = s.opt.Admin.AddDomain(ctx, name, customer, keys)
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}

// homeless is the answer for an account that cannot be made.
func homeless(format string, args ...any) error {
	return fault.New("directories.ensure", fault.Unauthenticated, format, args...)
}
