package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/sqlite"
	"countersign/internal/store/sqlite/bodies"
	"countersign/internal/store/sqlkit"
)

// Format is the version of the form of a backup that is written, and the only one
// that is read.
const Format = 1

// The names of what a backup consists of.
const (
	manifestName = "manifest.json"
	databaseName = "database.db"
)

// maxManifest bounds the manifest, in octets: about two million large bodies.
const maxManifest = 512 << 20

// Manifest says what a backup is and of what it consists.
type Manifest struct {
	// Format is that of the backup.
	Format int `json:"format"`
	// Program is the version that made it, Made when: no later than the state of
	// the database that it holds.
	Program string    `json:"program"`
	Made    time.Time `json:"made"`
	// Schema is the version of the database's schema.
	Schema int `json:"schema"`
	// Rows counts the rows of each table.
	Rows map[string]int64 `json:"rows"`
	// Keys names the key files that the secrets in the database are sealed with,
	// as seal.Sealer.ID does; they are not in the backup.
	Keys []string `json:"keys"`
	// Database and Bodies are the files, under their names in the folder.
	Database File   `json:"database"`
	Bodies   []File `json:"bodies"`
	// Missing are the bodies that the database names and that were not there, or
	// not whole, each with its submission: the store itself was damaged.
	Missing []string `json:"missing,omitempty"`
}

// File is one file of a backup.
type File struct {
	// Name is relative to the folder, with slashes.
	Name string `json:"name"`
	// Size is its octets, SHA256 their sum in hexadecimal digits.
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Octets returns the size of all files together.
func (m *Manifest) Octets() int64 {
	total := m.Database.Size
	for _, f := range m.Bodies {
		total += f.Size
	}
	return total
}

// write stores the manifest, the last file of a backup.
func (m *Manifest) write(folder string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(folder, manifestName), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	return errors.Join(err, file.Sync(), file.Close())
}

// readManifest reads the manifest of the backup in folder, and refuses one that
// this program cannot restore.
func readManifest(folder string) (*Manifest, error) {
	const op = "backup.read"
	path := filepath.Join(folder, manifestName)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(op, fault.NotFound, "%s is no backup: it has no %s; name the folder that \"store backup --to\" made", folder, manifestName)
	}
	if err == nil && info.Size() > maxManifest {
		return nil, damaged("%s has %d octets, far more than any manifest", path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(op, fault.Unavailable, err)
	}
	m := new(Manifest)
	if err := decode(text, m); err != nil {
		return nil, damaged("%s cannot be read as a manifest (%v)", path, err)
	}
	steps, err := sqlkit.Migrations(sqlite.Migrations())
	if err != nil {
		return nil, fault.Wrap(op, fault.Internal, err)
	}
	switch {
	case m.Format != Format:
		return nil, fault.New(op, fault.Conflict, "the backup %s has the format %d, and this program knows %d alone; use a release of the time of the backup (%s)", folder, m.Format, Format, m.Program)
	case m.Schema > len(steps):
		return nil, fault.New(op, fault.Conflict, "the backup %s has schema version %d, this program knows up to %d; use a release at least as new as the one that made it (%s)", folder, m.Schema, len(steps), m.Program)
	case m.Database.Name != databaseName:
		return nil, damaged("%s names %q as the database", path, m.Database.Name)
	}
	for _, f := range m.Bodies {
		if !isBody(f.Name) {
			return nil, damaged("%s names %q as a body", path, f.Name)
		}
	}
	return m, nil
}

// decode reads a manifest in which nothing may stand that its format does not have,
// unless it is of another format.
func decode(text []byte, m *Manifest) error {
	if err := json.Unmarshal(text, m); err != nil || m.Format != Format {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(new(Manifest))
}

// agree compares what a manifest says with what describe finds in the database of the
// backup: a manifest that has lost a line is damaged as a file is.
func (m *Manifest) agree(found *Manifest, list []wanted) error {
	for _, table := range slices.Sorted(maps.Keys(found.Rows)) {
		if n, known := m.Rows[table]; !known || n != found.Rows[table] {
			return damaged("%s counts %d rows of %s, the database has %d", manifestName, n, table, found.Rows[table])
		}
	}
	if m.Schema != found.Schema || len(m.Rows) != len(found.Rows) {
		return damaged("%s is that of another database", manifestName)
	}
	there := map[string]int64{}
	for _, f := range m.Bodies {
		there[f.Name] = f.Size
	}
	for _, b := range list {
		size, listed := int64(0), false
		if mail.ValidID(string(b.id)) {
			size, listed = there[bodyName(b.id)]
			delete(there, bodyName(b.id))
		}
		if (!listed || size != b.size) && !m.misses(b.id) {
			return damaged("%s does not name the large body %s with its %d octets, which a message in the database has", manifestName, b.id, b.size)
		}
	}
	if len(there) > 0 {
		return damaged("%s names %d large bodies that no message in the database has", manifestName, len(there))
	}
	return nil
}

// misses reports whether a body is among those that were missing.
func (m *Manifest) misses(id mail.ID) bool {
	return slices.ContainsFunc(m.Missing, func(said string) bool { return strings.Contains(said, "body "+string(id)) })
}

// damaged is the error of a backup that is not as it was made.
func damaged(format string, args ...any) error {
	err := fault.New("backup.verify", fault.Corrupt, format, args...)
	err.Detail += ": the backup is damaged, and nothing was changed; take another one, or put this one back from a copy"
	return err
}

// bodyName is the name of a body within a backup.
func bodyName(id mail.ID) string {
	return filepath.ToSlash(filepath.Join(sqlite.BodiesName, bodies.Name(id)))
}

// isBody reports whether a file's name is that of a body.
func isBody(name string) bool {
	id := filepath.Base(name)
	return mail.ValidID(id) && name == bodyName(mail.ID(id))
}
