package login

import (
	"context"
	"errors"

	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/pool"
	"countersign/internal/login/secrets"
)

// effort is what one login by password has cost.
type effort struct {
	attempt *Attempt
	// login is as loginKey makes it, password prepared where it can be.
	login, password string
	// ticket says when its turn is, with workers and before directories.
	ticket pool.Ticket
	// asked are the directories that were asked for the password, derived says that a
	// worker has tried it.
	asked   map[string]bool
	derived bool
}

// effort begins one.
func (v *Verifier) effort(a *Attempt, login, password string) *effort {
	return &effort{attempt: a, login: login, password: password, ticket: v.ticket(a, login), asked: map[string]bool{}}
}

// try tries the password of e on a worker. Errors are those of secrets.Hasher.Try.
func (v *Verifier) try(ctx context.Context, e *effort, t secrets.Trial) (bool, error) {
	t.Password, t.Ticket = e.password, e.ticket
	for _, s := range v.outside.Around(e.login) {
		t.Also = append(t.Also, v.kinds.Of(s.Name())...)
	}
	same, err := v.opt.Hasher.Try(ctx, t)
	e.derived = e.derived || err == nil
	return same, err
}

// level makes a login that has failed with err cost what any costs that fails in its domain,
// whatever is wrong with it: a derivation, and a question to each directory that serves the
// domain. The password was shown to those that may know it; the others are asked about a name
// that nobody has. It returns err, or, where a directory could not be asked, what becomes of
// that: whether the store has the name must make no difference.
func (v *Verifier) level(ctx context.Context, e *effort, err error) error {
	if v.dry || fault.Is(err, fault.Canceled) {
		return err
	}
	if fault.Is(err, fault.Unauthenticated) {
		v.missed(e.attempt, e.login)
	}
	if !e.derived {
		if _, busy := v.try(ctx, e, secrets.Trial{Hopeless: true}); busy != nil {
			return busy
		}
	}
	var first error
	for _, s := range v.outside.Around(e.login) {
		if e.asked[s.Name()] {
			continue
		}
		if failed := v.askInVain(ctx, e.attempt, e.login, s); failed != nil && first == nil {
			first = failed
		}
	}
	if first != nil && fault.Is(err, fault.Unauthenticated) {
		return withCause(first, err)
	}
	return err
}

// askInVain asks a directory about a name that nobody has, in the domain of a login. Errors
// are those of trouble.
func (v *Verifier) askInVain(ctx context.Context, a *Attempt, login string, s directory.Source) error {
	err := v.outside.InVain(ctx, s, v.ticket(a, login), login, a.vain())
	if err != nil {
		return trouble(ctx, err)
	}
	return nil
}

// ticket says when it is whose turn.
func (v *Verifier) ticket(a *Attempt, login string) pool.Ticket {
	return pool.Ticket{Keys: a.keys(login), Last: v.guessing(a, login)}
}

// trouble is what becomes of an error of a directory that is no refusal.
func trouble(ctx context.Context, err error) error {
	if fault.Is(err, fault.Busy) {
		return fault.Refuse("login.directory", fault.Busy, reasonBusy)
	}
	return unavailable(ctx, err)
}

// withCause is an error of trouble that also says, for the record, why the login would have
// failed without it.
func withCause(err, cause error) error {
	return &fault.Error{Op: "login.verify", Kind: fault.KindOf(err), Reason: fault.ReasonOf(err), Err: errors.Join(err, cause)}
}

// What failures are counted by.
const byLogin, byNetwork = "login", "network"

// missed notes a failure.
func (v *Verifier) missed(a *Attempt, login string) {
	v.failed.Add(byLogin, login, v.opt.Now())
	v.failed.Add(byNetwork, narrow(a.Client), v.opt.Now())
}

// guessing reports whether somebody failed lately at that login, and from that network:
// who guesses has both against them, but neither an owner at whose password others guess,
// nor who shares a network with them.
func (v *Verifier) guessing(a *Attempt, login string) bool {
	return v.failed.Has(byLogin, login) && v.failed.Has(byNetwork, narrow(a.Client))
}
