package database

import (
	"context"
	"errors"
	"fmt"
	"time"

	"countersign/internal/fault"
	"countersign/internal/store/sqlkit"
)

const createMigrationSQL = `CREATE TABLE IF NOT EXISTS schema_migration (
    version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, compatible INTEGER NOT NULL,
    applied INTEGER NOT NULL) STRICT`

// look refuses a database that is not ours to change, before anything is changed
// in it, locks and the way of writing included.
func look(path string, list []sqlkit.Migration, schema sqlkit.Schema) error {
	c, err := openConn(path, "query_only = ON")
	if err != nil {
		return err
	}
	s, err := stand(c, list)
	if err == nil {
		err = schema.Refuse("sqlite.open", s)
	}
	return errors.Join(err, c.close())
}

// stand compares the database with the steps of this program; it refuses one in
// which somebody else keeps tables.
func stand(c *Conn, list []sqlkit.Migration) (sqlkit.Standing, error) {
	// A new database, or another program's, has no such table.
	const table = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?"
	n, _, err := c.Number(context.Background(), table, Bind("schema_migration"))
	if err != nil || n == 0 {
		return sqlkit.Standing{Known: len(list), Pending: list}, errors.Join(err, refuseForeign(c))
	}
	const columns = "SELECT count(*) FROM pragma_table_info('schema_migration') WHERE name IN ('version', 'name', 'checksum', 'compatible', 'applied')"
	n, _, err = c.Number(context.Background(), columns, nil)
	if err == nil && n != 5 {
		err = foreign() // which names a table as we do
	}
	if err != nil {
		return sqlkit.Standing{}, err
	}
	return compare(c, list)
}

// migrate brings the schema to the newest step, and returns what the database had
// before. Without a step to apply it only reads, so that commands start also while
// the server is busy. beside is asked before a step changes what a server may be
// working on; it returns what to do when all are applied.
func migrate(c *Conn, list []sqlkit.Migration, now time.Time, beside func(*sqlkit.Migration) (func() error, error)) (s sqlkit.Standing, err error) {
	s, err = stand(c, list)
	if err != nil || len(s.Pending) == 0 {
		return s, err
	}
	if hardest := s.Hardest(); hardest != nil {
		after, err := beside(hardest)
		if err != nil {
			return s, err
		}
		defer func() { err = errors.Join(err, after()) }()
	}
	// The write lock makes sure that one process alone applies steps.
	if err := c.once("BEGIN IMMEDIATE; " + createMigrationSQL); err != nil {
		return s, err
	}
	err = applyAll(c, list, now)
	if err == nil {
		err = c.once("COMMIT")
	}
	if err != nil {
		return s, errors.Join(err, c.once("ROLLBACK"))
	}
	return s, nil
}

// besideServer keeps servers away from the database at path while a step is
// applied; where one runs, it may go on if its program knows enough.
func besideServer(path string) func(*sqlkit.Migration) (func() error, error) {
	return func(m *sqlkit.Migration) (func() error, error) {
		l, other, err := tryLock(path+lockSuffix, holder{known: m.Version})
		switch {
		case err != nil:
			return nil, err
		case l != nil:
			return l.release, nil
		case other.known < m.Compatible:
			return nil, fault.New("sqlite.open", fault.Conflict,
				"the server that runs on %s, process %s, knows schema version %d, and step %d of the schema (%s) needs %d; stop it first, then start this release in its place",
				path, other.process, other.known, m.Version, m.Name, m.Compatible)
		}
		return func() error { return nil }, nil
	}
}

// alone is for the server itself, which has the lock.
func alone(*sqlkit.Migration) (func() error, error) { return func() error { return nil }, nil }

// refuseForeign refuses a database in which somebody else keeps tables.
func refuseForeign(c *Conn) error {
	n, _, err := c.Number(context.Background(), "SELECT count(*) FROM sqlite_schema", nil)
	if err == nil && n > 0 {
		err = foreign()
	}
	return err
}

func foreign() error {
	return fault.New("sqlite.open", fault.Conflict, "this database belongs to another program; name a file that does not exist yet")
}

// compare compares the database with the steps of this program.
func compare(c *Conn, list []sqlkit.Migration) (sqlkit.Standing, error) {
	return sqlkit.Compare("sqlite.open", list, func(text string, args Values, each func(*Row) error) error {
		return c.Query(context.Background(), text, args, each)
	})
}

func applyAll(c *Conn, list []sqlkit.Migration, now time.Time) error {
	s, err := compare(c, list)
	if err != nil {
		return err
	}
	for _, m := range s.Pending {
		if err := c.once(m.Text); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		_, err := c.exec(sqlkit.InsertMigrationSQL, m.Applied(now))
		if err != nil {
			return err
		}
	}
	return nil
}
