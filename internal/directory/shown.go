package directory

import (
	"context"
	"strings"

	"countersign/internal/fault"
)

// MaxToken is the longest bearer token in octets that a directory is asked about. It has
// room for any that a line of AUTH can hold (RFC 4954 section 4), which is base64.
const MaxToken = 9216

// Bearer is a Source that may verify bearer tokens (RFC 6750).
type Bearer interface {
	Source
	// TakesTokens reports whether it does. It asks nobody.
	TakesTokens() bool
	// AskToken is Ask with a token in place of the password, which plays no part. The
	// answer is Verified. No error holds the token, nor what the directory has said of it.
	AskToken(ctx context.Context, q Question, token string) (*Answer, error)
}

// Believer is a Source that may believe the gate who a client is, so that it answers about
// an account without a password: the gate has seen a certificate.
type Believer interface {
	Source
	// Believes reports whether it does. It asks nobody.
	Believes() bool
	// AskProven is Ask about a login that the client has proved to the gate. The answer is
	// Verified. Whoever asks has seen the proof, or lets nobody in by the answer.
	AskProven(ctx context.Context, q Question) (*Answer, error)
}

var (
	_ Bearer   = (*Guard)(nil)
	_ Believer = (*Guard)(nil)
)

// CheckToken refuses a token that no directory is asked about: one that is too long, or not of
// the form of RFC 6750 section 2.1. Errors: fault.Unauthenticated.
func CheckToken(token string) error {
	const others = "-._~+/="
	strange := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(others, c)
	}
	if token == "" || len(token) > MaxToken || strings.ContainsFunc(token, strange) {
		return fault.New("directory.ask", fault.Unauthenticated, "")
	}
	return nil
}

// TakesTokens implements Bearer for what the guard stands before.
func (g *Guard) TakesTokens() bool {
	b, ok := g.source.(Bearer)
	return ok && b.TakesTokens()
}

// AskToken implements Bearer, within the bounds of Ask.
func (g *Guard) AskToken(ctx context.Context, q Question, token string) (*Answer, error) {
	b, ok := g.source.(Bearer)
	if !ok {
		return nil, fault.New("directory.ask", fault.Invalid, "directory %s verifies no tokens", g.Name())
	}
	if err := CheckToken(token); err != nil {
		return nil, err
	}
	return g.askShown(ctx, q, func(asked context.Context, q Question) (*Answer, error) { return b.AskToken(asked, q, token) })
}

// Believes implements Believer for what the guard stands before.
func (g *Guard) Believes() bool {
	b, ok := g.source.(Believer)
	return ok && b.Believes()
}

// AskProven implements Believer, within the bounds of Ask.
func (g *Guard) AskProven(ctx context.Context, q Question) (*Answer, error) {
	b, ok := g.source.(Believer)
	if !ok || !b.Believes() {
		return nil, fault.New("directory.ask", fault.Invalid, "directory %s believes nobody without a password", g.Name())
	}
	return g.askShown(ctx, q, b.AskProven)
}

// askShown asks with something else than a password.
func (g *Guard) askShown(ctx context.Context, q Question, ask func(context.Context, Question) (*Answer, error)) (a *Answer, err error) {
	q.Password = ""
	if err := q.Check(); err != nil {
		return nil, err
	}
	err = g.do(ctx, lane{"questions", &g.running, g.opt.Concurrent}, func(asked context.Context) error {
		var err error
		a, err = ask(asked, q)
		switch {
		case err != nil:
			return err
		case a == nil || !a.Verified:
			return nonsense("it has verified nothing, and refused nothing")
		}
		return a.CheckProven()
	})
	if err != nil {
		if odd(err) {
			g.note(q.Login, err)
		}
		return nil, err
	}
	return a, nil
}
