package database

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	engine "modernc.org/sqlite"

	"countersign/internal/fault"
)

// SQLite's primary result codes that mean something to us, from
// https://www.sqlite.org/rescode.html.
const (
	codeBusy       = 5
	codeLocked     = 6
	codeInterrupt  = 9
	codeCorrupt    = 11
	codeFull       = 13
	codeConstraint = 19
	codeNotADB     = 26

	// An extended code: the index of the log could not grow.
	codeSharedSize = 10 | 19<<8
)

// sqliteCode returns the result code in err's chain, 0 where there is none.
// The low octet is the primary code.
func sqliteCode(err error) int {
	var e *engine.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// IsConstraint reports whether err says that a statement would have broken a
// constraint: a key that is taken, most often.
func IsConstraint(err error) bool { return sqliteCode(err)&0xff == codeConstraint }

// breaksTransaction reports whether SQLite may have ended the transaction with
// err: any failure but a constraint's, which undoes its own statement only.
func breaksTransaction(err error) bool {
	code := sqliteCode(err) & 0xff
	return code != 0 && code != codeConstraint
}

// Failure gives an error of the database or of a file its kind. A *fault.Error
// stays as it is.
func Failure(op string, err error) error {
	if err == nil {
		return nil
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	return fault.Wrap(op, kindOf(err), err)
}

func kindOf(err error) fault.Kind {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Canceled
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Full
	case errors.Is(err, ErrDamaged), errors.Is(err, fs.ErrNotExist): // of a file that the database names
		return fault.Corrupt
	}
	var file *fs.PathError
	if errors.As(err, &file) {
		return fault.Unavailable
	}
	code := sqliteCode(err)
	if code == codeSharedSize {
		return fault.Full
	}
	switch code & 0xff {
	case codeFull:
		return fault.Full
	case codeBusy, codeLocked:
		return fault.Busy
	case codeInterrupt:
		return fault.Canceled
	case codeCorrupt, codeNotADB:
		return fault.Corrupt
	case codeConstraint:
		return fault.Conflict
	case 0:
		return fault.Internal
	}
	return fault.Unavailable
}
