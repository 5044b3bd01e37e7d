package passing

import (
	"bytes"
	"context"
	"errors"
	"time"

	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/alike"
	"countersign/internal/login/outside"
	"countersign/internal/login/why"
	"countersign/internal/sasl"
)

// Facade stands before the names of a domain whose directory runs exchanges of SCRAM: what a
// client is shown, and when, is the same for all of them. A directory challenges for the
// names that it has at once, and refuses others after seconds; names of the store are
// challenged here.
type Facade struct {
	to   outside.Passer
	view *alike.View
}

// Before returns what stands before the logins of some directories in a mechanism, nil where
// nothing does. Errors are those of why.Unavailable.
func Before(ctx context.Context, fronts *alike.Fronts, around []directory.Source, mechanism string) (*Facade, error) {
	to := outside.Passing(around, mechanism)
	if to == nil {
		return nil, nil
	}
	view, err := fronts.Of(to.Name(), mechanism).View(ctx)
	if err != nil {
		return nil, why.Unavailable(ctx, err)
	}
	return &Facade{to, view}, nil
}

// Dress makes the keys of a login look like those of the directory; own says that the login
// has some of ours.
func (f *Facade) Dress(k *sasl.Keys, login string, own bool) { f.view.Dress(k, login, own) }

// begin begins an exchange that may pass, with its first response.
func begin(ctx context.Context, to outside.Passer, about directory.Question, response []byte) *alike.Opening[outside.Passed] {
	response = bytes.Clone(response)
	return alike.Open(ctx, to.Patience(), func(within context.Context) (p outside.Passed, challenge []byte, over bool, err error) {
		if p, err = to.Begin(within, about); err != nil {
			return nil, nil, false, err
		}
		challenge, over, err = p.Next(within, response)
		return p, challenge, over, err
	})
}

// open returns the step that shows a client the challenge of ours, or, for a name that the
// directory may have, begins the directory's exchange and shows that one's. Where it has none
// when it is time for one, an exchange of ours goes on in its place, which nothing proves.
func (x *Exchange) open(challenge []byte, passes bool, began time.Time) func(context.Context, []byte) ([]byte, bool, error) {
	return func(ctx context.Context, response []byte) ([]byte, bool, error) {
		f, host := x.opt.Front, x.opt.Host
		spelled := alike.Spelled(response, host.Named())
		if passes && spelled {
			x.opening = begin(ctx, f.To, x.opt.About, response)
		}
		err := f.Facade.view.Hold(ctx, began)
		switch {
		case err != nil:
			return nil, false, err
		case !spelled:
			return nil, false, host.Settle(nil, why.Failure(why.ErrSpelling))
		case passes:
			return x.reveal(ctx, response)
		}
		x.shown = true
		return challenge, false, nil
	}
}

// reveal shows the directory's challenge, or one of ours.
func (x *Exchange) reveal(ctx context.Context, response []byte) ([]byte, bool, error) {
	f, o := x.opt.Front, x.opening
	select {
	case <-o.Done:
		if o.Err == nil {
			f.Facade.view.Learn(x.opt.Host.Named(), o.Challenge, o.Took)
			x.to, x.passed = f.To, o.Passed
			return x.judge(ctx, o.Challenge, o.Over, nil)
		}
	default:
	}
	f.Posing, x.shown = true, true
	x.own = x.opt.Mechanism.New(x.opt.Conn)
	return x.own.Next(ctx, response)
}

// finish takes the answer to a challenge that was shown in place of the directory's, and
// all that comes after it.
func (x *Exchange) finish(ctx context.Context, response []byte) ([]byte, bool, error) {
	challenge, done, err := x.own.Next(ctx, response)
	switch {
	case err == nil:
		return challenge, done, nil
	case errors.Is(err, sasl.ErrSyntax): // which a directory refuses as it does a wrong proof: no 501
		err = why.Failure(why.ErrWrong)
	case !fault.Is(err, fault.Unauthenticated):
		return nil, false, err
	case fault.ReasonOf(err) == "": // what the mechanism itself has found
		err = why.Failure(err)
	}
	return nil, false, x.opt.Host.Settle(nil, x.fallen(ctx, err))
}

// errLate is a directory's challenge that came when another one had been shown.
var errLate = errors.New("the directory's challenge came too late")

// fallen says what a failure comes to in an exchange of ours before a directory: it takes as
// long as the directory takes to refuse. Where the directory would have let the client go on,
// or has said nothing, nobody knows whether the password was right.
func (x *Exchange) fallen(ctx context.Context, err error) error {
	f, o := x.opt.Front.Facade, x.opening
	failed := x.passInVain(ctx, f.to)
	if o != nil {
		select {
		case <-o.Done:
		case <-ctx.Done():
			return fault.Wrap("login.pass", fault.Canceled, ctx.Err())
		}
		switch {
		case o.Err == nil:
			f.view.Learn(x.opt.Host.Named(), o.Challenge, o.Took)
			return why.Unavailable(ctx, errLate)
		case fault.Is(o.Err, fault.Unauthenticated):
			err = why.Failure(errors.Join(why.ErrWrong, o.Err))
		default:
			return why.Trouble(ctx, o.Err)
		}
	}
	if failed != nil {
		return why.WithCause(failed, err)
	}
	return err
}

// level makes a failure that is ours, where the directory has let the client in, take as
// long as one of its own.
func (x *Exchange) level(ctx context.Context, err error) error {
	if !fault.Is(err, fault.Unauthenticated) {
		return err
	}
	var failed error
	if outside.ServerFirst(x.opt.Mechanism.Name) {
		failed = x.opt.Host.InVain(ctx, x.to, x.passed.Account().Login)
	} else {
		failed = x.passInVain(ctx, x.to)
	}
	if failed != nil {
		return why.WithCause(failed, err)
	}
	return err
}

// passInVain begins an exchange of SCRAM for a name that nobody has, in the domain of the
// login that the client has named. Errors are those of why.Trouble.
func (x *Exchange) passInVain(ctx context.Context, to outside.Passer) error {
	err := x.opt.Outside.PassInVain(ctx, to, x.opt.Host.Named(), x.opt.Vain)
	if err != nil {
		return why.Trouble(ctx, err)
	}
	return nil
}
