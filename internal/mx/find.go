package mx

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Bounds on what one domain can make us try.
const (
	// maxHosts is how many MX hosts are considered.
	maxHosts = 10
	// maxAddresses is how many addresses of one host are.
	maxAddresses = 6
)

// Host is one server that takes mail for a domain.
type Host struct {
	// Name is its name, without a trailing dot; for a domain that is an
	// address literal, the literal.
	Name string
	// Literal is the address of an address literal, else invalid.
	Literal netip.Addr
	// Implicit says that the domain has no MX and is its own host.
	Implicit bool
}

// Finder finds hosts and their addresses. It is safe for concurrent use if its
// fields are.
type Finder struct {
	// Resolver answers the questions.
	Resolver Resolver
	// Shuffle orders hosts of equal preference; nil is rand.Shuffle.
	Shuffle func(n int, swap func(i, j int))
	// Allow tells which addresses mail may go to; nil is Allowed.
	Allow func(netip.Addr) bool
	// IPv6 says that IPv6 addresses are used.
	IPv6 bool
}

// Hosts returns the hosts to try for a domain, in order, at most 10. Errors:
// fault.NotFound (ReasonNoDomain), fault.Denied (ReasonNullMX),
// fault.Unavailable.
func (f *Finder) Hosts(ctx context.Context, domain mail.Domain) ([]Host, error) {
	if literal, ok := domain.Literal(); ok {
		return []Host{{Name: string(domain), Literal: literal}}, nil
	}
	records, err := f.Resolver.LookupMX(ctx, string(domain))
	if fault.Is(err, fault.NotFound) {
		return nil, failure(fault.NotFound, ReasonNoDomain, string(domain), err)
	}
	if err != nil {
		return nil, failure(fault.Unavailable, ReasonUnavailable, string(domain), err)
	}
	if len(records) == 0 {
		// RFC 5321 section 5.1: an empty list is an implicit MX of the domain
		// itself with preference 0. An error of the look-up is not that.
		return []Host{{Name: string(domain), Implicit: true}}, nil
	}
	return f.order(domain, records)
}

// order sorts records by preference, at random among equals (RFC 5321 section
// 5.1), and drops those that name no host.
func (f *Finder) order(domain mail.Domain, records []Record) ([]Host, error) {
	usable := make([]Record, 0, len(records))
	for _, r := range records {
		// An address in place of a name is not a host (RFC 1035 section 3.3.9).
		if _, err := netip.ParseAddr(r.Host); err == nil || r.Host == "" {
			continue
		}
		usable = append(usable, r)
	}
	if len(usable) == 0 {
		if slices.ContainsFunc(records, func(r Record) bool { return r.Host == "" }) {
			return nil, failure(fault.Denied, ReasonNullMX, string(domain), nil)
		}
		return nil, failure(fault.NotFound, ReasonNoHost, string(domain), nil)
	}
	shuffle := f.Shuffle
	if shuffle == nil {
		shuffle = rand.Shuffle
	}
	shuffle(len(usable), func(i, j int) { usable[i], usable[j] = usable[j], usable[i] })
	slices.SortStableFunc(usable, func(a, b Record) int { return cmp.Compare(a.Preference, b.Preference) })
	hosts := make([]Host, 0, min(len(usable), maxHosts))
	seen := map[string]bool{}
	for _, r := range usable {
		if len(hosts) < maxHosts && !seen[r.Host] {
			seen[r.Host] = true
			hosts = append(hosts, Host{Name: r.Host})
		}
	}
	return hosts, nil
}

// Addresses returns the addresses to try for a host, at most 6, IPv6 and IPv4
// by turns, only those that are allowed. Errors: fault.NotFound
// (ReasonNoDomain for an implicit host, else ReasonNoHost), fault.Denied
// (ReasonRefusedTarget), fault.Unavailable.
func (f *Finder) Addresses(ctx context.Context, h Host) ([]netip.Addr, error) {
	found := []netip.Addr{h.Literal}
	if !h.Literal.IsValid() {
		var err error
		found, err = f.Resolver.LookupIP(ctx, h.Name)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, failure(fault.Unavailable, ReasonUnavailable, h.Name, err)
		}
	}
	found = f.byFamily(found)
	if len(found) == 0 && h.Implicit {
		return nil, failure(fault.NotFound, ReasonNoDomain, h.Name, nil)
	}
	if len(found) == 0 {
		return nil, failure(fault.NotFound, ReasonNoHost, h.Name, nil)
	}
	allow := f.Allow
	if allow == nil {
		allow = Allowed
	}
	first := found[0]
	found = slices.DeleteFunc(found, func(a netip.Addr) bool { return !allow(a) })
	if len(found) == 0 {
		return nil, failure(fault.Denied, ReasonRefusedTarget, h.Name+" "+first.String(), nil)
	}
	return found[:min(len(found), maxAddresses)], nil
}

// Route returns the addresses of the next hop of a route, which is a name or an
// address, and may be anywhere. Errors: fault.NotFound, fault.Unavailable.
func (f *Finder) Route(ctx context.Context, host string) ([]netip.Addr, error) {
	anywhere := Finder{Resolver: f.Resolver, IPv6: f.IPv6, Allow: func(netip.Addr) bool { return true }}
	if a, err := netip.ParseAddr(host); err == nil {
		anywhere.IPv6 = true // it was asked for by name
		return anywhere.Addresses(ctx, Host{Name: host, Literal: a})
	}
	return anywhere.Addresses(ctx, Host{Name: host})
}

// byFamily alternates IPv6 and IPv4, so that the bound on addresses never
// leaves out a whole family.
func (f *Finder) byFamily(all []netip.Addr) []netip.Addr {
	var v4, v6 []netip.Addr
	for _, a := range all {
		a = a.Unmap()
		switch {
		case a.Is4():
			v4 = append(v4, a)
		case f.IPv6:
			v6 = append(v6, a)
		}
	}
	out := make([]netip.Addr, 0, len(all))
	for i := range max(len(v4), len(v6)) {
		if i < len(v6) {
			out = append(out, v6[i])
		}
		if i < len(v4) {
			out = append(out, v4[i])
		}
	}
	return out
}
