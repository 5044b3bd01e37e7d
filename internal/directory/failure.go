package directory

import (
	"errors"

	"countersign/internal/fault"
)

// ErrThisLogin is in the chain of a fault.Unavailable of a Source that has answered, but could
// not say whether this login or token is right. A Guard takes it for an answer: one account that
// is broken, or whoever sends tokens that cannot be looked up, must not have all others left alone.
var ErrThisLogin = errors.New("it says so of this login")

// AskError is why a directory could not say whether a login is right. It is for operators
// alone.
type AskError struct {
	// Name is the directory's.
	Name string
	// Err is one of Source.Ask: fault.Corrupt, fault.Invalid and ErrThisLogin are about this login
	// alone, all others about the directory.
	Err error
}

// Error says which directory, and why.
func (e *AskError) Error() string { return "directory " + e.Name + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *AskError) Unwrap() error { return e.Err }

// Own reports whether the directory is well, and only this login has no sensible answer.
func (e *AskError) Own() bool { return odd(e.Err) }

// odd reports whether an error is about one login alone, which has no sensible answer.
func odd(err error) bool {
	return fault.Is(err, fault.Corrupt) || fault.Is(err, fault.Invalid) || errors.Is(err, ErrThisLogin)
}
