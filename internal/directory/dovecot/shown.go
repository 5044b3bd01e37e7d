package dovecot

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"countersign/internal/directory"
	"countersign/internal/fault"
)

// The mechanisms by which questions are asked without a password.
const (
	external    = "EXTERNAL"
	oauthBearer = "OAUTHBEARER"
	xoauth2     = "XOAUTH2"
)

var (
	_ directory.Bearer   = (*Dovecot)(nil)
	_ directory.Believer = (*Dovecot)(nil)
	_ directory.Witness  = (*Dovecot)(nil)
)

// TakesTokens implements directory.Bearer: where the options want it and Dovecot has offered
// one of both mechanisms when it was last connected to, or was never connected to. Then a
// question finds out: nobody is told that a token is not good before that is known.
func (d *Dovecot) TakesTokens() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.opt.Tokens && (d.greeted == nil || d.greeted.byToken() != "")
}

// byToken is the mechanism by which it is asked about tokens, "" where it offers none.
func (g *greeting) byToken() string {
	for _, name := range []string{oauthBearer, xoauth2} {
		if g.offers(name) {
			return name
		}
	}
	return ""
}

// AskToken implements directory.Bearer, by OAUTHBEARER (RFC 7628) or XOAUTH2. Dovecot's
// error document is its own matter: the gate has one for all tokens.
func (d *Dovecot) AskToken(ctx context.Context, q directory.Question, token string) (*directory.Answer, error) {
	l, err := d.connect(ctx)
	if err != nil {
		return nil, d.failed(ctx, err)
	}
	mechanism := l.greeted.byToken()
	message, err := bearing(mechanism, q.Login, token)
	switch {
	case err != nil:
		return nil, err
	case mechanism == "":
		return nil, d.lacks(oauthBearer)
	}
	x, err := d.begin(ctx, mechanism, infoOf(q))
	if err != nil {
		return nil, err
	}
	defer x.Cancel()
	answer, err := d.toToken(ctx, x, message)
	if err != nil {
		return nil, untold(err)
	}
	return answer, nil
}

// toToken runs the exchange. A refusal comes as a document first, to which the client's answer
// is one octet (RFC 7628 section 3.2.3), and then there is nothing but the end.
func (d *Dovecot) toToken(ctx context.Context, x *Exchange, message []byte) (*directory.Answer, error) {
	_, done, err := x.Next(ctx, message)
	clear(message)
	if err == nil && !done && x.Said() == nil {
		_, _, err = x.Next(ctx, []byte{1})
		if err == nil {
			err = fault.New("dovecot.ask", fault.Corrupt, "directory %s goes on after it has refused a token", d.opt.Name)
		}
	}
	if err != nil {
		return nil, err
	}
	return x.Said(), nil
}

// untold takes what Dovecot has said out of an error: a text may repeat the token.
func untold(err error) error {
	if !fault.Is(err, fault.Unauthenticated) && !fault.Is(err, fault.Unavailable) {
		return err
	}
	for _, why := range []error{ErrDisabled, ErrExpired, ErrElsewhere, ErrAuthorization, errTrouble, errNo} {
		if errors.Is(err, why) {
			return &fault.Error{Op: "dovecot.ask", Kind: fault.KindOf(err), Err: why}
		}
	}
	return err
}

// bearing writes the client's message of a mechanism. What would begin a part of its own in
// it is refused: it is written for what the client has proved of nothing yet.
func bearing(mechanism, login, token string) ([]byte, error) {
	if err := directory.CheckToken(token); err != nil {
		return nil, err
	}
	if !isPlain(login) {
		return nil, fault.New("dovecot.ask", fault.Unauthenticated, "")
	}
	if mechanism == xoauth2 {
		return []byte("user=" + login + "\x01auth=Bearer " + token + "\x01\x01"), nil
	}
	// RFC 7628 section 3.1, with a name as RFC 5801 section 4 has it.
	return []byte("n,a=" + saslName.Replace(login) + ",\x01auth=Bearer " + token + "\x01\x01"), nil
}

// saslName writes a name so that it ends no part of a GS2 header (RFC 5801 section 4).
var saslName = strings.NewReplacer("=", "=3D", ",", "=2C")

// isPlain reports whether a login has no control character.
func isPlain(login string) bool {
	return login != "" && !strings.ContainsFunc(login, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// infoOf is what Dovecot is told beside a question.
func infoOf(q directory.Question) Info {
	return Info{Client: netip.AddrPortFrom(q.Client, 0), Session: q.Session}
}

// Believes implements directory.Believer.
func (d *Dovecot) Believes() bool { return d.opt.External }

// AskProven implements directory.Believer, by EXTERNAL (RFC 4422 appendix A): Dovecot takes
// the name as that of a certificate which the gate has verified.
func (d *Dovecot) AskProven(ctx context.Context, q directory.Question) (*directory.Answer, error) {
	const op = "dovecot.ask"
	switch {
	case !d.opt.External:
		return nil, fault.New(op, fault.Invalid, "directory %s takes nobody's word for who a client is", d.opt.Name)
	case !isPlain(q.Login):
		return nil, fault.New(op, fault.Unauthenticated, "")
	}
	x, err := d.begin(ctx, external, infoOf(q))
	if err != nil {
		return nil, err
	}
	defer x.Cancel()
	x.user = q.Login
	_, done, err := x.Next(ctx, []byte{}) // no other identity than the certificate's
	if err == nil && !done {
		err = fault.New(op, fault.Corrupt, "directory %s has a question to a certificate", d.opt.Name)
	}
	if err != nil {
		return nil, err
	}
	return x.Account(), nil
}

// Witnesses implements directory.Witness: only where it believes the gate can it say how
// accounts stand.
func (d *Dovecot) Witnesses() bool { return d.opt.External }

// Standing implements directory.Witness. Dovecot does not tell an account that is not there
// from one that may not log in, and judges itself where the client is (allow_nets).
func (d *Dovecot) Standing(ctx context.Context, q directory.Question) (directory.Standing, error) {
	a, err := d.AskProven(ctx, q)
	if err != nil {
		return directory.Standing{}, err
	}
	return directory.Standing{Login: a.Login, Here: true}, nil
}

// Check implements directory.Checker: it wants to be greeted, and where it is to believe the
// gate, that it does not do so for a name that nobody has; nor take a token that nobody has
// made.
func (d *Dovecot) Check(ctx context.Context) error {
	const op = "dovecot.check"
	if _, err := d.Mechanisms(ctx); err != nil {
		return err
	}
	q := directory.Question{Login: directory.ProbeLogin}
	if d.opt.External {
		_, err := d.AskProven(ctx, q)
		switch {
		case err == nil:
			return fault.New(op, fault.Invalid, "by EXTERNAL it lets in %s, which nobody has: its passdb for that mechanism must look users up", q.Login)
		case fault.Is(err, fault.Invalid):
			return fault.New(op, fault.Invalid, "external is set, and it does not offer EXTERNAL; add external to its auth_mechanisms")
		case !fault.Is(err, fault.Unauthenticated):
			return err
		}
	}
	if !d.TakesTokens() {
		return nil
	}
	_, err := d.AskToken(ctx, q, "countersign-check")
	switch {
	case err == nil:
		return fault.New(op, fault.Invalid, "it takes a made-up token for %s, which nobody has: its passdb for tokens verifies nothing", q.Login)
	case !fault.Is(err, fault.Unauthenticated):
		return err
	}
	return nil
}
