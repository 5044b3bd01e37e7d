package mx

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// names is a resolver in memory.
type names struct {
	mx  map[string][]Record
	ip  map[string][]netip.Addr
	err map[string]error
}

func (n names) LookupMX(_ context.Context, domain string) ([]Record, error) {
	return n.mx[domain], n.err[domain]
}

func (n names) LookupIP(_ context.Context, host string) ([]netip.Addr, error) {
	return n.ip[host], n.err[host]
}

func addrs(list ...string) []netip.Addr {
	var all []netip.Addr
	for _, s := range list {
		all = append(all, netip.MustParseAddr(s))
	}
	return all
}

func TestHosts(t *testing.T) {
	var many []Record
	for i := range 30 {
		many = append(many, Record{uint16(i), fmt.Sprintf("mx%d", i)})
	}
	gone := fault.New("test", fault.NotFound, "gone")
	away := fault.New("test", fault.Unavailable, "away")
	n := names{
		mx: map[string][]Record{
			"order.example":   {{30, "c"}, {10, "a"}, {20, "b"}},
			"equal.example":   {{10, "x"}, {5, "first"}, {10, "y"}, {10, "z"}},
			"null.example":    {{0, ""}},
			"mixed.example":   {{0, ""}, {10, "a"}},
			"literal.example": {{10, "192.0.2.1"}},
			"twice.example":   {{10, "a"}, {20, "a"}},
			"many.example":    many,
		},
		err: map[string]error{"gone.example": gone, "away.example": away},
	}
	reverse := func(n int, swap func(i, j int)) {
		for i := range n / 2 {
			swap(i, n-1-i)
		}
	}
	tests := []struct{ domain, want, reason string }{
		{"order.example", "a b c", ""},
		{"equal.example", "first z y x", ""},
		{"null.example", "", ReasonNullMX},
		{"mixed.example", "a", ""},
		{"literal.example", "", ReasonNoHost},
		{"twice.example", "a", ""},
		{"many.example", "mx0 mx1 mx2 mx3 mx4 mx5 mx6 mx7 mx8 mx9", ""},
		{"implicit.example", "implicit.example(implicit)", ""},
		{"gone.example", "", ReasonNoDomain},
		{"away.example", "", ReasonUnavailable},
		{"[192.0.2.7]", "[192.0.2.7]=192.0.2.7", ""},
		{"[IPv6:2001:db8::7]", "[IPv6:2001:db8::7]=2001:db8::7", ""},
	}
	for _, tt := range tests {
		f := Finder{Resolver: n, Shuffle: reverse}
		hosts, err := f.Hosts(t.Context(), mail.Domain(tt.domain))
		var words []string
		for _, h := range hosts {
			word := h.Name
			if h.Implicit {
				word += "(implicit)"
			}
			if h.Literal.IsValid() {
				word += "=" + h.Literal.String()
			}
			words = append(words, word)
		}
		if got := strings.Join(words, " "); got != tt.want || fault.ReasonOf(err) != tt.reason {
			t.Errorf("Hosts(%s) = %q, %v; want %q, %q", tt.domain, got, err, tt.want, tt.reason)
		}
		if temporary := fault.KindOf(err).Temporary(); err != nil && temporary != (tt.reason == ReasonUnavailable) {
			t.Errorf("Hosts(%s): temporary = %v", tt.domain, temporary)
		}
	}
}

// TestEqualPreferenceIsSpread checks the default random source.
func TestEqualPreferenceIsSpread(t *testing.T) {
	n := names{mx: map[string][]Record{"example.org": {{10, "a"}, {10, "b"}}}}
	first := map[string]int{}
	for range 200 {
		hosts, err := (&Finder{Resolver: n}).Hosts(t.Context(), "example.org")
		if err != nil {
			t.Fatal(err)
		}
		first[hosts[0].Name]++
	}
	if first["a"] < 20 || first["b"] < 20 {
		t.Errorf("first choices = %v, want both often", first)
	}
}

func TestAddresses(t *testing.T) {
	n := names{
		ip: map[string][]netip.Addr{
			"both":    addrs("192.0.2.1", "192.0.2.2", "2001:db8::1"),
			"many":    addrs("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7", "2001:db8::1"),
			"inside":  addrs("10.0.0.1", "::1"),
			"partly":  addrs("10.0.0.1", "192.0.2.1"),
			"only-v6": addrs("2001:db8::1"),
			"mapped":  addrs("::ffff:127.0.0.1"),
		},
		err: map[string]error{
			"gone": fault.New("test", fault.NotFound, "gone"),
			"away": fault.New("test", fault.Unavailable, "away"),
		},
	}
	tests := []struct {
		host   Host
		v6     bool
		want   string
		reason string
	}{
		{Host{Name: "both"}, true, "2001:db8::1 192.0.2.1 192.0.2.2", ""},
		{Host{Name: "both"}, false, "192.0.2.1 192.0.2.2", ""},
		{Host{Name: "many"}, true, "2001:db8::1 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5", ""},
		{Host{Name: "inside"}, true, "", ReasonRefusedTarget},
		{Host{Name: "mapped"}, true, "", ReasonRefusedTarget},
		{Host{Name: "partly"}, true, "192.0.2.1", ""},
		{Host{Name: "only-v6"}, false, "", ReasonNoHost},
		{Host{Name: "none"}, true, "", ReasonNoHost},
		{Host{Name: "none", Implicit: true}, true, "", ReasonNoDomain},
		{Host{Name: "gone"}, true, "", ReasonNoHost},
		{Host{Name: "gone", Implicit: true}, true, "", ReasonNoDomain},
		{Host{Name: "away"}, true, "", ReasonUnavailable},
		{Host{Name: "[192.0.2.9]", Literal: netip.MustParseAddr("192.0.2.9")}, true, "192.0.2.9", ""},
		{Host{Name: "[127.0.0.1]", Literal: netip.MustParseAddr("127.0.0.1")}, true, "", ReasonRefusedTarget},
	}
	for _, tt := range tests {
		got, err := (&Finder{Resolver: n, IPv6: tt.v6}).Addresses(t.Context(), tt.host)
		if text := strings.Trim(fmt.Sprint(got), "[]"); text != tt.want || fault.ReasonOf(err) != tt.reason {
			t.Errorf("Addresses(%v, IPv6 %v) = %q, %v; want %q, %q", tt.host, tt.v6, text, err, tt.want, tt.reason)
		}
	}
	for host, want := range map[string]string{"inside": "::1 10.0.0.1", "127.0.0.1": "127.0.0.1", "::1": "::1", "gone": ""} {
		got, err := (&Finder{Resolver: n, IPv6: true}).Route(t.Context(), host)
		if text := strings.Trim(fmt.Sprint(got), "[]"); text != want || (err != nil) != (want == "") {
			t.Errorf("Route(%s) = %q, %v; want %q", host, text, err, want)
		}
	}
}

func TestAllowed(t *testing.T) {
	allowed := []string{
		"8.8.8.8", "192.0.2.1", "198.51.100.1", "203.0.113.1", "100.63.255.255", "100.128.0.0",
		"172.15.0.1", "172.32.0.1", "192.167.1.1", "169.253.1.1", "223.255.255.255", "198.17.255.255", "198.20.0.0",
		"2001:db8::1", "2a00::1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8",
	}
	refused := []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1", "127.255.0.1",
		"169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.168.0.1", "198.18.0.1", "198.19.255.255",
		"224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.88.99.1",
		"::", "::1", "::10.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0",
		"fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1", "100::1",
		"64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::808:808", "2002:7f00:1::1", "2002:a00:1::1", "2001::1",
		"2001:db8::1%eth0",
	}
	for _, s := range allowed {
		if !Allowed(netip.MustParseAddr(s)) {
			t.Errorf("%s is refused", s)
		}
	}
	for _, s := range refused {
		if Allowed(netip.MustParseAddr(s)) {
			t.Errorf("%s is allowed", s)
		}
	}
	if Allowed(netip.Addr{}) {
		t.Error("no address is allowed")
	}
}
