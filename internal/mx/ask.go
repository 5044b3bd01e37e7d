package mx

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Type is a type of DNS record that Ask knows.
type Type uint8

// The types.
const (
	TXT Type = iota + 1
	MX
	A
	AAAA
	PTR
	CNAME
)

// Answer is what a name has of one type. Of the fields of types only that of its own is set.
type Answer struct {
	// Texts are the TXT records, the strings of each joined without anything between, as
	// RFC 7208 section 3.3 and RFC 6376 section 3.6.2.2 read them. Their octets may be any.
	Texts []string
	// Hosts are the MX records, in any order.
	Hosts []Record
	// Addresses are those of the A or AAAA records.
	Addresses []netip.Addr
	// Names are those of the PTR records, or the one of the CNAME record, in lower case and
	// without a trailing dot.
	Names []string
	// TTL is how long the answer holds, also that there is none or no such name; 0
	// where it may not be kept, and at most one hour.
	TTL time.Duration
	// Endless says that there is none as the name's aliases lead in a circle, or too far to be
	// followed.
	Endless bool
}

// Asker answers single questions about names, without a trailing dot; their labels may
// hold any octet but a dot. It is used concurrently. A name that
// exists without such a record gives an empty answer. Errors: fault.NotFound where the
// name does not exist, with an answer whose TTL says for how long; fault.Unavailable where
// that cannot be known now.
type Asker interface {
	Ask(ctx context.Context, name string, t Type) (Answer, error)
}

var _ Asker = (*Client)(nil)

// Ask implements Asker. What one answer holds is bounded by the 64 KiB of a DNS
// message.
func (c *Client) Ask(ctx context.Context, name string, t Type) (Answer, error) {
	qtype := map[Type]uint16{TXT: dns.TypeTXT, MX: dns.TypeMX, A: dns.TypeA, AAAA: dns.TypeAAAA, PTR: dns.TypePTR, CNAME: dns.TypeCNAME}[t]
	known, err := c.learn(ctx, presented(name), qtype)
	a := Answer{TTL: max(0, known.until.Sub(c.now()))}
	if err != nil {
		return a, err
	}
	a.Endless = known.endless
	a.Addresses = addresses(known.records)
	for _, rr := range known.records {
		switch rr := rr.(type) {
		case *dns.TXT:
			a.Texts = append(a.Texts, octets(strings.Join(rr.Txt, "")))
		case *dns.MX:
			a.Hosts = append(a.Hosts, Record{Preference: rr.Preference, Host: plainName(rr.Mx)})
		case *dns.PTR:
			a.Names = append(a.Names, plainName(rr.Ptr))
		case *dns.CNAME:
			a.Names = append(a.Names, plainName(rr.Target))
		}
	}
	return a, nil
}

// octets undoes the escapes in which the strings of a TXT record are given (RFC 1035
// section 5.1): \DDD is the octet of that decimal number, and \X is X.
func octets(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if i+3 < len(s) && digits(s[i+1:i+4]) {
			b.WriteByte((s[i+1]-'0')*100 + (s[i+2]-'0')*10 + s[i+3] - '0')
			i += 3
			continue
		}
		i++
		b.WriteByte(s[i])
	}
	return b.String()
}

// presented writes a name, in which any octet may stand, as the library wants it: with
// escapes before what means something in a zone file.
func presented(name string) string {
	const special = "\"\\();@ "
	if !strings.ContainsAny(name, special) {
		return name
	}
	var b strings.Builder
	for i := range len(name) {
		if strings.IndexByte(special, name[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

// digits reports whether s is decimal digits alone.
func digits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// ReverseName returns the name whose PTR records are those of an address (RFC 1035
// section 3.5, RFC 3596 section 2.5), without a trailing dot.
func ReverseName(a netip.Addr) string {
	name, err := dns.ReverseAddr(a.Unmap().WithZone("").String())
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(name, ".")
}
