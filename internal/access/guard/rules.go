package guard

import (
	"net/netip"
	"time"

	"countersign/internal/access"
	"countersign/internal/access/familiar"
)

// Rules are how much is too much. Default returns the usual ones; a value of 0 is none.
type Rules struct {
	// Off counts no failures.
	Off bool
	// Shadow decides and tells of it, but refuses and slows down nobody.
	Shadow bool
	// Allow are networks that nothing is counted of, beside the machine's own addresses.
	Allow []netip.Prefix
	// Window is for how long a failure counts.
	Window time.Duration
	// Secrets is how many different wrong secrets for one login ban it from where they
	// came, at most tried.Most.
	Secrets int
	// Names is how many different logins that failed ban or close a network, up to a quarter
	// fewer by lot; one that nobody has counts twice a while later. As many more may fail as
	// have logged in there.
	Names int
	// LoginSecrets from at least LoginNetworks close a login to networks that it does not
	// know.
	LoginSecrets, LoginNetworks int
	// Close is for how long a login or network is closed, counted from the last attempt
	// that was refused for it.
	Close time.Duration
	// Free is how many different secrets are answered at once. Each further one doubles
	// the wait for the answer, from Delay up to MaxDelay.
	Free            int
	Delay, MaxDelay time.Duration
	// Known is for how long a network is one that a login has come from.
	Known time.Duration
	// MaxMarks bounds what is kept of failures, MaxKnown what is kept of successes.
	MaxMarks, MaxKnown int
}

// Default returns the usual rules.
func Default() Rules {
	return Rules{
		Window: 24 * time.Hour, Secrets: 10, Names: 20, LoginSecrets: 20, LoginNetworks: 5, Close: time.Hour,
		Free: 3, Delay: time.Second, MaxDelay: 20 * time.Second, Known: 30 * 24 * time.Hour,
		MaxMarks: 100_000, MaxKnown: 500_000,
	}
}

// The networks that failures are counted by, in leading bits: what one customer has as a
// rule, and for IPv6 also what a customer can have.
const (
	bitsIPv4 = 32
	bitsIPv6 = familiar.NarrowIPv6
	wideIPv6 = familiar.WideIPv6
)

// wideFactor is how much more is too much of a wide network: several customers may share
// it.
const wideFactor = 2

// level is one of the networks of a client.
type level struct {
	network netip.Prefix
	// factor is what the thresholds are multiplied by.
	factor int
}

// levels returns the networks of a client, the narrow one first; none for an invalid
// address.
func levels(client netip.Addr) []level {
	client = access.Plain(client)
	if !client.IsValid() {
		return nil
	}
	if client.Is4() {
		return []level{{network(client, bitsIPv4), 1}}
	}
	return []level{{network(client, bitsIPv6), 1}, {network(client, wideIPv6), wideFactor}}
}

// network is the network of that many bits that a valid address is in.
func network(client netip.Addr, bits int) netip.Prefix {
	return netip.PrefixFrom(client, bits).Masked()
}

// narrow reports whether a network is one that a client has, not a wide one.
func narrow(p netip.Prefix) bool {
	return p.IsValid() && (p.Addr().Is4() && p.Bits() == bitsIPv4 || p.Addr().Is6() && p.Bits() == bitsIPv6)
}

// allows reports whether nothing is counted of a client.
func (r *Rules) allows(client netip.Addr) bool {
	client = access.Plain(client)
	if !client.IsValid() || client.IsLoopback() {
		return true
	}
	for _, p := range r.Allow {
		if p.Contains(client) {
			return true
		}
	}
	return false
}

// delayAt is how long the answer to a failure waits in one of the networks of its client, where so many
// count.
func (r *Rules) delayAt(l level, tries int) time.Duration {
	return r.delay((tries + l.factor - 1) / l.factor)
}

// delay is how long the answer to a failure waits that is the n-th.
func (r *Rules) delay(n int) time.Duration {
	if n <= r.Free {
		return 0
	}
	d := r.Delay
	for range n - r.Free - 1 {
		if d *= 2; d >= r.MaxDelay {
			break
		}
	}
	return min(d, r.MaxDelay)
}
