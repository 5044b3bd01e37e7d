package oauth

import (
	"errors"

	"countersign/internal/fault"
)

// The causes: why a token is refused, for the record. They are stable, and no client
// is told which it was.
const (
	// CauseMalformed: no token that could be read, one that holds another token or wants
	// something understood that is not ("crit"), or one that only its issuer can read,
	// encrypted ones among them, where none is asked.
	CauseMalformed = "malformed"
	// CauseWrongIssuer: of nobody who is configured.
	CauseWrongIssuer = "wrong-issuer"
	// CauseWrongAlgorithm: signed with an algorithm that its issuer may not use.
	CauseWrongAlgorithm = "wrong-algorithm"
	// CauseUnknownKey: signed with a key that its issuer does not have.
	CauseUnknownKey = "unknown-key"
	// CauseBadSignature: not signed by its issuer.
	CauseBadSignature = "bad-signature"
	// CauseExpired: its time is over.
	CauseExpired = "expired"
	// CauseNotYet: its time has not come.
	CauseNotYet = "not-yet"
	// CauseWrongAudience: made for somebody else.
	CauseWrongAudience = "wrong-audience"
	// CauseScope: it does not allow what is configured.
	CauseScope = "scope"
	// CauseInactive: its issuer says that it is not valid.
	CauseInactive = "inactive"
	// CauseNoUser: it names nobody, or by an address that was not verified.
	CauseNoUser = "no-user"
	// CauseForeignDomain: its issuer may not speak for that domain.
	CauseForeignDomain = "foreign-domain"
	// CauseKeyBound: good only together with a proof that this protocol cannot carry.
	CauseKeyBound = "key-bound"
)

// Causes returns every cause, for tests of completeness.
func Causes() []string {
	return []string{
		CauseMalformed, CauseWrongIssuer, CauseWrongAlgorithm, CauseUnknownKey, CauseBadSignature, CauseExpired, CauseNotYet,
		CauseWrongAudience, CauseScope, CauseInactive, CauseNoUser, CauseForeignDomain, CauseKeyBound,
	}
}

// refusal is the cause within an error. It stands where only the log looks.
type refusal string

// Error implements error.
func (r refusal) Error() string { return string(r) }

// refuse makes the error of a token that is not good. Its detail, which may be shown,
// is the same for every cause.
func refuse(cause string) error {
	return &fault.Error{Op: "oauth.verify", Kind: fault.Unauthenticated, Detail: "the token is not valid", Err: refusal(cause)}
}

// Cause returns why a token was refused, one of the constants; "" for an error that
// does not refuse a token, and for nil.
func Cause(err error) string {
	var r refusal
	if errors.As(err, &r) {
		return string(r)
	}
	return ""
}
