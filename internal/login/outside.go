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
	"countersign/internal/login/pool"
	"countersign/internal/login/secrets"
	"countersign/internal/mail"
)

// Directories are the places outside of the store where accounts live.
type Directories interface {
	// For returns those that are asked about the accounts of a domain, in order; none
	// where the store has them all.
	For(domain mail.Domain) []directory.Source
	// Ensure makes, in the store, the account that a directory has answered for, where
	// it is not there yet: without a password, so that limits, envelope and state have
	// a place. One that is there follows the answer. Errors: fault.Unauthenticated where
	// the account cannot be made, as its domain is nobody's.
	Ensure(ctx context.Context, directory string, a *directory.Answer) error
	// Rehearse says what Ensure would do, and what it cannot, a sentence each, and
	// whether the account would be made. It changes nothing. Errors as of Ensure.
	Rehearse(ctx context.Context, directory string, a *directory.Answer) (notes []string, made bool, err error)
}

// sources returns the directories that are asked about a login; none where the store
// decides.
func (v *Verifier) sources(l *look) []directory.Source {
	address, err := mail.ParseAddress(l.login)
	if v.opt.Directories == nil || err != nil {
		return nil
	}
	switch {
	case l.cause == errUnknown:
		return v.opt.Directories.For(address.Domain)
	case l.proofs.Directory == "":
		return nil
	}
	return slices.DeleteFunc(slices.Clone(v.opt.Directories.For(address.Domain)), func(s directory.Source) bool {
		return s.Name() != l.proofs.Directory
	})
}

// elsewhere asks directories for a password. Each failure costs what it costs where the
// store decides, and what the directory takes.
func (v *Verifier) elsewhere(ctx context.Context, a *Attempt, l *look, authzid, password string, sources []directory.Source) (*account.Principal, error) {
	if l.cause == nil {
		l.cause = v.shadowed(a, l)
	}
	t := secrets.Trial{Password: password, Strange: true}
	t.Ticket = pool.Ticket{Keys: a.keys(l.login), First: v.known.Has(l.login, narrow(a.Client)), Last: v.guessing(a, l.login)}
	var answer *directory.Answer
	var name string
	var err error
	cause := l.cause
	if cause == nil || cause == errUnknown {
		// Where it fails anyway, nobody outside is told the password: it may be one of ours.
		if answer, name, err = v.ask(ctx, a, l.login, password, sources, t.Ticket); err != nil {
			return nil, err
		}
		cause = judge(answer, l.login, a.Client)
	}
	t.Hopeless = cause != nil
	same := cause == nil && answer.Verified
	if !same {
		if answer != nil && answer.Hash != "" {
			t.Stored, err = hash.Parse(answer.Hash)
		}
		if err != nil {
			cause = errDamaged
		}
		if same, err = v.opt.Hasher.Try(ctx, t); err != nil {
			return nil, err
		}
	}
	if !same || t.Hopeless {
		v.failed.Add(byLogin, l.login, v.opt.Now())
		v.failed.Add(byNetwork, narrow(a.Client), v.opt.Now())
	}
	switch {
	case cause != nil:
		return nil, failure(cause)
	case !same:
		return nil, failure(errWrong)
	}
	return v.adopt(ctx, a, authzid, name, password, answer)
}

// shadowed says why an account of a directory may not log in whatever the password;
// nil where it may, or may by what its directory says now.
func (v *Verifier) shadowed(a *Attempt, l *look) error {
	for i := range l.proofs.Credentials {
		if c := &l.proofs.Credentials[i]; c.Kind == account.Password {
			if l.proofs.PlanAlone {
				return v.within(a, &c.Envelope)
			}
			return v.usable(a, &l.proofs, c)
		}
	}
	return errNone // it was revoked
}

// ask asks one after the other until one knows the login. nil and no error where none
// does, or one has refused the password.
func (v *Verifier) ask(ctx context.Context, a *Attempt, login, password string, sources []directory.Source, whose pool.Ticket) (*directory.Answer, string, error) {
	q := directory.Question{Login: login, Password: password, Client: a.Client, Session: string(a.Session), Mechanism: a.Mechanism}
	for _, s := range sources {
		var answer *directory.Answer
		var err error
		if busy := v.doors.Of(s.Name(), width(s)).Do(ctx, whose, func() { answer, err = s.Ask(ctx, q) }); busy != nil {
			err = busy
		}
		switch {
		case err == nil:
			return answer, s.Name(), nil
		case fault.Is(err, fault.NotFound):
			continue
		case fault.Is(err, fault.Unauthenticated):
			return &directory.Answer{}, s.Name(), nil
		case fault.Is(err, fault.Busy):
			return nil, "", fault.Refuse("login.directory", fault.Busy, reasonBusy)
		}
		return nil, "", unavailable(ctx, err)
	}
	return nil, "", nil
}

// judge says why an answer lets nobody in; nil where the password decides.
// login is whose password it is, "" where the directory alone knows: an answer about
// another one would let its writer in as whomever they name.
func judge(answer *directory.Answer, login string, client netip.Addr) error {
	switch {
	case answer == nil:
		return errUnknown
	case login != "" && answer.Login != "" && !sameLogin(answer.Login, login):
		return errForeign
	case answer.Disabled:
		return errSuspended
	case len(answer.Networks) > 0 && !(&account.Envelope{Networks: answer.Networks}).AdmitsClient(client):
		return errNetwork
	case !answer.Verified && answer.Hash == "":
		return errWrong
	}
	return nil
}

// adopt makes the account known to the store, and admits it.
func (v *Verifier) adopt(ctx context.Context, a *Attempt, authzid, name, password string, answer *directory.Answer) (*account.Principal, error) {
	if v.banned(a, answer.Login) {
		return nil, failure(errBanned)
	}
	if err := v.opt.Directories.Ensure(ctx, name, answer); err != nil {
		if fault.Is(err, fault.Unauthenticated) {
			return nil, failure(errHomeless)
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
		return nil, failure(errForeign) // the store has an account of that name
	}
	for i := range l.proofs.Credentials {
		c := &l.proofs.Credentials[i]
		if c.Kind != account.Password {
			continue
		}
		if cause := v.usable(a, &l.proofs, c); cause != nil {
			return nil, failure(cause)
		}
		p, err := v.admit(ctx, a, &l, authzid, c)
		if err == nil {
			// Which networks are allowed the directory says each time.
			if password != "" && len(answer.Networks) == 0 {
				v.remember.Add(&l.proofs, c.ID, password)
			}
			v.known.Add(l.login, narrow(a.Client), v.opt.Now())
			p.Until = v.opt.Now().Add(askAgain)
		}
		return p, err
	}
	return nil, failure(errNone)
}

// askAgain is how long a session lasts whose proof somebody else may have ended.
const askAgain = 15 * time.Minute

// waitingOutside is how many wait before a directory.
const waitingOutside = 256

// width is how many questions a directory takes at once.
func width(s directory.Source) int {
	if w, ok := s.(interface{ Width() int }); ok {
		return w.Width()
	}
	return 1
}
