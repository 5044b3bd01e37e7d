package bodies

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// ownerName is the file in the folder that names the database whose bodies it
// holds, by the database's name in the folder above. Nothing else tells one's
// bodies from another's, and who serves one removes what it does not name.
const ownerName = ".database"

// maxOwner bounds the name, in octets.
const maxOwner = 4096

// opOwner names what is said of owners in errors.
const opOwner = "body.owner"

// Claim makes the folder, where it is missing, and that of the database name; the
// file that says so is on the disk when it returns. Errors: those of Belongs, and
// fault.Conflict where there are bodies of nobody and another database that they
// may be of.
func (b *Folder) Claim(name string) error {
	if err := os.MkdirAll(b.root, 0o700); err != nil {
		return failure(opOwner, err)
	}
	for {
		owner, err := b.owner()
		if err != nil || owner != "" {
			return b.judge(name, owner, err)
		}
		if err := b.disputed(name); err != nil {
			return err
		}
		err = b.write(name)
		if !errors.Is(err, fs.ErrExist) {
			return failure(opOwner, err)
		}
	}
}

// Belongs is fault.Conflict where the folder is that of another database than
// name. One that is missing, or of none, is no error.
func (b *Folder) Belongs(name string) error {
	owner, err := b.owner()
	return b.judge(name, owner, err)
}

// Owned reports whether the folder is that of the database name.
func (b *Folder) Owned(name string) (bool, error) {
	owner, err := b.owner()
	return owner == name, failure(opOwner, err)
}

// Holds returns the name of a file in the folder, "" where there is none but that
// which says whose it is.
func (b *Folder) Holds() (name string, err error) {
	err = b.files(func(path string, d fs.DirEntry) error {
		if filepath.Dir(path) == b.root && strings.HasPrefix(d.Name(), ownerName) {
			return nil
		}
		name = d.Name()
		return fs.SkipAll
	})
	return name, failure(opOwner, err)
}

// RemoveEmpty removes a folder that holds nothing; one that holds something after
// all stays, which is an error.
func (b *Folder) RemoveEmpty() error {
	entries, err := os.ReadDir(b.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if err == nil && (e.IsDir() || strings.HasPrefix(e.Name(), ownerName)) {
			err = os.Remove(filepath.Join(b.root, e.Name()))
		}
	}
	if err == nil {
		err = os.Remove(b.root)
	}
	return failure(opOwner, err)
}

// judge is Belongs with what owner has returned.
func (b *Folder) judge(name, owner string, err error) error {
	if err != nil {
		return failure(opOwner, err)
	}
	if owner == "" || owner == name {
		return nil
	}
	return fault.New(opOwner, fault.Conflict, "the folder %s holds the large bodies of the database %q, and not of %q: each database needs a folder of its own; "+
		"if that is the former name of this one, write its name into %s", b.root, owner, name, filepath.Join(b.root, ownerName))
}

// owner returns whose folder it is, "" for nobody's.
func (b *Folder) owner() (string, error) {
	path := filepath.Join(b.root, ownerName)
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxOwner))
	if err := errors.Join(err, file.Close()); err != nil {
		return "", err
	}
	name := strings.TrimRight(string(text), "\r\n")
	if name == "" {
		return "", fault.New(opOwner, fault.Conflict, "%s names no database: write the name of the one whose large bodies are in that folder into it", path)
	}
	return name, nil
}

// write makes the file, whole or not at all: fs.ErrExist where there is one.
func (b *Folder) write(name string) error {
	file, err := os.CreateTemp(b.root, ownerName+"-")
	if err != nil {
		return err
	}
	_, err = file.WriteString(name + "\n")
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Link(file.Name(), filepath.Join(b.root, ownerName))
	}
	err = errors.Join(err, os.Remove(file.Name()))
	for _, folder := range []string{b.root, filepath.Dir(b.root)} {
		if err == nil {
			err = syncFolder(folder)
		}
	}
	return err
}

// disputed refuses bodies of which nobody says whose they are, where a server has
// run on another database beside the folder.
func (b *Folder) disputed(name string) error {
	found := false
	err := b.walk(func(mail.ID, string, fs.DirEntry) error {
		found = true
		return fs.SkipAll
	})
	if err != nil || !found {
		return failure(opOwner, err)
	}
	locks, err := filepath.Glob(filepath.Join(filepath.Dir(b.root), "*"+lockSuffix))
	if err != nil {
		return failure(opOwner, err)
	}
	for _, lock := range locks {
		other := strings.TrimSuffix(lock, lockSuffix)
		info, err := os.Stat(other)
		if err == nil && info.Mode().IsRegular() && filepath.Base(other) != name {
			return fault.New(opOwner, fault.Conflict, "there are large bodies in %s, of this database or of %s: write the name of theirs into %s, and give the other a folder of its own",
				b.root, other, filepath.Join(b.root, ownerName))
		}
	}
	return nil
}
