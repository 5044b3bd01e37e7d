package login

import (
	"context"
	"errors"
	"time"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/login/alike"
	"countersign/internal/login/outside"
	"countersign/internal/login/why"
	"countersign/internal/sasl"
)

// errPass says that a directory runs the exchange.
var errPass = errors.New("login: the exchange is a directory's")

// passes returns the directory that runs the exchange of a login, nil where none does. A
// challenge that the server makes before it knows the login is the directory's from the
// start (outside.Asker.Challenger), or never.
func (v *Verifier) passes(l *look, mechanism string) outside.Passer {
	return outside.Passing(v.sources(l), mechanism)
}

// Begin starts an exchange of a mechanism for c, with conn, whose Verifier it sets.
// Where the accounts of a directory are concerned that runs exchanges itself, it passes
// through. End is to be called in the end.
func (c *Client) Begin(m sasl.Mechanism, conn *sasl.Conn) sasl.Exchange {
	conn.Verifier = c
	x := &exchange{client: c, mechanism: m, conn: conn, own: m.New(conn)}
	if first := c.Verifier.outside.Challenger(m.Name); first != nil {
		x.to = first
	}
	c.running = x
	return x
}

// End ends what passes through, where it is not over, and gives its place back.
func (c *Client) End() {
	if c.running != nil && c.running.place != nil {
		c.running.place.Leave()
	}
	c.running = nil
}

// exchange is our own exchange until it says that a directory has it.
type exchange struct {
	client    *Client
	mechanism sasl.Mechanism
	conn      *sasl.Conn
	own       sasl.Exchange
	// to is the directory that has it, passed its exchange once that has begun.
	to     outside.Passer
	passed outside.Passed
	// opening is its first step, nil where none was begun. shown says that a challenge of
	// our own was shown where the client may believe it to be the directory's.
	opening *alike.Opening[outside.Passed]
	shown   bool
	// admitted is who gets in when the client has taken the directory's last challenge.
	admitted *account.Principal
	// place is its own among the exchanges before directories, nil where it has none.
	place *alike.Place
}

// Failure is for sasl.Failure.
func (x *exchange) Failure() error {
	if x.passed != nil {
		return nil
	}
	return sasl.Failure(x.own)
}

// Next implements sasl.Exchange.
func (x *exchange) Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	began, step := time.Now(), x.pass
	switch {
	case x.shown:
		step = x.finish
	case x.to == nil:
		challenge, done, err = x.own.Next(ctx, response)
		passes := errors.Is(err, errPass)
		if x.client.facade == nil || err != nil && !passes {
			return challenge, done, err
		}
		step = x.open(challenge, passes, began)
	}
	if x.place == nil {
		if x.place = x.client.Verifier.places.Enter(x.client.Attempt.Client, x.end); x.place == nil {
			return nil, false, fault.Refuse("login.pass", fault.Busy, why.ReasonBusy)
		}
	}
	err = x.place.Step(ctx, func(ctx context.Context) error {
		challenge, done, err = step(ctx, response)
		return err
	})
	switch {
	case fault.Is(err, fault.Busy):
		return nil, false, x.client.settle(nil, why.Trouble(ctx, err))
	case err != nil:
		return nil, false, err
	}
	return challenge, done, nil
}

// end gives back all that the exchange holds.
func (x *exchange) end() {
	passed := x.passed
	if x.opening != nil {
		x.opening.End()
		if passed == nil {
			passed = x.opening.Passed
		}
	}
	if passed != nil {
		passed.Cancel()
	}
}

// pass takes one step of a directory's exchange.
func (x *exchange) pass(ctx context.Context, response []byte) ([]byte, bool, error) {
	step, cancel := context.WithTimeout(ctx, x.to.Patience())
	defer cancel()
	if x.passed == nil {
		passed, err := x.to.Begin(step, x.client.Attempt.about(""))
		if err != nil {
			return nil, false, why.Trouble(ctx, err)
		}
		x.passed = passed
	}
	challenge, done, err := x.passed.Next(step, response)
	if err != nil && x.client.Tried == "" { // no question of ours has named the login
		x.client.tried(sasl.Named(x.mechanism.Name, response))
	}
	return x.judge(ctx, challenge, done, err)
}

// judge says what one step of a directory's exchange comes to.
func (x *exchange) judge(ctx context.Context, challenge []byte, done bool, err error) ([]byte, bool, error) {
	switch {
	case fault.Is(err, fault.Unauthenticated):
		return nil, false, x.client.settle(nil, why.Failure(errors.Join(why.ErrWrong, err)))
	case fault.Is(err, fault.Invalid):
		return nil, false, sasl.ErrSyntax
	case err != nil:
		return nil, false, why.Trouble(ctx, err)
	}
	if x.admitted == nil && (done || x.passed.Account() != nil) {
		if x.admitted, err = x.admit(ctx); err != nil {
			return nil, false, x.client.settle(nil, x.level(ctx, err))
		}
	}
	if !done {
		return challenge, false, nil
	}
	return nil, true, x.client.settle(x.admitted, nil)
}

// admit admits whose account it is, before the directory's proof that the password was right
// goes out (decision 10).
func (x *exchange) admit(ctx context.Context) (*account.Principal, error) {
	answer, v, a := x.passed.Account(), x.client.Verifier, &x.client.Attempt
	if answer == nil {
		return nil, why.Failure(why.ErrWrong)
	}
	if cause := outside.Judge(answer, x.client.Tried, a.Client); cause != nil {
		return nil, why.Failure(cause)
	}
	return v.adopt(ctx, &effort{attempt: a}, "", x.to.Name(), answer)
}
