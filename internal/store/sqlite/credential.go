package sqlite

import (
	"context"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/store/sqlite/credential"
)

// Credential implements account.CredentialStore.
func (s *Store) Credential(ctx context.Context, login string) (out account.Credential, err error) {
	err = s.db.Read(ctx, "account.credential", func(c *conn) error {
		out, err = credential.Read(ctx, c, login)
		return err
	})
	return out, err
}

// RenewHash implements account.CredentialStore.
func (s *Store) RenewHash(ctx context.Context, login, before, after string, e audit.Event) error {
	events, err := bindEvents([]audit.Event{e})
	if err != nil {
		return err
	}
	return s.change(ctx, "account.renew", func(t *tx) error {
		if err := credential.Renew(t.Tx, login, before, after); err != nil {
			return err
		}
		return insertEvents(t, events)
	})
}

// HashCosts implements account.CredentialStore.
func (s *Store) HashCosts(ctx context.Context) (list []string, err error) {
	err = s.db.Read(ctx, "account.costs", func(c *conn) error {
		list, err = credential.Costs(ctx, c)
		return err
	})
	return list, err
}
