package bench

import (
	"net/netip"
	"testing"

	"countersign/internal/loadgen"
)

func TestAddressesOfANetworkComeInTurns(t *testing.T) {
	for _, c := range []struct {
		network string
		n       uint32
		want    string
	}{
		{"198.18.0.0/15", 0, "198.18.0.0"}, {"198.18.0.0/15", 257, "198.18.1.1"}, {"198.18.0.0/15", 1<<17 - 1, "198.19.255.255"},
		{"198.18.0.0/15", 1 << 17, "198.18.0.0"}, {"192.0.2.7/32", 5, "192.0.2.7"}, {"0.0.0.0/0", 1<<32 - 1, "255.255.255.255"},
		{"2001:db8::/64", 1 << 24, "2001:db8::100:0"}, {"2001:db8::fffe/127", 3, "2001:db8::ffff"},
	} {
		if got := nth(netip.MustParsePrefix(c.network), c.n); got.String() != c.want {
			t.Errorf("address %d of %s is %s, want %s", c.n, c.network, got, c.want)
		}
	}
}

func TestWhoComesInTurns(t *testing.T) {
	w := &crowd{accounts: []login{{"a@example.org", "one"}, {"b@example.org", "two"}}, clients: netip.MustParsePrefix("192.0.2.0/24")}
	var o loadgen.Options
	for n, want := range []string{"a@example.org one 192.0.2.0", "b@example.org two 192.0.2.1", "a@example.org one 192.0.2.2"} {
		w.change(n+1, &o)
		if got := o.Login + " " + o.Password + " " + o.Client.String(); got != want || o.From != o.Login {
			t.Errorf("connection %d is %s from %s, want %s", n+1, got, o.From, want)
		}
	}
	w.from, w.clients = "c@example.org", netip.Prefix{}
	o = loadgen.Options{}
	if w.change(1, &o); o.From != "c@example.org" || o.Client.IsValid() {
		t.Errorf("it sends as %s from %v", o.From, o.Client)
	}
}
