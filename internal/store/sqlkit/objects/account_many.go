package objects

import (
	"context"
	"slices"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
)

// AddAccounts implements account.AccountStore. All is checked before anything is
// written, as it may share its transaction with others.
func (s *Store) AddAccounts(ctx context.Context, list []account.Account, events []audit.Event) error {
	const op = "account.add"
	if len(list) > account.MaxAdded {
		return fault.New(op, fault.Invalid, "%d accounts are too many at once; at most %d are taken", len(list), account.MaxAdded)
	}
	if err := apart(op, list); err != nil {
		return err
	}
	err := s.base.Change(ctx, op, func(t writer) error {
		for i := range list {
			if err := accountObject(list[i].Login()).checkRevision(t, op, 0); err != nil {
				return err
			}
			if err := checkAccount(t, &list[i]); err != nil {
				return err
			}
		}
		all := slices.Clone(events)
		for i := range list {
			more, err := s.writeAccount(t, &list[i], events[i])
			if err != nil {
				return err
			}
			all = append(all, more...)
		}
		if err := t.Exec(s.dialect.Raise, nil); err != nil {
			return err
		}
		return s.base.Record(t, all)
	})
	s.base.Signal.Raise() // also where it failed: the change may have been made
	return err
}

// apart refuses accounts that share with each other what is of one account alone.
func apart(op string, list []account.Account) error {
	seen := map[string]bool{}
	twice := func(what, value string) bool {
		key := what + " " + value
		known := seen[key]
		seen[key] = true
		return known
	}
	for i := range list {
		a := &list[i]
		if err := checkForm(op, a); err != nil {
			return err
		}
		shared := twice("id", string(a.ID)) || twice("address", a.Login())
		for _, alias := range a.Aliases {
			shared = twice("address", alias.Key()) || shared
		}
		for _, c := range a.Credentials {
			shared = twice("id", string(c.ID)) || shared
			shared = c.Subject != "" && twice(string(c.Kind), c.Subject) || shared
		}
		if shared {
			return fault.New(op, fault.Conflict, "account %q shares an id, an address or a subject with another one of those that are added", a.Login())
		}
	}
	return nil
}
