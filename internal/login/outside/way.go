package outside

import (
	"context"

	"countersign/internal/directory"
)

// Way is how a directory is asked whether a login is right: what the client shows it, or has
// shown the gate.
type Way interface {
	// Takes reports whether a directory can be asked so.
	Takes(s directory.Source) bool
	// Hashed says that a directory may answer with a hash of what is shown.
	Hashed() bool

	// fits reports whether there could be an account to which the question is right.
	fits(q directory.Question) bool
	ask(ctx context.Context, s directory.Source, q directory.Question) (*directory.Answer, error)
	// inVain is the way for a name that nobody has, whose password is made up.
	inVain(password string) Way
	// door is the kind of its questions, for Asker.door.
	door() string
}

// ByPassword shows a password, which may be any directory's.
func ByPassword(password string) Way { return byPassword(password) }

type byPassword string

func (byPassword) Takes(directory.Source) bool { return true }
func (byPassword) Hashed() bool                { return true }
func (byPassword) door() string                { return "" }

func (p byPassword) fits(q directory.Question) bool {
	q.Password = string(p)
	return q.Check() == nil
}

func (p byPassword) ask(ctx context.Context, s directory.Source, q directory.Question) (*directory.Answer, error) {
	q.Password = string(p)
	return s.Ask(ctx, q)
}

// The directory does not learn the password that was tried, which may be right elsewhere.
func (byPassword) inVain(password string) Way { return byPassword(password) }

// ByToken shows a bearer token to those that verify some.
func ByToken(token string) Way { return byToken(token) }

type byToken string

func (byToken) Takes(s directory.Source) bool {
	b, ok := s.(directory.Bearer)
	return ok && b.TakesTokens()
}

func (byToken) Hashed() bool { return false }
func (byToken) door() string { return " tokens" }

func (t byToken) fits(q directory.Question) bool {
	return q.Check() == nil && directory.CheckToken(string(t)) == nil
}

func (t byToken) ask(ctx context.Context, s directory.Source, q directory.Question) (*directory.Answer, error) {
	return s.(directory.Bearer).AskToken(ctx, q, string(t))
}

// What becomes of a token, and how long that takes, depends on the token: on its form, and on
// who is asked about it. So it is the same one, which whoever names somebody in that domain
// shows the directory anyway, and which proves nothing of a name that nobody has.
func (t byToken) inVain(string) Way { return t }

// ByCertificate shows nothing: the gate has verified the client's certificate.
func ByCertificate() Way { return byCertificate{} }

type byCertificate struct{}

func (byCertificate) Takes(s directory.Source) bool {
	b, ok := s.(directory.Believer)
	return ok && b.Believes()
}

func (byCertificate) Hashed() bool                   { return false }
func (byCertificate) door() string                   { return "" }
func (byCertificate) fits(q directory.Question) bool { return q.Check() == nil }
func (c byCertificate) inVain(string) Way            { return c }

func (byCertificate) ask(ctx context.Context, s directory.Source, q directory.Question) (*directory.Answer, error) {
	return s.(directory.Believer).AskProven(ctx, q)
}
