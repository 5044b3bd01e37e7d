package server

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"countersign/internal/fault"
	"countersign/internal/store/sqlkit"
)

// SQLSTATE values and classes that mean something to us, from the appendix
// "PostgreSQL Error Codes" of its manual.
const (
	stateSerialization = "40001"
	stateDeadlock      = "40P01"
	stateReadOnly      = "25006"
	stateLockTimeout   = "55P03"
	stateCanceled      = "57014"
	stateDiskFull      = "53100"
	stateNoDatabase    = "3D000"
	statePrivilege     = "42501"
	stateUndefined     = "42P01"
	stateNoSchema      = "3F000"
	stateNoSetting     = "42704" // undefined object; of a connection, a setting
	stateBadSetting    = "22023" // invalid parameter value
	stateNoNumber      = "22P02" // invalid text representation
	stateDamagedData   = "XX001"
	stateDamagedIndex  = "XX002"

	classConnection = "08" // connection exception
	classAuth       = "28" // invalid authorization
	classConstraint = "23" // integrity constraint violation
	classResources  = "53" // insufficient resources
	classOperator   = "57" // operator intervention: shutdown, crash, starting up
)

// stateOf returns the SQLSTATE in err's chain, "" where there is none.
func stateOf(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// IsConstraint reports whether err says that a statement would have broken a
// constraint: a key that is taken, most often.
func IsConstraint(err error) bool { return strings.HasPrefix(stateOf(err), classConstraint) }

// ConstraintOf returns the name of the constraint that a statement would have broken, "" for
// none.
func ConstraintOf(err error) string {
	var e *pgconn.PgError
	if !IsConstraint(err) || !errors.As(err, &e) {
		return ""
	}
	return e.ConstraintName
}

// Mistaken reports whether a statement has taken a text for a number, as those do that find
// something other than they were told of.
func Mistaken(err error) bool { return stateOf(err) == stateNoNumber }

// Waited reports whether a statement has waited for a lock for longer than it may.
func Waited(err error) bool { return stateOf(err) == stateLockTimeout }

// repeatable reports whether a transaction that failed with err has certainly
// not been committed and may pass when it is tried again at once: others were in its
// way.
func repeatable(err error) bool {
	switch stateOf(err) {
	case stateSerialization, stateDeadlock:
		return true
	}
	return false
}

// away reports whether err says that the server, or a primary, cannot be used at
// the moment: what was asked may be asked again when it is back.
func away(err error) bool {
	state := stateOf(err)
	switch {
	case errors.Is(err, errWarned):
		return true
	case state == stateCanceled, state == stateDiskFull:
		return false
	case state == stateReadOnly: // a standby, or a primary that became one
		return true
	case strings.HasPrefix(state, classConnection), strings.HasPrefix(state, classOperator), strings.HasPrefix(state, classResources):
		return true
	case state != "":
		return false
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err) || isClosed(err)
}

// isClosed recognises the driver's own word for a connection that broke before.
func isClosed(err error) bool { return strings.Contains(err.Error(), "conn closed") }

// Failure gives an error of the database its kind, and where the server is at fault
// a Detail that says so. A *fault.Error stays as it is.
func Failure(op string, err error) error {
	if err == nil {
		return nil
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	if stateOf(err) == statePrivilege {
		// Not fault.Denied: that would be said of the client, whose message is refused for
		// good then.
		return &fault.Error{
			Op: op, Kind: fault.Unavailable, Err: err,
			Detail: "the database user may not do what is needed; make it the owner of the database and of all tables and sequences in it",
		}
	}
	e := &fault.Error{Op: op, Kind: kindOf(err), Err: err}
	switch e.Kind {
	case fault.Unavailable:
		e.Detail = "the database is away"
	case fault.Full:
		e.Detail = "the disk of the database's server is full; make room there, then try again"
	}
	return e
}

func kindOf(err error) fault.Kind {
	state := stateOf(err)
	var connect *pgconn.ConnectError
	switch {
	case errors.Is(err, sqlkit.ErrDamaged), state == stateDamagedData, state == stateDamagedIndex:
		return fault.Corrupt
	case state == stateDiskFull:
		return fault.Full
	case repeatable(err), state == stateLockTimeout:
		return fault.Busy
	case strings.HasPrefix(state, classConstraint):
		return fault.Conflict
	case state == stateCanceled, errors.Is(err, context.Canceled):
		return fault.Canceled
	case errors.As(err, &connect): // also where that took too long, which is bounded here
		return fault.Unavailable
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Canceled
	case away(err):
		return fault.Unavailable
	}
	return fault.Internal
}
