package database

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"countersign/internal/fault"
)

// migration is one step of the schema, from a file "0001_what.sql". A step
// that was released never changes: the next one does.
type migration struct {
	version int
	name    string
	text    string
	sum     string
}

// migrations reads the steps in the folder "migrations" of files, which are
// numbered from 1 without gaps.
func migrations(files fs.FS) ([]migration, error) {
	entries, err := fs.ReadDir(files, "migrations") // sorted by name
	if err != nil {
		return nil, err
	}
	var list []migration
	for _, e := range entries {
		text, err := fs.ReadFile(files, "migrations/"+e.Name())
		if err != nil {
			return nil, err
		}
		number, _, _ := strings.Cut(e.Name(), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != len(list)+1 {
			return nil, fmt.Errorf("migration %s is not number %d", e.Name(), len(list)+1)
		}
		sum := sha256.Sum256(text)
		list = append(list, migration{version, e.Name(), string(text), hex.EncodeToString(sum[:])})
	}
	return list, nil
}

const createMigrationSQL = `CREATE TABLE IF NOT EXISTS schema_migration (
    version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied INTEGER NOT NULL) STRICT`

// migrate brings the schema to the newest step. Without a step to apply it
// only reads, so that commands start also while the server is busy.
func migrate(c *Conn, list []migration, now time.Time) error {
	// A new database, or another program's, has no such table.
	const table = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?"
	known, _, err := c.Number(context.Background(), table, Bind("schema_migration"))
	if err != nil {
		return err
	}
	if known == 0 {
		if err := refuseForeign(c); err != nil {
			return err
		}
	}
	if known != 0 {
		pending, err := pendingOf(c, list)
		if err != nil || len(pending) == 0 {
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

// pendingOf returns the steps that are not applied, and an error for a step
// that is applied otherwise than it stands here.
func pendingOf(c *Conn, list []migration) ([]migration, error) {
	applied := 0
	err := c.Query(context.Background(), "SELECT version, checksum FROM schema_migration ORDER BY version", nil, func(r *Row) error {
		version, sum := r.Int(), r.Text()
		applied++
		switch {
		case version > len(list):
			// Reported below, with the newest version.
		case version != applied || sum != list[version-1].sum:
			return fault.New("sqlite.open", fault.Conflict,
				"schema step %d of this database is not the one that this program has; use the release that made the database, or a later one", version)
		}
		applied = version
		return nil
	})
	if err != nil {
		return nil, err
	}
	if applied > len(list) {
		return nil, fault.New("sqlite.open", fault.Conflict,
			"the database has schema version %d, this program knows up to %d; use a release at least as new as the one that wrote it, or restore a backup from before the upgrade",
			applied, len(list))
	}
	return list[applied:], nil
}

func applyAll(c *Conn, list []migration, now time.Time) error {
	pending, err := pendingOf(c, list)
	if err != nil {
		return err
	}
	for _, m := range pending {
		if err := c.once(m.text); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		_, err := c.exec("INSERT INTO schema_migration (version, name, checksum, applied) VALUES (?, ?, ?, ?)",
			Bind(m.version, m.name, m.sum, now))
		if err != nil {
			return err
		}
	}
	return nil
}
