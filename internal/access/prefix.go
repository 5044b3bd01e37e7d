package access

import (
	"net/netip"

	"countersign/internal/fault"
)

// The widest networks that may be banned without being asked twice, in leading bits. The
// largest blocks that registries have given out are IPv4 /8 and IPv6 /19.
const (
	WidestIPv4 = 8
	WidestIPv6 = 19
)

// mappedBits is how long the prefix of all IPv4-mapped addresses is, ::ffff:0:0/96.
const mappedBits = 96

// ParsePrefix reads an address or a network. One of IPv4-mapped addresses is the IPv4 one.
// Errors: fault.Invalid for what is neither, for a zone, and for a network with bits set
// behind its length, with the one that is meant.
func ParsePrefix(text string) (netip.Prefix, error) {
	const op = "ban.prefix"
	if a, err := netip.ParseAddr(text); err == nil {
		if a.Zone() != "" {
			return netip.Prefix{}, fault.New(op, fault.Invalid, "%q is an address of one link only, which cannot be banned", text)
		}
		a = Plain(a)
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	given, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fault.New(op, fault.Invalid, "%q is not an address or network: write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/48", text)
	}
	if given.Addr().Is4In6() && given.Bits() >= mappedBits {
		given = netip.PrefixFrom(Plain(given.Addr()), given.Bits()-mappedBits)
	}
	if given != given.Masked() {
		return netip.Prefix{}, fault.New(op, fault.Invalid, "%s has bits set behind its first %d: write %s for that network, or %s for the one address",
			text, given.Bits(), given.Masked(), given.Addr())
	}
	return given, nil
}

// Hazard says what a ban of a network would do that is hardly ever meant; "" for
// nothing: such a ban is refused unless somebody insists.
func Hazard(p netip.Prefix) string {
	widest := WidestIPv6
	if p.Addr().Is4() {
		widest = WidestIPv4
	}
	switch {
	case p.Bits() == 0 && p.Addr().Is4():
		return "is every IPv4 address there is"
	case p.Bits() == 0:
		return "is every IPv6 address there is"
	case p.Overlaps(netip.MustParsePrefix("127.0.0.0/8")), p.Overlaps(netip.MustParsePrefix("::1/128")):
		return "has addresses of the machine itself, from which its own programs send"
	case p.Bits() < widest:
		return "is wider than any network that one holder has"
	}
	return ""
}
