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
	// Compatible says which programs may work on the result: those that know this
	// step or a later one. It is 1 at least and Version at most.
	Compatible int
}

// compatibleMark begins the first line of each step, before the number.
const compatibleMark = "-- compatible: "

// Migrations reads the steps in the folder "migrations" of files, which are
// numbered from 1 without gaps, and each of which says in its first line what
// Compatible is.
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
		line, _, _ := strings.Cut(string(text), "\n")
		mark, found := strings.CutPrefix(line, compatibleMark)
		compatible, err := strconv.Atoi(mark)
		if !found || err != nil || compatible < 1 || compatible > version {
			return nil, fmt.Errorf("migration %s does not say in its first line which programs may work on its result: %q and a number from 1 to %d",
				e.Name(), compatibleMark, version)
		}
		sum := sha256.Sum256(text)
		list = append(list, Migration{version, e.Name(), string(text), hex.EncodeToString(sum[:]), compatible})
	}
	return list, nil
}

// InsertMigrationSQL notes that a step was applied; Applied are its arguments.
const InsertMigrationSQL = "INSERT INTO schema_migration (version, name, checksum, compatible, applied) VALUES (?, ?, ?, ?, ?)"

// Applied are the arguments of InsertMigrationSQL.
func (m *Migration) Applied(now time.Time) Values {
	return Bind(m.Version, m.Name, m.Sum, m.Compatible, now)
}

// Standing is how a database compares with the steps that a program has.
type Standing struct {
	// Version is the database's newest step, 0 where none is applied; Known is the
	// program's.
	Version, Known int
	// Pending are the steps that are not applied.
	Pending []Migration
}

// Hardest returns the pending step that asks most of the programs that work on the
// database at the moment; nil where there is none, or nobody can do so yet.
func (s *Standing) Hardest() *Migration {
	if s.Version == 0 {
		return nil
	}
	var hardest *Migration
	for i := range s.Pending {
		if m := &s.Pending[i]; hardest == nil || m.Compatible > hardest.Compatible {
			hardest = m
		}
	}
	return hardest
}

// Notice says that the database is ahead of the program, "" where it is not. It
// may be used all the same.
func (s *Standing) Notice() string {
	if s.Version <= s.Known {
		return ""
	}
	return fmt.Sprintf("the database has schema version %d, which a newer release made; this program knows up to %d, which is enough to go on: upgrade it too", s.Version, s.Known)
}

// Compare reads which steps of list a database has. fault.Conflict, under op, for
// a step that is applied otherwise than it stands here, and for a newer one whose
// result this program may not work on. query is that of a connection.
func Compare(op string, list []Migration, query func(text string, args Values, each func(*Row) error) error) (Standing, error) {
	s := Standing{Known: len(list)}
	least := 0
	err := query("SELECT version, checksum, compatible FROM schema_migration ORDER BY version", nil, func(r *Row) error {
		version, sum, compatible := r.Int(), r.Text(), r.Int()
		s.Version++
		if version > len(list) {
			s.Version, least = version, max(least, compatible)
			return nil
		}
		if version != s.Version || sum != list[version-1].Sum {
			return fault.New(op, fault.Conflict,
				"schema step %d of this database is not the one that this program has; use the release that made the database, or a later one", version)
		}
		return nil
	})
	if err != nil {
		return s, err
	}
	if least > len(list) {
		return s, fault.New(op, fault.Conflict,
			"the database has schema version %d, this program knows up to %d; use a release at least as new as the one that wrote it, or restore a backup from before the upgrade (which loses what was accepted since)",
			s.Version, len(list))
	}
	s.Pending = list[min(s.Version, len(list)):]
	return s, nil
}
