package mx

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/testkit"
)

func TestAsk(t *testing.T) {
	d := testkit.NewDNS(t)
	d.Add(
		"example.org. 900 IN SOA ns.example.org. root.example.org. 1 7200 900 86400 300",
		`example.org. 60 IN TXT "v=spf1 " "-all"`,
		`example.org. 60 IN TXT "a\"b\\c;\228"`,
		"example.org. 70 IN MX 10 MX1.example.org.",
		"mx1.example.org. 80 IN A 192.0.2.1",
		"mx1.example.org. 90 IN AAAA 2001:db8::1",
		"1.2.0.192.in-addr.arpa. 100 IN PTR Mx1.example.org.",
		"selector.example.org. 30 IN CNAME selector.gate.example.",
		`selector.gate.example. 7200 IN TXT "v=DKIM1"`,
		"away.example.org. 60 IN TXT away",
		"brief.example.org. 0 IN TXT brief",
		"other.example. 60 IN TXT none",
		"loop.example.org. 60 IN CNAME again.example.org.",
		"again.example.org. 60 IN CNAME loop.example.org.",
		`an\ odd\@name.example. 60 IN A 192.0.2.9`,
	)
	d.Break("away.example.org.", testkit.ServFail)
	clock := testkit.NewClock(time.Now())
	c := newClient(t, clock, d.Addr())
	for _, tt := range []struct {
		name string
		t    Type
		want string
		ttl  time.Duration
		kind fault.Kind
	}{
		{"example.org", TXT, "v=spf1 -all|a\"b\\c;\xe4", 60 * time.Second, 0},
		{"Example.ORG", MX, "10 mx1.example.org", 70 * time.Second, 0},
		{"mx1.example.org", A, "192.0.2.1", 80 * time.Second, 0},
		{"mx1.example.org", AAAA, "2001:db8::1", 90 * time.Second, 0},
		{"1.2.0.192.in-addr.arpa", PTR, "mx1.example.org", 100 * time.Second, 0},
		{"selector.example.org", TXT, "v=DKIM1", 30 * time.Second, 0}, // the alias ends first
		{"selector.example.org", CNAME, "selector.gate.example", 30 * time.Second, 0},
		{"mx1.example.org", CNAME, "", 300 * time.Second, 0},
		{"none.example.org", CNAME, "", 300 * time.Second, fault.NotFound},
		{"selector.gate.example", TXT, "v=DKIM1", time.Hour, 0},
		{"brief.example.org", TXT, "brief", 0, 0},
		{"mx1.example.org", TXT, "", 300 * time.Second, 0}, // of the SOA, its last field
		{"none.example.org", TXT, "", 300 * time.Second, fault.NotFound},
		{"other.example", MX, "", minTTL, 0}, // nothing says for how long
		{"none.example", MX, "", minTTL, fault.NotFound},
		{"an odd@name.example", A, "192.0.2.9", 60 * time.Second, 0},
		{"away.example.org", TXT, "", 0, fault.Unavailable},
		{"loop.example.org", TXT, "", minTTL, 0},
	} {
		a, err := c.Ask(t.Context(), tt.name, tt.t)
		if endless := tt.name == "loop.example.org"; a.Endless != endless {
			t.Errorf("%s is without an end: %v", tt.name, a.Endless)
		}
		if got := strings.Join(words(a), "|"); got != tt.want || a.TTL != tt.ttl || fault.KindOf(err) != tt.kind {
			t.Errorf("Ask(%s, %d) = %q for %v, %v; want %q for %v, %v", tt.name, tt.t, got, a.TTL, err, tt.want, tt.ttl, tt.kind)
		}
	}
	clock.Move(20 * time.Second) // what is kept does not begin anew
	if a, err := c.Ask(t.Context(), "example.org", TXT); err != nil || a.TTL != 40*time.Second || d.Queries("example.org.") != 2 {
		t.Errorf("TTL = %v, %v after %d questions, want 40s after 2", a.TTL, err, d.Queries("example.org."))
	}
}

// words is what an answer holds.
func words(a Answer) []string {
	all := append(append([]string(nil), a.Texts...), a.Names...)
	for _, h := range a.Hosts {
		all = append(all, fmt.Sprint(h.Preference, " ", h.Host))
	}
	for _, addr := range a.Addresses {
		all = append(all, addr.String())
	}
	return all
}

// TestAskLong: an answer of nearly 64 KiB is read, and is not kept in memory.
func TestAskLong(t *testing.T) {
	d := testkit.NewDNS(t)
	text := strings.Repeat(` "`+strings.Repeat("x", 250)+`"`, 255)
	d.Add("long.example. 60 IN TXT" + text)
	c := newClient(t, testkit.NewClock(time.Now()), d.Addr())
	for n := range 2 {
		a, err := c.Ask(t.Context(), "long.example", TXT)
		if err != nil || len(a.Texts) != 1 || len(a.Texts[0]) != 255*250 {
			t.Fatalf("%d texts, %v; want one of %d octets", len(a.Texts), err, 255*250)
		}
		if got := d.Queries("long.example."); got != 2*(n+1) { // over UDP, then over TCP
			t.Errorf("asked %d times, want %d", got, 2*(n+1))
		}
	}
	if n := len(c.cache.answers); n != 0 {
		t.Errorf("%d answers are kept, want none", n)
	}
}

func TestReverseName(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1":        "1.2.0.192.in-addr.arpa",
		"::ffff:192.0.2.1": "1.2.0.192.in-addr.arpa",
		"2001:db8::1":      "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	} {
		if got := ReverseName(netip.MustParseAddr(addr)); got != want {
			t.Errorf("ReverseName(%s) = %q, want %q", addr, got, want)
		}
	}
	if got := ReverseName(netip.Addr{}); got != "" {
		t.Errorf("ReverseName of nothing = %q", got)
	}
}
