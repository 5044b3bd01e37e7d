package login

import (
	"context"
	"errors"
	"time"

	"countersign/internal/account"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/secrets"
	"countersign/internal/sasl"
)

// Passer is a directory that runs exchanges of its own, which pass through the gate: it
// shows no keys, but knows how to prove them.
type Passer interface {
	directory.Source
	// Offers reports whether it runs a mechanism. first says that the server speaks
	// first in it, so that all exchanges of it are the directory's.
	Offers(mechanism string, first bool) bool
	// Begin starts an exchange. Errors: fault.Unavailable, fault.Busy, fault.Canceled.
	Begin(ctx context.Context, a *Attempt) (Passed, error)
	// Patience is how long one step may take.
	Patience() time.Duration
}

// Passed is an exchange that passes through.
type Passed interface {
	sasl.Exchange
	// Account returns whose it is, when it is done.
	Account() *directory.Answer
	// Cancel ends it where it is not over. It is called in any case.
	Cancel()
}

// errPass says that a directory runs the exchange.
var errPass = errors.New("login: the exchange is a directory's")

// passes returns the directory that runs the exchange of a login, nil where none does.
func (v *Verifier) passes(l *look, mechanism string) Passer {
	for _, s := range v.sources(l) {
		if p, ok := s.(Passer); ok && p.Offers(mechanism, false) {
			return p
		}
	}
	return nil
}

// Begin starts an exchange of a mechanism for c, with conn, whose Verifier it sets.
// Where the accounts of a directory are concerned that runs exchanges itself, it passes
// through. End is to be called in the end.
func (c *Client) Begin(m sasl.Mechanism, conn *sasl.Conn) sasl.Exchange {
	conn.Verifier = c
	x := &exchange{client: c, own: m.New(conn)}
	if first := c.Verifier.challenger(m.Name); first != nil {
		x.to = first
	}
	c.running = x
	return x
}

// End ends what passes through, where it is not over.
func (c *Client) End() {
	if c.running != nil && c.running.passed != nil {
		c.running.passed.Cancel()
	}
	c.running = nil
}

// challenger returns the directory that runs all exchanges of a mechanism in which the
// server speaks first; nil where the store does.
func (v *Verifier) challenger(mechanism string) Passer {
	if v.opt.Directories == nil || mechanism != secrets.CramMD5 && mechanism != secrets.DigestMD5 {
		return nil
	}
	for _, s := range v.opt.Directories.For("") {
		if p, ok := s.(Passer); ok && p.Offers(mechanism, true) {
			return p
		}
	}
	return nil
}

// exchange is our own exchange until it says that a directory has it.
type exchange struct {
	client *Client
	own    sasl.Exchange
	// to is the directory that has it, passed its exchange once that has begun.
	to     Passer
	passed Passed
}

// Failure is for sasl.Failure.
func (x *exchange) Failure() error {
	if x.passed != nil {
		return nil
	}
	return sasl.Failure(x.own)
}

// Next implements sasl.Exchange.
func (x *exchange) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	if x.to == nil {
		challenge, done, err := x.own.Next(ctx, response)
		if !errors.Is(err, errPass) {
			return challenge, done, err
		}
		x.to = x.client.to
	}
	return x.pass(ctx, response)
}

// pass takes one step of a directory's exchange.
func (x *exchange) pass(ctx context.Context, response []byte) ([]byte, bool, error) {
	a := &x.client.Attempt
	step, cancel := context.WithTimeout(ctx, x.to.Patience())
	defer cancel()
	if x.passed == nil {
		passed, err := x.to.Begin(step, a)
		if err != nil {
			return nil, false, trouble(ctx, err)
		}
		x.passed = passed
	}
	challenge, done, err := x.passed.Next(step, response)
	switch {
	case fault.Is(err, fault.Unauthenticated):
		return nil, false, failure(errors.Join(errWrong, err))
	case fault.Is(err, fault.Invalid):
		return nil, false, sasl.ErrSyntax
	case err != nil:
		return nil, false, trouble(ctx, err)
	case !done:
		return challenge, false, nil
	}
	p, err := x.admit(ctx, a)
	return nil, err == nil, x.client.settle(p, err)
}

// admit admits whose account it is.
func (x *exchange) admit(ctx context.Context, a *Attempt) (*account.Principal, error) {
	answer, v := x.passed.Account(), x.client.Verifier
	if answer == nil {
		return nil, failure(errWrong)
	}
	if cause := judge(answer, x.client.Tried, a.Client); cause != nil {
		return nil, failure(cause)
	}
	return v.adopt(ctx, a, "", x.to.Name(), "", answer)
}

// trouble is what becomes of an error of a directory that is no refusal.
func trouble(ctx context.Context, err error) error {
	if fault.Is(err, fault.Busy) {
		return fault.Refuse("login.directory", fault.Busy, reasonBusy)
	}
	return unavailable(ctx, err)
}
