package database

import (
	"errors"
	"fmt"
	"io"
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
}

// takeLock locks the file at path for a server that knows the schema up to that
// step. instead is what may be done where another has the lock, beside stopping
// that one: "" for nothing.
func takeLock(path string, known int, instead string) (*lock, error) {
	l, other, err := tryLock(path, known)
	if err == nil && l == nil {
		err = fault.New("sqlite.open", fault.Conflict, "%s is already used by process %s; stop it first%s",
			strings.TrimSuffix(path, lockSuffix), other.process, instead)
	}
	return l, err
}

// tryLock is takeLock, but a lock that another has is no error: it returns nil
// and says who that is. What is written into the file is for the other's message.
func tryLock(path string, known int) (*lock, holder, error) {
	file, _, err := lockfile.Open(path)
	if err != nil {
		return nil, holder{}, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		text, _ := io.ReadAll(io.LimitReader(file, 64)) // who has just taken it has written nothing yet
		var h holder
		process, schema, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		h.process = process
		h.known, _ = strconv.Atoi(strings.TrimPrefix(schema, "schema "))
		return nil, h, file.Close()
	}
	if err != nil {
		return nil, holder{}, errors.Join(&os.PathError{Op: "lock", Path: path, Err: err}, file.Close())
	}
	err = file.Truncate(0)
	if err == nil {
		_, err = file.WriteAt(fmt.Appendf(nil, "%d\nschema %d\n", os.Getpid(), known), 0)
	}
	if err != nil {
		return nil, holder{}, errors.Join(err, file.Close())
	}
	return &lock{file}, holder{}, nil
}

// release gives the lock back. The file stays: removing it would let two
// processes lock two files of the same name.
func (l *lock) release() error { return l.file.Close() }
