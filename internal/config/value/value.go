// Package value has the types of configuration options that are more than a
// word or a number: each reads its text form, prints it, and can say how it is
// written.
//
// It does not know which options there are; package config does. Addresses and
// networks follow RFC 4291 and RFC 4632.
package value

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time, never negative. In the file it is a string of
// numbers with units, largest first: "5d", "1h30m", "250ms".
type Duration time.Duration

const day = 24 * time.Hour

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// Kind names the type in the reference.
func (Duration) Kind() string { return "duration" }

// Form shows how a value is written.
func (Duration) Form() string { return `"30s", "5m", "1h30m" or "5d"` }

// UnmarshalText reads whole days ("5d"), what time.ParseDuration reads, or
// both ("1d12h").
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	var total time.Duration
	if count, rest, found := strings.Cut(s, "d"); found {
		n, err := strconv.ParseUint(count, 10, 32)
		if err != nil || n > uint64(math.MaxInt64/2/day) {
			return fmt.Errorf("%q is not a duration", s)
		}
		total = time.Duration(n) * day
		s = rest
	}
	if s != "" || total == 0 && len(text) == 0 {
		more, err := time.ParseDuration(s)
		if err != nil || more > math.MaxInt64/2 {
			return fmt.Errorf("%q is not a duration", text)
		}
		if more < 0 {
			return fmt.Errorf("%q is negative", text)
		}
		total += more
	}
	*d = Duration(total)
	return nil
}

// String returns d in the form that UnmarshalText reads.
func (d Duration) String() string {
	rest := time.Duration(d)
	var b strings.Builder
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if n := rest / unit.length; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, unit.name)
			rest -= n * unit.length
		}
	}
	if rest > 0 || b.Len() == 0 {
		b.WriteString(rest.String())
	}
	return b.String()
}

// Size is a number of octets, never negative. In the file it is an integer, or
// a string with a unit: "64KiB", "50MB".
type Size int64

// sizeUnits lists the units of Size, each before those that are a suffix of it.
func sizeUnits() []sizeUnit {
	return []sizeUnit{
		{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
		{"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
	}
}

type sizeUnit struct {
	name  string
	bytes int64
}

// Bytes returns s as a plain number.
func (s Size) Bytes() int64 { return int64(s) }

// Kind names the type in the reference.
func (Size) Kind() string { return "size" }

// Form shows how a value is written.
func (Size) Form() string { return `"64KiB" or "50MB"` }

// UnmarshalText reads a number with or without a unit. KB, MB and GB are powers
// of 1000, KiB, MiB and GiB of 1024; case does not matter.
func (s *Size) UnmarshalText(text []byte) error {
	number, factor := string(text), int64(1)
	for _, u := range sizeUnits() {
		if cut := len(number) - len(u.name); cut > 0 && strings.EqualFold(number[cut:], u.name) {
			number, factor = strings.TrimSpace(number[:cut]), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > math.MaxInt64/factor {
		return fmt.Errorf("%q is not a size", text)
	}
	if n < 0 {
		return fmt.Errorf("%q is negative", text)
	}
	*s = Size(n * factor)
	return nil
}

// String returns s exactly, in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits() {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Secret is a value that must not be shown. Formatting, logging or marshalling
// it yields a mask; only Reveal yields the value.
type Secret string

const mask = "********"

// Kind names the type in the reference.
func (Secret) Kind() string { return "secret" }

// Form shows nothing, lest a secret be taken from it.
func (Secret) Form() string { return "" }

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns a mask, or "" where there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString masks the secret in %#v too.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalText masks the secret in JSON and in structured logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Prefix is a network, or a single address as a network of one.
type Prefix struct{ netip.Prefix }

// Kind names the type in the reference.
func (Prefix) Kind() string { return "address or network" }

// Form shows how a value is written.
func (Prefix) Form() string { return `"192.0.2.7" or "192.0.2.0/24"` }

// UnmarshalText reads "192.0.2.0/24", "2001:db8::/32" or an address alone. Bits
// behind the prefix must be zero, as they hint at a slip.
func (p *Prefix) UnmarshalText(text []byte) error {
	s := string(text)
	if addr, err := netip.ParseAddr(s); err == nil {
		if addr.Zone() != "" {
			return fmt.Errorf("%q has a zone", s)
		}
		addr = addr.Unmap()
		p.Prefix = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return fmt.Errorf("%q is not an address or a network", s)
	}
	if prefix != prefix.Masked() {
		return fmt.Errorf("%q has bits behind its prefix: the network is %s", s, prefix.Masked())
	}
	p.Prefix = prefix
	return nil
}

// String returns the address alone for a network of one, else the network.
func (p Prefix) String() string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.Prefix.String()
}

// Resolver is the address of a name server.
type Resolver struct{ netip.AddrPort }

// Kind names the type in the reference.
func (Resolver) Kind() string { return "address with port" }

// Form shows how a value is written.
func (Resolver) Form() string { return `"127.0.0.1:53" or "[::1]:53"` }

// UnmarshalText reads an IP address with or without a port; without, it is 53.
func (r *Resolver) UnmarshalText(text []byte) error {
	s := string(text)
	if addr, err := netip.ParseAddr(s); err == nil {
		r.AddrPort = netip.AddrPortFrom(addr, 53)
		return nil
	}
	server, err := netip.ParseAddrPort(s)
	if err != nil || server.Port() == 0 {
		return fmt.Errorf("%q is not an IP address with a port", s)
	}
	r.AddrPort = server
	return nil
}

// NextHop is where a route leads. The zero value, written "mx", is the MX of
// the recipient domain.
type NextHop struct {
	// Scheme is "smtp" or "smtps", "" for the MX.
	Scheme string
	// Host is a domain name or an IP address without brackets.
	Host string
	// Port is never 0 with a Scheme.
	Port uint16
}

// Kind names the type in the reference.
func (NextHop) Kind() string { return "next hop" }

// Form shows how a value is written.
func (NextHop) Form() string { return `"mx", "smtp://host:port" or "smtps://host:port"` }

// IsMX reports whether the recipient domain's MX decides.
func (h NextHop) IsMX() bool { return h.Scheme == "" }

// errNextHop does not repeat the text.
var errNextHop = errors.New("not a next hop")

// UnmarshalText reads "mx", "smtp://host[:port]" or "smtps://host[:port]". Its
// errors do not repeat the text, which may hold a password by mistake.
func (h *NextHop) UnmarshalText(text []byte) error {
	if string(text) == "mx" {
		*h = NextHop{}
		return nil
	}
	u, err := url.Parse(string(text))
	if err != nil {
		return errNextHop
	}
	if u.User != nil {
		return errors.New("a login does not belong in the URL: use username and password")
	}
	ports := map[string]uint16{"smtp": 25, "smtps": 465}
	port, known := ports[u.Scheme]
	if !known || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return errNextHop
	}
	if u.Port() != "" {
		n, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("port %q is not between 1 and 65535", u.Port())
		}
		port = uint16(n)
	}
	*h = NextHop{Scheme: u.Scheme, Host: u.Hostname(), Port: port}
	return nil
}

// String returns the form that UnmarshalText reads.
func (h NextHop) String() string {
	if h.IsMX() {
		return "mx"
	}
	return h.Scheme + "://" + net.JoinHostPort(h.Host, strconv.Itoa(int(h.Port)))
}
