package sqlkit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"countersign/internal/fault"
)

// Migration is one step of a schema, from a file "0001_what.sql". A step that was
// released never changes: the next one does.
type Migration struct {
	Version int
	Name    string
	Text    string
	// Sum is the SHA-256 of Text in hexadecimal digits.
	Sum string
}

// Migrations reads the steps in the folder "migrations" of files, which are
// numbered from 1 without gaps.
func Migrations(files fs.FS) ([]Migration, error) {
	entries, err := fs.ReadDir(files, "migrations") // sorted by name
	if err != nil {
		return nil, err
	}
	var list []Migration
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
		list = append(list, Migration{version, e.Name(), string(text), hex.EncodeToString(sum[:])})
	}
	return list, nil
}

// InsertMigrationSQL notes that a step was applied; Applied are its arguments.
const InsertMigrationSQL = "INSERT INTO schema_migration (version, name, checksum, applied) VALUES (?, ?, ?, ?)"

// Applied are the arguments of InsertMigrationSQL.
func (m *Migration) Applied(now time.Time) Values { return Bind(m.Version, m.Name, m.Sum, now) }

// Pending returns the steps of list that are not applied. fault.Conflict, under
// op, for a step that is applied otherwise than it stands here, and for a
// database that has more of them. query is that of a connection.
func Pending(op string, list []Migration, query func(text string, args Values, each func(*Row) error) error) ([]Migration, error) {
	applied := 0
	err := query("SELECT version, checksum FROM schema_migration ORDER BY version", nil, func(r *Row) error {
		version, sum := r.Int(), r.Text()
		applied++
		switch {
		case version > len(list):
			// Reported below, with the newest version.
		case version != applied || sum != list[version-1].Sum:
			return fault.New(op, fault.Conflict,
				"schema step %d of this database is not the one that this program has; use the release that made the database, or a later one", version)
		}
		applied = version
		return nil
	})
	if err != nil {
		return nil, err
	}
	if applied > len(list) {
		return nil, fault.New(op, fault.Conflict,
			"the database has schema version %d, this program knows up to %d; use a release at least as new as the one that wrote it, or restore a backup from before the upgrade",
			applied, len(list))
	}
	return list[applied:], nil
}
