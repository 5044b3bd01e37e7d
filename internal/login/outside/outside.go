// Package outside asks the directories that serve the domain of a login: each behind a
// door of its own, where questions wait in turn and strangers give way, and about a name
// that nobody has, so that a failure takes as long as any of that directory's.
//
// It does not verify hashes, keeps nothing, and does not decide which login is asked about: that
// is for package login. The exchanges that pass to a directory are described here, and run there.
//
// Main types: Asker, Round, Way, Passer.
package outside

import (
	"context"

	"countersign/internal/directory"
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

// Standing asks one directory how an account stands, when its door is free. Errors are
// those of directory.Witness, and those of pool.Pool.
func (a *Asker) Standing(ctx context.Context, w directory.Witness, whose pool.Ticket, q directory.Question) (s directory.Standing, err error) {
	busy := a.door(w, "").Do(ctx, whose, func() { s, err = w.Standing(ctx, q) })
	if busy != nil {
		return directory.Standing{}, busy
	}
	return s, err
}

// door is that of a directory. One that takes long for questions of one kind, as it has to
// ask others, keeps nobody else waiting with them: kind is "" for most.
func (a *Asker) door(s directory.Source, kind string) *pool.Pool {
	return a.doors.Of(s.Name()+kind, width(s))
}

// width is how many questions a directory takes at once.
func width(s directory.Source) int {
	if w, ok := s.(interface{ Width() int }); ok {
		return w.Width()
	}
	return 1
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
