package login

import (
	"cmp"
	"context"
	"slices"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/directory"
	"countersign/internal/login/outside"
	"countersign/internal/login/secrets"
	"countersign/internal/login/why"
	"countersign/internal/mail"
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
	// TakesTokens reports whether one of them verifies bearer tokens.
	TakesTokens() bool
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

// elsewhere asks directories for what the client has shown. Where that fails anyway, nobody
// outside is told a password: it may be one of ours.
func (v *Verifier) elsewhere(ctx context.Context, e *effort, l *look, authzid string, sources []directory.Source) (*account.Principal, error) {
	cause := l.cause
	if cause == nil {
		cause = v.shadowed(e.attempt, l)
	}
	e.ticket.First = v.knows(e.attempt, l.login, passwordIn(&l.proofs))
	if cause != nil && cause != why.ErrUnknown {
		return nil, why.Failure(cause)
	}
	answer, name, err := e.round.Ask(ctx, sources, e.ticket, e.attempt.about(e.login))
	if err != nil {
		return nil, why.Trouble(ctx, err)
	}
	cause = outside.Judge(answer, l.login, e.attempt.Client)
	switch {
	case cause == why.ErrWrong, cause == nil && !answer.Verified && !e.round.Way().Hashed():
		return nil, why.Failure(e.wrong())
	case cause != nil:
		return nil, why.Failure(cause)
	}
	if answer.Verified {
		return v.adopt(ctx, e, authzid, name, answer)
	}
	stored, err := hash.Parse(answer.Hash)
	if err != nil {
		return nil, why.Failure(why.ErrDamaged)
	}
	v.kinds.Meet(name, stored.Cost())
	var p *account.Principal
	refused := why.Failure(why.ErrWrong)
	_, err = v.try(ctx, e, secrets.Trial{Stored: stored, Strange: true, Vain: func() bool {
		v.kinds.Learn(name, stored.Cost())
		p, refused = v.adopt(ctx, e, authzid, name, answer)
		return refused != nil
	}})
	return p, cmp.Or(err, refused)
}

// shown asks directories whether a login is right that shows no password. authzid is "" for
// nobody else. Errors are those of Password.
func (v *Verifier) shown(ctx context.Context, e *effort, authzid string) (*account.Principal, error) {
	l, err := v.look(ctx, e.login)
	if err != nil {
		return nil, err
	}
	l.heed(v, e.attempt)
	sources := e.round.Taking(v.sources(&l))
	if l.cause == nil && len(sources) == 0 {
		l.cause = why.ErrNone // the store's, or that of a directory which cannot be asked so
	}
	p, err := v.elsewhere(ctx, e, &l, authzid, sources)
	if err != nil {
		return nil, v.level(ctx, e, err)
	}
	return p, nil
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

// adopt makes the account known to the store, and admits it. The password of e is "" where
// nobody here has seen it.
func (v *Verifier) adopt(ctx context.Context, e *effort, authzid, name string, answer *directory.Answer) (*account.Principal, error) {
	a, password := e.attempt, e.password.Raw
	if v.banned(a, answer.Login) {
		return nil, why.Failure(why.ErrBanned)
	}
	if err := v.opt.Directories.Ensure(ctx, name, answer); err != nil {
		if cause := why.Unmade(err); cause != nil {
			return nil, why.Failure(cause)
		}
		return nil, why.Unavailable(ctx, err)
	}
	l, err := v.look(ctx, answer.Login)
	switch {
	case err != nil:
		return nil, err
	case l.cause != nil:
		return nil, why.Failure(l.cause)
	case l.proofs.Directory != name:
		return nil, why.Failure(why.ErrForeign) // the store has an account of that name
	}
	c := passwordIn(&l.proofs)
	if c == nil {
		return nil, why.Failure(why.ErrNone)
	}
	if cause := v.usable(a, &l.proofs, c); cause != nil {
		return nil, why.Failure(cause)
	}
	p, err := v.admit(ctx, a, &l, authzid, c)
	if err == nil {
		// Which networks are allowed the directory says each time.
		if password != "" && len(answer.Networks) == 0 {
			id := c.ID
			if answer.Here {
				id = placed(c, a)
			}
			v.remember.AddFor(&l.proofs, id, password, v.opt.Directories.Remember(name))
		}
		p.Until = v.opt.Now().Add(askAgain)
	}
	return p, err
}

// placed is under what a password is remembered that is right where the client is.
func placed(c *account.Credential, a *Attempt) mail.ID {
	return c.ID + " " + mail.ID(a.Client.String())
}

// askAgain is how long a session lasts whose proof somebody else may have ended.
const askAgain = 15 * time.Minute
