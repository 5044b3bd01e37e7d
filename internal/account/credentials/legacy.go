package credentials

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// SetLegacy allows an account's passwords to be kept in forms that CRAM-MD5 and
// DIGEST-MD5 need (account.Account.Legacy), or forbids it. They are made at the next
// login with each password, or when it is set; forbidding drops them at once, unless
// the account's plan allows them too. fault.Conflict where it is so already.
func (a *Admin) SetLegacy(ctx context.Context, address mail.Address, on bool) error {
	acc, err := a.account(ctx, address)
	if err != nil {
		return err
	}
	if acc.Legacy == on {
		return fault.New("credentials.legacy", fault.Conflict, "account %s itself %s legacy mechanisms already", acc.Address, allows(on))
	}
	acc.Legacy = on
	if on {
		return a.put(ctx, &acc, "legacy mechanisms allowed: keys for "+legacyNames()+" are kept from the next login on")
	}
	plan, err := a.planOf(ctx, &acc)
	if err != nil {
		return err
	}
	if plan.Legacy {
		return a.put(ctx, &acc, "legacy mechanisms forbidden for the account itself, still allowed by plan "+plan.Name)
	}
	return a.put(ctx, &acc, forbidden(dropKeys(&acc)))
}

// SetPlanLegacy is SetLegacy for all accounts that a plan decides about. Forbidding writes an event
// for each account whose keys are dropped. Where that ends with an error the plan
// has changed, so that no key is used any more; a second call drops what is left.
func (a *Admin) SetPlanLegacy(ctx context.Context, name string, on bool) error {
	p, err := a.opt.Store.Plan(ctx, name)
	if err != nil {
		return named(err, "plan "+name)
	}
	changes := p.Legacy != on
	if changes {
		p.Legacy = on
		text := "legacy mechanisms forbidden"
		if on {
			text = "legacy mechanisms allowed: keys for " + legacyNames() + " are kept from the next login of each account on"
		}
		e := audit.Event{At: a.now(), Kind: audit.AdminChanged, Actor: a.opt.Actor, Object: "plan " + name, Text: text}
		if err := a.opt.Store.PutPlan(ctx, p, e); err != nil {
			return named(err, "plan "+name)
		}
	}
	dropped := 0
	if !on {
		dropped, err = a.sweep(ctx, name)
	}
	if err == nil && !changes && dropped == 0 {
		err = fault.New("credentials.legacy", fault.Conflict, "plan %s %s legacy mechanisms already", name, allows(on))
	}
	return err
}

// sweep drops the keys of all accounts that a plan decides about and that do not allow
// them themselves, and says of how many accounts.
func (a *Admin) sweep(ctx context.Context, plan string) (dropped int, err error) {
	customers, err := a.opt.Store.Customers(ctx, account.Part{})
	for i := 0; i < len(customers) && err == nil; i++ {
		if customers[i].Plan != plan {
			continue
		}
		var n int
		n, err = a.sweepCustomer(ctx, customers[i].Name, plan)
		dropped += n
	}
	if err != nil {
		return dropped, err
	}
	n, err := a.sweepOwn(ctx, plan)
	return dropped + n, err
}

// sweepOwn sweeps the accounts that have the plan as their own.
func (a *Admin) sweepOwn(ctx context.Context, plan string) (dropped int, err error) {
	const most = 100
	for after := ""; ; {
		logins, err := a.opt.Store.OnPlan(ctx, plan, after, most)
		if err != nil || len(logins) == 0 {
			return dropped, err
		}
		for _, login := range logins {
			acc, err := a.opt.Store.Account(ctx, login)
			if fault.Is(err, fault.NotFound) {
				continue
			}
			if err != nil {
				return dropped, err
			}
			if err := a.sweepOne(ctx, acc, plan, &dropped); err != nil {
				return dropped, err
			}
		}
		after = logins[len(logins)-1]
	}
}

// sweepOne sweeps an account where no other plan of its own decides, and counts it.
func (a *Admin) sweepOne(ctx context.Context, acc account.Account, plan string, dropped *int) error {
	done, err := a.sweepAccount(ctx, acc, plan)
	if err != nil {
		return &fault.Error{Op: "credentials.legacy", Kind: fault.KindOf(err), Err: err,
			Detail: fmt.Sprintf("%s still has keys for %s, which are not used; do it again to drop them", objectOf(&acc), legacyNames())}
	}
	if done {
		*dropped++
	}
	return nil
}

// sweepCustomer sweeps the accounts of a customer on the plan.
func (a *Admin) sweepCustomer(ctx context.Context, customer, plan string) (dropped int, err error) {
	domains, err := a.opt.Store.Domains(ctx, account.DomainsOf(customer))
	if err != nil {
		return 0, err
	}
	for _, d := range domains {
		accounts, err := a.opt.Store.Accounts(ctx, account.AccountQuery{Domain: d.Name})
		if err != nil {
			return dropped, err
		}
		for i := range accounts {
			if err := a.sweepOne(ctx, accounts[i], plan, &dropped); err != nil {
				return dropped, err
			}
		}
	}
	return dropped, nil
}

// sweepTries is how often an account is read again that others change meanwhile.
const sweepTries = 5

// sweepAccount drops the keys of an account that does not allow them itself, nor by
// another plan of its own.
func (a *Admin) sweepAccount(ctx context.Context, acc account.Account, plan string) (dropped bool, err error) {
	for range sweepTries {
		n := dropKeys(&acc)
		if acc.Legacy || acc.Plan != "" && acc.Plan != plan || n == 0 {
			return false, nil
		}
		if err = a.put(ctx, &acc, forbidden(n)); err == nil {
			return true, nil
		}
		if fault.Is(err, fault.Conflict) {
			acc, err = a.account(ctx, acc.Address)
		}
		if fault.Is(err, fault.NotFound) {
			return false, nil // removed meanwhile
		}
		if err != nil {
			return false, err
		}
	}
	return false, fault.New("credentials.legacy", fault.Conflict, "%s was changed by somebody else again and again", objectOf(&acc))
}

// planOf reads the plan of an account, the zero one where it has none.
func (a *Admin) planOf(ctx context.Context, acc *account.Account) (account.Plan, error) {
	s, err := a.opt.Store.Sender(ctx, acc.Login())
	if err != nil {
		return account.Plan{}, named(err, objectOf(acc))
	}
	return s.Plan, nil
}

// dropKeys takes the keys that legacy mechanisms need, and says how many.
func dropKeys(acc *account.Account) (dropped int) {
	acc.Credentials = slices.Clone(acc.Credentials)
	for i := range acc.Credentials {
		secret := &acc.Credentials[i].Secret
		before := len(secret.Keys)
		secret.Keys = slices.DeleteFunc(slices.Clone(secret.Keys), func(k account.SecretKey) bool {
			return slices.Contains(account.LegacyMechanisms(), k.Mechanism)
		})
		dropped += before - len(secret.Keys)
	}
	return dropped
}

func forbidden(dropped int) string {
	return fmt.Sprintf("legacy mechanisms forbidden, %d keys for %s dropped", dropped, legacyNames())
}

func legacyNames() string { return strings.Join(account.LegacyMechanisms(), " and ") }

func allows(on bool) string {
	if on {
		return "allows"
	}
	return "forbids"
}
