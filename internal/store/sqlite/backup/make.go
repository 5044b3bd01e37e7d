package backup

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/seal"
	"countersign/internal/store/sqlite"
	"countersign/internal/store/sqlite/bodies"
	"countersign/internal/store/sqlite/database"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/copying"
	"countersign/internal/store/sqlkit/sealed"
)

// Options says what to make a backup of, and where. All but Progress are needed.
type Options struct {
	// Path is the database file; the bodies are beside it.
	Path string
	// To is the folder to make. It must not exist, or be empty.
	To string
	// Version is the program's.
	Version string
	// Now is the clock.
	Now func() time.Time
	// Progress is told what is being done, and how many octets of it; nil for nobody.
	Progress func(what string, done, total int64)
}

// Make makes a backup while others use the store. When it returns without error,
// all of it is on the disk; otherwise there is no folder To. Errors:
// fault.NotFound without a database, fault.Conflict where To is in use, another
// backup is being made, a copy into the database is not finished, the bodies beside
// it are another's or it is newer than this program, fault.Full,
// fault.Unavailable, fault.Corrupt, fault.Canceled.
func Make(ctx context.Context, o Options) (*Manifest, error) {
	const op = "backup.make"
	path, err := database.Resolve(o.Path)
	if err != nil {
		return nil, err
	}
	to, err := filepath.Abs(o.To)
	if err != nil {
		return nil, fault.Wrap(op, fault.Invalid, err)
	}
	if err := free(to); err != nil {
		return nil, err
	}
	partial, unlock, err := makePartial(to)
	if err != nil {
		return nil, failure(op, err)
	}
	w := &work{
		Options: o, path: path, partial: partial, link: os.Link, pace: pace{ctx: ctx, told: o.Progress},
		manifest: &Manifest{Format: Format, Program: o.Version, Made: o.Now().UTC(), Keys: []string{}, Bodies: []File{}},
	}
	err = w.run()
	if err == nil {
		err = os.Rename(partial, to)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(to))
	} else {
		err = errors.Join(err, os.RemoveAll(partial))
	}
	return w.manifest, failure(op, errors.Join(err, unlock()))
}

// free refuses a folder in which something is.
func free(to string) error {
	entries, err := os.ReadDir(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fault.New("backup.make", fault.Conflict, "%s is no folder that a backup can be made in: %v", to, err)
	case len(entries) > 0:
		return fault.New("backup.make", fault.Conflict, "%s is not empty; name a folder that does not exist yet, one for each backup", to)
	}
	return nil
}

// makePartial makes the folder that a backup is made in, empty whatever was left
// in it, and keeps it from another process until unlock is called.
func makePartial(to string) (partial string, unlock func() error, err error) {
	partial = filepath.Join(filepath.Dir(to), "."+filepath.Base(to)+".partial")
	err = os.Mkdir(partial, 0o700)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, fault.New("backup.make", fault.NotFound, "there is no folder %s to make the backup in; make it first, with mode 0700", filepath.Dir(to))
	case errors.Is(err, fs.ErrPermission):
		return "", nil, fault.New("backup.make", fault.Denied, "this user may not make a backup in %s", filepath.Dir(to))
	case err != nil && !errors.Is(err, fs.ErrExist):
		return "", nil, err
	}
	d, err := os.OpenFile(partial, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENOTDIR) {
		err = strange(partial)
	}
	if err != nil {
		return "", nil, err
	}
	err = ours(d)
	if err == nil {
		err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fault.New("backup.make", fault.Conflict, "another process is making the backup %s", to)
	}
	var left []fs.DirEntry
	if err == nil {
		left, err = os.ReadDir(partial)
	}
	for _, entry := range left {
		err = errors.Join(err, os.RemoveAll(filepath.Join(partial, entry.Name())))
	}
	if err != nil {
		return "", nil, errors.Join(err, d.Close())
	}
	return partial, d.Close, nil
}

// ours refuses a folder that no backup of this user has left: what is in it is not
// ours to remove.
func ours(d *os.File) error {
	info, err := d.Stat()
	if err != nil {
		return err
	}
	if info.Mode().Perm() != 0o700 || int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
		return strange(d.Name())
	}
	return nil
}

// strange is the error of what stands in the place of an unfinished backup.
func strange(partial string) error {
	return fault.New("backup.make", fault.Conflict, "%s is not what an unfinished backup of this user is, a folder of its own with mode 0700: nothing in it was touched; see what it is, and remove it", partial)
}

// work is a backup that is being made.
type work struct {
	Options
	pace
	path, partial string
	manifest      *Manifest
	// missing are the bodies that are not there, or not whole.
	missing []mail.ID
	// link is os.Link, or fails where links do not reach.
	link func(from, to string) error
}

// wanted is a body that the database names.
type wanted struct {
	id   mail.ID
	size int64
}

func (w *work) run() error {
	source := bodies.New(filepath.Join(filepath.Dir(w.path), sqlite.BodiesName))
	// Nobody may make the lock's folder for a database that is not there.
	info, err := os.Stat(w.path)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New("backup.make", fault.NotFound, "there is no database at %s", w.path)
	}
	if err != nil {
		return err
	}
	if err := room(w.partial, info.Size()); err != nil {
		return err
	}
	if err := source.Belongs(filepath.Base(w.path)); err != nil {
		return err
	}
	release, err := source.Keep(w.ctx)
	if err != nil {
		return err
	}
	err = w.secure(source)
	if err := errors.Join(err, release()); err != nil {
		return err
	}
	if err := w.sums(); err != nil {
		return err
	}
	if err := w.manifest.write(w.partial); err != nil {
		return err
	}
	return syncTree(w.partial)
}

// secure copies the database, and links or copies the bodies that the copy names.
func (w *work) secure(source *bodies.Folder) error {
	copied := filepath.Join(w.partial, databaseName)
	err := database.Copy(w.ctx, w.path, copied, func(done, total int) {
		if w.told != nil {
			w.told("database, pages", int64(done), int64(total))
		}
	})
	if err != nil {
		return err
	}
	var list []wanted
	err = database.Look(w.ctx, copied, nil, func(c *database.Conn) (err error) {
		list, err = w.describe(c)
		return err
	})
	if err != nil {
		return err
	}
	total := int64(0)
	for _, b := range list {
		total += b.size
	}
	w.begin("bodies", total)
	for _, b := range list {
		if err := w.fetch(source, b); err != nil {
			return err
		}
	}
	if len(w.missing) == 0 {
		return nil
	}
	return database.Look(w.ctx, copied, nil, w.nameMissing)
}

// ownersSQL finds whose the large bodies are.
const ownersSQL = "SELECT c.large, s.id FROM submission s CROSS JOIN content c ON c.id = s.content WHERE c.large <> ''"

// nameMissing puts into the manifest whose the bodies are that are missing, as
// people and commands know submissions alone.
func (w *work) nameMissing(c *database.Conn) error {
	owners := map[mail.ID]mail.ID{}
	for _, body := range w.missing {
		owners[body] = ""
	}
	err := c.Query(w.ctx, ownersSQL, nil, func(r *database.Row) error {
		body, owner := r.ID(), r.ID()
		if _, missing := owners[body]; missing {
			owners[body] = owner
		}
		return nil
	})
	for _, body := range w.missing {
		name := "body " + string(body) + " of no submission"
		if owner := owners[body]; owner != "" {
			name = "submission " + string(owner) + " (body " + string(body) + ")"
		}
		w.manifest.Missing = append(w.manifest.Missing, name)
	}
	return err
}

// describe fills in what the manifest says of the database, and returns the bodies
// that it names.
func (w *work) describe(c *database.Conn) (list []wanted, err error) {
	m := w.manifest
	steps, err := sqlkit.Migrations(sqlite.Migrations())
	if err != nil {
		return nil, err
	}
	schema, _, err := c.Number(w.ctx, "SELECT coalesce(max(version), 0) FROM schema_migration", nil)
	if err != nil {
		return nil, err
	}
	m.Schema = int(schema)
	if m.Schema > len(steps) {
		return nil, fault.New("backup.make", fault.Conflict, "the database has schema version %d, this program knows up to %d; make the backup with the release that serves mail", m.Schema, len(steps))
	}
	tables, err := sqlkit.All(w.ctx, c, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'", nil, (*database.Row).Text)
	if err != nil {
		return nil, err
	}
	m.Rows = map[string]int64{}
	for _, t := range tables {
		m.Rows[t], _, err = c.Number(w.ctx, `SELECT count(*) FROM "`+strings.ReplaceAll(t, `"`, `""`)+`"`, nil)
		if err != nil {
			return nil, err
		}
	}
	if m.Rows["unfinished_copy"] > 0 { // an older schema has no such table
		if err := copying.Refuse(w.ctx, c, "backup.make"); err != nil {
			return nil, err
		}
	}
	keys := map[string]bool{}
	const passwordKeysSQL = "SELECT keys FROM credential WHERE keys LIKE '%-MD5 %'"
	const sealedSQL = "SELECT substr(sealed, 1, 64) FROM domain_key WHERE sealed IS NOT NULL UNION ALL SELECT substr(data, 1, 64) FROM certificate WHERE data IS NOT NULL"
	err = c.Query(w.ctx, sealedSQL, nil, func(r *database.Row) error {
		if key := seal.KeyOf(r.Blob()); key != "" {
			keys[key] = true
		}
		return nil
	})
	if err == nil {
		err = c.Query(w.ctx, passwordKeysSQL, nil, func(r *database.Row) error {
			for _, id := range sealed.KeysIn(r.Text()) {
				keys[id] = true
			}
			return nil
		})
	}
	m.Keys = append(m.Keys, slices.Sorted(maps.Keys(keys))...)
	if err != nil {
		return nil, err
	}
	return sqlkit.All(w.ctx, c, "SELECT large, large_size FROM content WHERE large <> '' ORDER BY large", nil, func(r *database.Row) wanted {
		return wanted{r.ID(), r.Int64()}
	})
}

// fetch links a body into the backup, or copies it where links do not reach. One
// that is not as the database says is noted: the rest is worth a backup all the
// more.
func (w *work) fetch(source *bodies.Folder, b wanted) error {
	if !mail.ValidID(string(b.id)) {
		w.missing = append(w.missing, b.id)
		return nil
	}
	seen, err := source.Look(b.id)
	if fault.Is(err, fault.NotFound) {
		w.missing = append(w.missing, b.id)
		return nil
	}
	if err != nil {
		return err
	}
	if seen.Size != b.size {
		w.missing = append(w.missing, b.id)
	}
	name := bodyName(b.id)
	from := filepath.Join(filepath.Dir(w.path), sqlite.BodiesName, bodies.Name(b.id))
	to := filepath.Join(w.partial, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	if w.link(from, to) == nil {
		w.tell(seen.Size)
	} else if _, _, err := w.copyFile(from, to); err != nil {
		return err
	}
	w.manifest.Bodies = append(w.manifest.Bodies, File{Name: name, Size: seen.Size})
	return nil
}

// sums reads everything once more and fills in what the manifest says of files.
func (w *work) sums() error {
	m := w.manifest
	info, err := os.Stat(filepath.Join(w.partial, databaseName))
	if err != nil {
		return err
	}
	m.Database = File{Name: databaseName, Size: info.Size()}
	w.begin("sums", m.Octets())
	files := []*File{&m.Database}
	for i := range m.Bodies {
		files = append(files, &m.Bodies[i])
	}
	for _, f := range files {
		f.Size, f.SHA256, err = w.sumOf(filepath.Join(w.partial, filepath.FromSlash(f.Name)))
		if err != nil {
			return err
		}
	}
	return nil
}
