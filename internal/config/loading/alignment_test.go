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

// TestActionsThatDoNothing: who wants mail held or refused is told what is missing for it.
func TestActionsThatDoNothing(t *testing.T) {
	const unsigned, addresses = "\n[dkim]\nsign = false\n", "addresses = [\"192.0.2.1\"]\n"
	const noAddresses, noSignature = "set alignment.addresses", "dkim.sign = false"
	for text, want := range map[string][]string{
		"action = \"refuse\"\n":                                        {"alignment.action", noAddresses},
		"action = \"hold\"\n":                                          {"alignment.action", noAddresses},
		"hold_for = [\"example.org\"]\n":                               {"alignment.hold_for", noAddresses},
		"refuse_for = [\"example.org\"]\n":                             {"alignment.refuse_for", noAddresses},
		"action = \"refuse\"\n" + addresses + unsigned:                 {"alignment.action", noSignature},
		"action = \"refuse\"\n" + unsigned:                             {"alignment.action", noAddresses, noSignature},
		"action = \"refuse\"\n" + addresses:                            nil,
		"action = \"warn\"\n" + unsigned:                               nil,
		"warn_for = [\"example.org\"]\n":                               nil,
		"action = \"hold\"\n[delivery]\nsource_ipv4 = \"192.0.2.1\"\n": nil,
	} {
		_, warnings, err := Load(writeFile(t, t.TempDir(), "countersign.toml", small+"\n[alignment]\n"+text))
		if err != nil {
			t.Fatal(err)
		}
		var all string
		for _, w := range warnings {
			if strings.HasPrefix(w.Key, "alignment.") {
				all += w.String() + "\n"
			}
		}
		if len(want) == 0 && all != "" || strings.Count(all, "\n") != max(0, len(want)-1) {
			t.Errorf("%q: %q", text, all)
		}
		for _, part := range want {
			if !strings.Contains(all, part) {
				t.Errorf("%q: %q, want %q", text, all, part)
			}
		}
	}
}
