package shadow

import (
	"context"
	"fmt"
	"slices"

	"countersign/internal/account"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// follow has an account follow an answer.
func (k *Keeper) follow(ctx context.Context, d *kept, acc account.Account, a *directory.Answer) error {
	learned, err := k.learned(ctx, d, &acc, a)
	if err != nil {
		return err
	}
	return k.learn(ctx, acc, learned)
}

// learn stores what an account has learned. Where it, or what it refers to, has changed
// meanwhile, its next login learns.
func (k *Keeper) learn(ctx context.Context, acc account.Account, l account.Learned) error {
	_, err := k.opt.Admin.Learn(ctx, acc, l)
	if fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// learned is what an account can learn of an answer: a plan that exists, and aliases that
// are nobody else's. What it cannot is told to the operator.
func (k *Keeper) learned(ctx context.Context, d *kept, acc *account.Account, a *directory.Answer) (account.Learned, error) {
	l, left, err := k.sorted(ctx, d, acc, a)
	for _, why := range left {
		k.said.warn(k.opt.Logger, "what a directory says of an account cannot be followed", "directory", d.Name, "login", acc.Login(), "why", why)
	}
	return l, err
}

// sorted tells what can be learned from what is left out, and why it is.
func (k *Keeper) sorted(ctx context.Context, d *kept, acc *account.Account, a *directory.Answer) (l account.Learned, left []string, err error) {
	plan, why, err := k.plan(ctx, d, acc, a.Plan)
	if err != nil {
		return l, nil, err
	}
	if l.Plan = plan; why != "" {
		left = append(left, why)
	}
	if !d.Aliases {
		l.Aliases = acc.Learned
		return l, left, nil
	}
	var cut bool
	if l.Aliases, cut = within(acc, a.Aliases); cut {
		left = append(left, fmt.Sprintf("there are more than %d aliases; the others are left out", account.MaxLearned))
	}
	foreign, err := k.foreign(ctx, acc, l.Aliases)
	l.Aliases = slices.DeleteFunc(l.Aliases, func(alias mail.Address) bool { return foreign[alias.Key()] })
	if len(foreign) > 0 {
		left = append(left, fmt.Sprintf("aliases that are addresses of other accounts are left out: %d", len(foreign)))
	}
	return l, left, err
}

// plan is the one that an account gets where its directory names one, "" for none; why says
// what keeps it from that, "" where nothing does.
func (k *Keeper) plan(ctx context.Context, d *kept, acc *account.Account, named string) (plan, why string, err error) {
	if named == "" || acc.PlanGiven() {
		return named, "", nil
	}
	if !d.gives(named) {
		return "", fmt.Sprintf("plan %q is not among those that the directory may give (option plans); it counts as none named", named), nil
	}
	if named == acc.Plan {
		return named, "", nil
	}
	_, err = k.opt.Store.Plan(ctx, named)
	if fault.Is(err, fault.NotFound) {
		return held(acc), fmt.Sprintf("plan %q does not exist; the account keeps what it had", named), nil
	}
	return named, "", err
}

// gives reports whether answers of the directory may give a plan.
func (d *kept) gives(plan string) bool {
	return len(d.Plans) == 0 && len(d.Domains) == 0 || slices.Contains(d.Plans, plan)
}

// held is the plan that an account has of its directory, "" for none.
func held(acc *account.Account) string {
	if acc.PlanLearned {
		return acc.Plan
	}
	return ""
}

// within are the aliases in the account's own domain, as many as it may have; cut says
// that there are more.
func within(acc *account.Account, texts []string) (list []mail.Address, cut bool) {
	seen := map[string]bool{acc.Login(): true}
	for _, text := range texts {
		alias, err := directory.Normal(text)
		if err != nil || alias.Domain != acc.Address.Domain || seen[alias.Key()] {
			continue
		}
		if len(list) == account.MaxLearned {
			return list, true
		}
		seen[alias.Key()] = true
		list = append(list, alias)
	}
	return list, false
}

// foreign are those of the aliases that are addresses of other accounts.
func (k *Keeper) foreign(ctx context.Context, acc *account.Account, list []mail.Address) (map[string]bool, error) {
	var unknown []string
	for _, alias := range list {
		if !slices.ContainsFunc(acc.Aliases, func(have mail.Address) bool { return have.Key() == alias.Key() }) {
			unknown = append(unknown, alias.Key())
		}
	}
	if len(unknown) == 0 {
		return nil, nil
	}
	owners, err := k.opt.Store.Owners(ctx, unknown)
	foreign := map[string]bool{}
	for address, owner := range owners {
		foreign[address] = owner != acc.Login()
	}
	return foreign, err
}

// Rehearse says what Ensure would do, and what it cannot, a sentence each; none where it
// would do nothing. It changes nothing and tells nobody else. made says that the account
// would be made. Errors are those of Ensure, but that nothing is counted.
func (k *Keeper) Rehearse(ctx context.Context, name string, a *directory.Answer) (notes []string, made bool, err error) {
	d, address, err := k.whose(name, a)
	if err != nil {
		return nil, false, err
	}
	acc, err := k.opt.Store.Account(ctx, address.Key())
	switch {
	case fault.Is(err, fault.NotFound):
		if _, _, err := k.home(ctx, d, address.Domain, a); err != nil {
			return nil, false, err
		}
		if err := k.taken(ctx, d, address, func(string, ...any) {}); err != nil {
			return nil, false, err
		}
		acc, made = account.Account{Address: address, Directory: name}, true
	case err != nil || acc.Directory != name:
		return nil, false, err
	}
	l, left, err := k.sorted(ctx, d, &acc, a)
	if acc.PlanGiven() && a.Plan != "" && a.Plan != acc.Plan {
		notes = append(notes, fmt.Sprintf("directory %s names plan %q; the account keeps plan %q, which was given to it here", name, a.Plan, acc.Plan))
	}
	if text := acc.Learns(l); text != "" {
		notes = append(notes, "it gets, as directory "+name+" says: "+text)
	}
	return append(notes, left...), made, err
}
