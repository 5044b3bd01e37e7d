package login

import (
	"net/netip"

	"countersign/internal/mail"
)

// Attempt is where and how somebody tries to log in.
type Attempt struct {
	// Client is where it came from; invalid where nobody knows.
	Client netip.Addr
	// Session stands in the record.
	Session mail.ID
	// Mechanism is the SASL mechanism's name, in upper case.
	Mechanism string
	// Program is what the client called itself.
	Program string
}

// The networks that the workers are shared out among. The narrow one is one
// customer's line as a rule; the wide one is what an attacker gets cheaply as
// a whole.
const (
	narrowIPv4, wideIPv4 = 32, 24
	narrowIPv6, wideIPv6 = 64, 48
)

// keys are the secrets.Respects that the workers are shared out among: the wide and the narrow
// network that a client is in, and the login, which is given as loginKey makes
// it, "" for all that are none.
func (a *Attempt) keys(login string) []string {
	wide, narrow := a.networks()
	return []string{wide, narrow, login}
}

// networks names the networks that a client is in.
func (a *Attempt) networks() (wide, narrow string) {
	client := a.Client.Unmap()
	if client.Is4() {
		return network(client, wideIPv4), network(client, narrowIPv4)
	}
	return network(client, wideIPv6), network(client, narrowIPv6)
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

// loginKey brings a login as a client gives it into the form under which
// accounts are kept; ok is false for one that cannot be a login.
func loginKey(login string) (key string, ok bool) {
	a, err := mail.ParseAddress(login)
	if err != nil {
		return "", false
	}
	return a.Key(), true
}

// narrow names the narrow network of an address.
func narrow(client netip.Addr) string {
	a := Attempt{Client: client}
	_, name := a.networks()
	return name
}
