package directory

import (
	"context"
	"net/netip"
)

// Question is one login to be looked up or verified.
type Question struct {
	// Login and Password are as the client gave them. Without a password the
	// account is looked up, and no source can have verified anything.
	Login, Password string
	// Client is where the client is; invalid where nobody knows.
	Client netip.Addr
	// Session is the session's id, Mechanism the name of its SASL mechanism.
	Session, Mechanism string
}

// Answer is what a directory knows of an account.
type Answer struct {
	// Login is the canonical address.
	Login string
	// Hash is "{SCHEME}" and what follows, to be verified by the gate; "" where
	// Verified.
	Hash string
	// Verified says that the directory has verified the password itself.
	Verified bool
	// Disabled says that the account may not log in, whatever the password.
	Disabled bool
	// Plan and Customer are names, "" where the configuration's default holds.
	Plan, Customer string
	// Aliases are further addresses that the account may send as.
	Aliases []string
	// Networks are those from which it may log in, empty for all.
	Networks []netip.Prefix
	// Here says that the answer holds for where the client is, and nowhere else: the
	// directory was told, and may judge by it.
	Here bool
}

// Source is a directory. It is safe for concurrent use.
type Source interface {
	// Ask answers one question and heeds ctx. Errors: fault.NotFound for an unknown
	// login, fault.Unauthenticated where the directory itself says no,
	// fault.Unavailable where it is down or slow, fault.Corrupt where what it says
	// of this account makes no sense, fault.Invalid where it cannot take this
	// question, fault.Canceled where ctx was. No error holds the password or a hash.
	Ask(ctx context.Context, q Question) (*Answer, error)
	// Name is what the configuration calls it.
	Name() string
	// Close ends all connections. Nothing is asked afterwards.
	Close() error
}
