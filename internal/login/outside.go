package login

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/outside"
	"countersign/internal/login/secrets"
	"countersign/internal/login/why"
)

// Directories are the places outside of the store where accounts live.
type Directories interface {
	outside.Directories
	// Ensure makes, in the store, the account that a directory has answered for, where
	// it is not there yet: without a password, so that limits, envelope and state have
	// a place. One that is there follows the answer. Errors: fault.Unauthenticated where
	// the account cannot be made, as its domain is nobody's, and fault.Conflict where its
	// address is an alias of another.
	Ensure(ctx context.Context, directory string, a *directory.Answer) error
	// Rehearse says what Ensure would do, and what it cannot, a sentence each, and
	// whether the account would be made. It changes nothing. Errors as of Ensure.
	Rehearse(ctx context.Context, directory string, a *directory.Answer) (notes []string, made bool, err error)
	// Remember is how long a password that a directory has verified is remembered, 0 for
	// not at all: one that is changed there is good for so long.
	Remember(directory string) time.Duration
}

// sources returns the directories that are asked about a login; none where the store
// decides.
func (v *Verifier) sources(l *look) []directory.Source {
	switch {
	case l.cause == why.ErrUnknown:
		return v.outside.Around(l.login)
	case l.proofs.Directory == "":
		return nil
	}
	return slices.DeleteFunc(slices.Clone(v.outside.Around(l.login)), func(s directory.Source) bool {
		return s.Name() != l.proofs.Directory
	})
}

// elsewhere asks directories for a password. Where it fails anyway, nobody outside is told
// it: it may be one of ours.
func (v *Verifier) elsewhere(ctx context.Context, e *effort, l *look, authzid string, sources []directory.Source) (*account.Principal, error) {
	cause := l.cause
	if cause == nil {
		cause = v.shadowed(e.attempt, l)
	}
	e.ticket.First = v.knows(e.attempt, passwordIn(&l.proofs))
	if cause != nil && cause != why.ErrUnknown {
		return nil, failure(cause)
	}
	answer, name, err := v.ask(ctx, e, sources)
	if err != nil {
		return nil, err
	}
	if cause := judge(answer, l.login, e.attempt.Client); cause != nil {
		return nil, failure(cause)
	}
	if !answer.Verified {
		stored, err := hash.Parse(answer.Hash)
		if err != nil {
			return nil, failure(why.ErrDamaged)
		}
		same, err := v.try(ctx, e, secrets.Trial{Stored: stored, Strange: true})
		switch {
		case err != nil:
			return nil, err
		case !same:
			return nil, failure(why.ErrWrong)
		}
		v.kinds.Learn(name, stored.Cost())
	}
	return v.adopt(ctx, e, authzid, name, answer)
}

// shadowed says why an account of a directory may not log in whatever the password;
// nil where it may, or may by what its directory says now.
func (v *Verifier) shadowed(a *Attempt, l *look) error {
	switch c := passwordIn(&l.proofs); {
	case c == nil:
		return why.ErrNone // it was revoked
	case l.proofs.PlanAlone:
		return v.within(a, &c.Envelope)
	default:
		return v.usable(a, &l.proofs, c)
	}
}

// ask asks one after the other until one knows the login. nil and no error where none
// does, or one has refused the password.
func (v *Verifier) ask(ctx context.Context, e *effort, sources []directory.Source) (*directory.Answer, string, error) {
	q := e.attempt.about(e.login)
	q.Password = e.password
	if q.Check() != nil { // nobody is asked: level does it, as for any other name
		return nil, "", nil
	}
	for _, s := range sources {
		e.asked[s.Name()] = true
		answer, err := v.outside.Ask(ctx, s, e.ticket, q)
		switch {
		case err == nil:
			return answer, s.Name(), nil
		case fault.Is(err, fault.NotFound):
			continue
		case fault.Is(err, fault.Unauthenticated):
			return &directory.Answer{}, s.Name(), nil
		}
		return nil, "", trouble(ctx, &directory.AskError{Name: s.Name(), Err: err})
	}
	return nil, "", nil
}

// judge says why an answer lets nobody in; nil where the password decides.
// login is whose password it is, "" where the directory alone knows: an answer about
// another one would let its writer in as whomever they name.
func judge(answer *directory.Answer, login string, client netip.Addr) error {
	switch {
	case answer == nil:
		return why.ErrUnknown
	case login != "" && answer.Login != "" && !sameLogin(answer.Login, login):
		return why.ErrForeign
	case answer.Disabled:
		return why.ErrSuspended
	case len(answer.Networks) > 0 && !(&account.Envelope{Networks: answer.Networks}).AdmitsClient(client):
		return why.ErrNetwork
	case !answer.Verified && answer.Hash == "":
		return why.ErrWrong
	}
	return nil
}

// adopt makes the account known to the store, and admits it. The password of e is "" where
// nobody here has seen it.
func (v *Verifier) adopt(ctx context.Context, e *effort, authzid, name string, answer *directory.Answer) (*account.Principal, error) {
	a, password := e.attempt, e.password
	if v.banned(a, answer.Login) {
		return nil, failure(why.ErrBanned)
	}
	if err := v.opt.Directories.Ensure(ctx, name, answer); err != nil {
		if cause := why.Unmade(err); cause != nil {
			return nil, failure(cause)
		}
		return nil, unavailable(ctx, err)
	}
	l, err := v.look(ctx, answer.Login)
	switch {
	case err != nil:
		return nil, err
	case l.cause != nil:
		return nil, failure(l.cause)
	case l.proofs.Directory != name:
		return nil, failure(why.ErrForeign) // the store has an account of that name
	}
	c := passwordIn(&l.proofs)
	if c == nil {
		return nil, failure(why.ErrNone)
	}
	if cause := v.usable(a, &l.proofs, c); cause != nil {
		return nil, failure(cause)
	}
	p, err := v.admit(ctx, a, &l, authzid, c)
	if err == nil {
		// Which networks are allowed the directory says each time.
		if password != "" && len(answer.Networks) == 0 {
			v.remember.AddFor(&l.proofs, c.ID, password, v.opt.Directories.Remember(name))
		}
		p.Until = v.opt.Now().Add(askAgain)
	}
	return p, err
}

// askAgain is how long a session lasts whose proof somebody else may have ended.
const askAgain = 15 * time.Minute
