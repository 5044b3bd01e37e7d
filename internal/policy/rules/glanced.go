package rules

import (
	"net/netip"

	"countersign/internal/policy/rules/glance"
)

// glanced is what of the names and functions a glance knows; the rest is for CEL alone.
func glanced() *glance.Words[Facts] {
	w := &glance.Words[Facts]{
		Texts: map[string]glance.Text[Facts]{}, Numbers: map[string]func(*Facts) int64{},
		Changes: map[string]func(string) string{"text_domain": domain, "text_local": local, "text_lower": lower},
		Fields:  map[glance.Call]func(string) glance.Text[Facts]{{Variable: "message.header", Overload: "header_first"}: firstField},
		Tests:   map[glance.Call]func(string) func(*Facts) bool{{Variable: "connection.client", Overload: "address_in_network"}: inNetwork},
	}
	for _, v := range variables {
		if v.read.Read != nil {
			w.Texts[v.name] = v.read
		}
		if v.count != nil {
			w.Numbers[v.name] = v.count
		}
	}
	return w
}

// firstField reads the first field of a name.
func firstField(name string) glance.Text[Facts] {
	return glance.Text[Facts]{Late: true, Read: func(f *Facts) (string, bool) { return header{f.Message.Header}.first(name), true }}
}

// inNetwork tests whether the client is in a network.
func inNetwork(text string) func(*Facts) bool {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return nil
	}
	return func(f *Facts) bool { return network.Contains(client(f)) }
}
