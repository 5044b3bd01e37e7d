package mail

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Domain is a domain name in its one normal form: lower-case A-labels without
// a trailing dot ("xn--bcher-kva.example"), or an address literal in brackets
// ("[192.0.2.1]", "[IPv6:2001:db8::1]"). Two Domains are the same domain if and
// only if they are equal as strings. The zero value is "no domain".
type Domain string

// maxDomain is the longest domain in octets (RFC 5321 section 4.5.3.1.2).
const maxDomain = 255

// idnaProfile maps and checks names the way a registry lookup does
// (RFC 5891 section 5), with STD3 rules: letters, digits and hyphens only.
var idnaProfile = idna.New(
	idna.MapForLookup(),
	idna.BidiRule(),
	idna.StrictDomainName(true),
	idna.VerifyDNSLength(true),
)

// ErrDomain is what ParseDomain's errors wrap.
var ErrDomain = errors.New("not a domain name")

// ParseDomain normalises s, a domain name in ASCII or Unicode or an address
// literal. A trailing dot is refused, as RFC 5321 section 4.1.2 has none.
func ParseDomain(s string) (Domain, error) {
	if s == "" || len(s) > maxDomain {
		return "", fmt.Errorf("%w: length %d is outside 1 to %d", ErrDomain, len(s), maxDomain)
	}
	if s[0] == '[' {
		return parseLiteral(s)
	}
	if strings.HasSuffix(s, ".") {
		return "", fmt.Errorf("%w: %q ends in a dot", ErrDomain, s)
	}
	ascii, err := idnaProfile.ToASCII(s)
	if err != nil || ascii == "" {
		return "", fmt.Errorf("%w: %q", ErrDomain, s)
	}
	if !sameWriting(s, ascii) {
		return "", fmt.Errorf("%w: %q is not the usual writing of %s", ErrDomain, s, ascii)
	}
	return Domain(ascii), nil
}

// sameWriting reports whether s is written as people and programs read it: in
// A-labels or U-labels, whatever the case. Names with characters that mapping
// removes or replaces (a soft hyphen, full-width letters) are refused: we would
// judge one domain and a reader see another.
func sameWriting(s, ascii string) bool {
	lower := strings.Map(lowerLetter, s)
	if lower == ascii {
		return true
	}
	written, err := idnaProfile.ToUnicode(ascii)
	return err == nil && (lower == written || mixedLabels(lower, ascii, written))
}

// lowerLetter folds case, but not from another script into ASCII.
func lowerLetter(r rune) rune {
	lower := unicode.ToLower(r)
	if r >= utf8.RuneSelf && lower < utf8.RuneSelf {
		return r
	}
	return lower
}

// mixedLabels reports whether each label is either the A-label or the U-label.
func mixedLabels(s, ascii, written string) bool {
	labels, a, u := strings.Split(s, "."), strings.Split(ascii, "."), strings.Split(written, ".")
	if len(labels) != len(a) || len(a) != len(u) {
		return false
	}
	for i, label := range labels {
		if label != a[i] && label != u[i] {
			return false
		}
	}
	return true
}

// parseLiteral reads "[192.0.2.1]" and "[IPv6:...]" (RFC 5321 section 4.1.3).
func parseLiteral(s string) (Domain, error) {
	if s[len(s)-1] != ']' {
		return "", fmt.Errorf("%w: %q lacks its closing bracket", ErrDomain, s)
	}
	inner := s[1 : len(s)-1]
	const tag = "IPv6:"
	if len(inner) > len(tag) && strings.EqualFold(inner[:len(tag)], tag) {
		ip, err := netip.ParseAddr(inner[len(tag):])
		if err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", fmt.Errorf("%w: %q is not an IPv6 literal", ErrDomain, s)
		}
		return Domain("[IPv6:" + ip.String() + "]"), nil
	}
	ip, err := netip.ParseAddr(inner)
	if err != nil || !ip.Is4() {
		return "", fmt.Errorf("%w: %q is not an address literal", ErrDomain, s)
	}
	return Domain("[" + ip.String() + "]"), nil
}

// Literal returns the address inside an address literal, and whether d is one.
func (d Domain) Literal() (netip.Addr, bool) {
	s := string(d)
	if len(s) < 2 || s[0] != '[' {
		return netip.Addr{}, false
	}
	s = strings.TrimPrefix(s[1:len(s)-1], "IPv6:")
	ip, err := netip.ParseAddr(s)
	return ip, err == nil
}

// Unicode returns d for people: U-labels where they are valid, else d itself.
func (d Domain) Unicode() string {
	u, err := idna.Display.ToUnicode(string(d))
	if err != nil {
		return string(d)
	}
	return u
}

// String returns the normal form.
func (d Domain) String() string { return string(d) }
