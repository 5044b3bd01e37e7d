package mx

import "net/netip"

// refused lists the networks that mail is never sent to unless a route names
// the host: whoever controls a domain's DNS could otherwise make us speak to
// machines behind our own firewall. Networks for documentation are not here:
// nobody is behind them. From the IANA special-purpose registries (RFC 6890).
var refused = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),      // this network
	netip.MustParsePrefix("10.0.0.0/8"),     // private, RFC 1918
	netip.MustParsePrefix("100.64.0.0/10"),  // carrier-grade NAT, RFC 6598
	netip.MustParsePrefix("127.0.0.0/8"),    // loopback
	netip.MustParsePrefix("169.254.0.0/16"), // link-local, cloud metadata
	netip.MustParsePrefix("172.16.0.0/12"),  // private, RFC 1918
	netip.MustParsePrefix("192.0.0.0/24"),   // protocol assignments
	netip.MustParsePrefix("192.88.99.0/24"), // 6to4 relays, RFC 7526
	netip.MustParsePrefix("192.168.0.0/16"), // private, RFC 1918
	netip.MustParsePrefix("198.18.0.0/15"),  // benchmarking, RFC 2544
	netip.MustParsePrefix("224.0.0.0/3"),    // multicast, reserved, broadcast
	netip.MustParsePrefix("::/96"),          // unspecified, loopback, IPv4-compatible
	netip.MustParsePrefix("64:ff9b:1::/48"), // local NAT64, RFC 8215
	netip.MustParsePrefix("100::/64"),       // discard, RFC 6666
	netip.MustParsePrefix("2001::/32"),      // Teredo, holds an IPv4 address obfuscated
	netip.MustParsePrefix("fc00::/7"),       // unique local, RFC 4193
	netip.MustParsePrefix("fe80::/10"),      // link-local
	netip.MustParsePrefix("fec0::/10"),      // site-local, RFC 3879
	netip.MustParsePrefix("ff00::/8"),       // multicast
}

var (
	nat64   = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052 section 2.1
	sixTo4  = netip.MustParsePrefix("2002::/16")    // RFC 3056 section 2
	mapped4 = netip.MustParsePrefix("::ffff:0:0:0/96")
)

// Allowed reports whether mail may be sent to a found by DNS. IPv4 addresses
// inside IPv6 ones (mapped, translated, NAT64, 6to4) are judged by what they
// lead to. An address with a zone is refused.
func Allowed(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if inner, ok := embedded(a); ok {
		return Allowed(inner)
	}
	for _, p := range refused {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// embedded returns the IPv4 address that an IPv6 address stands for.
func embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	switch {
	case nat64.Contains(a), mapped4.Contains(a): // RFC 2765 section 2.1 for the latter
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case sixTo4.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return netip.Addr{}, false
}
