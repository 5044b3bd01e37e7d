package hash

import (
	"fmt"
	"io"
	"strings"

	"countersign/internal/account/phc"
	"countersign/internal/fault"
)

// Params is the cost of new hashes, which are argon2id.
type Params = phc.Params

// DefaultParams is what new hashes cost where nothing else is wanted: about
// 30 ms and 19 MiB.
func DefaultParams() Params { return phc.DefaultParams() }

// MaxPassword is how many octets a password may have. Some kinds of hash take
// time that grows with the length of the password, so a longer one never
// matches and is tried by that much alone. It is what crypt(3) takes too.
const MaxPassword = 512

// Hash is a stored password hash, read and checked. It never changes and is
// safe for concurrent use. No password matches the zero Hash. What fmt prints
// of it is its scheme and cost alone.
type Hash struct {
	stored stored
}

// stored is one kind of hash.
type stored interface {
	// matches derives from password and compares in constant time. It does the
	// same work whether they are the same or not.
	matches(password string) bool
	// cost is what matches does.
	cost() Cost
	// scheme is the name of the kind, for people.
	scheme() string
	// text is the form that Parse reads, which names its scheme.
	text() string
}

// New derives an argon2id hash of password with a new salt from random, which
// takes the time and memory of p. Errors: fault.Invalid for parameters out of
// bounds and for a password that would never match (see Hash.Matches),
// fault.Internal where random fails.
func New(p Params, password string, random io.Reader) (Hash, error) {
	const op = "hash.new"
	if err := p.Check(); err != nil {
		return Hash{}, fault.New(op, fault.Invalid, "argon2id with %v", err)
	}
	if !usable(password) {
		return Hash{}, fault.New(op, fault.Invalid, "the password is empty, longer than %d octets, or holds a NUL", MaxPassword)
	}
	salt := make([]byte, phc.SaltLength)
	if _, err := io.ReadFull(random, salt); err != nil {
		return Hash{}, fault.Wrap(op, fault.Internal, fmt.Errorf("random source: %w", err))
	}
	h := argon2Hash{variant: workArgon2id, params: p, salt: salt, key: make([]byte, phc.KeyLength)}
	h.key = h.derive(password)
	return Hash{h}, nil
}

// Matches reports whether password is the one that was hashed, compared in
// constant time, after the work of Cost whatever the result. An empty password,
// one with a NUL, at which C libraries stop reading, and one of more than
// MaxPassword octets never match. Of bcrypt see Whole.
func (h Hash) Matches(password string) bool { return h.stored != nil && try(h.stored, password) }

// try does the work for any password, and refuses an unusable one afterwards.
func try(s stored, password string) bool {
	same := s.matches(password[:min(len(password), MaxPassword)])
	return same && usable(password)
}

// usable reports whether a password may match anything.
func usable(password string) bool {
	return password != "" && len(password) <= MaxPassword && strings.IndexByte(password, 0) < 0
}

// Whole reports whether a match says something of all octets of password.
// bcrypt, as PHP, Dovecot and crypt(3) use it, reads only the first 72. Such a
// password must go on matching, as its owner could not log in otherwise; but a
// new hash must not be made of it, as what follows the 72 octets may be mistyped.
func (h Hash) Whole(password string) bool {
	_, cut := h.stored.(bcryptHash)
	return !cut || len(password) <= maxBcryptPassword
}

// Current reports whether the hash is what New makes with p; another one is to
// be replaced at the next login.
func (h Hash) Current(p Params) bool { return h.Cost() == CostOf(p) }

// Cost returns what trying a password costs; the zero Cost for the zero Hash.
func (h Hash) Cost() Cost {
	if h.stored == nil {
		return Cost{}
	}
	return h.stored.cost()
}

// Scheme returns the name of the kind of hash, "bcrypt" or "SSHA512", for
// people; "" for the zero Hash.
func (h Hash) Scheme() string {
	if h.stored == nil {
		return ""
	}
	return h.stored.scheme()
}

// Text returns the form in which the hash is stored, at most MaxText octets of
// one line. It names its scheme, so that Parse reads it again without being
// told one. It is a secret; "" for the zero Hash.
func (h Hash) Text() string {
	if h.stored == nil {
		return ""
	}
	return h.stored.text()
}

// Format writes scheme and cost, and never the hash, whatever the verb.
func (h Hash) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%s hash (%s)", h.Scheme(), h.Cost())
}
