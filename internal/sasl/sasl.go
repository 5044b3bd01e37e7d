package sasl

import (
	"context"
	"errors"
)

// Exchange is the server's side of one authentication exchange (RFC 4422
// section 3). It is used by one goroutine and thrown away when done.
type Exchange interface {
	// Next takes the client's response, already decoded from base64, and
	// returns the next challenge, or done. The first call gives nil where the
	// client sent no initial response, and an empty slice where it sent "=".
	// After done or an error the exchange is over. Errors: ErrSyntax for a
	// response that breaks the mechanism's form; whatever the Verifier
	// returned otherwise.
	Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error)
}

// Verifier is what mechanisms ask whether a client has proved who it is. Each
// method answers nil when it has. The errors for an unknown account, a wrong
// secret and a suspended account are alike in kind, text and time.
type Verifier interface {
	// VerifyPassword checks a clear password. authzid is "" where the client
	// named no authorization identity (RFC 4422 section 3.4.1).
	VerifyPassword(ctx context.Context, authzid, login, password string) error
}

// ErrSyntax marks a response that is not of the mechanism's form (501 5.5.2
// at the edge).
var ErrSyntax = errors.New("sasl: malformed response")
