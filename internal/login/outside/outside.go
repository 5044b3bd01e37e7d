// Package outside asks the directories that serve the domain of a login: each behind a
// door of its own, where questions wait in turn and strangers give way, and about a name
// that nobody has, so that a failure takes as long as any of that directory's.
//
// It does not decide what an answer is worth, nor which login is asked about: that is for
// package login. The exchanges that pass to a directory are described here, and run there.
//
// Main types: Asker, Passer.
package outside

import (
	"context"

	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/pool"
	"countersign/internal/login/secrets"
	"countersign/internal/mail"
)

// Directories are the places outside of the store where accounts live.
type Directories interface {
	// For returns those that are asked about the accounts of a domain, in order; none
	// where the store has them all. The domain "" is that of exchanges of which nobody
	// knows yet whose they are.
	For(domain mail.Domain) []directory.Source
}

// Nobody returns a name that nobody has, in the domain of a login, and a password:
// alike.Fronts.Nobody does.
type Nobody func(login string) (name, password string)

// Asker asks directories. It is safe for concurrent use.
type Asker struct {
	from   Directories
	nobody Nobody
	doors  pool.Doors
}

// New returns an Asker; from is nil where there are no directories.
func New(from Directories, nobody Nobody) *Asker {
	return &Asker{from: from, nobody: nobody, doors: pool.Doors{Waiting: waiting, Respects: secrets.Respects}}
}

// waiting is how many wait before a directory.
const waiting = 256

// Around returns the directories that serve the domain of a login, in order; none for what
// is no login.
func (a *Asker) Around(login string) []directory.Source {
	address, err := mail.ParseAddress(login)
	if a.from == nil || err != nil {
		return nil
	}
	return a.from.For(address.Domain)
}

// Ask asks one directory when its door is free. Errors are those of directory.Source, and
// those of pool.Pool.
func (a *Asker) Ask(ctx context.Context, s directory.Source, whose pool.Ticket, q directory.Question) (answer *directory.Answer, err error) {
	busy := a.through(ctx, s, whose, func() { answer, err = s.Ask(ctx, q) })
	if busy != nil {
		return nil, busy
	}
	return answer, err
}

// Standing asks one directory how an account stands, when its door is free. Errors are
// those of directory.Witness, and those of pool.Pool.
func (a *Asker) Standing(ctx context.Context, w directory.Witness, whose pool.Ticket, q directory.Question) (s directory.Standing, err error) {
	busy := a.through(ctx, w, whose, func() { s, err = w.Standing(ctx, q) })
	if busy != nil {
		return directory.Standing{}, busy
	}
	return s, err
}

// through goes through the door of a directory.
func (a *Asker) through(ctx context.Context, s directory.Source, whose pool.Ticket, ask func()) error {
	return a.doors.Of(s.Name(), width(s)).Do(ctx, whose, ask)
}

// width is how many questions a directory takes at once.
func width(s directory.Source) int {
	if w, ok := s.(interface{ Width() int }); ok {
		return w.Width()
	}
	return 1
}

// InVain asks a directory about a name that nobody has, in the domain of a login: it takes
// as long as one that the directory does not know. q has neither login, password nor
// client: the directory learns neither what was tried, which may be right elsewhere, nor where
// the client is, as there is nobody whom it could lock out. Errors are a
// *directory.AskError about a directory that could not be asked.
func (a *Asker) InVain(ctx context.Context, s directory.Source, whose pool.Ticket, login string, q directory.Question) error {
	q.Login, q.Password = a.nobody(login)
	_, err := a.Ask(ctx, s, whose, q)
	return answered(s, err)
}

// answered is nil where a directory has answered, whatever it said.
func answered(s directory.Source, err error) error {
	if err == nil || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Unauthenticated) {
		return nil
	}
	return &directory.AskError{Name: s.Name(), Err: err}
}

// Witness returns the first of some directories that knows how accounts stand, nil where
// none does.
func Witness(sources []directory.Source) directory.Witness {
	for _, s := range sources {
		if w, ok := s.(directory.Witness); ok && w.Witnesses() {
			return w
		}
	}
	return nil
}
