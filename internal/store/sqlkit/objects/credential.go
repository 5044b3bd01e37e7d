package objects

import (
	"context"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/store/sqlkit"
)

// CredentialSQL reads one row by four keys: that of the account and those above
// it.
const CredentialSQL = `SELECT a.id, a.revision, a.password_hash, a.password_changed,
    CASE WHEN a.state = 'active' AND d.state = 'active' AND c.state = 'active' AND (c.plan IS NULL OR p.state = 'active') THEN 1 ELSE 0 END
    FROM account a JOIN domain d ON d.name = a.domain JOIN customer c ON c.name = d.customer LEFT JOIN plan p ON p.name = c.plan
    WHERE a.login = ?`

// Credential implements account.CredentialStore.
func (s *Store) Credential(ctx context.Context, login string) (out account.Credential, err error) {
	found := false
	err = s.base.Read(ctx, "account.credential", func(c reader) error {
		return c.Query(ctx, CredentialSQL, bind(login), func(r *row) error {
			out = account.Credential{Account: r.ID(), Revision: r.Int64(), PasswordHash: r.Text(), PasswordChanged: r.Time(), Active: r.Bool()}
			found = true
			return nil
		})
	})
	if err == nil && !found {
		err = accountObject(login).missing("account.credential")
	}
	return out, err
}

// RenewHash implements account.CredentialStore.
func (s *Store) RenewHash(ctx context.Context, login, before, after string, e audit.Event) error {
	return s.base.Change(ctx, "account.renew", func(t writer) error {
		if err := renew(t, login, before, after); err != nil {
			return err
		}
		return s.base.Record(t, []audit.Event{e})
	})
}

// renew puts one hash in the place of another. It fails before it writes.
func renew(t writer, login, before, after string) error {
	const op = "account.renew"
	stored, found := "", false
	err := t.Query("SELECT password_hash FROM account WHERE login = ?", bind(login), func(r *row) error {
		stored, found = r.Text(), true
		return nil
	})
	switch {
	case err != nil:
		return err
	case !found:
		return accountObject(login).missing(op)
	case stored != before:
		return fault.New(op, fault.Conflict, "account %q has another password hash by now", login)
	}
	return t.Exec("UPDATE account SET password_hash = ? WHERE login = ?", bind(after, login))
}

// HashCosts implements account.CredentialStore. It cuts the parameters out of
// "$argon2id$v=19$m=19456,t=2,p=1$...".
func (s *Store) HashCosts(ctx context.Context) (list []string, err error) {
	text := "SELECT DISTINCT substr(password_hash, 16, " + s.dialect.Position + `(substr(password_hash, 16), '$') - 1) FROM account
    WHERE password_hash LIKE '$argon2id$v=19$%$%'`
	err = s.base.Read(ctx, "account.costs", func(c reader) error {
		list, err = sqlkit.All(ctx, c, text, nil, (*row).Text)
		return err
	})
	return list, err
}
