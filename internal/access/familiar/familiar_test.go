package familiar

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestBounded(t *testing.T) {
	k := New(time.Hour, 1000)
	now := time.Unix(1_800_000_000, 0)
	for n := range 5000 {
		k.Add(fmt.Sprint("u", n), netip.MustParsePrefix("192.0.2.1/32"), now.Add(time.Duration(n)*time.Millisecond))
		if k.total > 1000 || k.In(netip.MustParsePrefix("192.0.2.1/32")) != k.total || len(k.of) != k.total {
			t.Fatalf("%d are kept, %d of the network, %d logins", k.total, k.In(netip.MustParsePrefix("192.0.2.1/32")), len(k.of))
		}
	}
	if k.Last("u4999", netip.MustParsePrefix("192.0.2.1/32"), now) == 0 {
		t.Error("the last one is forgotten")
	}
	k = New(time.Hour, 1000)
	for n := range 5000 {
		k.Add(fmt.Sprint("u", n), netip.MustParsePrefix("192.0.2.1/32"), now)
	}
	if k.total > 1000 || k.In(netip.MustParsePrefix("192.0.2.1/32")) != k.total {
		t.Errorf("%d of one second are kept", k.total)
	}
}
