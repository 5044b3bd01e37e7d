package recent

import (
	"net/netip"
	"time"

	"countersign/internal/login/pool"
)

// KeepKnown is how long a success of a client counts, KeepFailed a failure.
const (
	KeepKnown  = 30 * 24 * time.Hour
	KeepFailed = 10 * time.Minute
)

// maxNetworks is from how many networks a credential is known: more than a person or an
// office has, and so few that one account cannot push out what is known of the others.
const maxNetworks = 64

// Clients are who came from where lately: which credentials were used from which narrow
// networks, and for which logins, and from where, something was wrong. They are safe for
// concurrent use.
type Clients struct {
	known, failed *Pairs
	now           func() time.Time
}

// NewClients returns Clients that know nobody; most bounds the pairs of each kind, now is the
// clock.
func NewClients(most int, now func() time.Time) *Clients {
	return &Clients{
		known:  NewPairs(PairsOptions{Keep: KeepKnown, Most: most, Each: maxNetworks, Now: now}),
		failed: NewPairs(PairsOptions{Keep: KeepFailed, Most: most, Now: now}),
		now:    now,
	}
}

// Used notes that a credential was used.
func (c *Clients) Used(credential string, client netip.Addr, at time.Time) {
	c.known.Add(credential, narrow(client), at)
}

// Know reports whether a credential was used lately from where a client is.
func (c *Clients) Know(credential string, client netip.Addr) bool {
	return c.known.Has(credential, narrow(client))
}

// What failures are counted by.
const byLogin, byNetwork = "login", "network"

// Missed notes a failure.
func (c *Clients) Missed(login string, client netip.Addr) {
	c.failed.Add(byLogin, login, c.now())
	c.failed.Add(byNetwork, narrow(client), c.now())
}

// Guess reports whether somebody failed lately at that login, and from that network:
// who guesses has both against them, but neither an owner at whose password others guess,
// nor who shares a network with them.
func (c *Clients) Guess(login string, client netip.Addr) bool {
	return c.failed.Has(byLogin, login) && c.failed.Has(byNetwork, narrow(client))
}

// narrow names the narrow network of an address.
func narrow(client netip.Addr) string {
	_, name := pool.Networks(client)
	return name
}
