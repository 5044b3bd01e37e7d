package account

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"countersign/internal/account/phc"
	"countersign/internal/audit"
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
	store    CredentialStore
	hasher   *Hasher
	remember *memory
	now      func() time.Time
}

// NewVerifier returns a Verifier that asks store at every call, so that a
// change is felt at once.
func NewVerifier(store CredentialStore, hasher *Hasher, opt VerifierOptions) *Verifier {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.MaxRemembered <= 0 {
		opt.MaxRemembered = 10_000
	}
	v := &Verifier{store: store, hasher: hasher, now: opt.Now}
	v.remember = newMemory(opt.Remember, opt.MaxRemembered, opt.Now, rand.Reader)
	return v
}

// Prepare looks up which parameters stored hashes have, so that the first
// failures cost as much as all later ones. It is called once, before the first
// client comes; without it the Verifier learns of them as their accounts are
// tried. Errors are those of CredentialStore.HashCosts.
func (v *Verifier) Prepare(ctx context.Context) error {
	costs, err := v.store.HashCosts(ctx)
	if err != nil {
		return err
	}
	for _, text := range costs {
		// What cannot be read is a damaged hash, which nothing is derived for.
		if p, err := phc.ParseParams(text); err == nil {
			v.hasher.learn(p)
		}
	}
	return nil
}

// Password returns the account that the login and the password belong to.
//
// An unknown login, a wrong password, an account without one, and a suspended
// account, domain, customer or plan are one and the same fault.Unauthenticated
// with reason "auth-failed", after the same work: one short look at the store
// and one derivation with each of the parameters in use. A right password
// that was remembered costs no derivation and waits for none.
//
// Other errors: fault.Busy with reason "auth-busy" where too many wait, of
// which those that share network or login with the most others give way first;
// fault.Unavailable with reason "auth-unavailable" where the store cannot be
// asked; fault.Canceled where ctx ended.
func (v *Verifier) Password(ctx context.Context, a Attempt) (*Sender, error) {
	login, ok := loginKey(a.Login)
	if !ok {
		login = "" // never a login: every one has an "@"
	}
	cred, cause := v.credential(ctx, login)
	if cause != nil && !errors.Is(cause, errUnknown) {
		return nil, cause
	}
	prepared, err := PreparePassword(a.Password)
	if cause == nil {
		cause = err // no stored password can be this one: fail, as slowly as any other
	}
	if cause == nil && cred.Active && v.remember.knows(&cred, prepared) {
		return v.admit(ctx, login, &cred)
	}
	t := trial{keys: a.keys(login), password: prepared, hopeless: !cred.Active}
	if err != nil {
		t.password = a.Password
	}
	if cause == nil {
		t.stored, cause = storedHash(cred.PasswordHash)
	}
	same, renewed, err := v.hasher.try(ctx, t)
	switch {
	case err != nil:
		return nil, err
	case cause != nil:
		return nil, failure(cause)
	case !same:
		return nil, failure(errWrongPassword)
	case !cred.Active:
		return nil, failure(errSuspended)
	}
	if renewed != "" {
		v.renew(ctx, a, login, &cred, renewed)
	}
	sender, err := v.admit(ctx, login, &cred)
	if err == nil {
		v.remember.add(&cred, prepared)
	}
	return sender, err
}

// credential asks the store; errUnknown for an unknown login. What is no
// address is asked for too, as "", so that it takes as long.
func (v *Verifier) credential(ctx context.Context, login string) (Credential, error) {
	cred, err := v.store.Credential(ctx, login)
	if fault.Is(err, fault.NotFound) {
		return Credential{}, errUnknown
	}
	return cred, unavailable(ctx, err)
}

// unavailable is what becomes of an error of the store, nil of none.
func unavailable(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fault.Wrap("account.verify", fault.Canceled, err)
	}
	return &fault.Error{Op: "account.verify", Kind: fault.Unavailable, Reason: reasonUnavailable, Err: err}
}

// storedHash reads the hash of an account.
func storedHash(text string) (phc.Hash, error) {
	if text == "" {
		return phc.Hash{}, errNoPassword
	}
	return phc.Parse(text)
}

// admit reads all that decides what an account may do, now that it has proved
// itself with cred, unless that has become worthless meanwhile.
func (v *Verifier) admit(ctx context.Context, login string, cred *Credential) (*Sender, error) {
	sender, err := v.store.Sender(ctx, login)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, failure(errUnknown)
	case err != nil:
		return nil, unavailable(ctx, err)
	case !sender.Holds(cred):
		return nil, failure(errWrongPassword)
	case !sender.Active():
		return nil, failure(errSuspended)
	}
	return sender, nil
}

// renew stores a hash of the proved password with the parameters of the day.
// Where that fails, the old one stays, and the next login that derives it
// tries again.
func (v *Verifier) renew(ctx context.Context, a Attempt, login string, cred *Credential, hash string) {
	e := audit.Event{
		At: v.now().UTC().Truncate(time.Microsecond), Kind: audit.AdminChanged, Actor: "gate",
		Object: "account " + login, Login: login, Session: a.Session,
		Text: "password hash renewed with the parameters of the day",
	}
	if a.Client.IsValid() {
		e.Client = a.Client.Unmap().String()
	}
	_ = v.store.RenewHash(ctx, login, cred.PasswordHash, hash, e)
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
