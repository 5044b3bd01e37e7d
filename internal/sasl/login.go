package sasl

import (
	"bytes"
	"context"
	"unicode/utf8"
)

// The challenges of LOGIN. Some programs compare them, so they are exactly
// what all servers send.
const (
	loginUsername = "Username:"
	loginPassword = "Password:"
)

// login is the mechanism LOGIN, which no RFC describes (draft-murchison-sasl-login-00):
// a prompt for the name, which may also come as the initial response, and a
// prompt for the password.
type login struct {
	verifier Verifier
	// name is what was sent first, nil until then.
	name []byte
	// prompted says that the name has been asked for.
	prompted bool
	over     bool
}

func newLogin(v Verifier) Exchange { return &login{verifier: v} }

func (l *login) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	if l.over {
		return nil, false, ErrSyntax
	}
	if l.name == nil {
		return l.takeName(response)
	}
	l.over = true
	if !isText(response, maxPassword) {
		return nil, false, ErrSyntax
	}
	if err := l.verifier.VerifyPassword(ctx, "", string(l.name), string(response)); err != nil {
		return nil, false, err
	}
	return nil, true, nil
}

// takeName asks for the name, or takes it and asks for the password. An empty
// initial response is taken for none, as some programs send "AUTH LOGIN =".
func (l *login) takeName(response []byte) ([]byte, bool, error) {
	if !l.prompted && len(response) == 0 {
		l.prompted = true
		return []byte(loginUsername), false, nil
	}
	if !isText(response, maxLogin) {
		l.over = true
		return nil, false, ErrSyntax
	}
	l.name = bytes.Clone(response)
	return []byte(loginPassword), false, nil
}

// isText reports whether b is 1 to limit octets of UTF-8 without NUL.
func isText(b []byte, limit int) bool {
	return fits(b, limit) && utf8.Valid(b) && bytes.IndexByte(b, 0) < 0
}
