package objects

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/holding"
)

const credentialColumns = `k.id, k.kind, k.name, k.subject, k.hash, k.cost, k.keys, k.former, k.networks, k.senders, k.mechanisms,
    k.max_recipients, k.max_message_bytes, k.max_messages, k.expires, k.created, k.changed, k.recall_all, k.recall_some, k.spared`

func scanCredential(r *row) account.Credential {
	return account.Credential{
		ID: r.ID(), Kind: account.CredentialKind(r.Text()), Name: r.Text(), Subject: r.Text(),
		Secret: account.Secret{Hash: r.Text(), Cost: r.Text(), Keys: splitKeys(r.Text()), Former: splitLines(r.Text())},
		Envelope: account.Envelope{
			Networks: splitNetworks(r), Senders: splitGrants(r), Mechanisms: splitWords(r.Text()),
			MaxRecipients: r.Int(), MaxMessageBytes: r.Int64(), MaxMessages: r.Int(), Expires: r.Time(),
		},
		Created: r.Time(), Changed: r.Time(),
		Recall: account.Recall{All: r.Int64(), Some: r.Int64(), Spared: splitGrants(r)},
	}
}

// checkCredentials checks that names are of one credential of the account, and ids
// and subjects of one of all. It fails before anything is written.
func checkCredentials(t writer, a *account.Account) error {
	const op = "account.put"
	names, ids := map[string]bool{}, map[mail.ID]bool{}
	for i := range a.Credentials {
		c := &a.Credentials[i]
		if err := c.Check(); err != nil {
			return err
		}
		if names[c.Name] || ids[c.ID] {
			return fault.New(op, fault.Invalid, "credential %q of account %q, or its id, stands twice", c.Name, a.Login())
		}
		names[c.Name], ids[c.ID] = true, true
		taken, err := t.Exists("SELECT 1 FROM credential WHERE id = ? AND login <> ?", bind(c.ID, a.Login()))
		if err != nil {
			return err
		}
		if taken {
			return fault.New(op, fault.Conflict, "credential %s belongs to another account", c.ID)
		}
		if c.Subject == "" {
			continue
		}
		taken, err = t.Exists("SELECT 1 FROM credential WHERE kind = ? AND subject = ? AND login <> ?", bind(string(c.Kind), c.Subject, a.Login()))
		if err != nil {
			return err
		}
		if taken || subjectTwice(a.Credentials[:i], c) {
			return fault.New(op, fault.Conflict, "%s %q is a credential of an account already", c.Kind, c.Subject)
		}
	}
	return nil
}

// subjectTwice reports whether one of the list has the subject of c.
func subjectTwice(list []account.Credential, c *account.Credential) bool {
	for i := range list {
		if list[i].Kind == c.Kind && list[i].Subject == c.Subject {
			return true
		}
	}
	return false
}

const (
	dropCredentialsSQL = "DELETE FROM credential WHERE login = ?"

	insertCredentialSQL = `INSERT INTO credential (login, id, kind, name, subject, hash, cost, keys, former, networks, senders, mechanisms,
    max_recipients, max_message_bytes, max_messages, expires, created, changed, recall_all, recall_some, spared)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	dropUsesSQL = "DELETE FROM credential_use WHERE login = ? AND NOT EXISTS (SELECT 1 FROM credential k WHERE k.id = credential_use.credential)"
)

// putCredentials replaces the credentials of an account.
func putCredentials(t writer, a *account.Account) error {
	login := a.Login()
	stored, err := storedSecrets(t, a)
	if err != nil {
		return err
	}
	if err := t.Exec(dropCredentialsSQL, bind(login)); err != nil {
		return err
	}
	for i := range a.Credentials {
		c := &a.Credentials[i]
		e := &c.Envelope
		err := t.Exec(insertCredentialSQL, bind(login, c.ID, string(c.Kind), c.Name, c.Subject,
			c.Secret.Hash, c.Secret.Cost, joinKeys(latestKeys(&c.Secret, stored[c.ID])), joinLines(c.Secret.Former),
			joinNetworks(e.Networks), joinGrants(e.Senders), strings.Join(e.Mechanisms, " "),
			e.MaxRecipients, e.MaxMessageBytes, e.MaxMessages, e.Expires, c.Created, c.Changed,
			c.Recall.All, c.Recall.Some, joinGrants(c.Recall.Spared)))
		if err != nil {
			return err
		}
	}
	return t.Exec(dropUsesSQL, bind(login))
}

// storedSecrets reads hashes and keys of an account's credentials, by id, where keys
// are to be put that may have been sealed anew since the account was read.
func storedSecrets(t writer, a *account.Account) (map[mail.ID]account.Secret, error) {
	if !slices.ContainsFunc(a.Credentials, func(c account.Credential) bool {
		return len(c.Secret.Keys) > 0
	}) {
		return nil, nil
	}
	stored := map[mail.ID]account.Secret{}
	err := t.Query("SELECT id, hash, keys FROM credential WHERE login = ?", bind(a.Login()), func(r *row) error {
		stored[r.ID()] = account.Secret{Hash: r.Text(), Keys: splitKeys(r.Text())}
		return nil
	})
	return stored, err
}

// latestKeys returns the keys to put. Where the password is that which is stored, its
// sealed keys are put as they are stored: what was read before may be sealed with a key
// that is no more by now.
func latestKeys(given *account.Secret, stored account.Secret) []account.SecretKey {
	if stored.Hash != given.Hash {
		return given.Keys
	}
	keys := slices.Clone(given.Keys)
	for i, k := range keys {
		if value := stored.Key(k.Mechanism); value != "" {
			keys[i].Value = value
		}
	}
	return keys
}

// credentials reads the credentials into the accounts that are chosen.
func (a *accounts) credentials(these chosen) sqlkit.Ask {
	const text = "SELECT login, " + credentialColumns + " FROM credential k WHERE "
	return sqlkit.Ask{Text: text + these.condition + " ORDER BY login, name", Args: these.args, Each: func(r *row) error {
		if of := a.of(r); of != nil {
			of.Credentials = append(of.Credentials, scanCredential(r))
		}
		return nil
	}}
}

// mayKeepLegacy is the condition that account a, on plan q of its own or on plan p of its
// customer, may have keys of legacy mechanisms.
const mayKeepLegacy = "(a.legacy = 1 OR coalesce(q.legacy, p.legacy) = 1)"

// ProofsSQL reads a row for each credential of an account, or one without; by the
// keys of the account and of those above it.
const ProofsSQL = `SELECT (SELECT value FROM meta WHERE name = 'generation'), a.id, a.revision, a.directory, CASE WHEN ` + mayKeepLegacy + ` THEN 1 ELSE 0 END,
    CASE WHEN a.state = 'active' AND d.state = 'active' AND c.state = 'active' AND (c.plan IS NULL OR p.state = 'active') THEN 1 ELSE 0 END,
    CASE WHEN a.plan IS NULL OR q.state = 'active' THEN 1 ELSE 0 END, a.plan_learned,
    coalesce(k.id, ''), ` + optionalColumns + ` FROM account a` + holding.Above + `
    LEFT JOIN credential k ON k.login = a.login WHERE a.login = ? ORDER BY k.name`

// optionalColumns are credentialColumns where there may be no credential.
const optionalColumns = `coalesce(k.id, ''), coalesce(k.kind, ''), coalesce(k.name, ''), coalesce(k.subject, ''), coalesce(k.hash, ''), coalesce(k.cost, ''),
    coalesce(k.keys, ''), coalesce(k.former, ''), coalesce(k.networks, ''), coalesce(k.senders, ''), coalesce(k.mechanisms, ''),
    coalesce(k.max_recipients, 0), coalesce(k.max_message_bytes, 0), coalesce(k.max_messages, 0), coalesce(k.expires, 0), coalesce(k.created, 0), coalesce(k.changed, 0),
    coalesce(k.recall_all, 0), coalesce(k.recall_some, 0), coalesce(k.spared, '')`

// Proofs implements account.CredentialStore.
func (s *Store) Proofs(ctx context.Context, login string) (out account.Proofs, err error) {
	err = s.base.Read(ctx, "account.proofs", func(c reader) error {
		out = account.Proofs{}
		return c.Query(ctx, ProofsSQL, bind(login), func(r *row) error {
			out.Generation = uint64(r.Int64())
			out.Account, out.Revision, out.Directory, out.Legacy = r.ID(), r.Int64(), r.Text(), r.Bool()
			rest, plan, learned := r.Bool(), r.Bool(), r.Bool()
			out.Active, out.PlanAlone = rest && plan, rest && !plan && learned
			if r.Text() != "" {
				out.Credentials = append(out.Credentials, scanCredential(r))
			}
			return nil
		})
	})
	if err == nil && out.Account == "" {
		err = accountObject(login).missing("account.proofs")
	}
	return out, err
}

// RenewSecret implements account.CredentialStore.
func (s *Store) RenewSecret(ctx context.Context, login string, id mail.ID, before string, after account.Secret, e audit.Event) error {
	return s.base.Change(ctx, "account.renew", func(t writer) error {
		if err := renew(t, login, id, before, after); err != nil {
			return err
		}
		return s.base.Record(t, []audit.Event{e})
	})
}

// renew puts one form of a password in the place of another. It fails before it
// writes.
func renew(t writer, login string, id mail.ID, before string, after account.Secret) error {
	const op = "account.renew"
	stored, found := "", false
	err := t.Query("SELECT hash FROM credential WHERE id = ? AND login = ?", bind(id, login), func(r *row) error {
		stored, found = r.Text(), true
		return nil
	})
	switch {
	case err != nil:
		return err
	case !found:
		return fault.New(op, fault.NotFound, "account %q has no credential %s", login, id)
	case stored != before:
		return fault.New(op, fault.Conflict, "credential %s of account %q has another hash by now", id, login)
	}
	legacy, err := t.Exists(LegacySQL, bind(login))
	if err != nil {
		return err
	}
	keys := after.Keys
	if !legacy {
		keys = after.WithoutLegacy()
	}
	return t.Exec("UPDATE credential SET hash = ?, cost = ?, keys = ? WHERE id = ?", bind(after.Hash, after.Cost, joinKeys(keys), id))
}

// LegacySQL finds an account that may have keys of legacy mechanisms, by itself or by its
// plan, which is the customer's where it has none of its own.
const LegacySQL = "SELECT 1 FROM account a" + holding.Above + " WHERE a.login = ? AND " + mayKeepLegacy

// CostsSQL walks the index of costs from one to the next.
const CostsSQL = `WITH RECURSIVE each_cost (cost) AS (SELECT min(cost) FROM credential WHERE cost > ''
    UNION ALL SELECT (SELECT min(cost) FROM credential WHERE cost > each_cost.cost) FROM each_cost WHERE each_cost.cost IS NOT NULL)
    SELECT cost FROM each_cost WHERE cost IS NOT NULL`

// Costs implements account.CredentialStore.
func (s *Store) Costs(ctx context.Context) (list []string, err error) {
	err = s.base.Read(ctx, "account.costs", func(c reader) error {
		list, err = sqlkit.All(ctx, c, CostsSQL, nil, (*row).Text)
		return err
	})
	return list, err
}

// SaltSQL reads the number that was drawn when the store was made.
const SaltSQL = "SELECT value FROM meta WHERE name = 'salt'"

// Salt implements account.CredentialStore.
func (s *Store) Salt(ctx context.Context) (salt []byte, err error) {
	err = s.base.Read(ctx, "account.salt", func(c reader) error {
		n, found, err := c.Number(ctx, SaltSQL, nil)
		if err == nil && !found {
			err = sqlkit.ErrDamaged
		}
		salt = binary.BigEndian.AppendUint64(nil, uint64(n))
		return err
	})
	return salt, err
}

// maxSubjects bounds one question for holders.
const maxSubjects = 256

// HolderSQL finds one holder.
const HolderSQL = "SELECT login, id, subject FROM credential WHERE kind = ? AND subject = ? AND subject <> ''"

// Holders implements account.CredentialStore.
func (s *Store) Holders(ctx context.Context, kind account.CredentialKind, subjects []string) (list []account.Holder, err error) {
	const op = "account.holders"
	if len(subjects) > maxSubjects {
		return nil, fault.New(op, fault.Invalid, "%d subjects are asked for; at most %d can be", len(subjects), maxSubjects)
	}
	err = s.base.Snapshot(ctx, op, func(c reader) error {
		list = nil
		for _, subject := range subjects {
			found, err := sqlkit.All(ctx, c, HolderSQL, bind(string(kind), subject), func(r *row) account.Holder {
				return account.Holder{Login: r.Text(), Credential: r.ID(), Subject: r.Text()}
			})
			if err != nil {
				return err
			}
			list = append(list, found...)
		}
		return nil
	})
	return list, err
}
