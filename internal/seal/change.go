package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"countersign/internal/fault"
)

// File is a key file that its holder alone may change. Each change is made whole or
// not at all, and keeps owner and mode of the file; a running Sealer follows it. A
// File is for one goroutine.
type File struct {
	path   string // follows links, so that the file itself is replaced
	random io.Reader
	folder *os.File // which is locked
}

// Hold locks an existing key file against other changes until Close. New keys are
// read from random. Errors: Conflict where another process holds it, else those of LoadOrCreate.
func Hold(path string, random io.Reader) (*File, error) {
	const op = "seal.hold"
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fault.Wrap(op, fault.Invalid, err)
	}
	// The folder stays when the file is replaced, and needs no rights but those to
	// read it.
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, fault.Wrap(op, fault.Invalid, err)
	}
	err = syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		f := &File{path: path, random: random, folder: folder}
		_, err = f.load()
		if err == nil {
			return f, nil
		}
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fault.New(op, fault.Conflict, "another command is changing the key file %s, or sealing anew: wait for its end", path)
	}
	return nil, errors.Join(unusable(err), folder.Close())
}

// Close lets others change the file.
func (f *File) Close() error {
	return fault.Wrap("seal.hold", fault.Internal, f.folder.Close())
}

func (f *File) load() (*content, error) {
	c, err := load(f.path)
	return c, unusable(err)
}

// Changed returns when the file was changed or touched last, by the file system's clock.
func (f *File) Changed() (time.Time, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return time.Time{}, unusable(err)
	}
	return info.ModTime(), nil
}

// Touch makes Changed return now. The keys stay.
func (f *File) Touch(now time.Time) error {
	return unusable(os.Chtimes(f.path, now, now))
}

// Add makes a key and returns its id. In front it seals from now on; else it comes
// last and opens, for when other gates get the file first. Conflict where the file is full.
func (f *File) Add(front bool) (id string, err error) {
	c, err := f.load()
	if err != nil {
		return "", err
	}
	if len(c.keys) >= maxKeys {
		return "", fault.New("seal.add", fault.Conflict, "the key file %s holds %d keys already: \"countersign key drop\" removes what is of no use", f.path, len(c.keys))
	}
	secret := make([]byte, keySize)
	if _, err := io.ReadFull(f.random, secret); err != nil {
		return "", fault.Wrap("seal.add", fault.Internal, err)
	}
	k, err := newKey(secret)
	if err != nil {
		return "", err
	}
	at := len(c.secrets)
	if front {
		at = 0
	}
	return k.name(), f.write(slices.Insert(c.secrets, at, secret))
}

// Lead puts the key of that id in front, so that it seals from now on. NotFound where
// the file has none of that id.
func (f *File) Lead(id string) error {
	c, err := f.load()
	if err != nil {
		return err
	}
	at := slices.Index(c.names(), id)
	if at < 0 {
		return fault.New("seal.lead", fault.NotFound, "the key file %s has no key %s", f.path, id)
	}
	if at == 0 {
		return nil
	}
	secret := c.secrets[at]
	return f.write(slices.Insert(slices.Delete(c.secrets, at, at+1), 0, secret))
}

// Remove takes keys out of the file and returns what was in it before, for Restore.
// The first stays: Conflict.
func (f *File) Remove(ids []string) (before Backup, err error) {
	c, err := f.load()
	if err != nil {
		return Backup{}, err
	}
	var left [][]byte
	for i, id := range c.names() {
		switch {
		case !slices.Contains(ids, id):
			left = append(left, c.secrets[i])
		case i == 0:
			return Backup{}, fault.New("seal.remove", fault.Conflict, "key %s is the one that seals: put another in front first, by \"countersign key rotate\"", id)
		}
	}
	return Backup{c.secrets}, f.write(left)
}

// Backup is what a key file held. Its secrets are not in its printed form.
type Backup struct{ secrets [][]byte }

// String says what it is.
func (Backup) String() string { return "keys of a key file" }

// GoString is String, so that no verb of fmt prints a key.
func (b Backup) GoString() string { return b.String() }

// Restore undoes Remove.
func (f *File) Restore(b Backup) error { return f.write(b.secrets) }

// write replaces the file: whole and on the disk, or not at all.
func (f *File) write(secrets [][]byte) error {
	const op = "seal.write"
	old, err := os.Stat(f.path)
	if err != nil {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	var text bytes.Buffer
	for _, secret := range secrets {
		text.WriteString(base64.StdEncoding.EncodeToString(secret) + "\n")
	}
	dir := filepath.Dir(f.path)
	next, err := os.CreateTemp(dir, ".key-*") // made with mode 0600
	if err != nil {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	defer os.Remove(next.Name()) // nothing once it is renamed
	_, err = next.Write(text.Bytes())
	err = errors.Join(err, likewise(next, old), next.Sync(), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), f.path)
	}
	if err != nil {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	return fault.Wrap(op, fault.Unavailable, syncDir(dir))
}

// likewise gives a new file the owner of the old one: the command may be root's, the
// gate another user's, who could not read it else.
func likewise(file *os.File, old os.FileInfo) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	was, ok := old.Sys().(*syscall.Stat_t)
	is, also := info.Sys().(*syscall.Stat_t)
	if !ok || !also || was.Uid == is.Uid && was.Gid == is.Gid {
		return nil
	}
	return file.Chown(int(was.Uid), int(was.Gid))
}
