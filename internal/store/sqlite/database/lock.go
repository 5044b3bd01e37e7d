package database

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"countersign/internal/fault"
	"countersign/internal/store/sqlite/lockfile"
)

// lock keeps a second server away from a database while its file is open. The
// kernel releases it when the process ends, however it ends.
type lock struct {
	file *os.File
}

// holder is what is known of the process that has a lock.
type holder struct {
	process string
	// known is the newest step of the schema that it knows.
	known int
	// name is Options.Name.
	name string
}

// maxHolder bounds what is read of it, in octets.
const maxHolder = 256

// readHolder reads who has a lock; nothing of who has just taken it and has written nothing yet.
func readHolder(file io.Reader) (h holder) {
	text, _ := io.ReadAll(io.LimitReader(file, maxHolder))
	lines := strings.Split(string(text), "\n")
	h.process = lines[0]
	for _, line := range lines[1:] {
		switch key, value, _ := strings.Cut(line, " "); key {
		case "schema":
			h.known, _ = strconv.Atoi(value)
		case "name":
			h.name = value
		}
	}
	return h
}

// takeLock locks the file at path for a server, as which others see it. instead is what may be
// done where another has the lock, beside stopping that one: "" for nothing.
func takeLock(path string, as holder, instead string) (*lock, error) {
	l, other, err := tryLock(path, as)
	if err == nil && l == nil {
		err = fault.New("sqlite.open", fault.Conflict, "%s is already used by process %s; stop it first%s",
			strings.TrimSuffix(path, lockSuffix), other.process, instead)
	}
	return l, err
}

// tryLock is takeLock, but a lock that another has is no error: it returns nil
// and says who that is. What is written into the file is for the other's message.
func tryLock(path string, as holder) (*lock, holder, error) {
	file, _, err := lockfile.Open(path)
	if err != nil {
		return nil, holder{}, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, readHolder(file), file.Close()
	}
	if err != nil {
		return nil, holder{}, errors.Join(&os.PathError{Op: "lock", Path: path, Err: err}, file.Close())
	}
	err = file.Truncate(0)
	if err == nil {
		_, err = file.WriteAt(fmt.Appendf(nil, "%d\nschema %d\nname %s\n", os.Getpid(), as.known, as.name), 0)
	}
	if err != nil {
		return nil, holder{}, errors.Join(err, file.Close())
	}
	return &lock{file}, holder{}, nil
}

// release gives the lock back. The file stays: removing it would let two
// processes lock two files of the same name. It says of nobody any more that they have it.
func (l *lock) release() error { return errors.Join(l.file.Truncate(0), l.file.Close()) }

// serving returns the name of who has locked the file at path, or has ended without giving it
// back; "" for nobody. It takes no lock, which would be in the way of a server that starts.
func serving(path string) (string, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0) // see package lockfile
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	return readHolder(file).name, nil
}
