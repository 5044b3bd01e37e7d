package list

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign/internal/mail"
)

// TestIndexed: entries are found alike by an index and one by one.
func TestIndexed(t *testing.T) {
	clients := []string{"10.0.0.1", "10.0.1.1", "10.1.0.1", "192.0.2.1", "2001:db8::1", "2001:db8:1::1"}
	rapid.Check(t, func(t *rapid.T) {
		var entries []Entry
		for i := range rapid.IntRange(1, 20).Draw(t, "entries") {
			e := Entry{ID: mail.ID(fmt.Sprint(i)), Effect: rapid.SampledFrom([]Effect{Deny, Allow, Except}).Draw(t, "effect"), Shadow: rapid.IntRange(0, 3).Draw(t, "shadow") == 0}
			if rapid.IntRange(0, 3).Draw(t, "ended") == 0 {
				e.End = noon.Add(-time.Minute)
			}
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				e.What.Country = rapid.SampledFrom([]string{"DE", "FR"}).Draw(t, "country")
			case 1:
				e.What.AS = rapid.Uint32Range(1, 2).Draw(t, "AS")
			default:
				a := netip.MustParseAddr(rapid.SampledFrom(clients).Draw(t, "network"))
				e.What.Prefix = netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits")).Masked()
			}
			entries = append(entries, e)
		}
		p := Place{Country: rapid.SampledFrom([]string{"", "DE", "FR"}).Draw(t, "in"), AS: rapid.Uint32Range(0, 2).Draw(t, "by")}
		if text := rapid.SampledFrom(append(clients, "")).Draw(t, "client"); text != "" {
			p.Client = netip.MustParseAddr(text)
		}
		m := &mode{at: noon, shadow: rapid.Bool().Draw(t, "shadow")}
		one, other := Sheet{entries: entries}, Sheet{entries: entries, index: newIndex(entries)}
		a, b := one.find(p, m), other.find(p, m)
		// Of several that say the same of the same, any may be found.
		if (a == nil) != (b == nil) || a != nil && (a.What != b.What || a.Effect == Deny != (b.Effect == Deny)) || one.closed(m) != other.closed(m) {
			t.Fatalf("%+v: one by one %+v, closed %v; by the index %+v, closed %v", p, a, one.closed(m), b, other.closed(m))
		}
	})
}
