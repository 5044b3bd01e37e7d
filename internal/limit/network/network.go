// Package network names the networks that clients are in, as subjects of limits: one
// address of IPv4, and of IPv6 as much as one site has.
//
// It does not say which client is where, and knows no limits.
package network

import (
	"net/netip"

	"countersign/internal/fault"
)

// Of names the network that a client is in, as a subject: its IPv4 address, or its
// IPv6 /64, as whoever has one address there mostly has all. An IPv4-mapped address is the
// IPv4 one (RFC 4291 section 2.5.5.2). "" for no address.
func Of(client netip.Addr) string {
	a := client.Unmap().WithZone("")
	if !a.IsValid() {
		return ""
	}
	if a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return ""
	}
	return p.String()
}

// Parse reads an address, or an IPv6 network with 64 bits, and returns the name of
// its network. Errors are fault.Invalid.
func Parse(text string) (string, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return Of(a), nil
	}
	p, err := netip.ParsePrefix(text)
	if err == nil && p == p.Masked() && (p.Bits() == 64 && p.Addr().Is6() && !p.Addr().Is4In6() || p.IsSingleIP() && p.Addr().Is4()) {
		return Of(p.Addr()), nil
	}
	return "", fault.New("limit.network", fault.Invalid, "%q is no network that mail is counted of: write an IPv4 address, or an IPv6 network with /64", text)
}
