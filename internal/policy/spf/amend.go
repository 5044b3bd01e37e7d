package spf

import (
	"net/netip"
	"slices"
	"strings"
)

// Terms returns the terms that stand for addresses.
func Terms(addresses []netip.Addr) []string {
	var terms []string
	for _, a := range addresses {
		name := "ip6:"
		if a = a.Unmap().WithZone(""); a.Is4() {
			name = "ip4:"
		}
		terms = append(terms, name+a.String())
	}
	return terms
}

// Amend returns the record that a domain is to publish so that terms pass. They stand
// first, so that nothing of what the record has can turn them away, nor use up the look-ups
// before them; where they stand further behind, they are moved. record is the one that it has, ""
// for none; the new one then leaves it to receivers what to do with mail from elsewhere. The result
// is "" where nothing can be amended: a record that is against the grammar, or one that begins
// with all the terms as it is.
func Amend(record string, terms []string) string {
	if record == "" {
		return "v=spf1 " + strings.Join(terms, " ") + " ~all"
	}
	if _, err := parse(record); err != nil || !isRecord(record) {
		return ""
	}
	words := strings.Fields(record)
	isOneOf := func(list []string) func(string) bool {
		return func(word string) bool {
			return slices.ContainsFunc(list, func(t string) bool { return sameTerm(t, word) })
		}
	}
	rest := slices.DeleteFunc(slices.Clone(words[1:]), isOneOf(terms))
	first := words[1 : len(words)-len(rest)] // as many as are ours
	if !slices.ContainsFunc(terms, func(t string) bool { return !isOneOf(first)(t) }) {
		return ""
	}
	return strings.Join(slices.Concat(words[:1], terms, rest), " ")
}

// sameTerm reports whether two mechanisms that pass are the same: "+" is what they have
// where they have no qualifier (RFC 7208 section 4.6.2), and case does not count (section 12).
func sameTerm(a, b string) bool {
	return strings.EqualFold(strings.TrimPrefix(a, "+"), strings.TrimPrefix(b, "+"))
}
