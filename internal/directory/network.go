package directory

import (
	"fmt"
	"net/netip"
	"strings"
)

// ParseNetwork reads "192.0.2.0/24" or an address alone, which is a network of
// one. Bits beyond the length do not count. IPv4 in the form of IPv6 is IPv4, as
// the addresses of clients are.
func ParseNetwork(text string) (netip.Prefix, error) {
	const wrong = "%.50q is no network"
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf(wrong, text)
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf(wrong, text)
	}
	if p.Addr().Is4In6() {
		const mapped = 96 // bits of ::ffff:0:0/96 (RFC 4291 section 2.5.5.2)
		if p.Bits() < mapped {
			return netip.Prefix{}, fmt.Errorf(wrong, text)
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	return p.Masked(), nil
}
