package mx

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/testkit"
)

func newClient(t *testing.T, clock *testkit.Clock, servers ...netip.AddrPort) *Client {
	t.Helper()
	c, err := NewClient(ClientOptions{Servers: servers, Timeout: 10 * time.Second, Rounds: 1, Now: clock.Now, CacheSize: 100})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func zone(t *testing.T) *testkit.DNS {
	d := testkit.NewDNS(t)
	d.Add(
		"example.org. 60 IN MX 20 MX2.example.org.",
		"example.org. 60 IN MX 10 mx1.example.org.",
		"mx1.example.org. 60 IN A 192.0.2.1",
		"mx1.example.org. 60 IN AAAA 2001:db8::1",
		"mx2.example.org. 60 IN A 192.0.2.2",
		"alias.example.org. 60 IN CNAME mx1.example.org.",
		"loop.example.org. 60 IN CNAME loop.example.org.",
		"null.example.org. 60 IN MX 0 .",
		"text.example.org. 60 IN TXT nothing",
		"brief.example.org. 0 IN A 192.0.2.3",
	)
	return d
}

func TestClientLookups(t *testing.T) {
	d := zone(t)
	for name, trouble := range map[string]testkit.Trouble{
		"fail.example.org.": testkit.ServFail, "refuse.example.org.": testkit.Refuse,
		"other.example.org.": testkit.OtherName,
	} {
		d.Add(name + " 60 IN MX 10 mx1.example.org.")
		d.Break(name, trouble)
	}
	d.Break("mx2.example.org.", testkit.Truncate)
	c := newClient(t, testkit.NewClock(time.Now()), d.Addr())

	records := map[string]struct {
		want []Record
		kind fault.Kind
	}{
		"example.org":        {want: []Record{{10, "mx1.example.org"}, {20, "mx2.example.org"}}},
		"null.example.org":   {want: []Record{{0, ""}}},
		"text.example.org":   {},
		"none.example.org":   {kind: fault.NotFound},
		"fail.example.org":   {kind: fault.Unavailable},
		"refuse.example.org": {kind: fault.Unavailable},
		"other.example.org":  {kind: fault.Unavailable},
		"loop.example.org":   {},
		"":                   {kind: fault.NotFound},
		"a..b":               {kind: fault.NotFound},
	}
	for name, tt := range records {
		got, err := c.LookupMX(t.Context(), name)
		slices.SortFunc(got, func(a, b Record) int { return int(a.Preference) - int(b.Preference) })
		if !slices.Equal(got, tt.want) || fault.KindOf(err) != tt.kind || (err != nil) != (tt.kind != 0) {
			t.Errorf("LookupMX(%q) = %v, %v; want %v, %v", name, got, err, tt.want, tt.kind)
		}
	}
	addresses := map[string]struct {
		want string
		kind fault.Kind
	}{
		"mx1.example.org":   {want: "192.0.2.1 2001:db8::1"},
		"MX1.Example.ORG":   {want: "192.0.2.1 2001:db8::1"},
		"mx2.example.org":   {want: "192.0.2.2"}, // cut off over UDP
		"alias.example.org": {want: "192.0.2.1 2001:db8::1"},
		"localhost":         {want: "127.0.0.1 ::1"},
		"text.example.org":  {},
		"none.example.org":  {kind: fault.NotFound},
	}
	for name, tt := range addresses {
		got, err := c.LookupIP(t.Context(), name)
		slices.SortFunc(got, netip.Addr.Compare)
		text := ""
		for _, a := range got {
			text += " " + a.String()
		}
		if text != "" {
			text = text[1:]
		}
		if text != tt.want || fault.KindOf(err) != tt.kind || (err != nil) != (tt.kind != 0) {
			t.Errorf("LookupIP(%q) = %v, %v; want %v, %v", name, text, err, tt.want, tt.kind)
		}
	}
}

// TestSilentServer: nobody's answer is not "does not exist".
func TestSilentServer(t *testing.T) {
	d := zone(t)
	d.Break("example.org.", testkit.Silence)
	c, err := NewClient(ClientOptions{Servers: []netip.AddrPort{d.Addr()}, Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.LookupMX(t.Context(), "example.org"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("LookupMX = %v, want unavailable", err)
	}
	if _, err := c.LookupIP(t.Context(), "example.org"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("LookupIP = %v, want unavailable", err)
	}
}

func TestClientAsksTheNextServer(t *testing.T) {
	bad, good := testkit.NewDNS(t), zone(t)
	bad.Break("example.org.", testkit.ServFail)
	c := newClient(t, testkit.NewClock(time.Now()), bad.Addr(), good.Addr())
	got, err := c.LookupMX(t.Context(), "example.org")
	if err != nil || len(got) != 2 {
		t.Errorf("LookupMX = %v, %v; want two records from the second server", got, err)
	}
	// "Does not exist" is an answer: the second server is not asked.
	bad.Break("example.org.", 0)
	c = newClient(t, testkit.NewClock(time.Now()), bad.Addr(), good.Addr())
	if _, err := c.LookupMX(t.Context(), "example.org"); !fault.Is(err, fault.NotFound) {
		t.Errorf("error = %v, want not found", err)
	}
}

func TestClientCache(t *testing.T) {
	d := zone(t)
	clock := testkit.NewClock(time.Now())
	c := newClient(t, clock, d.Addr())
	ask := func(name string, want int) {
		t.Helper()
		if _, err := c.lookup(t.Context(), name, 1); err != nil && !fault.Is(err, fault.NotFound) {
			t.Fatal(err)
		}
		if got := d.Queries(name + "."); got != want {
			t.Errorf("%s was asked for %d times, want %d", name, got, want)
		}
	}
	ask("mx1.example.org", 1)
	ask("mx1.example.org", 1)
	clock.Move(59 * time.Second)
	ask("mx1.example.org", 1)
	clock.Move(2 * time.Second)
	ask("mx1.example.org", 2)
	clock.Move(-2 * time.Hour) // the clock goes back: nothing is kept for longer than an hour
	ask("mx1.example.org", 3)
	ask("brief.example.org", 1)
	ask("brief.example.org", 2) // TTL 0
	ask("none.example.org", 1)
	ask("none.example.org", 2) // only what exists is kept
}

func TestCacheIsBounded(t *testing.T) {
	d := testkit.NewDNS(t)
	clock := testkit.NewClock(time.Now())
	c := newClient(t, clock, d.Addr())
	for i := range 1000 {
		name := string(rune('a'+i%26)) + time.Duration(i).String() + ".example."
		d.Add(name + " 60 IN A 192.0.2.1")
		if _, err := c.lookup(t.Context(), name, 1); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.cache.answers); n > 100 || n < 50 {
		t.Errorf("%d answers are kept, want at most 100 and not none", n)
	}
}

func TestSystemServers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("search example.org\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n")
	c, err := NewClient(ClientOptions{ResolvConf: path})
	if err != nil || !slices.Equal(c.servers, []string{"192.0.2.53:53", "[2001:db8::53]:53"}) {
		t.Errorf("NewClient = %v, %v", c, err)
	}
	write("search example.org\n")
	if _, err := NewClient(ClientOptions{ResolvConf: path}); !fault.Is(err, fault.Invalid) {
		t.Errorf("error = %v, want invalid", err)
	}
	if _, err := NewClient(ClientOptions{ResolvConf: path + ".none"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("error = %v, want invalid", err)
	}
}
