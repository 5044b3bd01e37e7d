package sasl

import "context"

// Verifier is what mechanisms ask whether a client has proved who it is. Each
// method that answers an error alone answers nil when it has. The errors for an unknown
// account, a wrong secret, an account without that credential and a suspended account are
// alike in kind, text and time. It is used by one exchange at a time.
//
// A nil answer is not yet the login: after Proved the client must still take the
// server's own proof, and may cancel. The exchange is over when Next says done.
type Verifier interface {
	// VerifyPassword checks a clear password. authzid is "" where the client
	// named no authorization identity (RFC 4422 section 3.4.1).
	VerifyPassword(ctx context.Context, authzid, login, password string) error
	// Keys returns what the passwords of login were turned into for a mechanism:
	// "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5" or "DIGEST-MD5", never with
	// -PLUS. Also for an unknown login, with keys that nothing proves and that
	// look the same and stay the same. Errors are those of trouble alone.
	Keys(ctx context.Context, mechanism, login string) (*Keys, error)
	// Proved tells which of the keys the client has proved, -1 for none, and
	// answers as VerifyPassword does. With -1 it never answers nil.
	Proved(ctx context.Context, authzid string, k *Keys, which int) error
	// VerifyToken checks a bearer token; login is the user that the client
	// named, "" for none. token is "" where the client only asks what is wanted
	// (RFC 7628 section 4.3), which is never answered with nil. A *TokenError
	// carries what the client is told.
	VerifyToken(ctx context.Context, login, token string) error
	// VerifyCertificate answers for the certificate of the connection; authzid
	// is "" for none.
	VerifyCertificate(ctx context.Context, authzid string) error
}

// Keys are the keys of one account's passwords for one mechanism: several
// where it has app passwords.
type Keys struct {
	// Mechanism and Login are those that Keys was asked for.
	Mechanism, Login string
	// Salt and Iterations are for SCRAM alone, and of all of List: 1 to MaxSalt
	// octets, MinIterations to MaxIterations.
	Salt       []byte
	Iterations int
	// Nonce is the server's part of SCRAM's nonce, never used before, printable and without
	// a comma (RFC 5802 section 7); "" for one of the exchange's own making.
	Nonce string
	// List has 1 to MaxKeys keys. All of them are tried, always.
	List []Key
	// Handle is the Verifier's own, and comes back with Proved.
	Handle any
}

// Key is what one password was turned into.
//
// SCRAM: StoredKey and ServerKey (RFC 5802 section 3), 20 or 32 octets each.
// CRAM-MD5: the states of MD5 behind the inner and behind the outer pad of HMAC,
// 16 octets each, in the order of an MD5 digest (RFC 1321 section 3.5).
// DIGEST-MD5: Stored is H(user:realm:password) of RFC 2831 section 2.1.2.1, 16
// octets, and Server nil.
//
// The keys of CRAM-MD5 and DIGEST-MD5 are as good as the password.
type Key struct{ Stored, Server []byte }

// Bounds of Keys.
const (
	// MaxKeys bounds Keys.List.
	MaxKeys = 256
	// MaxSalt bounds a salt of SCRAM in octets.
	MaxSalt = 256
	// MinIterations is the fewest iterations of SCRAM (RFC 7677 section 4).
	MinIterations = 4096
	// MaxIterations is the most, which takes a telephone a second or two.
	MaxIterations = 1_000_000
)

// TokenError is why a token is refused, with the error document of RFC 7628
// section 3.2.2. All but Err is told to the client.
type TokenError struct {
	// Status is "invalid_token", "insufficient_scope" or "invalid_request"
	// (RFC 6750 section 3.1); "" is the first.
	Status string
	// Scope is what a token must have, "" for nothing to tell.
	Scope string
	// Configuration is the URL of the provider's OpenID configuration, "" for
	// nothing to tell.
	Configuration string
	// Err is what the exchange ends in; nil is a fault.Unauthenticated.
	Err error
}

// errToken is what a TokenError without an error of its own stands for.
var errToken = refusal("the token is refused")

// Error returns the text of Err.
func (e *TokenError) Error() string { return "sasl: token: " + e.Unwrap().Error() }

// Unwrap returns Err, never nil.
func (e *TokenError) Unwrap() error {
	if e.Err == nil {
		return errToken
	}
	return e.Err
}
