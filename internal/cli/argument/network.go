package argument

import (
	"fmt"
	"net/netip"
)

// Network is an argument that is an IP address or a network.
type Network struct{ netip.Prefix }

// UnmarshalText reads "192.0.2.1" or "192.0.2.0/24". A network with bits behind its length
// is refused, as somebody who writes one may have meant the address.
func (n *Network) UnmarshalText(text []byte) error {
	if one, err := netip.ParseAddr(string(text)); err == nil && one.Zone() == "" {
		one = one.Unmap()
		n.Prefix = netip.PrefixFrom(one, one.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("%q is not an address or network: write 192.0.2.1 or 192.0.2.0/24", text)
	}
	if prefix != prefix.Masked() {
		return fmt.Errorf("%s has bits set behind its first %d: write %s for that network, or %s for the one address", text, prefix.Bits(), prefix.Masked(), prefix.Addr())
	}
	n.Prefix = prefix
	return nil
}

// Networks takes the networks out of arguments.
func Networks(args []Network) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range args {
		out = append(out, a.Prefix)
	}
	return out
}
