package database

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"countersign/internal/fault"
)

// lock keeps a second server away from a database while its file is open. The
// kernel releases it when the process ends, however it ends.
type lock struct {
	file *os.File
}

// takeLock locks the file at path, and writes our process id into it for the
// message that the second one gets.
func takeLock(path string) (*lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		holder, _ := io.ReadAll(io.LimitReader(file, 32)) // only for the message
		closed := file.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(&os.PathError{Op: "lock", Path: path, Err: err}, closed)
		}
		return nil, fault.New("sqlite.open", fault.Conflict, "%s is already used by process %s; stop it first, or give this one a data directory of its own",
			strings.TrimSuffix(path, lockSuffix), strings.TrimSpace(string(holder)))
	}
	err = file.Truncate(0)
	if err == nil {
		_, err = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &lock{file}, nil
}

// release gives the lock back. The file stays: removing it would let two
// processes lock two files of the same name.
func (l *lock) release() error { return l.file.Close() }
