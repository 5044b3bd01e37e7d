package login

import (
	"context"

	"countersign/internal/account"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/passing"
	"countersign/internal/login/why"
	"countersign/internal/mail"
	"countersign/internal/sasl"
)

// Client is one exchange of one client: it answers the questions of its mechanism, and
// keeps who has proved to be who. It is used by one goroutine at a time.
type Client struct {
	Verifier *Verifier
	Attempt  Attempt
	// Subjects are what the client's certificate says of its owner, as
	// Verifier.Certificate takes it; nil where there is no certificate that holds.
	Subjects []string
	// Before is told each login that is to be looked at, as it was given, with the password
	// where the mechanism shows one: an error of it is the outcome. nil tells nobody.
	Before func(login, password string) error
	// Tried is the login that was named last, as it may be recorded: an address, or
	// nothing, as people type their password into the wrong field.
	Tried string
	// Given is that login as the client has sent it: for what is only counted.
	Given string
	// Principal is who has proved to be who by the last question; nil before, and
	// after one that was answered with an error.
	Principal *account.Principal
	// front is what Keys has found of directories that run exchanges; running is what runs.
	front   passing.Front
	running *passing.Exchange
}

var _ sasl.Verifier = (*Client)(nil)

// settle keeps the outcome of a question: only the last one counts. A failure counts against
// login and network.
func (c *Client) settle(p *account.Principal, err error) error {
	c.Principal = nil
	if fault.Is(err, fault.Unauthenticated) && c.Tried != "" {
		c.Verifier.clients.Missed(c.Tried, c.Attempt.Client)
	}
	if err == nil {
		c.Principal = p
		c.Tried = p.Sender.Account.Login()
	}
	return err
}

// tried notes a login that is asked about.
func (c *Client) tried(login string) {
	c.Tried, c.Given, c.Principal = "", login, nil
	if a, err := mail.ParseAddress(login); err == nil {
		c.Tried = a.Key()
	}
}

// begins notes a login that is asked about, and says why it may not be looked at; nil where it may.
func (c *Client) begins(login, password string) error {
	c.tried(login)
	if c.Before == nil {
		return nil
	}
	return c.Before(login, password)
}

// VerifyPassword implements sasl.Verifier.
func (c *Client) VerifyPassword(ctx context.Context, authzid, login, password string) error {
	if err := c.begins(login, password); err != nil {
		return err
	}
	return c.settle(c.Verifier.Password(ctx, c.Attempt, authzid, login, password))
}

// Keys implements sasl.Verifier. Of an account of a directory that runs exchanges itself
// there are none: that is an error which Begin's exchange knows.
func (c *Client) Keys(ctx context.Context, mechanism, login string) (*sasl.Keys, error) {
	if err := c.begins(login, ""); err != nil {
		return nil, err
	}
	l := look{login: c.Tried, cause: why.ErrUnknown} // of a pose: what is stored of an app password is none of its exchange's
	if !c.front.Posing {
		var err error
		if l, err = c.Verifier.look(ctx, login); err != nil {
			return nil, err
		}
		if c.front.Facade, err = c.Verifier.facade(ctx, l.login, c.Attempt.Mechanism); err != nil {
			return nil, err
		}
	}
	f := &c.front
	if f.Facade == nil {
		return c.Verifier.keys(mechanism, login, l), nil
	}
	if f.To = c.Verifier.passes(&l, c.Attempt.Mechanism); f.To != nil && !f.Posing {
		return nil, passing.ErrPasses
	}
	k := c.Verifier.keys(mechanism, login, l)
	f.Facade.Dress(k, l.login, len(k.Handle.(*derived).of) > 0)
	return k, nil
}

// Proved implements sasl.Verifier.
func (c *Client) Proved(ctx context.Context, authzid string, k *sasl.Keys, which int) error {
	return c.settle(c.Verifier.Proved(ctx, c.Attempt, authzid, k, which))
}

// VerifyToken implements sasl.Verifier.
func (c *Client) VerifyToken(ctx context.Context, login, token string) error {
	c.tried(login)
	return c.settle(c.Verifier.Token(ctx, c.Attempt, login, token))
}

// VerifyCertificate implements sasl.Verifier.
func (c *Client) VerifyCertificate(ctx context.Context, authzid string) error {
	if len(c.Subjects) == 0 {
		return c.settle(nil, why.Failure(why.ErrNone))
	}
	return c.settle(c.Verifier.Certificate(ctx, c.Attempt, authzid, c.Subjects))
}

// Begin starts an exchange of a mechanism for c, with conn, whose Verifier it sets.
// Where the accounts of a directory are concerned that runs exchanges itself, it passes
// through. End is to be called in the end.
func (c *Client) Begin(m sasl.Mechanism, conn *sasl.Conn) sasl.Exchange {
	conn.Verifier = c
	c.running = passing.New(passing.Options{
		Host: host{c}, Front: &c.front, Mechanism: m, Conn: conn, Client: c.Attempt.Client, About: c.Attempt.about(""), Vain: c.Attempt.vain(),
		Outside: c.Verifier.outside, Places: c.Verifier.places,
	})
	return c.running
}

// End ends what passes through, where it is not over, and gives its place back.
func (c *Client) End() {
	if c.running != nil {
		c.running.Leave()
	}
	c.running = nil
}

// host is a client to its exchange.
type host struct{ client *Client }

var _ passing.Host = host{}

// Named implements passing.Host.
func (h host) Named() string { return h.client.Tried }

// Name implements passing.Host.
func (h host) Name(login string) { h.client.tried(login) }

// Admit implements passing.Host.
func (h host) Admit(ctx context.Context, name string, answer *directory.Answer) (*account.Principal, error) {
	return h.client.Verifier.adopt(ctx, &effort{attempt: &h.client.Attempt}, "", name, answer)
}

// Settle implements passing.Host.
func (h host) Settle(p *account.Principal, err error) error { return h.client.settle(p, err) }

// InVain implements passing.Host.
func (h host) InVain(ctx context.Context, s directory.Source, login string) error {
	return h.client.Verifier.askInVain(ctx, &h.client.Attempt, login, s)
}
