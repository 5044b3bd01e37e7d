package dnsbl

import (
	"net/netip"
	"strconv"
	"strings"

	"countersign/internal/fault"
)

// MaxScore is what an answer may count for at most, either way.
const MaxScore = 1000

// Code is what some answers of a list count for.
type Code struct {
	// First and Last are the addresses between which an answer has to be, 127.0.0.2 to
	// 127.255.254.255; or both are 127.0.0.1.
	First, Last netip.Addr
	Score       int
}

// ParseCode reads "127.0.0.2=5" or "127.0.0.4-127.0.0.7=3". Errors are fault.Invalid.
func ParseCode(text string) (Code, error) {
	const op = "dnsbl.code"
	bad := func(why string) (Code, error) {
		return Code{}, fault.New(op, fault.Invalid, "%q %s: write 127.0.0.2=5, or 127.0.0.4-127.0.0.7=3", text, why)
	}
	addresses, number, both := strings.Cut(text, "=")
	if !both {
		return bad("says no score")
	}
	score, err := strconv.Atoi(number)
	if err != nil || score < -MaxScore || score > MaxScore {
		return bad("has no score from -" + strconv.Itoa(MaxScore) + " to " + strconv.Itoa(MaxScore))
	}
	first, last, several := strings.Cut(addresses, "-")
	if !several {
		last = first
	}
	c := Code{Score: score}
	var errs [2]error
	c.First, errs[0] = netip.ParseAddr(first)
	c.Last, errs[1] = netip.ParseAddr(last)
	switch {
	case errs[0] != nil || errs[1] != nil:
		return bad("has no IPv4 address before the score")
	case !codable(c.First, c.Last):
		return bad("is of an answer that lists nobody")
	case c.Last.Less(c.First):
		return bad("ends before it begins")
	}
	return c, nil
}

// kind is what an answer is.
type kind uint8

const (
	// listed is an answer that says that the address is on the list.
	listed kind = iota
	// odd is 127.0.0.1 and 127.0.0.0, which say that nothing is known of a client only where a
	// code says so: some lists refuse to answer by them, and filters of name servers have them for
	// names that they block.
	odd
	// refusal is 127.255.255.0/24, by which large lists say that they do not answer: too
	// many questions, or through a resolver that all the world shares.
	refusal
	// stray is no address of 127.0.0.0/8, as whoever has bought a list's domain answers
	// (RFC 5782 section 2.3).
	stray
)

// meaning says what an answer is.
func meaning(a netip.Addr) kind {
	b := a.As16()
	switch {
	case !a.Is4() || b[12] != 127:
		return stray
	case a == netip.AddrFrom4([4]byte{127, 0, 0, 1}), a == netip.AddrFrom4([4]byte{127}):
		return odd
	case b[13] == 255 && b[14] == 255:
		return refusal
	}
	return listed
}

// codable reports whether a code may be for the answers from one to another.
func codable(first, last netip.Addr) bool {
	if first == last && first == mustNotBe {
		return true
	}
	return meaning(first) == listed && meaning(last) == listed
}

// score is what the addresses of one answer count for: the highest of what each does. trouble
// says what is wrong with the list that gives it, "" for nothing.
func (l *List) score(answer []netip.Addr) (score int, on bool, trouble string) {
	for _, a := range answer {
		s, coded := l.codeOf(a)
		switch m := meaning(a); {
		case m == refusal:
			return 0, false, "it refuses to answer, by " + a.String()
		case m == stray, m == odd && !coded:
			return 0, false, "it answers what no list may"
		case !coded:
			s = l.Score
		}
		if !on || s > score {
			score, on = s, true
		}
	}
	return score, on, ""
}

// codeOf is what the first code says that is for an address.
func (l *List) codeOf(a netip.Addr) (score int, found bool) {
	for _, c := range l.Codes {
		if !a.Less(c.First) && !c.Last.Less(a) {
			return c.Score, true
		}
	}
	return 0, false
}

// least is the least that an answer of the list can add to a score: less than 0 of one that
// makes up for others.
func (l *List) least() int {
	least := min(0, l.Score)
	for _, c := range l.Codes {
		least = min(least, c.Score)
	}
	return least
}

const hexDigits = "0123456789abcdef"

// Name is the name under which a zone has an address: the octets of an IPv4 address (RFC 5782
// section 2.1), or the nibbles of an IPv6 address (section 2.4), from the last.
func Name(client netip.Addr, zone string) string {
	client = client.Unmap()
	var b strings.Builder
	if client.Is4() {
		octets := client.As4()
		for i := len(octets) - 1; i >= 0; i-- {
			b.WriteString(strconv.Itoa(int(octets[i])))
			b.WriteByte('.')
		}
		return b.String() + zone
	}
	octets := client.As16()
	for i := len(octets) - 1; i >= 0; i-- {
		b.WriteByte(hexDigits[octets[i]&15])
		b.WriteByte('.')
		b.WriteByte(hexDigits[octets[i]>>4])
		b.WriteByte('.')
	}
	return b.String() + zone
}
