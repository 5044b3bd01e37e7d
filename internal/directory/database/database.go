package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"countersign/internal/directory"
	"countersign/internal/fault"
)

// Options say where a database is and what it is asked.
type Options struct {
	// Name is what the configuration calls the directory.
	Name string
	// URL is "postgres://user@host:port/database?option=value" with the options of
	// libpq, or "mysql://user@host:port/database" with the options sslmode ("disable"
	// or "verify-full"), sslrootcert (a file) and socket (a path). MariaDB is the
	// same as MySQL. To a host that is not this machine TLS is needed and the default.
	URL string
	// PasswordFile holds the password of the database's user, alone on its first
	// line; it is read at each new connection. "" for none.
	PasswordFile string
	// Query is one SELECT with the parameters :login, :local and :domain, MaxQuery
	// octets at the most.
	Query string
	// Scheme stands in braces before a hash that has none: "CRYPT", "MD5-CRYPT".
	// Where it is "", such a hash lets nobody in.
	Scheme string
	// Connections is how many may be open at once, at least 1.
	Connections int
	// Timeout is how long the server may work on the query, at least a millisecond.
	Timeout time.Duration
}

// MaxQuery is the longest query in octets.
const MaxQuery = 16 << 10

// How long a connection is used, and kept without use.
const (
	lifetime = 10 * time.Minute
	idle     = time.Minute
)

// Database is a directory.Source. It is safe for concurrent use.
type Database struct {
	name   string
	scheme string
	query  statement
	db     *sql.DB
	// kind says what an error of the server means.
	kind func(error) (fault.Kind, bool)
}

var _ directory.Witness = (*Database)(nil)

// Open returns a Database that has not connected yet. Errors: fault.Invalid for
// options that will not do.
func Open(opt Options) (*Database, error) {
	const op = "database.open"
	wrong := func(err error) error {
		return fault.New(op, fault.Invalid, "directory %s: %v", opt.Name, err)
	}
	if opt.Connections < 1 {
		return nil, wrong(errors.New("it needs one connection at least"))
	}
	if opt.Timeout < time.Millisecond {
		return nil, wrong(errors.New("its time-out must be a millisecond at least"))
	}
	e, query, all := read(opt)
	if all != nil {
		return nil, wrong(all.First())
	}
	db := sql.OpenDB(e.connector)
	db.SetMaxOpenConns(opt.Connections)
	db.SetMaxIdleConns(opt.Connections)
	db.SetConnMaxLifetime(lifetime)
	db.SetConnMaxIdleTime(idle)
	return &Database{name: opt.Name, scheme: opt.Scheme, query: query, db: db, kind: e.kind}, nil
}

// Check says what is wrong with the options, all at once.
func Check(opt Options) directory.OptionErrors {
	_, _, all := read(opt)
	_, err := readPassword(opt.PasswordFile)
	all.Add("password_file", err)
	return all
}

// read reads the options that are texts.
func read(opt Options) (e engine, query statement, all directory.OptionErrors) {
	if !isScheme(opt.Scheme) {
		all.Add("scheme", errors.New("the scheme of its hashes must be a name of letters, digits, hyphens and full stops, such as CRYPT"))
	}
	e, err := engineOf(opt)
	all.Add("url", err)
	if err == nil { // what a query may hold is the engine's matter
		query, err = compile(opt.Query, e.dialect)
		all.Add("query", err)
	}
	return e, query, all
}

// Name implements directory.Source.
func (d *Database) Name() string { return d.name }

// Close implements directory.Source.
func (d *Database) Close() error { return d.db.Close() }

// Ask implements directory.Source.
func (d *Database) Ask(ctx context.Context, q directory.Question) (*directory.Answer, error) {
	const op = "database.ask"
	r, err := d.row(ctx, splitLogin(q.Login))
	if err != nil {
		return nil, d.unknown(d.failed(ctx, op, err))
	}
	if r == nil || r["password"] == "" { // who has no password cannot prove anything
		return nil, fault.New(op, fault.NotFound, "")
	}
	a, err := r.answer(d.scheme)
	if err != nil {
		return nil, fault.Wrap(op, fault.Corrupt, fmt.Errorf("the directory %s: %w", d.name, err))
	}
	return a, nil
}

// Witnesses implements directory.Witness: a query finds accounts by their login.
func (d *Database) Witnesses() bool { return true }

// Standing implements directory.Witness: an account stands while the query finds it,
// whether it has a password or not.
func (d *Database) Standing(ctx context.Context, q directory.Question) (s directory.Standing, err error) {
	const op = "database.standing"
	r, err := d.row(ctx, splitLogin(q.Login))
	switch {
	case err != nil:
		return s, d.unknown(d.failed(ctx, op, err))
	case r == nil:
		return s, fault.New(op, fault.NotFound, "")
	}
	s.Login = r["login"]
	if s.Disabled, err = truth(r["disabled"]); err == nil {
		s.Networks, err = networks(r["allow_nets"])
	}
	if err != nil {
		err = fault.Wrap(op, fault.Corrupt, fmt.Errorf("the directory %s: %w", d.name, err))
	}
	return s, err
}

// unknown turns the error for a login that the database cannot even compare, such
// as one with characters that the column's character set does not have, into the
// one for a login that it does not know. Check tells of a query that takes none.
func (d *Database) unknown(err error) error {
	if fault.Is(err, fault.Invalid) {
		return fault.Wrap("database.ask", fault.NotFound, err)
	}
	return err
}

// Check runs the query for a login that nobody has, so that an operator learns what
// is wrong with it before anybody logs in. Errors: fault.Invalid where the query
// answers with a row or cannot compare a login, fault.Corrupt where it answers with
// several rows, fault.Unavailable where it cannot be run or has columns that are
// none.
func (d *Database) Check(ctx context.Context) error {
	const op = "database.check"
	r, err := d.row(ctx, splitLogin(directory.ProbeLogin))
	if err != nil {
		return d.failed(ctx, op, err)
	}
	if r != nil {
		return fault.New(op, fault.Invalid, "directory %s: the query finds an account for %s, which nobody has: it does not look at :login", d.name, directory.ProbeLogin)
	}
	return nil
}

// row runs the query and returns its row, nil where it has none.
func (d *Database) row(ctx context.Context, l login) (row, error) {
	tx, err := d.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	rows, err := tx.QueryContext(ctx, d.query.text, d.query.arguments(l)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return readRow(rows)
}

// failed gives an error of the database its kind.
func (d *Database) failed(ctx context.Context, op string, err error) error {
	named := fmt.Errorf("the directory %s: %w", d.name, err)
	if ctx.Err() == nil {
		if errors.Is(err, errRows) {
			return fault.Wrap(op, fault.Corrupt, named)
		}
		if kind, known := d.kind(err); known {
			return fault.Wrap(op, kind, named)
		}
	}
	return directory.Failed(ctx, op, named)
}
