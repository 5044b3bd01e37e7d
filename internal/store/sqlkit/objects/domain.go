package objects

import (
	"context"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit"
)

const domainColumns = "SELECT name, customer, state, alignment, created, revision FROM domain"

func scanDomain(r *row) account.Domain {
	return account.Domain{Name: r.Domain(), Customer: r.Text(), State: account.State(r.Text()), Alignment: account.Alignment(r.Text()), Created: r.Time(), Revision: r.Int64()}
}

const keyColumns = "SELECT selector, algorithm, public, sealed, created, stage, turned FROM domain_key WHERE domain = ?"

const (
	keysSQL    = keyColumns + " ORDER BY position"
	signingSQL = keyColumns + " AND stage = '' ORDER BY position"
)

func scanKey(r *row) account.Key {
	return account.Key{Selector: r.Text(), Algorithm: r.Text(), Public: r.Text(), Sealed: r.Blob(), Created: r.Time(), Stage: account.Stage(r.Text()), Turned: r.Time()}
}

// PutDomain implements account.DomainStore.
func (s *Store) PutDomain(ctx context.Context, d account.Domain, e audit.Event) error {
	const op = "domain.put"
	const text = `INSERT INTO domain (name, customer, state, alignment, created, revision) VALUES (?, ?, ?, ?, ?, 1)
    ON CONFLICT (name) DO UPDATE SET customer = excluded.customer, state = excluded.state, alignment = excluded.alignment, revision = domain.revision + 1`
	if err := checkState(op, d.State); err != nil {
		return err
	}
	if _, err := account.ParseAlignment(d.Alignment.String()); err != nil {
		return err
	}
	args := bind(d.Name, d.Customer, string(d.State), string(d.Alignment), d.Created)
	return s.put(ctx, domainObject(string(d.Name)), d.Revision, e, func(t writer) error {
		if err := customerObject(d.Customer).require(t, op); err != nil {
			return err
		}
		if err := t.Exec(text, args); err != nil {
			return err
		}
		return putKeys(t, d)
	})
}

// putKeys replaces the keys of a domain.
func putKeys(t writer, d account.Domain) error {
	if err := t.Exec("DELETE FROM domain_key WHERE domain = ?", bind(d.Name)); err != nil {
		return err
	}
	for i, k := range d.Keys {
		err := t.Exec("INSERT INTO domain_key (domain, position, selector, algorithm, public, sealed, created, stage, turned) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			bind(d.Name, i, k.Selector, k.Algorithm, k.Public, k.Sealed, k.Created, string(k.Stage), k.Turned))
		if err != nil {
			return err
		}
	}
	return nil
}

// Domain implements account.DomainStore.
func (s *Store) Domain(ctx context.Context, name mail.Domain) (d account.Domain, err error) {
	err = s.base.Snapshot(ctx, "domain.get", func(c reader) error {
		d, err = one(ctx, c, domainObject(string(name)), domainColumns+" WHERE name = ?", scanDomain)
		if err != nil {
			return err
		}
		d.Keys, err = sqlkit.All(ctx, c, keysSQL, bind(name), scanKey)
		return err
	})
	return d, err
}

// Domains implements account.DomainStore.
func (s *Store) Domains(ctx context.Context, q account.DomainQuery) (list []account.Domain, err error) {
	var w sqlkit.Where
	if len(q.Customers) > 0 {
		of := make([]any, len(q.Customers))
		for i, name := range q.Customers {
			of[i] = name
		}
		w.Add(true, "customer IN ("+strings.TrimSuffix(strings.Repeat("?, ", len(of)), ", ")+")", of...)
	}
	err = s.base.Read(ctx, "domain.list", func(c reader) error {
		list, err = listed(ctx, c, domainColumns, w, q.Part, scanDomain)
		return err
	})
	return list, err
}

// listed reads a part of a listing by name, of what meets some conditions.
func listed[T any](ctx context.Context, c reader, columns string, w sqlkit.Where, part account.Part, scan func(*row) T) ([]T, error) {
	w.Add(part.After != "", "name > ?", part.After)
	text, args := columns+w.Text()+" ORDER BY name", w.Bind()
	if part.Limit > 0 {
		text, args = text+" LIMIT ?", w.Bind(part.Limit)
	}
	return sqlkit.All(ctx, c, text, args, scan)
}

// SigningKeys implements account.Directory.
func (s *Store) SigningKeys(ctx context.Context, domain mail.Domain) (keys []account.Key, err error) {
	err = s.base.Read(ctx, "domain.keys", func(c reader) error {
		keys, err = sqlkit.All(ctx, c, signingSQL, bind(domain), scanKey)
		return err
	})
	return keys, err
}

// Turning implements account.DomainStore.
func (s *Store) Turning(ctx context.Context, selectors []string, made time.Time) (list []mail.Domain, err error) {
	text, args := "SELECT DISTINCT domain FROM domain_key WHERE stage <> ''", []any{}
	if len(selectors) > 0 {
		text += " OR selector IN (" + strings.TrimSuffix(strings.Repeat("?, ", len(selectors)), ", ") + ") AND (turned = 0 OR created < ?)"
		for _, selector := range selectors {
			args = append(args, selector)
		}
		args = append(args, made)
	}
	err = s.base.Read(ctx, "domain.turning", func(c reader) error {
		list, err = sqlkit.All(ctx, c, text+" ORDER BY domain", bind(args...), func(r *row) mail.Domain { return r.Domain() })
		return err
	})
	return list, err
}

// RemoveDomain implements account.DomainStore.
func (s *Store) RemoveDomain(ctx context.Context, name mail.Domain, e audit.Event) error {
	const dropSQL = "DELETE FROM domain WHERE name = ?" // with its keys
	return s.remove(ctx, domainObject(string(name)), e, "SELECT 1 FROM account WHERE domain = ? LIMIT 1", dropSQL)
}
