package account

import (
	"net/netip"

	"countersign/internal/mail"
)

// Attempt is one try to log in with a password.
type Attempt struct {
	// Login and Password are as the client gave them.
	Login, Password string
	// Client is where it came from; invalid where nobody knows.
	Client netip.Addr
	// Session stands in the record.
	Session mail.ID
}

// The networks that the workers are shared out among. The narrow one is one
// customer's line as a rule; the wide one is what an attacker gets cheaply as
// a whole.
const (
	narrowIPv4, wideIPv4 = 32, 24
	narrowIPv6, wideIPv6 = 64, 48
)

// respects is how many keys an attempt has.
const respects = 3

// keys are what the workers are shared out among: the wide and the narrow
// network that a client is in, and the login, which is given as loginKey makes
// it, "" for all that are none.
func (a *Attempt) keys(login string) []string {
	wide, narrow := wideIPv6, narrowIPv6
	client := a.Client.Unmap()
	if client.Is4() {
		wide, narrow = wideIPv4, narrowIPv4
	}
	return []string{network(client, wide), network(client, narrow), login}
}

// network names the network of that many bits that an address is in, "" for
// an invalid one.
func network(a netip.Addr, bits int) string {
	p, err := a.Prefix(bits)
	if err != nil || !a.IsValid() {
		return ""
	}
	return p.String()
}
