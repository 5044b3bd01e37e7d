package shadow

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Options are what a Keeper is made of. All fields are needed, but Now.
type Options struct {
	Store account.Store
	// Admin makes accounts, domains and customers.
	Admin *admin.Admin
	// NewKeys makes the DKIM keys of a new domain.
	NewKeys func(domain mail.Domain) ([]account.Key, error)
	Logger  *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Rules are what the configuration says of one directory.
type Rules struct {
	Name string
	// Domains are those that it knows accounts of; none for all.
	Domains []string
	// Customer is whose a new domain becomes where the answer, or Domains, leave it
	// open; CreateDomains says whether new domains are made at all.
	Customer      string
	CreateDomains bool
	// Plans are those that answers may give; none for all where there are no Domains, and
	// for none where there are: who answers for some domains does not choose among what
	// is sold to others.
	Plans []string
	// Aliases says that accounts get the aliases of answers.
	Aliases bool
	// MaxAccounts and MaxDomains are how many this gate makes in any hour; 0 for none.
	MaxAccounts, MaxDomains int
}

// Keeper keeps the accounts of directories. It is safe for concurrent use, also beside
// the Keepers of other gates.
type Keeper struct {
	opt   Options
	rules []*kept
	said  *said
	// making is taken by whoever makes a domain, so that those who log in at the same
	// time do not each make keys for it.
	making chan struct{}
}

// kept is a directory with what it has made.
type kept struct {
	Rules
	accounts, domains *hour
}

// New returns a Keeper for these directories.
func New(opt Options, rules []Rules) *Keeper {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	k := &Keeper{opt: opt, said: newSaid(opt.Now), making: make(chan struct{}, 1)}
	for _, r := range rules {
		k.rules = append(k.rules, &kept{r, newHour(r.MaxAccounts, opt.Now), newHour(r.MaxDomains, opt.Now)})
	}
	return k
}

// Ensure makes the account that a directory has answered for, where it is not there yet,
// or has it follow the answer where that says something else than it did: its plan, and
// its aliases where they count. A plan that there is not is told to the operator, and
// leaves the account what it had. Errors: fault.Unauthenticated where the account cannot
// be made, as its domain is nobody's or somebody else's; fault.Conflict where its address is
// an alias that another account was given here; fault.Unavailable where too many
// have been made lately; those of the store.
func (k *Keeper) Ensure(ctx context.Context, name string, a *directory.Answer) error {
	d, address, err := k.whose(name, a)
	if err != nil {
		return err
	}
	acc, err := k.opt.Store.Account(ctx, address.Key())
	switch {
	case err == nil && acc.Directory == name:
		return k.follow(ctx, d, acc, a)
	case !fault.Is(err, fault.NotFound):
		return err
	}
	if err := k.domain(ctx, d, address.Domain, a); err != nil {
		return err
	}
	return k.add(ctx, d, address, a)
}

// whose says which directory it is, and of whom an answer is that it may give.
func (k *Keeper) whose(name string, a *directory.Answer) (*kept, mail.Address, error) {
	address, err := directory.Normal(a.Login)
	i := slices.IndexFunc(k.rules, func(d *kept) bool { return d.Name == name })
	switch {
	case err != nil:
		return nil, address, homeless("%v", err)
	case i < 0:
		return nil, address, homeless("there is no directory %q", name)
	case len(k.rules[i].Domains) > 0 && !slices.Contains(k.rules[i].Domains, string(address.Domain)):
		return nil, address, homeless("directory %q answers for %s, whose domain is not one of its own", name, address)
	}
	return k.rules[i], address, nil
}

// add makes an account whose domain is there.
func (k *Keeper) add(ctx context.Context, d *kept, address mail.Address, a *directory.Answer) error {
	learned, err := k.learned(ctx, d, &account.Account{Address: address}, a)
	if err != nil {
		return err
	}
	if err := k.take(d, d.accounts, "accounts"); err != nil {
		return err
	}
	n := admin.NewAccount{Address: address, Directory: d.Name, Learned: learned}
	err = k.opt.Admin.AddAccount(ctx, n)
	if fault.Is(err, fault.Conflict) && len(learned.Aliases) > 0 { // perhaps an alias has become somebody else's
		n.Learned.Aliases = nil
		err = k.opt.Admin.AddAccount(ctx, n)
	}
	if err != nil {
		d.accounts.giveBack()
	}
	if fault.Is(err, fault.Conflict) { // or another login has made it; then the caller looks
		return k.taken(ctx, d, address, k.warn)
	}
	return err
}

// taken says whether an account cannot be made as an operator has given its address to
// another one for an alias, and tells of it. One that a directory has named yields.
func (k *Keeper) taken(ctx context.Context, d *kept, address mail.Address, tell func(text string, args ...any)) error {
	owners, err := k.opt.Store.Owners(ctx, []string{address.Key()})
	owner := owners[address.Key()]
	if err != nil || owner == "" || owner == address.Key() {
		return err
	}
	acc, err := k.opt.Store.Account(ctx, owner)
	if err != nil || slices.ContainsFunc(acc.Learned, func(alias mail.Address) bool { return alias.Key() == address.Key() }) {
		return err
	}
	tell("an account of a directory cannot be made, as an operator has given its address to another one for an alias",
		"directory", d.Name, "login", address.Key(), "account", owner)
	return fault.New("shadow.ensure", fault.Conflict, "%s is an alias that account %s was given here: take it from that one, and the next login makes the account", address, acc.Address)
}

// warn tells the operator, once an hour.
func (k *Keeper) warn(text string, args ...any) { k.said.warn(k.opt.Logger, text, args...) }

// domain makes sure that there is a domain, and that it is of the customer that the
// directory means.
func (k *Keeper) domain(ctx context.Context, d *kept, name mail.Domain, a *directory.Answer) error {
	customer, missing, err := k.home(ctx, d, name, a)
	if err != nil || !missing {
		return err
	}
	select {
	case k.making <- struct{}{}:
		defer func() { <-k.making }()
	case <-ctx.Done():
		return fault.Wrap("shadow.ensure", fault.Canceled, ctx.Err())
	}
	if _, missing, err = k.home(ctx, d, name, a); err != nil || !missing {
		return err // somebody has made it meanwhile
	}
	if err := k.take(d, d.domains, "domains"); err != nil {
		return err
	}
	if err := k.make(ctx, name, customer); err != nil {
		d.domains.giveBack()
		return err
	}
	return nil
}

// home says whose a domain is to be, and whether it is missing.
func (k *Keeper) home(ctx context.Context, d *kept, name mail.Domain, a *directory.Answer) (customer string, missing bool, err error) {
	customer = a.Customer
	if customer == "" || len(d.Domains) > 0 { // who answers for some domains does not choose whose they are
		customer = d.Customer
	}
	known, err := k.opt.Store.Domain(ctx, name)
	switch {
	case err == nil && customer != "" && known.Customer != customer:
		return "", false, homeless("domain %s is another customer's than %q, as directory %q has it", name, customer, d.Name)
	case !fault.Is(err, fault.NotFound):
		return "", false, err
	case !d.CreateDomains || customer == "":
		return "", false, homeless("domain %s is nobody's: add it, or set create_domains for directory %q", name, d.Name)
	}
	return customer, true, nil
}

// make makes a domain, and its customer where there is none.
func (k *Keeper) make(ctx context.Context, name mail.Domain, customer string) error {
	if _, err := k.opt.Store.Customer(ctx, customer); fault.Is(err, fault.NotFound) {
		err = k.opt.Admin.AddCustomer(ctx, customer, "")
		if err != nil && !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	keys, err := k.opt.NewKeys(name)
	if err != nil {
		return err
	}
	err = k.opt.Admin.AddDomain(ctx, name, customer, keys)
	if fault.Is(err, fault.Conflict) {
		return nil // another gate has made it
	}
	return err
}

// take counts one more that is made, or refuses it and tells the operator.
func (k *Keeper) take(d *kept, h *hour, what string) error {
	if h.take() {
		return nil
	}
	k.said.warn(k.opt.Logger, "a directory has more new "+what+" than may be made in an hour; logins that need more are told to come again",
		"directory", d.Name, "most", h.most, "option", "max_new_"+what)
	return fault.New("shadow.ensure", fault.Unavailable, "directory %q has had %d new %s made within the hour, the most that max_new_%s allows", d.Name, h.most, what, what)
}

// homeless is the answer for an account that cannot be made.
func homeless(format string, args ...any) error {
	return fault.New("shadow.ensure", fault.Unauthenticated, format, args...)
}
