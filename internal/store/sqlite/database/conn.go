package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"

	engine "modernc.org/sqlite"
)

// Conn is one connection with its prepared statements. It uses the driver
// without the pool of database/sql in between, which costs as much as a small
// statement itself. It is used by one goroutine at a time.
type Conn struct {
	raw driver.Conn
	// prepared holds each statement under its text. All texts are constants
	// of this package or made of a few of them, so it stays small.
	prepared map[string]statement
}

// statement is what the driver's statements can do.
type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// openConn opens the database file at path, which is absolute, and sets what
// holds for every connection.
func openConn(path string, pragmas ...string) (*Conn, error) {
	uri := url.URL{Scheme: "file", Path: path}
	raw, err := (&engine.Driver{}).Open(uri.String())
	if err != nil {
		return nil, err
	}
	c := &Conn{raw: raw, prepared: map[string]statement{}}
	// Another process may hold the write lock for a moment, and does so from
	// the first statement on.
	all := append([]string{"busy_timeout = 5000", "foreign_keys = ON"}, pragmas...)
	for _, p := range all {
		if err := c.once("PRAGMA " + p); err != nil {
			return nil, errors.Join(err, raw.Close())
		}
	}
	return c, nil
}

// close closes statements and connection.
func (c *Conn) close() error {
	var all []error
	for _, s := range c.prepared {
		all = append(all, s.Close())
	}
	return errors.Join(append(all, c.raw.Close())...)
}

// prepare returns the statement of that text.
func (c *Conn) prepare(text string) (statement, error) {
	if s := c.prepared[text]; s != nil {
		return s, nil
	}
	raw, err := c.raw.Prepare(text)
	if err != nil {
		return nil, err
	}
	s, ok := raw.(statement)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver's statements are of type %T", raw), raw.Close())
	}
	c.prepared[text] = s
	return s, nil
}

// once runs text, one or several statements, without keeping it.
func (c *Conn) once(text string) error {
	raw, err := c.raw.Prepare(text)
	if err != nil {
		return err
	}
	_, err = raw.(driver.StmtExecContext).ExecContext(context.Background(), nil)
	return errors.Join(err, raw.Close())
}

// exec runs a prepared statement that returns no rows.
func (c *Conn) exec(text string, args Values) (driver.Result, error) {
	s, err := c.prepare(text)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(context.Background(), args)
}

// Query runs a prepared statement and calls each for every row. The row is
// valid only during the call. When ctx ends, so does the query.
func (c *Conn) Query(ctx context.Context, text string, args Values, each func(*Row) error) error {
	s, err := c.prepare(text)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(ctx, args)
	if err != nil {
		return err
	}
	err = eachRow(ctx, rows, each)
	return errors.Join(err, rows.Close())
}

func eachRow(ctx context.Context, rows driver.Rows, each func(*Row) error) error {
	var r Row
	columns := make([]driver.Value, len(rows.Columns()))
	for {
		err := rows.Next(columns)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		r.Set(columns)
		if err := each(&r); err != nil {
			return err
		}
		if err := r.Err(); err != nil {
			return err
		}
	}
}

// Number runs a query for one integer; found is false without a row.
func (c *Conn) Number(ctx context.Context, text string, args Values) (n int64, found bool, err error) {
	err = c.Query(ctx, text, args, func(r *Row) error {
		n, found = r.Int64(), true
		return nil
	})
	return n, found, err
}
