package outside

import (
	"context"

	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/pool"
)

// Round is what one login asks of directories, in one way. It is used by one goroutine.
type Round struct {
	asker *Asker
	way   Way
	login string
	asked map[string]bool
}

// Round begins one for a login, in the form of accounts.
func (a *Asker) Round(way Way, login string) *Round {
	return &Round{asker: a, way: way, login: login, asked: map[string]bool{}}
}

// Way is how the round asks.
func (r *Round) Way() Way { return r.way }

// Taking returns those of some directories that can be asked this way.
func (r *Round) Taking(sources []directory.Source) (list []directory.Source) {
	for _, s := range sources {
		if r.way.Takes(s) {
			list = append(list, s)
		}
	}
	return list
}

// Ask asks one directory after the other until one knows the login; q has all but the proof.
// nil and no error where none does; an answer that lets nobody in where one has refused. name
// is the directory's. Errors are a *directory.AskError about one that could not be asked.
func (r *Round) Ask(ctx context.Context, sources []directory.Source, whose pool.Ticket, q directory.Question) (answer *directory.Answer, name string, err error) {
	if !r.way.fits(q) { // nobody is asked: Rest does it, as for any other name
		return nil, "", nil
	}
	for _, s := range sources {
		r.asked[s.Name()] = true
		answer, err := r.asker.ask(ctx, s, whose, r.way, q)
		switch {
		case err == nil:
			return answer, s.Name(), nil
		case fault.Is(err, fault.NotFound):
			continue
		case fault.Is(err, fault.Unauthenticated):
			return &directory.Answer{}, s.Name(), nil
		}
		return nil, "", &directory.AskError{Name: s.Name(), Err: err}
	}
	return nil, "", nil
}

// Rest asks about a name that nobody has each directory of the login's domain that the round
// has not asked. q is as that of Asker.InVain, and so are errors: the first counts.
func (r *Round) Rest(ctx context.Context, whose pool.Ticket, q directory.Question) (first error) {
	for _, s := range r.Taking(r.asker.Around(r.login)) {
		if r.asked[s.Name()] {
			continue
		}
		if err := r.asker.inVain(ctx, s, whose, r, q); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// InVain asks a directory for the password of a name that nobody has, in the domain of a
// login: it takes as long as one that the directory does not know. q has neither login,
// password nor client: there is nobody whom it could lock out. Errors are a
// *directory.AskError about a directory that could not be asked.
func (a *Asker) InVain(ctx context.Context, s directory.Source, whose pool.Ticket, login string, q directory.Question) error {
	return a.inVain(ctx, s, whose, a.Round(ByPassword(""), login), q)
}

func (a *Asker) inVain(ctx context.Context, s directory.Source, whose pool.Ticket, r *Round, q directory.Question) error {
	name, password := a.nobody(r.login)
	q.Login = name
	_, err := a.ask(ctx, s, whose, r.way.inVain(password), q)
	if err == nil || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Unauthenticated) {
		return nil
	}
	return &directory.AskError{Name: s.Name(), Err: err}
}

// ask asks one directory when its door is free. Errors are those of directory.Source, and
// those of pool.Pool.
func (a *Asker) ask(ctx context.Context, s directory.Source, whose pool.Ticket, way Way, q directory.Question) (answer *directory.Answer, err error) {
	busy := a.door(s, way.door()).Do(ctx, whose, func() { answer, err = way.ask(ctx, s, q) })
	if busy != nil {
		return nil, busy
	}
	return answer, err
}
