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

// TestActionsThatDoNothing: who wants mail held, refused or warned of is told what is missing for it, and in
// which line.
func TestActionsThatDoNothing(t *testing.T) {
	const unsigned, addresses = "\n[dkim]\nsign = false\n", "addresses = [\"192.0.2.1\"]\n"
	blind := func(path, done string) string {
		return ":13: " + path + ": without alignment.addresses only mail of domains whose SPF record is missing or void is " + done + "; set alignment.addresses"
	}
	plain := func(path, done, instead string) string {
		return ":13: " + path + ": nothing is " + done + " with dkim.sign = false, as the next server may sign; let the gate sign, or " + instead
	}
	const stopped, warned, off, without = "held or refused", "warned of", `take "off"`, "leave it out"
	const hasty = `:13: alignment.wait: with 0s DNS is not waited for, so the first messages of a domain are accepted whatever it says; for example "1s"`
	for text, want := range map[string][]string{
		"action = \"refuse\"\n":                                        {blind("alignment.action", stopped)},
		"action = \"hold\"\n":                                          {blind("alignment.action", stopped)},
		"action = \"warn\"\n":                                          {blind("alignment.action", warned)},
		"hold_for = [\"example.org\"]\n":                               {blind("alignment.hold_for", stopped)},
		"refuse_for = [\"example.org\"]\n":                             {blind("alignment.refuse_for", stopped)},
		"warn_for = [\"example.org\"]\n":                               {blind("alignment.warn_for", warned)},
		"refuse_for = [\"example.org\"]\naction = \"warn\"\n":          {blind("alignment.refuse_for", stopped)},
		"action = \"refuse\"\n" + addresses + unsigned:                 {plain("alignment.action", stopped, off)},
		"action = \"warn\"\n" + addresses + unsigned:                   {plain("alignment.action", warned, off)},
		"hold_for = [\"example.org\"]\n" + addresses + unsigned:        {plain("alignment.hold_for", stopped, without)},
		"warn_for = [\"example.org\"]\n" + addresses + unsigned:        {plain("alignment.warn_for", warned, without)},
		"action = \"refuse\"\n" + unsigned:                             {plain("alignment.action", stopped, off), blind("alignment.action", stopped)},
		"wait = \"0s\"\naction = \"refuse\"\n" + addresses:             {hasty},
		"wait = \"0s\"\nhold_for = [\"example.org\"]\n" + addresses:    {hasty},
		"wait = \"0s\"\naction = \"warn\"\n" + addresses:               nil,
		"action = \"refuse\"\n" + addresses:                            nil,
		"action = \"off\"\noff_for = [\"example.org\"]\n" + unsigned:   nil,
		"action = \"hold\"\n[delivery]\nsource_ipv4 = \"192.0.2.1\"\n": nil,
	} {
		_, warnings, err := Load(writeFile(t, t.TempDir(), "countersign.toml", small+"\n[alignment]\n"+text))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range warnings {
			if strings.HasPrefix(w.Key, "alignment.") {
				_, said, _ := strings.Cut(w.String(), ".toml")
				got = append(got, said)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
