package login

import (
	"context"

	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/outside"
	"countersign/internal/login/pool"
	"countersign/internal/login/secrets"
	"countersign/internal/login/why"
	"countersign/internal/sasl"
)

// effort is what one login has cost that directories may be asked about.
type effort struct {
	attempt *Attempt
	// login is as mail.KeyOf makes it.
	login string
	// password has nothing in it where something else is shown.
	password secrets.Typed
	// ticket says when its turn is, with workers and before directories.
	ticket pool.Ticket
	// round asks the directories, derived says that a worker has tried the password, or
	// that there is none to try.
	round   *outside.Round
	derived bool
}

// effort begins that of a password.
func (v *Verifier) effort(a *Attempt, login string, password secrets.Typed) *effort {
	e := v.showing(a, login, outside.ByPassword(password.Raw))
	e.password, e.derived = password, false
	return e
}

// showing begins that of something else.
func (v *Verifier) showing(a *Attempt, login string, way outside.Way) *effort {
	return &effort{attempt: a, login: login, ticket: v.ticket(a, login), round: v.outside.Round(way, login), derived: true}
}

// wrong is why a directory has refused what the client has shown.
func (e *effort) wrong() error {
	switch m, _ := sasl.Lookup(e.attempt.Mechanism); {
	case m.Token:
		return why.ErrToken
	case m.Certificate: // which is good; the account is not, or is not there
		return why.ErrSuspended
	}
	return why.ErrWrong
}

// try tries the password of e on a worker. Errors are those of secrets.Hasher.Try.
func (v *Verifier) try(ctx context.Context, e *effort, t secrets.Trial) (bool, error) {
	t.Password, t.Ticket = e.password, e.ticket
	for _, s := range v.outside.Around(e.login) {
		t.Also = append(t.Also, v.kinds.Of(ctx, s.Name())...)
	}
	same, err := v.opt.Hasher.Try(ctx, t)
	e.derived = e.derived || err == nil
	return same, err
}

// level makes a login that has failed with err cost what any costs that fails in its domain,
// whatever is wrong with it: a derivation where it shows a password, and a question to each
// directory that serves the domain. What the client has was shown to those that may know it; the others are asked about a name
// that nobody has. It returns err, or, where a directory could not be asked, what becomes of
// that: whether the store has the name must make no difference.
func (v *Verifier) level(ctx context.Context, e *effort, err error) error {
	if v.dry || fault.Is(err, fault.Canceled) {
		return err
	}
	if fault.Is(err, fault.Unauthenticated) {
		v.clients.Missed(e.login, e.attempt.Client)
	}
	if !e.derived {
		if _, busy := v.try(ctx, e, secrets.Trial{Hopeless: true}); busy != nil {
			return busy
		}
	}
	first := e.round.Rest(ctx, v.ticket(e.attempt, e.login), e.attempt.vain())
	if first != nil && fault.Is(err, fault.Unauthenticated) {
		return why.WithCause(why.Trouble(ctx, first), err)
	}
	return err
}

// askInVain asks a directory about a name that nobody has, in the domain of a login. Errors
// are those of why.Trouble.
func (v *Verifier) askInVain(ctx context.Context, a *Attempt, login string, s directory.Source) error {
	err := v.outside.InVain(ctx, s, v.ticket(a, login), login, a.vain())
	if err != nil {
		return why.Trouble(ctx, err)
	}
	return nil
}

// ticket says when it is whose turn.
func (v *Verifier) ticket(a *Attempt, login string) pool.Ticket {
	return pool.Ticket{Keys: a.keys(login), Last: v.clients.Guess(login, a.Client)}
}
