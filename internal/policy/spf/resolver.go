package spf

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"

	"countersign/internal/fault"
	"countersign/internal/mx"
	"countersign/internal/policy/inquiry"
)

// resolver gives the library what it asks for, and keeps what it would not tell us.
// It is used by one evaluation.
type resolver struct {
	inquiry *inquiry.Inquiry
	client  netip.Addr

	// broken says of the first record that was not in order, whose and why.
	broken string
	// unsure says that a record has a term that is.
	unsure bool
	// exists says that a record has an exists term.
	exists bool
	// own is the SPF record of the first domain asked for, "" where it has none.
	own      string
	askedOwn bool
	// given is taken for the record of the first domain, which is then not asked for; ""
	// asks.
	given string
	// hollow is the last domain beyond the first that was asked for its SPF record and has
	// none.
	hollow string
	// asked says that the client's names were asked for, and validated are those that lead
	// back to it.
	asked     bool
	validated []string
}

// LookupTXT returns the SPF records of a domain, those that are to be read alone. One
// that is against the grammar is an error that is not temporary.
func (r *resolver) LookupTXT(ctx context.Context, domain string) ([]string, error) {
	first := !r.askedOwn
	r.askedOwn = true
	records, err := r.records(ctx, domain, first)
	if !first && len(records) == 0 && (err == nil || isMissing(err)) {
		r.hollow = plain(domain)
	}
	if err != nil {
		return nil, err
	}
	if len(records) != 1 {
		if len(records) > 1 {
			r.breaks(domain, "there are several, and one is allowed")
		}
		return records, nil
	}
	if first {
		r.own = records[0]
	}
	terms, err := parse(records[0])
	if err != nil {
		r.breaks(domain, err.Error())
		return nil, &net.DNSError{Name: domain, Err: err.Error()}
	}
	for _, t := range terms {
		r.unsure = r.unsure || t.unsure()
		r.exists = r.exists || t.name == "exists"
	}
	return []string{r.followed(ctx, domain, records[0], terms)}, nil
}

// records returns what a domain publishes that is an SPF record.
func (r *resolver) records(ctx context.Context, domain string, first bool) ([]string, error) {
	if first && r.given != "" {
		return []string{r.given}, nil
	}
	a, err := r.ask(ctx, domain, mx.TXT)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(a.Texts), func(text string) bool { return !isRecord(text) }), nil
}

// isMissing reports whether an error of ask says that there is no such record.
func isMissing(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

func (r *resolver) breaks(domain, why string) {
	if r.broken == "" {
		r.broken = "the SPF record of " + plain(domain) + ": " + why
	}
}

// LookupMX implements the library's resolver.
func (r *resolver) LookupMX(ctx context.Context, domain string) ([]*net.MX, error) {
	a, err := r.ask(ctx, domain, mx.MX)
	var hosts []*net.MX
	for _, h := range a.Hosts {
		hosts = append(hosts, &net.MX{Host: h.Host, Pref: h.Preference})
	}
	return hosts, err
}

// LookupIPAddr returns the addresses of a host of the client's family (RFC 7208 section
// 5); exists wants those of IPv4 whatever the client has (section 5.7).
func (r *resolver) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	types := []mx.Type{mx.A}
	if r.client.Is6() && r.exists {
		types = []mx.Type{mx.AAAA, mx.A}
	} else if r.client.Is6() {
		types = []mx.Type{mx.AAAA}
	}
	var all []net.IPAddr
	for _, t := range types {
		a, err := r.ask(ctx, host, t)
		if err != nil {
			return nil, err
		}
		for _, addr := range a.Addresses {
			all = append(all, net.IPAddr{IP: addr.AsSlice()})
		}
	}
	return all, nil
}

// LookupAddr returns the names that an address has.
func (r *resolver) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, &net.DNSError{Name: addr, Err: "not an address"}
	}
	a, err := r.ask(ctx, mx.ReverseName(ip), mx.PTR)
	return a.Names, err
}

// ask asks with the errors that the library tells apart: no such name, or not to be
// known now.
func (r *resolver) ask(ctx context.Context, name string, t mx.Type) (mx.Answer, error) {
	name = plain(name)
	a, err := r.inquiry.Ask(ctx, name, t)
	if err == nil {
		return a, nil
	}
	missing := fault.Is(err, fault.NotFound)
	return a, &net.DNSError{Name: name, Err: err.Error(), IsNotFound: missing, IsTemporary: !missing}
}

// plain is a name in lower case and without its trailing dot, with the slashes that it has.
func plain(name string) string {
	return strings.ToLower(strings.TrimSuffix(strings.ReplaceAll(name, slash, "/"), "."))
}
