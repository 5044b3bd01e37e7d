package login

import (
	"context"
	"time"

	"countersign/internal/account"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/outside"
	"countersign/internal/login/pool"
	"countersign/internal/login/why"
)

// keepStood is the longest for which it is remembered that an account stands.
const keepStood = time.Hour

// stands asks the directory of an account whether that is still there and enabled, where c,
// which has been proved, is kept here and so says nothing of it. The answer is remembered as
// long as a password of that directory. until is when the session has to ask again, zero where nobody was
// asked, as nobody can say it without a password. Errors are those of Password.
func (v *Verifier) stands(ctx context.Context, a *Attempt, l *look, c *account.Credential) (until time.Time, err error) {
	w := v.witness(l, c)
	if w == nil {
		return until, nil
	}
	id := string(l.proofs.Account)
	if !v.stood.Has(id, w.Name()) && !v.stood.Has(id, stoodAt(w, a)) {
		if err := v.askStanding(ctx, a, l, c, w); err != nil {
			return until, err
		}
	}
	return v.opt.Now().Add(askAgain), nil
}

// stoodAt is under what it is remembered that an account stands where a client is.
func stoodAt(w directory.Witness, a *Attempt) string { return w.Name() + " " + a.Client.String() }

// askStanding asks whether an account stands, and remembers it, unless it does so in some networks alone.
func (v *Verifier) askStanding(ctx context.Context, a *Attempt, l *look, c *account.Credential, w directory.Witness) error {
	s, err := v.outside.Standing(ctx, w, pool.Ticket{Keys: a.keys(l.login), First: v.knows(a, l.login, c)}, a.about(l.login))
	switch {
	case fault.Is(err, fault.NotFound), err == nil && !sameLogin(s.Login, l.login):
		return why.Failure(why.ErrUnknown)
	case fault.Is(err, fault.Unauthenticated), err == nil && s.Disabled:
		return why.Failure(why.ErrSuspended)
	case err != nil:
		return why.Trouble(ctx, err)
	case s.Here:
		v.stood.Add(string(l.proofs.Account), stoodAt(w, a), v.stoodUntil(w))
	case len(s.Networks) == 0:
		v.stood.Add(string(l.proofs.Account), w.Name(), v.stoodUntil(w))
	case !(&account.Envelope{Networks: s.Networks}).AdmitsClient(a.Client):
		return why.Failure(why.ErrNetwork)
	}
	return nil
}

// stoodUntil is the time of what is to be remembered for as long as a password of w is.
func (v *Verifier) stoodUntil(w directory.Witness) time.Time {
	return v.opt.Now().Add(v.opt.Directories.Remember(w.Name()) - keepStood)
}

// witness returns whom stands asks; nil for nobody.
func (v *Verifier) witness(l *look, c *account.Credential) directory.Witness {
	if l.proofs.Directory == "" || c.Kind == account.Password { // which the directory has verified itself
		return nil
	}
	return outside.Witness(v.sources(l))
}
