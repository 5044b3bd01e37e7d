package login

import (
	"bytes"
	"context"
	"errors"
	"time"

	"countersign/internal/fault"
	"countersign/internal/login/alike"
	"countersign/internal/login/outside"
	"countersign/internal/login/why"
	"countersign/internal/sasl"
)

// facade stands before the names of a domain whose directory runs exchanges of SCRAM: what a
// client is shown, and when, is the same for all of them. A directory challenges for the
// names that it has at once, and refuses others after seconds; names of the store are
// challenged here.
type facade struct {
	to    outside.Passer
	front *alike.View
}

// facade returns what stands before a login in a mechanism, nil where nothing does. Errors are
// those of why.Unavailable.
func (v *Verifier) facade(ctx context.Context, login, mechanism string) (*facade, error) {
	to := outside.Passing(v.outside.Around(login), mechanism)
	if to == nil {
		return nil, nil
	}
	front, err := v.fronts.Of(to.Name(), mechanism).View(ctx)
	if err != nil {
		return nil, why.Unavailable(ctx, err)
	}
	return &facade{to, front}, nil
}

// begin begins an exchange that may pass, with its first response.
func begin(ctx context.Context, to outside.Passer, a Attempt, response []byte) *alike.Opening[outside.Passed] {
	response = bytes.Clone(response)
	return alike.Open(ctx, to.Patience(), func(within context.Context) (p outside.Passed, challenge []byte, over bool, err error) {
		if p, err = to.Begin(within, a.about("")); err != nil {
			return nil, nil, false, err
		}
		challenge, over, err = p.Next(within, response)
		return p, challenge, over, err
	})
}

// open returns the step that shows a client the challenge of ours, or, for a name that the
// directory may have, begins the directory's exchange and shows that one's. Where it has none
// when it is time for one, an exchange of ours goes on in its place, which nothing proves.
func (x *exchange) open(challenge []byte, passes bool, began time.Time) func(context.Context, []byte) ([]byte, bool, error) {
	return func(ctx context.Context, response []byte) ([]byte, bool, error) {
		c := x.client
		spelled := alike.Spelled(response, c.Tried)
		if passes && spelled {
			x.opening = begin(ctx, c.to, c.Attempt, response)
		}
		err := c.facade.front.Hold(ctx, began)
		switch {
		case err != nil:
			return nil, false, err
		case !spelled:
			return nil, false, c.settle(nil, why.Failure(why.ErrSpelling))
		case passes:
			return x.reveal(ctx, response)
		}
		x.shown = true
		return challenge, false, nil
	}
}

// reveal shows the directory's challenge, or one of ours.
func (x *exchange) reveal(ctx context.Context, response []byte) ([]byte, bool, error) {
	c, o := x.client, x.opening
	select {
	case <-o.Done:
		if o.Err == nil {
			c.facade.front.Learn(c.Tried, o.Challenge, o.Took)
			x.to, x.passed = c.to, o.Passed
			return x.judge(ctx, o.Challenge, o.Over, nil)
		}
	default:
	}
	c.posing, x.shown = true, true
	x.own = x.mechanism.New(x.conn)
	return x.own.Next(ctx, response)
}

// finish takes the answer to a challenge that was shown in place of the directory's, and
// all that comes after it.
func (x *exchange) finish(ctx context.Context, response []byte) ([]byte, bool, error) {
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
	return nil, false, x.client.settle(nil, x.fallen(ctx, err))
}

// errLate is a directory's challenge that came when another one had been shown.
var errLate = errors.New("the directory's challenge came too late")

// fallen says what a failure comes to in an exchange of ours before a directory: it takes as
// long as the directory takes to refuse. Where the directory would have let the client go on,
// or has said nothing, nobody knows whether the password was right.
func (x *exchange) fallen(ctx context.Context, err error) error {
	c, o := x.client, x.opening
	failed := c.Verifier.passInVain(ctx, c, c.facade.to)
	if o != nil {
		select {
		case <-o.Done:
		case <-ctx.Done():
			return fault.Wrap("login.pass", fault.Canceled, ctx.Err())
		}
		switch {
		case o.Err == nil:
			c.facade.front.Learn(c.Tried, o.Challenge, o.Took)
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
func (x *exchange) level(ctx context.Context, err error) error {
	if !fault.Is(err, fault.Unauthenticated) {
		return err
	}
	c := x.client
	var failed error
	if outside.ServerFirst(x.mechanism.Name) {
		failed = c.Verifier.askInVain(ctx, &c.Attempt, x.passed.Account().Login, x.to)
	} else {
		failed = c.Verifier.passInVain(ctx, c, x.to)
	}
	if failed != nil {
		return why.WithCause(failed, err)
	}
	return err
}

// passInVain begins an exchange of SCRAM for a name that nobody has, in the domain of the
// login that c has named. Errors are those of why.Trouble.
func (v *Verifier) passInVain(ctx context.Context, c *Client, to outside.Passer) error {
	err := v.outside.PassInVain(ctx, to, c.Tried, c.Attempt.vain())
	if err != nil {
		return why.Trouble(ctx, err)
	}
	return nil
}
