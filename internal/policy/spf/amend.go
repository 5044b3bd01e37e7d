package spf

import (
	"net/netip"
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
// before them. record is the one that it has, "" for none; the new one then leaves it to
// receivers what to do with mail from elsewhere. One that is against the grammar cannot be
// amended, and the result is "".
func Amend(record string, terms []string) string {
	added := strings.Join(terms, " ")
	if record == "" {
		return "v=spf1 " + added + " ~all"
	}
	if _, err := parse(record); err != nil || !isRecord(record) {
		return ""
	}
	version, rest, _ := strings.Cut(record, " ")
	return strings.TrimSpace(version + " " + added + " " + strings.TrimSpace(rest))
}
