package backup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/queue"
	"countersign/internal/store/sqlite"
	"countersign/internal/store/sqlite/bodies"
	"countersign/internal/store/sqlite/database"
)

// RestoreOptions says what to restore, and where to.
type RestoreOptions struct {
	// From is the folder of the backup, Path the database file to make; the
	// bodies go beside it.
	From, Path string
	// Hold lets everything that waits to be delivered be held.
	Hold bool
	// Actor is who does it, for the record.
	Actor string
	// Now is the clock.
	Now func() time.Time
	// Progress is as in Options.
	Progress func(what string, done, total int64)
}

// Restored is what was restored.
type Restored struct {
	*Manifest
	// Held is how many deliveries were held for it.
	Held int
}

// beside returns what the names of the files that SQLite keeps beside a database
// add to its own.
func beside() []string { return []string{"-wal", "-shm", "-journal"} }

// restoringBodies is the folder that bodies are restored in.
const restoringBodies = sqlite.BodiesName + sqlite.RestoringSuffix

// Restore verifies a backup and makes a store of it, where none is. Until all of
// it is on the disk there is no database under its name, and nothing opens one
// there; it may then be run again. Errors are those of Verify, and fault.Conflict
// where a server runs or a store is there already.
func Restore(ctx context.Context, o RestoreOptions) (*Restored, error) {
	const op = "backup.restore"
	path, err := database.Resolve(o.Path)
	if err != nil {
		return nil, err
	}
	m, err := readManifest(o.From)
	if err != nil {
		return nil, err
	}
	if err := vacant(path); err != nil { // before the long reading, and before a folder is made
		return nil, failure(op, served(path, err))
	}
	if _, err := Verify(ctx, o.From, o.Progress); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, failure(op, err)
	}
	unlock, err := database.Lock(path)
	if err != nil {
		return nil, err
	}
	r := &restore{
		RestoreOptions: o, pace: pace{ctx: ctx, told: o.Progress}, manifest: m,
		path: path, place: filepath.Dir(path), database: path + sqlite.RestoringSuffix,
	}
	held, err := r.run()
	if err = errors.Join(err, unlock()); err != nil {
		return nil, failure(op, err)
	}
	return &Restored{m, held}, nil
}

// vacant refuses a place where a store is, or the bodies of one. What an earlier
// restore of this database has left there is none.
func vacant(path string) error {
	half, err := halfNamed(path)
	if err != nil {
		return err
	}
	for _, suffix := range append(beside(), "") {
		there, err := exists(path + suffix)
		if err != nil {
			return err
		}
		if there && (suffix != "" || !half) {
			return fault.New("backup.restore", fault.Conflict,
				"there is a database already (%s); stop the server, move the database, what begins with its name, and the folder %s beside it to another place, then restore again", path+suffix, sqlite.BodiesName)
		}
	}
	left, err := leftBodies(path)
	if err != nil || left {
		return err
	}
	folder := folderOf(path)
	if err := folder.Belongs(filepath.Base(path)); err != nil {
		return err
	}
	name, err := folder.Holds()
	if err == nil && name != "" {
		err = fault.New("backup.restore", fault.Conflict, "there are bodies of another database in %s beside %s (%s); move that folder to another place, then restore again", sqlite.BodiesName, path, name)
	}
	return err
}

// served returns err, or where a server runs at the place that is not vacant one
// that says so.
func served(path string, err error) error {
	process, failed := database.Server(path)
	if failed != nil || process == "" {
		return err
	}
	return fault.New("backup.restore", fault.Conflict,
		"a server runs on %s, process %s: stop it, move the database, what begins with its name, and the folder %s beside it to another place, then restore again", path, process, sqlite.BodiesName)
}

// folderOf is the folder of large bodies of the database at path.
func folderOf(path string) *bodies.Folder {
	return bodies.New(filepath.Join(filepath.Dir(path), sqlite.BodiesName))
}

// leftBodies reports whether the bodies beside path are those of a restore that was
// cut off: they are named first, and say whose they are.
func leftBodies(path string) (bool, error) {
	unfinished, err := exists(path + sqlite.RestoringSuffix)
	if err != nil || !unfinished {
		return false, err
	}
	return folderOf(path).Owned(filepath.Base(path))
}

// halfNamed reports whether a restore was cut off when the database had both names.
func halfNamed(path string) (bool, error) {
	one, err := os.Lstat(path)
	if err == nil {
		other, failed := os.Lstat(path + sqlite.RestoringSuffix)
		if failed == nil {
			return os.SameFile(one, other), nil
		}
		err = failed
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return false, err
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// restore is a restore that is being made.
type restore struct {
	RestoreOptions
	pace
	manifest *Manifest
	// path is the database to be, place its folder, database its name until all is
	// there.
	path, place, database string
}

func (r *restore) run() (held int, err error) {
	// Whoever was first may have been faster than the first look.
	if err := vacant(r.path); err != nil {
		return 0, err
	}
	if err := r.clear(); err != nil {
		return 0, err
	}
	held, err = r.write()
	if err == nil {
		err = r.name()
	}
	if err != nil { // a crash leaves what another restore clears
		return 0, errors.Join(err, r.clear())
	}
	return held, r.unname()
}

// bodies is the folder that bodies are restored in.
func (r *restore) bodies() string { return filepath.Join(r.place, restoringBodies) }

// write puts everything on the disk, under names that say that it is being
// restored.
func (r *restore) write() (held int, err error) {
	if err := room(r.place, r.manifest.Octets()); err != nil {
		return 0, err
	}
	r.begin("restoring", r.manifest.Octets())
	// From here on nothing opens a database in this place.
	if err := r.copyOne(r.manifest.Database, r.database); err != nil {
		return 0, err
	}
	if err := syncFolder(r.place); err != nil {
		return 0, err
	}
	if err := r.agree(); err != nil {
		return 0, err
	}
	folder := r.bodies()
	if err := bodies.New(folder).Claim(filepath.Base(r.path)); err != nil {
		return 0, err
	}
	for _, f := range r.manifest.Bodies {
		to := filepath.Join(folder, filepath.Base(filepath.Dir(f.Name)), filepath.Base(f.Name))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return 0, err
		}
		if err := r.copyOne(f, to); err != nil {
			return 0, err
		}
	}
	if err := syncTree(folder); err != nil {
		return 0, err
	}
	return r.finish()
}

// agree compares the database that was copied with the manifest.
func (r *restore) agree() error {
	w := &work{pace: r.pace, manifest: new(Manifest)}
	return database.Look(r.ctx, r.database, nil, func(c *database.Conn) error {
		list, err := w.describe(c)
		if err != nil {
			return err
		}
		return r.manifest.agree(w.manifest, list)
	})
}

// clear removes what an earlier restore of this database has left, and nothing else.
// Its database is the last to go, as it says that the bodies are left, too.
func (r *restore) clear() error {
	half, err := halfNamed(r.path)
	if err != nil {
		return err
	}
	var names []string
	if half {
		names = append(names, r.path)
	}
	another, err := exists(r.path)
	if err != nil {
		return err
	}
	left, err := leftBodies(r.path)
	if err != nil {
		return err
	}
	if left && (half || !another) {
		names = append(names, filepath.Join(r.place, sqlite.BodiesName))
	}
	if err := bodies.New(r.bodies()).Belongs(filepath.Base(r.path)); err != nil {
		return err // another database is being restored beside this one
	}
	names = append(names, r.bodies())
	for _, suffix := range append(beside(), "") {
		names = append(names, r.database+suffix)
	}
	for _, name := range names {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	return syncFolder(r.place)
}

// copyOne copies one file and compares it with the manifest once more: it may have
// changed since it was verified.
func (r *restore) copyOne(f File, to string) error {
	size, sum, err := r.copyFile(filepath.Join(r.From, filepath.FromSlash(f.Name)), to)
	if err == nil && (size != f.Size || sum != f.SHA256) {
		err = damaged("in %s %s has changed while it was read", r.From, f.Name)
	}
	return err
}

// finish lets the database say that it was restored, holds what is to be held, and
// leaves it as one file on the disk.
func (r *restore) finish() (held int, err error) {
	s, err := sqlite.Open(r.ctx, sqlite.Options{Path: r.database, Now: r.Now})
	if err != nil {
		return 0, err
	}
	m, reason := r.manifest, ""
	if r.Hold {
		reason = queue.HoldRestored
	}
	held, err = s.MarkRestored(r.ctx, reason, audit.Event{
		At: r.Now().UTC(), Kind: audit.StoreRestored, Actor: r.Actor, Object: "store", Text: "from " + r.From,
		Data: map[string]string{"made": m.Made.Format(time.RFC3339), "program": m.Program},
	})
	if err := errors.Join(err, s.Close()); err != nil {
		return 0, err
	}
	for _, suffix := range beside() {
		there, err := exists(r.database + suffix)
		if err == nil && there {
			err = fault.New("backup.restore", fault.Internal, "%s was left: the database is in use by somebody", r.database+suffix)
		}
		if err != nil {
			return 0, err
		}
	}
	file, err := os.OpenFile(r.database, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	return held, errors.Join(file.Sync(), file.Close())
}

// name gives everything its name: the bodies first, as the database makes the store.
// It takes no name from whoever was faster.
func (r *restore) name() error {
	if err := vacant(r.path); err != nil {
		return err
	}
	folder := filepath.Join(r.place, sqlite.BodiesName)
	if err := folderOf(r.path).RemoveEmpty(); err != nil {
		return err
	}
	if err := os.Rename(r.bodies(), folder); err != nil {
		return err
	}
	if err := syncFolder(r.place); err != nil {
		return err
	}
	return r.nameDatabase()
}

// nameDatabase gives the database its name, beside the other; where somebody has it,
// it takes that of the bodies back.
func (r *restore) nameDatabase() error {
	err := os.Link(r.database, r.path)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		err = r.move() // links do not exist here
	}
	if errors.Is(err, fs.ErrExist) {
		err = fault.New("backup.restore", fault.Conflict, "something has made a database %s meanwhile; see what it is, and move it to another place, then restore again", r.path)
		return errors.Join(err, os.Rename(filepath.Join(r.place, sqlite.BodiesName), r.bodies()))
	}
	if err != nil {
		return err
	}
	return syncFolder(r.place)
}

// move is a rename that replaces nothing which is there when it begins.
func (r *restore) move() error {
	there, err := exists(r.path)
	if err == nil && there {
		err = fs.ErrExist
	}
	if err != nil {
		return err
	}
	return os.Rename(r.database, r.path)
}

// unname takes the name away that says that it is being restored.
func (r *restore) unname() error {
	if err := os.Remove(r.database); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncFolder(r.place)
}
