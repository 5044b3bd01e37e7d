// Package why has the reasons for which logins fail: for the record alone, which the
// helpdesk reads. The client gets one and the same answer for all of them.
//
// It makes of them what a login ends with, and decides nothing. Main functions: Word, Failure.
package why

import (
	"errors"

	"countersign/internal/fault"
)

// The reasons.
var (
	// ErrUnknown: no such account.
	ErrUnknown = errors.New("unknown")
	// ErrNone: the account has nothing that the mechanism could prove.
	ErrNone = errors.New("no-credential")
	// ErrDamaged: what is stored cannot be used.
	ErrDamaged = errors.New("damaged-credential")
	// ErrWrong: it is another secret.
	ErrWrong = errors.New("wrong-password")
	// ErrSuspended: the account, or what is above it, is suspended.
	ErrSuspended = errors.New("suspended")
	// ErrExpired: the credential has ended.
	ErrExpired = errors.New("expired")
	// ErrNetwork: the credential is not good from there.
	ErrNetwork = errors.New("network")
	// ErrMechanism: the credential is not good by that mechanism.
	ErrMechanism = errors.New("mechanism")
	// ErrAuthzid: the client wants to act as somebody else.
	ErrAuthzid = errors.New("authorization-identity")
	// ErrSpelling: the login is not spelt as accounts are, or somebody else is named with it,
	// where a directory runs the exchange.
	ErrSpelling = errors.New("login-spelling")
	// ErrToken: the token is not good.
	ErrToken = errors.New("token")
	// ErrForeign: the proof is of another account.
	ErrForeign = errors.New("token-of-another")
	// ErrPrepared: the password can be none.
	ErrPrepared = errors.New("not-a-password")
	// ErrHomeless: the domain is nobody's here.
	ErrHomeless = errors.New("unknown-domain")
	// ErrTaken: the address is an alias of another account here.
	ErrTaken = errors.New("alias-of-another")
	// ErrDenied: an access list denies the login where the client is.
	ErrDenied = errors.New("access-list")
	// ErrBanned: the login is banned where the client is.
	ErrBanned = errors.New("banned")
)

// Denial is ErrDenied, and by which rule.
type Denial struct{ Rule string }

// Error implements error.
func (d *Denial) Error() string { return ErrDenied.Error() + ": " + d.Rule }

// Is makes it ErrDenied.
func (d *Denial) Is(target error) bool { return target == ErrDenied }

// Rule returns by which rule an access list has denied a login, "" for any other error. It
// must never reach a client.
func Rule(err error) string {
	var d *Denial
	if errors.As(err, &d) {
		return d.Rule
	}
	return ""
}

// All lists the reasons.
func All() []error {
	return []error{ErrUnknown, ErrNone, ErrDamaged, ErrWrong, ErrSuspended, ErrExpired, ErrNetwork, ErrMechanism, ErrAuthzid, ErrSpelling, ErrToken, ErrForeign, ErrPrepared, ErrHomeless, ErrTaken, ErrDenied, ErrBanned}
}

// Unmade returns why an account of a directory could not be made, nil where that was a failure.
func Unmade(err error) error {
	switch fault.KindOf(err) {
	case fault.Unauthenticated:
		return ErrHomeless
	case fault.Conflict:
		return ErrTaken
	}
	return nil
}

// Word returns the reason of a failed login as one stable word, "" for any other error. It
// must never reach a client.
func Word(err error) string {
	for _, reason := range All() {
		if errors.Is(err, reason) {
			return reason.Error()
		}
	}
	return ""
}
