// Package lockfile opens the files beside a database that processes lock against
// each other, for reading and writing. A command of root opens them in a folder
// that belongs to another user, so it follows no link and takes nothing that is
// not a plain file.
//
// It locks nothing: what a lock means is for packages database and bodies.
//
// Main function: Open.
package lockfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"countersign/internal/fault"
)

// attempts bounds how often a file may appear and go while it is opened.
const attempts = 3

// Open opens the file at path, or makes it with mode 0600, which is made. Errors:
// fault.Conflict where path is a link or no plain file, else *fs.PathError.
func Open(path string) (file *os.File, made bool, err error) {
	for range attempts {
		file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
		if err == nil {
			return file, true, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, false, err
		}
		// O_NONBLOCK: a pipe would let whoever opens it wait.
		file, err = os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.ENXIO) {
		return nil, false, strange(path)
	}
	if err != nil {
		return nil, false, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = strange(path)
	}
	if err != nil {
		return nil, false, errors.Join(err, file.Close())
	}
	return file, false, nil
}

// strange is the error of what is no plain file.
func strange(path string) error {
	return fault.New("lock.open", fault.Conflict, "%s is no plain file, as the locks of this program are: nothing was done to what it leads to. See who has put it there, and remove it", path)
}
