package guard

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// TestDrawnForEachNetworkAndWindow: how many logins are too much of a network is drawn for it and
// for the day, so that who has found it out for one knows nothing of another.
func TestDrawnForEachNetworkAndWindow(t *testing.T) {
	w := newWorld(t)
	asked := map[string]bool{}
	w.draw = func(network, window string) uint16 {
		asked[network+" "+window] = true
		if network == "192.0.2.2/32" || network == "2001:db8::/48" {
			return 3
		}
		return 0
	}
	for text, want := range map[string][]int{"192.0.2.1": {20}, "192.0.2.2": {17}, "2001:db8::1": {20, 34}, "2001:db8:1::1": {20, 40}} {
		for i, l := range levels(addr(text)) {
			if got := w.g.enough(l, w.g.now()); got != want[i] {
				t.Errorf("of %s %d are too much, want %d", l.network, got, want[i])
			}
		}
	}
	before := len(asked)
	w.pass(24 * time.Hour)
	w.g.enough(levels(addr("192.0.2.1"))[0], w.g.now())
	if len(asked) != before+1 {
		t.Errorf("the next day is not drawn anew: %v", asked)
	}
	tries := func(client netip.Addr) (n int) {
		for ; !w.banned(client, ""); n++ {
			w.try(client, fmt.Sprintf("user%d@one.example", n), "x", false)
		}
		return n
	}
	if one, two := tries(addr("192.0.2.1")), tries(addr("192.0.2.2")); one != 20 || two != 17 {
		t.Errorf("banned after %d and %d logins", one, two)
	}
}
