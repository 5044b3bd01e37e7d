// Package client is who uses the API: programs with a token each, which the operator allows
// to do this and that, from some networks, some of them for some customers alone.
//
// It knows tokens by their digest alone, compares in constant time, and keeps no request. What
// guessing is answered is in attempts.go: a token cannot be guessed (32 random octets), so the
// owner of one never waits for what others do.
//
// Main types: Client, Set, Permission, Attempts.
package client

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/time/rate"

	"countersign/internal/fault"
)

// Permission is what a client may do.
type Permission string

// The permissions. Read is to look at all that there is; each of the others is to change
// what it names.
const (
	Read     Permission = "read"
	Bans     Permission = "bans"
	Limits   Permission = "limits"
	Access   Permission = "access"
	Grants   Permission = "grants"
	Guard    Permission = "guard"
	Accounts Permission = "accounts"
)

// Permissions lists them.
func Permissions() []Permission {
	return []Permission{Read, Bans, Limits, Access, Grants, Guard, Accounts}
}

// The bounds of a token, in octets as it is written. 43 are 32 random octets in base64.
const (
	minToken = 43
	maxToken = 512
)

// NewToken makes a token of 32 random octets, written so that it may stand in a header.
func NewToken() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // which never fails
	return base64.RawURLEncoding.EncodeToString(secret[:])
}

// CheckToken refuses what is no token, or none that could not be guessed: fault.Invalid. The
// error does not repeat it.
func CheckToken(token string) error {
	const op = "api.token"
	kinds := map[rune]bool{}
	for _, c := range token {
		kinds[c] = true
	}
	switch {
	case len(token) < minToken:
		return fault.New(op, fault.Invalid, "has %d characters, where 32 random octets have %d: \"countersign api token\" prints one", len(token), minToken)
	case len(token) > maxToken:
		return fault.New(op, fault.Invalid, "is longer than %d characters", maxToken)
	case strings.ContainsFunc(strings.TrimRight(token, "="), notB64):
		return fault.New(op, fault.Invalid, "has characters that a token has not (RFC 6750 section 2.1): \"countersign api token\" prints one")
	case len(kinds) < 12: // 43 random ones have fewer than 20 in one of 10^6
		return fault.New(op, fault.Invalid, "is not random: \"countersign api token\" prints one")
	}
	return nil
}

// notB64 reports whether a character stands in no token (b64token, RFC 6750 section 2.1).
func notB64(c rune) bool {
	letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	return !letter && !strings.ContainsRune("-._~+/", c)
}

// MostInForce is how many bans, entries of access lists, and limits with allowances may hold at once
// that are of the customers of a client, however they were set: of each kind. Every gate keeps them in
// memory.
const MostInForce = 1000

// Options are what a Client is made of.
type Options struct {
	// Name is how record and log call it.
	Name string
	// Token has passed CheckToken.
	Token string
	// Networks are those that it may come from; none for any.
	Networks []netip.Prefix
	May      []Permission
	// Customers are those that it sees and changes; none for all, and for what belongs to
	// no customer.
	Customers []string
	// Plans are those that a client with Customers may give.
	Plans []string
	// MostInForce is that of the package, where it is 0.
	MostInForce int
	// PerMinute is how many requests it may make in a minute, a tenth of them at once.
	PerMinute int
}

// Client is one of them. It is safe for concurrent use.
type Client struct {
	opt    Options
	digest [sha256.Size]byte
	rate   *rate.Limiter
	// busy says that it has something costly done.
	busy atomic.Bool
	// running is how many of its requests are worked on.
	running atomic.Int32
}

// New makes a Client.
func New(o Options) *Client {
	c := &Client{
		opt: o, digest: sha256.Sum256([]byte(o.Token)),
		rate: rate.NewLimiter(rate.Limit(float64(o.PerMinute)/60), max(1, o.PerMinute/10)),
	}
	c.opt.Token = ""
	if c.opt.MostInForce == 0 {
		c.opt.MostInForce = MostInForce
	}
	return c
}

// Name returns its name.
func (c *Client) Name() string { return c.opt.Name }

// Actor names it as the record does.
func (c *Client) Actor() string { return "api:" + c.opt.Name }

// Takes reports whether one more request is within its rate, and counts it.
func (c *Client) Takes() bool { return c.rate.Allow() }

// AtOnce is how many requests of one client are worked on at a time: as a slow store makes each take long,
// the rate alone would let one have all connections to the store.
const AtOnce = 16

// Enter reports whether one more request may be worked on now, which Leave says the end of.
func (c *Client) Enter() bool {
	if c.running.Add(1) > AtOnce {
		c.running.Add(-1)
		return false
	}
	return true
}

// Leave ends what Enter has let in.
func (c *Client) Leave() { c.running.Add(-1) }

// Begin reports whether the client may have something costly done now, of which one with Customers
// may have one at a time, so that others have theirs done too. End is called when it is done.
func (c *Client) Begin() bool { return !c.Bounded() || c.busy.CompareAndSwap(false, true) }

// End ends what Begin has begun.
func (c *Client) End() { c.busy.Store(false) }

// May reports whether it may do something.
func (c *Client) May(p Permission) bool { return slices.Contains(c.opt.May, p) }

// From reports whether it may come from an address.
func (c *Client) From(a netip.Addr) bool {
	return len(c.opt.Networks) == 0 || slices.ContainsFunc(c.opt.Networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Bounded reports whether it sees some customers alone.
func (c *Client) Bounded() bool { return len(c.opt.Customers) > 0 }

// Customers are those that it sees alone, none for all. They are not to be changed.
func (c *Client) Customers() []string { return c.opt.Customers }

// MostInForce is how many of each kind may be in force for its customers.
func (c *Client) MostInForce() int { return c.opt.MostInForce }

// Sees reports whether it sees what belongs to a customer; "" is what belongs to none.
func (c *Client) Sees(customer string) bool {
	return !c.Bounded() || slices.Contains(c.opt.Customers, customer)
}

// Plans are those that a client with customers may give. They are not to be changed.
func (c *Client) Plans() []string { return c.opt.Plans }

// Gives reports whether it may give a plan to a customer, or to an account; "" takes the
// plan away, which of an account leaves that of the customer.
func (c *Client) Gives(plan string) bool { return !c.Bounded() || slices.Contains(c.opt.Plans, plan) }

// Set is all clients.
type Set []*Client

// Find returns whose token it is, nil for nobody's. How long it takes does not depend on the
// token.
func (s Set) Find(token string) (found *Client) {
	digest := sha256.Sum256([]byte(token))
	for _, c := range s {
		if subtle.ConstantTimeCompare(c.digest[:], digest[:]) == 1 {
			found = c
		}
	}
	return found
}
