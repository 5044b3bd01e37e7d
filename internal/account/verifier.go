package account

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"countersign/internal/fault"
)

// Reasons of the catalogue in package smtp that this package gives.
const (
	reasonFailed      = "auth-failed"
	reasonBusy        = "auth-busy"
	reasonUnavailable = "auth-unavailable"
)

// VerifierOptions are what a Verifier may be told. The zero value remembers
// nothing.
type VerifierOptions struct {
	// Remember is how long a verified password is remembered, counted from its
	// full verification; 0 for not at all.
	Remember time.Duration
	// MaxRemembered bounds the accounts remembered; 0 means 10,000.
	MaxRemembered int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Verifier says whether a password proves who somebody is. It is safe for
// concurrent use.
type Verifier struct {
	dir      Directory
	hasher   *Hasher
	remember *memory
}

// NewVerifier returns a Verifier that asks dir at every call, so that a change
// is felt at once.
func NewVerifier(dir Directory, hasher *Hasher, opt VerifierOptions) *Verifier {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.MaxRemembered <= 0 {
		opt.MaxRemembered = 10_000
	}
	v := &Verifier{dir: dir, hasher: hasher}
	v.remember = newMemory(opt.Remember, opt.MaxRemembered, opt.Now, rand.Reader)
	return v
}

// Password returns the account that login and password belong to.
//
// An unknown login, a wrong password, an account without one, and a suspended
// account, domain, customer or plan are one and the same fault.Unauthenticated
// with reason "auth-failed", after the same work: one derivation. Other errors:
// fault.Busy with reason "auth-busy" where too many wait, fault.Unavailable
// with reason "auth-unavailable" where the directory cannot be asked,
// fault.Canceled where ctx ended.
func (v *Verifier) Password(ctx context.Context, login, password string) (*Sender, error) {
	sender, err := v.sender(ctx, login)
	if err != nil {
		return nil, err
	}
	prepared, err := PreparePassword(password)
	if err != nil {
		// No stored password can be this one: fail, as slowly as any other.
		return nil, v.fail(ctx, password, err)
	}
	if sender == nil {
		return nil, v.fail(ctx, prepared, errUnknown)
	}
	if sender.Account.PasswordHash == "" {
		return nil, v.fail(ctx, prepared, errNoPassword)
	}
	if sender.Active() && v.remember.knows(&sender.Account, prepared) {
		return sender, nil
	}
	stored, err := parsePHC(sender.Account.PasswordHash)
	if err != nil {
		return nil, v.fail(ctx, prepared, err)
	}
	same, err := v.hasher.verify(ctx, stored, prepared)
	if err != nil {
		return nil, err
	}
	switch {
	case !same:
		return nil, failure(errWrongPassword)
	case !sender.Active():
		return nil, failure(errSuspended)
	}
	v.remember.add(&sender.Account, prepared)
	return sender, nil
}

// sender asks the directory; nil without an error for an unknown login. What
// is no address is asked for too, as itself, so that it takes as long.
func (v *Verifier) sender(ctx context.Context, login string) (*Sender, error) {
	key, ok := loginKey(login)
	if !ok {
		key = "" // never a login: every one has an "@"
	}
	sender, err := v.dir.Sender(ctx, key)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, nil
	case err != nil && ctx.Err() != nil:
		return nil, fault.Wrap("account.verify", fault.Canceled, err)
	case err != nil:
		return nil, &fault.Error{Op: "account.verify", Kind: fault.Unavailable, Reason: reasonUnavailable, Err: err}
	}
	return sender, nil
}

// fail does the work of a verification in vain, then refuses. cause is for the
// log.
func (v *Verifier) fail(ctx context.Context, password string, cause error) error {
	if err := v.hasher.Waste(ctx, password); err != nil {
		return err
	}
	return failure(cause)
}

// Why a login failed: for the record alone, which the helpdesk reads. The
// client gets one and the same answer for all of them.
var (
	errUnknown       = errors.New("unknown")
	errNoPassword    = errors.New("no-password")
	errWrongPassword = errors.New("wrong-password")
	errSuspended     = errors.New("suspended")
)

// FailureCause says in one stable word why Verifier.Password refused, for the
// record: "unknown", "no-password", "wrong-password" or "suspended"; "" for any
// other error. It must never reach a client.
func FailureCause(err error) string {
	for _, cause := range []error{errUnknown, errNoPassword, errWrongPassword, errSuspended} {
		if errors.Is(err, cause) {
			return cause.Error()
		}
	}
	return ""
}

// failure is the one refusal.
func failure(cause error) error {
	return &fault.Error{Op: "account.verify", Kind: fault.Unauthenticated, Reason: reasonFailed, Err: cause}
}
