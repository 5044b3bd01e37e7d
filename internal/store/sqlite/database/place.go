package database

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"countersign/internal/fault"
)

// maxLinks bounds how many links lead from one to the next, as the system does.
const maxLinks = 40

// Resolve returns the one name of a database file under which locks and what else
// is beside it are found: absolute, and where path is a symbolic link, also to
// nothing yet, that of what it leads to. Errors: fault.Unavailable.
func Resolve(path string) (string, error) {
	const op = "sqlite.open"
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fault.Wrap(op, fault.Unavailable, err)
	}
	for range maxLinks {
		target, err := os.Readlink(path)
		if errors.Is(err, syscall.EINVAL) || errors.Is(err, fs.ErrNotExist) {
			return path, nil // no link
		}
		if err != nil {
			return "", unusable(path, err)
		}
		if !filepath.IsAbs(target) {
			target = filepath.Dir(path) + string(filepath.Separator) + target
		}
		// ".." is that of a folder's place, whatever links lead there.
		above, name := filepath.Split(target)
		folder, err := filepath.EvalSymlinks(above)
		if errors.Is(err, fs.ErrNotExist) {
			folder, err = filepath.Clean(above), nil // to be made
		}
		if err != nil {
			return "", unusable(path, err)
		}
		path = filepath.Join(folder, name)
	}
	return "", unusable(path, &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP})
}
