package why

import (
	"context"
	"errors"

	"countersign/internal/fault"
)

// Reasons of the catalogue in package smtp that logins end with.
const (
	// ReasonFailed: nothing was proved.
	ReasonFailed = "auth-failed"
	// ReasonBusy: nothing was tried, as too much is under way.
	ReasonBusy = "auth-busy"
	// ReasonUnavailable: whom it takes could not be asked.
	ReasonUnavailable = "auth-unavailable"
)

// Failure is the one refusal; cause is for the record.
func Failure(cause error) error {
	return &fault.Error{Op: "login.verify", Kind: fault.Unauthenticated, Reason: ReasonFailed, Err: cause}
}

// Unavailable is what becomes of an error of the store, nil of none: fault.Unavailable, or
// fault.Canceled where ctx has ended.
func Unavailable(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fault.Wrap("login.verify", fault.Canceled, err)
	}
	return &fault.Error{Op: "login.verify", Kind: fault.Unavailable, Reason: ReasonUnavailable, Err: err}
}

// Trouble is what becomes of an error of a directory that is no refusal: fault.Busy where it
// had no room, else as Unavailable.
func Trouble(ctx context.Context, err error) error {
	if fault.Is(err, fault.Busy) {
		return fault.Refuse("login.directory", fault.Busy, ReasonBusy)
	}
	return Unavailable(ctx, err)
}

// WithCause is an error of Trouble that also says, for the record, why the login would have
// failed without it.
func WithCause(err, cause error) error {
	return &fault.Error{Op: "login.verify", Kind: fault.KindOf(err), Reason: fault.ReasonOf(err), Err: errors.Join(err, cause)}
}
