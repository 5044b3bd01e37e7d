package loading

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"countersign/internal/config"
)

func TestAlignment(t *testing.T) {
	text := small + `
[delivery]
source_ipv4 = "192.0.2.20"
[alignment]
action = "warn"
off_for = ["EXAMPLE.org", "Bücher.example"]
refuse_for = ["example.net"]
`
	c := loaded(t, text)
	if want := []string{"example.org", "xn--bcher-kva.example"}; !slices.Equal(c.Alignment.OffFor, want) {
		t.Errorf("domains %q, want %q", c.Alignment.OffFor, want)
	}
	wantSources := func(c *config.Config, want ...string) {
		t.Helper()
		var got []string
		for _, a := range c.Sources() {
			got = append(got, a.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("mail comes from %q, want %q", got, want)
		}
	}
	wantSources(c, "192.0.2.20")
	c.Delivery.SourceIPv6 = netip.MustParseAddr("2001:db8::20")
	wantSources(c, "192.0.2.20", "2001:db8::20")
	wantSources(loaded(t, text+`addresses = ["192.0.2.30"]`), "192.0.2.30")
	wantSources(loaded(t, small))
}

// TestAddressesThatNobodySees: a private address in alignment.addresses is most likely the
// one before the router.
func TestAddressesThatNobodySees(t *testing.T) {
	for address, warned := range map[string]bool{"10.0.0.1": true, "127.0.0.1": true, "fe80::1": true, "fd00::1": true, "0.0.0.0": true, "192.0.2.1": false, "2001:db8::1": false} {
		_, warnings, err := Load(writeFile(t, t.TempDir(), "countersign.toml", small+"\n[alignment]\naddresses = [\""+address+"\"]\n"))
		got := slices.ContainsFunc(warnings, func(w Warning) bool { return strings.Contains(w.String(), "alignment.addresses") })
		if err != nil || got != warned {
			t.Errorf("%s: %v, %v; want a warning: %v", address, warnings, err, warned)
		}
	}
}
