package counting

import (
	"testing"

	"countersign/internal/limit"
)

// TestKeysDiffer: no two subjects are counted in one row, were one called as what another is counted under.
func TestKeysDiffer(t *testing.T) {
	names := map[limit.Kind][]string{
		limit.Everything: {""},
		limit.Domain:     {"one.example", "connections", "domain", "connections.one.example"},
		limit.Customer:   {"acme", "acme connections", "connections", "connections acme", "one.example"},
		limit.Node:       {"a", "a connections", "connections"},
		limit.Network:    {"192.0.2.1", "2001:db8::/64"},
		limit.Credential: {"01J00000000000000000000001"},
	}
	for _, domain := range names[limit.Domain] {
		for _, local := range []string{"ann", "connections", "connections+ann", "domain", "to"} {
			names[limit.Account] = append(names[limit.Account], local+"@"+domain)
		}
	}
	names[limit.Account] = append(names[limit.Account], "connections", "one.example", "ann@one.example to the postmaster")
	seen := map[string]limit.Subject{}
	for kind, list := range names {
		for _, name := range list {
			plain := limit.Subject{Kind: kind, Name: name}
			for _, s := range []limit.Subject{plain, limit.ApartOf(plain)} {
				key := KeyOf(s)
				if other, found := seen[key]; found {
					t.Errorf("%q is the key of %q and %q", key, s, other)
				}
				seen[key] = s
			}
		}
	}
}
