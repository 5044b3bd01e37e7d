package objects

import (
	"net/netip"
	"strings"

	"countersign/internal/account"
)

// The lists that stand in one text: see the schema. An empty list is "".

func joinLines(list []string) string { return strings.Join(list, "\n") }

func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func splitWords(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Fields(text)
}

func joinKeys(keys []account.SecretKey) string {
	lines := make([]string, len(keys))
	for i, k := range keys {
		lines[i] = k.Mechanism + " " + k.Value
	}
	return joinLines(lines)
}

func splitKeys(text string) (keys []account.SecretKey) {
	for _, line := range splitLines(text) {
		mechanism, value, _ := strings.Cut(line, " ")
		keys = append(keys, account.SecretKey{Mechanism: mechanism, Value: value})
	}
	return keys
}

func joinNetworks(list []netip.Prefix) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = p.String()
	}
	return strings.Join(words, " ")
}

// splitNetworks takes the next column; what is none is damage.
func splitNetworks(r *row) (list []netip.Prefix) {
	for _, word := range strings.Fields(r.Text()) {
		p, err := netip.ParsePrefix(word)
		if err != nil {
			r.Fail(err)
		}
		list = append(list, p)
	}
	return list
}

func joinGrants(list []account.Grant) string {
	lines := make([]string, len(list))
	for i, g := range list {
		lines[i] = g.String()
	}
	return joinLines(lines)
}

// splitGrants takes the next column; what is none is damage.
func splitGrants(r *row) (list []account.Grant) {
	for _, line := range splitLines(r.Text()) {
		g, err := account.ParseGrant(line)
		if err != nil {
			r.Fail(err)
		}
		list = append(list, g)
	}
	return list
}
