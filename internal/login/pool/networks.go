package pool

import "net/netip"

// The networks that clients are shared out among, in leading bits. The narrow one is one
// customer's line as a rule; the wide one is what an attacker gets cheaply as a whole.
const (
	NarrowIPv4, WideIPv4 = 32, 24
	NarrowIPv6, WideIPv6 = 64, 48
)

// Networks names the networks that a client is in, for Ticket.Keys; "" for an invalid
// address.
func Networks(client netip.Addr) (wide, narrow string) {
	client = client.Unmap()
	if client.Is4() {
		return network(client, WideIPv4), network(client, NarrowIPv4)
	}
	return network(client, WideIPv6), network(client, NarrowIPv6)
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
