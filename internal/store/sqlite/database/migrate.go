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
    version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied INTEGER NOT NULL) STRICT`

// look refuses a database that is not ours to change, before anything is changed
// in it, locks and the way of writing included.
func look(path string, list []sqlkit.Migration, schema sqlkit.Schema) error {
	c, err := openConn(path, "query_only = ON")
	if err != nil {
		return err
	}
	known, pending, err := stand(c, list)
	if err == nil && !known {
		err = refuseForeign(c)
	}
	if err == nil {
		err = schema.Refuse("sqlite.open", known, len(pending))
	}
	return errors.Join(err, c.close())
}

// stand says whether a database has a schema of ours, and which steps are not
// applied.
func stand(c *Conn, list []sqlkit.Migration) (known bool, pending []sqlkit.Migration, err error) {
	// A new database, or another program's, has no such table.
	const table = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?"
	n, _, err := c.Number(context.Background(), table, Bind("schema_migration"))
	if err != nil || n == 0 {
		return false, list, err
	}
	pending, err = pendingOf(c, list)
	return true, pending, err
}

// migrate brings the schema to the newest step. Without a step to apply it
// only reads, so that commands start also while the server is busy.
func migrate(c *Conn, list []sqlkit.Migration, now time.Time) error {
	known, pending, err := stand(c, list)
	if err != nil || known && len(pending) == 0 {
		return err
	}
	if !known {
		if err := refuseForeign(c); err != nil {
			return err
		}
	}
	// The write lock makes sure that one process alone applies steps.
	if err := c.once("BEGIN IMMEDIATE; " + createMigrationSQL); err != nil {
		return err
	}
	err = applyAll(c, list, now)
	if err == nil {
		err = c.once("COMMIT")
	}
	if err != nil {
		return errors.Join(err, c.once("ROLLBACK"))
	}
	return nil
}

// refuseForeign refuses a database in which somebody else keeps tables.
func refuseForeign(c *Conn) error {
	n, _, err := c.Number(context.Background(), "SELECT count(*) FROM sqlite_schema", nil)
	if err == nil && n > 0 {
		err = fault.New("sqlite.open", fault.Conflict, "this database belongs to another program; name a file that does not exist yet")
	}
	return err
}

// pendingOf returns the steps that are not applied.
func pendingOf(c *Conn, list []sqlkit.Migration) ([]sqlkit.Migration, error) {
	return sqlkit.Pending("sqlite.open", list, func(text string, args Values, each func(*Row) error) error {
		return c.Query(context.Background(), text, args, each)
	})
}

func applyAll(c *Conn, list []sqlkit.Migration, now time.Time) error {
	pending, err := pendingOf(c, list)
	if err != nil {
		return err
	}
	for _, m := range pending {
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
