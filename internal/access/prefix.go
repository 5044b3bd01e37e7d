package access

import (
	"net/netip"
	"slices"
	"strings"

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

// neighbourBits is how much of IPv6 one holder has at least, as a rule.
const neighbourBits = 64

// crowded are networks in which addresses of one /64 are those of many who have nothing to do with each other,
// as each stands for an address of IPv4.
var crowded = []netip.Prefix{
	netip.MustParsePrefix("64:ff9b::/96"),   // NAT64, RFC 6052 section 2.1
	netip.MustParsePrefix("64:ff9b:1::/48"), // local NAT64, RFC 8215
	netip.MustParsePrefix("2001::/32"),      // Teredo: a /64 is that of a server
}

// ParseBan reads what is to be banned, as ParsePrefix does, but takes an address of IPv6 that is
// written without a length for its /64, as who has the one mostly has all of that. Such a
// one is returned as alone. One behind NAT64 or of Teredo stays one address. Errors are those of ParsePrefix.
func ParseBan(text string) (p netip.Prefix, alone netip.Addr, err error) {
	p, err = ParsePrefix(text)
	if err != nil || p.Addr().Is4() || strings.Contains(text, "/") {
		return p, alone, err
	}
	if slices.ContainsFunc(crowded, func(of netip.Prefix) bool { return of.Contains(p.Addr()) }) {
		return p, alone, nil
	}
	return netip.PrefixFrom(p.Addr(), neighbourBits).Masked(), p.Addr(), nil
}

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
			text, given.Bits(), given.Masked(), single(given.Addr()))
	}
	return given, nil
}

// single returns how an address is written so that it is nowhere taken for a network.
func single(a netip.Addr) string {
	if a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(a, a.BitLen()).String()
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
