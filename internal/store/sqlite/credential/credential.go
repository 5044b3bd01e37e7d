// Package credential reads and renews, in the SQLite engine, what accounts
// prove themselves with.
//
// It knows the few columns that this takes, and none of what an account may do;
// transactions are its caller's. Main functions: Read, Renew, Costs.
package credential

import (
	"context"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/store/sqlite/database"
)

const (
	// ReadSQL reads one row by four keys: that of the account and those above
	// it.
	ReadSQL = `SELECT a.id, a.revision, a.password_hash, a.password_changed,
    a.state = 'active' AND d.state = 'active' AND c.state = 'active' AND (c.plan IS NULL OR p.state = 'active')
    FROM account a JOIN domain d ON d.name = a.domain JOIN customer c ON c.name = d.customer LEFT JOIN plan p ON p.name = c.plan
    WHERE a.login = ?`

	// costsSQL cuts the parameters out of "$argon2id$v=19$m=19456,t=2,p=1$...".
	costsSQL = `SELECT DISTINCT substr(password_hash, 16, instr(substr(password_hash, 16), '$') - 1) FROM account
    WHERE password_hash LIKE '$argon2id$v=19$%$%'`
)

// Read returns the credential of a login, or fault.NotFound.
func Read(ctx context.Context, c *database.Conn, login string) (out account.Credential, err error) {
	found := false
	err = c.Query(ctx, ReadSQL, database.Bind(login), func(r *database.Row) error {
		out = account.Credential{Account: r.ID(), Revision: r.Int64(), PasswordHash: r.Text(), PasswordChanged: r.Time(), Active: r.Bool()}
		found = true
		return nil
	})
	if err == nil && !found {
		err = missing("account.credential", login)
	}
	return out, err
}

// Renew puts one hash in the place of another; see account.CredentialStore. It
// fails before it writes.
func Renew(t *database.Tx, login, before, after string) error {
	const op = "account.renew"
	stored, found := "", false
	err := t.Query("SELECT password_hash FROM account WHERE login = ?", database.Bind(login), func(r *database.Row) error {
		stored, found = r.Text(), true
		return nil
	})
	switch {
	case err != nil:
		return err
	case !found:
		return missing(op, login)
	case stored != before:
		return fault.New(op, fault.Conflict, "account %q has another password hash by now", login)
	}
	return t.Exec("UPDATE account SET password_hash = ? WHERE login = ?", database.Bind(after, login))
}

func missing(op, login string) error {
	return fault.New(op, fault.NotFound, "there is no account %q", login)
}

// Costs lists the parameters of stored hashes, each once.
func Costs(ctx context.Context, c *database.Conn) (list []string, err error) {
	err = c.Query(ctx, costsSQL, nil, func(r *database.Row) error {
		list = append(list, r.Text())
		return nil
	})
	return list, err
}
