package directories

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"countersign/internal/account/hash"
	"countersign/internal/config"
	"countersign/internal/directory"
	"countersign/internal/directory/database"
	"countersign/internal/directory/dovecot"
	"countersign/internal/directory/ldap"
	"countersign/internal/directory/shadow"
	"countersign/internal/directory/web"
	"countersign/internal/login/outside"
	"countersign/internal/mail"
)

// Options are what a Set is made of: what its Keeper is made of.
type Options = shadow.Options

// Set is all directories of a configuration. It is safe for concurrent use.
type Set struct {
	// Keeper makes the accounts that theirs need; it implements a part of
	// login.Directories.
	*shadow.Keeper
	list []entry
}

// entry is one of them.
type entry struct {
	*directory.Guard
	config.Directory
	// dovecot is what the guard stands before where it is of that kind, else nil.
	dovecot *dovecot.Dovecot
	// tokens is what is before it for questions about tokens; nil where nothing is.
	tokens *directory.Guard
}

// Open opens them. Errors are those of the directories, with the name.
func Open(list []config.Directory, opt Options) (*Set, error) {
	s := &Set{Keeper: keeper(list, opt)}
	for _, d := range list {
		e, err := guarded(&d, opt)
		s.list = append(s.list, e)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("directory %q: %w", d.Name, err), s.Close())
		}
	}
	return s, nil
}

// guarded opens one, and has it guarded.
func guarded(d *config.Directory, opt Options) (e entry, err error) {
	e.Directory = *d
	source, err := open(d, opt.Now)
	if err != nil {
		return e, err
	}
	guarding := Guarding(d)
	guarding.Now, guarding.Odd = opt.Now, logging(opt.Logger, d.Name)
	if e.Guard, err = directory.NewGuard(source, guarding); err != nil {
		return e, err
	}
	if e.dovecot, _ = source.(*dovecot.Dovecot); e.dovecot != nil {
		e.tokens, err = directory.NewGuard(source, guarding)
	}
	return e, err
}

// logging makes what writes a directory's oddities into a log, nil for none.
func logging(log *slog.Logger, name string) func(directory.Oddity) {
	if log == nil {
		return nil
	}
	return func(o directory.Oddity) {
		log.Warn("a directory's answer cannot be used; the login gets 454 until it can", "directory", name, "login", o.Login, "error", o.Err, "untold", o.Untold)
	}
}

// keeper makes the one that keeps the accounts of these directories.
func keeper(list []config.Directory, opt Options) *shadow.Keeper {
	var rules []shadow.Rules
	for i := range list {
		rules = append(rules, Ruling(&list[i]))
	}
	return shadow.New(opt, rules)
}

// Ruling is what the configuration says of the accounts that a directory makes here.
func Ruling(d *config.Directory) shadow.Rules {
	return shadow.Rules{
		Name: d.Name, Domains: d.Domains, Customer: d.Customer, CreateDomains: d.CreateDomains, Plans: d.MayGive(), Aliases: d.Aliases,
		MaxAccounts: d.MaxNewAccounts, MaxDomains: d.MaxNewDomains,
	}
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

// Hashes are what the configuration says that the hashes of directories cost, by their names. What it says
// wrongly is left out.
func Hashes(list []config.Directory) map[string][]hash.Cost {
	said := map[string][]hash.Cost{}
	for i := range list {
		for _, text := range list[i].Hashes {
			if c, err := hash.ParseKind(text); err == nil && !slices.Contains(said[list[i].Name], c) {
				said[list[i].Name] = append(said[list[i].Name], c)
			}
		}
	}
	return said
}

// Remembering is how long passwords that a directory has verified are remembered.
func Remembering(d *config.Directory) time.Duration { return d.Remember.Std() }

// Guarding is what the configuration bounds a directory by.
func Guarding(d *config.Directory) directory.GuardOptions {
	return directory.GuardOptions{Timeout: d.Timeout.Std(), Concurrent: d.Connections, Steps: exchanges, Failures: d.Failures, Pause: d.Pause.Std()}
}

// Dovecot is what the configuration says of a directory of kind dovecot.
func Dovecot(d *config.Directory) dovecot.Options {
	return dovecot.Options{Name: d.Name, Address: d.URL, TrustNetwork: d.TrustNetwork, Domain: d.DefaultDomain, Exchanges: exchanges + 2*d.Connections,
		External: d.External, Tokens: d.Tokens,
		Plan: d.PlanAttribute, Customer: d.CustomerAttribute, Aliases: d.AliasAttribute}
}

// exchanges is how many may pass to one Dovecot at the same time, beside the questions: clients
// take their time between two steps.
const exchanges = outside.MaxExchanges

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

// States tells how each is, by its name; how a Dovecot is for tokens, by that and " tokens".
func (s *Set) States() map[string]func() directory.State {
	all := map[string]func() directory.State{}
	for _, e := range s.list {
		all[e.Guard.Name()] = e.Guard.State
		if e.tokens != nil && e.Tokens {
			all[e.Guard.Name()+" tokens"] = e.tokens.State
		}
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
