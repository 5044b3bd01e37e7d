package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"countersign/internal/fault"
	"countersign/internal/store/sqlkit"
)

const createMigrationSQL = `CREATE TABLE IF NOT EXISTS schema_migration (
    version bigint PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, compatible bigint NOT NULL,
    applied bigint NOT NULL)`

// migrate brings the schema to the newest step, and returns what the database had
// before. The lock makes sure that one process alone applies steps, and that
// nobody joins meanwhile.
func (db *DB) migrate(t *Tx, o *Options) (s sqlkit.Standing, err error) {
	if err := checkVersion(t, o.oldest); err != nil {
		return s, err
	}
	if err := o.Before(t); err != nil {
		return s, err
	}
	if err := checkWritable(t); err != nil {
		return s, err
	}
	if _, err := t.Raw("SELECT pg_advisory_xact_lock($1)", int64(lockSchema)); err != nil {
		return s, err
	}
	known, err := isKnown(t, "postgres.open")
	if err != nil {
		return s, err
	}
	if known {
		if err := refuseElsewhere(t); err != nil {
			return s, err
		}
	}
	if !known {
		if err := refuseForeign(t); err != nil {
			return s, err
		}
		if err := o.Schema.Refuse("postgres.open", s); err != nil {
			return s, err
		}
		if err := t.Exec(createMigrationSQL, nil); err != nil {
			return s, err
		}
	}
	s, err = sqlkit.Compare("postgres.open", db.steps, t.Query)
	if err == nil && known {
		err = o.Schema.Refuse("postgres.open", s)
	}
	if err != nil {
		return s, err
	}
	if hardest := s.Hardest(); hardest != nil {
		if err := o.Beside(t, hardest); err != nil {
			return s, err
		}
	}
	for _, m := range s.Pending {
		if _, err := t.Raw(m.Text); err != nil {
			return s, fmt.Errorf("%s: %w", m.Name, err)
		}
		err := t.Exec(sqlkit.InsertMigrationSQL, m.Applied(o.Now()))
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// KeepSchema refuses with fault.Conflict, under op, what this program may not do
// any more, as the schema has become too new for it since it was opened. Until the
// end of the transaction no step is applied.
func (db *DB) KeepSchema(t *Tx, op string) error {
	if _, err := t.Raw("SELECT pg_advisory_xact_lock_shared($1)", int64(lockSchema)); err != nil {
		return err
	}
	_, err := sqlkit.Compare(op, db.steps, t.Query)
	return err
}

// Known returns the newest step of the schema that this program has.
func (db *DB) Known() int { return len(db.steps) }

// upToDate refuses a schema that lacks what this program knows.
func (db *DB) upToDate(t *Tx) error {
	if err := checkVersion(t, minVersion); err != nil {
		return err
	}
	known, err := isKnown(t, "postgres.look")
	if err != nil {
		return err
	}
	if !known {
		return fault.New("postgres.look", fault.NotFound, "there are no tables of this program in the database; start the server first, or name the right one in store.url")
	}
	s, err := sqlkit.Compare("postgres.look", db.steps, t.Query)
	if err == nil && len(s.Pending) > 0 {
		err = fault.New("postgres.look", fault.Conflict,
			"the database has an older schema than this program; start the server of this release first, or use the release that made it")
	}
	return err
}

// checkVersion refuses a server that is older than least, a server_version_num.
func checkVersion(t *Tx, least int64) error {
	version, _, err := t.Number("SELECT current_setting('server_version_num')::bigint", nil)
	if err == nil && version < least {
		err = fault.New("postgres.open", fault.Unavailable,
			"the server is PostgreSQL %d.%d; %d or later is needed", version/10000, version%10000, least/10000)
	}
	return err
}

// errReadOnly is in the chain of the error where a setting keeps a primary from
// taking changes.
var errReadOnly = errors.New("default_transaction_read_only is on")

// checkWritable says so of a primary that takes no changes, as its own refusal does
// not tell it from a standby. The setting may be on purpose, so it stands.
func checkWritable(t *Tx) error {
	set, err := t.Exists("SELECT 1 WHERE NOT pg_is_in_recovery() AND current_setting('transaction_read_only')::boolean", nil)
	if err == nil && set {
		err = errors.Join(errReadOnly, &pgconn.PgError{Code: stateReadOnly})
	}
	return err
}

// isKnown reports whether a step of the schema was applied. Another program's table
// of the same name is refused, under op.
func isKnown(t *Tx, op string) (bool, error) {
	const text = `SELECT count(*), count(*) FILTER (WHERE attname IN ('version', 'name', 'checksum', 'compatible', 'applied'))
		FROM pg_attribute WHERE attrelid = to_regclass('schema_migration') AND attnum > 0 AND NOT attisdropped`
	all, ours := int64(0), int64(0)
	err := t.Query(text, nil, func(r *sqlkit.Row) error {
		all, ours = r.Int64(), r.Int64()
		return nil
	})
	if err == nil && all > 0 && ours != 5 {
		err = foreign(op)
	}
	return all > 0, err
}

// refuseElsewhere refuses tables that are found along search_path, but behind the
// schema that new ones would be made in: that would mix two stores.
func refuseElsewhere(t *Tx) error {
	const text = `SELECT n.nspname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = to_regclass('schema_migration') AND n.nspname IS DISTINCT FROM current_schema()`
	return t.Query(text, nil, func(r *sqlkit.Row) error {
		return fault.New("postgres.open", fault.Conflict,
			"the tables are in schema %q, which is not the first in search_path; name it alone (search_path=… in store.url)", r.Text())
	})
}

// refuseForeign refuses a schema in which somebody else keeps something that has a
// name as our tables have: tables, views, sequences. What an extension has brought
// is nobody's.
func refuseForeign(t *Tx) error {
	const text = `SELECT 1 FROM pg_class c WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
		AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e') LIMIT 1`
	found, err := t.Exists(text, nil)
	if err == nil && found {
		err = foreign("postgres.open")
	}
	return err
}

func foreign(op string) error {
	return fault.New(op, fault.Conflict,
		"this database holds the tables of another program; name an empty database, or one with a schema of its own in search_path")
}

// unreadable says what the driver finds wrong in a URL, without the URL. What does
// not even fall into its parts is not shown: any of them may be a misplaced password.
func unreadable(err error) error {
	text := err.Error()
	// The driver's text is "cannot parse `URL`: why (cause)".
	why := text[strings.LastIndex(text, "`: ")+1:]
	why = strings.TrimPrefix(why, ": ")
	var parse *pgconn.ParseConfigError
	if !errors.As(err, &parse) || why == text || strings.HasPrefix(why, "failed to parse as") || strings.HasPrefix(why, "invalid port") {
		return fault.New("postgres.open", fault.Invalid,
			`store.url cannot be read as "postgres://user@host:port/database?option=value"; special characters are written as %%xx`)
	}
	return fault.New("postgres.open", fault.Invalid, "an option in store.url cannot be used: %s", why)
}

// isConnecting reports whether err comes from making a connection.
func isConnecting(err error) bool {
	var e *pgconn.ConnectError
	return errors.As(err, &e)
}

// unusable says of a failed opening what is wrong and what to do, without the
// password that the driver's own text may hold.
func unusable(config *pgxpool.Config, err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		if errors.Is(err, errNotDurable) {
			return &fault.Error{Op: "postgres.open", Kind: fault.Conflict, Detail: known.Detail}
		}
		return err
	}
	c := config.ConnConfig
	kind, text := kindOf(err), ""
	var e *pgconn.PgError
	if errors.As(err, &e) {
		text = e.Message
	}
	switch state := stateOf(err); {
	case strings.HasPrefix(state, classAuth):
		kind, text = fault.Denied, fmt.Sprintf("the server refuses user %q (%s); look at the password file and at the server's pg_hba.conf", c.User, text)
	case state == stateNoDatabase:
		kind, text = fault.Unavailable, fmt.Sprintf("there is no database %q; make it with: createdb --owner=%s %s", c.Database, c.User, c.Database)
	case state == stateNoSchema:
		kind, text = fault.Unavailable, fmt.Sprintf("there is no schema of search_path in database %q; make one with CREATE SCHEMA, or change search_path in store.url", c.Database)
	case isConnecting(err) && (state == stateNoSetting || state == stateBadSetting):
		kind, text = fault.Invalid, fmt.Sprintf("the server does not take a setting that stands in store.url (%s); correct its name or its value there", text)
	case state == statePrivilege:
		kind, text = fault.Denied, fmt.Sprintf("user %q may not make what is needed in database %q (%s); make it the owner of the database and of its tables", c.User, c.Database, text)
	case errors.Is(err, errReadOnly):
		kind, text = fault.Unavailable, "default_transaction_read_only is on for this user, database or server, so that nothing can be stored; switch it off (ALTER ROLE … RESET default_transaction_read_only)"
		err = errReadOnly
	case state == stateReadOnly:
		kind, text = fault.Unavailable, "the server is a standby that takes no changes; name all servers in store.url, with target_session_attrs=read-write"
	case state == stateDiskFull:
		text = "the server's disk is full (" + text + ")"
	case strings.Contains(err.Error(), "server refused TLS connection"): // the driver has no other sign of it
		kind, text = fault.Unavailable, fmt.Sprintf("a server of %s takes no TLS, which sslmode in store.url asks for; switch it on there (ssl = on), "+
			"or set sslmode=disable for a server on this machine", strings.Join(hostsOf(c), ", "))
	case errors.As(err, new(*tls.CertificateVerificationError)):
		kind, text = fault.Unavailable, fmt.Sprintf("the certificate of a server of %s is not accepted; in store.url name the file of its authority with sslrootcert, "+
			"and the server as the certificate does", strings.Join(hostsOf(c), ", "))
	case text == "":
		kind, text = fault.Unavailable, fmt.Sprintf("no server of %s answers as it should", strings.Join(hostsOf(c), ", "))
	}
	return &fault.Error{Op: "postgres.open", Kind: kind, Detail: "the database cannot be used: " + text, Err: withoutSecrets(err)}
}

// hostsOf lists the servers of a configuration.
func hostsOf(c *pgx.ConnConfig) []string {
	list := []string{fmt.Sprintf("%s:%d", c.Host, c.Port)}
	for _, f := range c.Fallbacks {
		host := fmt.Sprintf("%s:%d", f.Host, f.Port)
		if host != list[len(list)-1] {
			list = append(list, host)
		}
	}
	return list
}

// withoutSecrets keeps the server's own words and drops the driver's, which
// repeat the address it was given.
func withoutSecrets(err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e
	}
	var inner *pgconn.ConnectError
	if errors.As(err, &inner) && errors.Unwrap(inner) != nil {
		return errors.Unwrap(inner)
	}
	return err
}
