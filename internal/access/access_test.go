package access

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/tenant"
)

func TestPrefixes(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "192.0.2.0/24": "192.0.2.0/24", "0.0.0.0/0": "0.0.0.0/0", "::/0": "::/0",
		"2001:db8::/48": "2001:db8::/48", "2001:DB8::1": "2001:db8::1/128",
		"::ffff:192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.0/120": "192.0.2.0/24", "::ffff:0:0/96": "0.0.0.0/0", "::/90": "::/90",
	} {
		if p, err := ParsePrefix(text); err != nil || p.String() != want || p.Addr().Is4In6() {
			t.Errorf("%s is %v (%v), want %s", text, p, err, want)
		}
	}
	for text, says := range map[string]string{
		"192.0.2.7/24": "write 192.0.2.0/24 for that network, or 192.0.2.7 for the one address", "2001:db8::1/48": "write 2001:db8::/48 for that network, or 2001:db8::1/128 for the one address",
		"::ffff:192.0.2.7/120": "write 192.0.2.0/24 for", "::ffff:192.0.2.7/90": "write ::ffc0:0:0/90",
		"": "is not an address or network", "192.0.2": "is not an", "192.0.2.0/33": "is not an", "192.0.2.0/-1": "is not an", "192.0.2.0/024": "is not an",
		"example.org": "is not an", "fe80::1%eth0": "one link only", "fe80::1%eth0/64": "one link only", "192.0.2.0/24/24": "is not an", "010.0.0.1": "is not an",
	} {
		if p, err := ParsePrefix(text); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is %v: %v", text, p, err)
		}
	}
}

// TestWhatIsBanned: an address of IPv6 alone would be evaded within a second.
func TestWhatIsBanned(t *testing.T) {
	for text, want := range map[string][2]string{
		"2001:db8:1:2::5": {"2001:db8:1:2::/64", "2001:db8:1:2::5"}, "2001:DB8:1:2::": {"2001:db8:1:2::/64", "2001:db8:1:2::"}, "::1": {"::/64", "::1"},
		"2001:db8:1:2::5/128": {"2001:db8:1:2::5/128"}, "2001:db8::/48": {"2001:db8::/48"},
		"192.0.2.1": {"192.0.2.1/32"}, "192.0.2.0/24": {"192.0.2.0/24"}, "::ffff:192.0.2.1": {"192.0.2.1/32"},
		"64:ff9b::c000:207": {"64:ff9b::c000:207/128"}, "64:ff9b:1:2::c000:207": {"64:ff9b:1:2::c000:207/128"}, "2001:0:53aa:64c::5": {"2001:0:53aa:64c::5/128"},
		"64:ff9b::/64": {"64:ff9b::/64"}, "64:ff9b:2::1": {"64:ff9b:2::/64", "64:ff9b:2::1"}, "64:ff9b:0:0:0:1::": {"64:ff9b::/64", "64:ff9b::1:0:0"},
		"2002:c000:207::1": {"2002:c000:207::/64", "2002:c000:207::1"}, "2001:1::1": {"2001:1::/64", "2001:1::1"},
	} {
		p, alone, err := ParseBan(text)
		if err != nil || p.String() != want[0] || alone.IsValid() != (want[1] != "") || alone.IsValid() && alone.String() != want[1] {
			t.Errorf("%s is %v, alone %v (%v), want %v", text, p, alone, err, want)
		}
	}
	if _, _, err := ParseBan("fe80::1%eth0"); !fault.Is(err, fault.Invalid) {
		t.Errorf("an address of one link: %v", err)
	}
}

// TestLiftOfAnAddress: whoever bans an address of IPv6 lifts it by the same words, and so does who banned it alone.
func TestLiftOfAnAddress(t *testing.T) {
	a, _, _ := desk()
	network, alone, err := ParseBan("2001:db8::5")
	if err != nil {
		t.Fatal(err)
	}
	itself := netip.PrefixFrom(alone, 128)
	for _, w := range []Wanted{{Prefix: network, Shadow: true}, {Prefix: itself}, {Prefix: network}, {Prefix: itself, Shadow: true}} {
		w.Reason, w.Force = "x", true
		if _, err := a.Add(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []Wanted{{Prefix: network}, {Prefix: itself}, {Prefix: network, Shadow: true}, {Prefix: itself, Shadow: true}} {
		if b, err := a.LiftOf(t.Context(), network, alone, ""); err != nil || b.Prefix != want.Prefix || b.Shadow != want.Shadow {
			t.Errorf("lifted is %+v (%v), want %+v", b, err, want)
		}
	}
	if _, err := a.LiftOf(t.Context(), network, alone, ""); !fault.Is(err, fault.NotFound) {
		t.Errorf("with nothing left: %v", err)
	}
}

func FuzzParsePrefix(f *testing.F) {
	for _, seed := range []string{"192.0.2.7/24", "::ffff:192.0.2.0/120", "fe80::1%x", "::/0", "/", "::ffff:1.2.3.4/95"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePrefix(text)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		b := Ban{ID: "01K00000000000000000000001", Prefix: p, Reason: "x", Start: time.Unix(1, 0), By: "me"}
		if err := b.Check(); err != nil {
			t.Fatalf("%q is read as %v, which is refused: %v", text, p, err)
		}
		if again, err := ParsePrefix(p.String()); err != nil || again != p {
			t.Fatalf("%v is read as %v (%v)", p, again, err)
		}
		if !b.Covers(p.Addr()) {
			t.Fatalf("%v does not cover its own address", p)
		}
	})
}

func TestHazards(t *testing.T) {
	for text, says := range map[string]string{
		"0.0.0.0/0": "every IPv4", "::/0": "every IPv6", "127.0.0.1/32": "machine itself", "::1/128": "machine itself", "127.0.0.0/8": "machine itself", "64.0.0.0/2": "machine itself",
		"16.0.0.0/7": "wider than", "2001::/18": "wider than", "8000::/1": "wider than",
		"10.0.0.0/8": "", "2000::/19": "", "192.0.2.1/32": "", "2001:db8::/48": "", "126.0.0.0/8": "", "::2/128": "",
	} {
		if got := Hazard(netip.MustParsePrefix(text)); (got == "") != (says == "") || !strings.Contains(got, says) {
			t.Errorf("%s: %q, want %q", text, got, says)
		}
	}
}

func TestCovers(t *testing.T) {
	b := Ban{Prefix: netip.MustParsePrefix("192.0.2.0/24")}
	for text, want := range map[string]bool{"192.0.2.0": true, "192.0.2.255": true, "::ffff:192.0.2.9": true, "192.0.3.0": false, "::192.0.2.9": false} {
		if got := b.Covers(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if b.Covers(netip.Addr{}) {
		t.Error("no address is covered")
	}
}

// notebook is a store of bans and events that does what it is told.
type notebook struct {
	Store
	bans   []Ban
	events []audit.Event
	err    error
}

func (n *notebook) AddBan(_ context.Context, b Ban, _ tenant.Bound, e audit.Event) error {
	n.bans, n.events = append(n.bans, b), append(n.events, e)
	return n.err
}

func (n *notebook) LiftBan(_ context.Context, id mail.ID, at time.Time, by string, e audit.Event) error {
	for i := range n.bans {
		if n.bans[i].ID == id {
			n.bans[i].End, n.bans[i].Lifted = at, by
		}
	}
	n.events = append(n.events, e)
	return n.err
}

func (n *notebook) Bans(_ context.Context, q Query) (list []Ban, err error) {
	for _, b := range n.bans {
		if (q.ID == "" || q.ID == b.ID) && (!q.Prefix.IsValid() || q.Prefix == b.Prefix) && (q.Holding.IsZero() || b.Holds(q.Holding)) {
			list = append(list, b)
		}
	}
	return list, n.err
}

// desk is an Admin over a notebook at some time.
func desk() (*Admin, *notebook, time.Time) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 123456789, time.UTC)
	n := &notebook{}
	clock := func() time.Time { return now }
	return NewAdmin(AdminOptions{Store: n, IDs: &mail.IDSource{Now: clock}, Actor: "cli:root", Now: clock}), n, now
}

func TestAdd(t *testing.T) {
	a, n, now := desk()
	p := netip.MustParsePrefix("192.0.2.0/24")
	b, err := a.Add(t.Context(), Wanted{Prefix: p, Login: "Ann@One.Example", Reason: " guessing ", End: now.Add(time.Hour)})
	want := Ban{ID: b.ID, Prefix: p, Login: "ann@one.example", Reason: "guessing", Start: now.Truncate(time.Microsecond), End: now.Add(time.Hour).Truncate(time.Microsecond), By: "cli:root"}
	if err != nil || b != want || !slices.Equal(n.bans, []Ban{want}) {
		t.Fatalf("%+v, %v", b, err)
	}
	e := n.events[0]
	if e.Kind != audit.BanAdded || e.Object != "ban ann@one.example from 192.0.2.0/24" || e.Login != "ann@one.example" || e.Actor != "cli:root" ||
		e.Text != "guessing" || e.Data["ban"] != string(b.ID) || e.Data["until"] != "2026-11-27T13:00:00Z" {
		t.Errorf("the event is %+v", e)
	}
}

func TestAddRefuses(t *testing.T) {
	p := netip.MustParsePrefix("192.0.2.0/24")
	for says, w := range map[string]Wanted{
		"needs a reason":  {Prefix: p, Reason: " \t"},
		"printable ASCII": {Prefix: p, Reason: "zur\u00fcck"},
		"151 characters":  {Prefix: p, Reason: strings.Repeat("x", MaxReason+1)},
		"is not a login":  {Prefix: p, Reason: "x", Login: "ann"},
		"which is past":   {Prefix: p, Reason: "x", End: time.Unix(1, 0)},
		"no network":      {Reason: "x"},
		"--force":         {Prefix: netip.MustParsePrefix("0.0.0.0/0"), Reason: "x"},
	} {
		a, n, _ := desk()
		if _, err := a.Add(t.Context(), w); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) || len(n.bans) > 0 {
			t.Errorf("%q: %v, %v", says, err, n.bans)
		}
	}
	a, n, _ := desk()
	if _, err := a.Add(t.Context(), Wanted{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Reason: "x", Force: true}); err != nil || len(n.bans) != 1 {
		t.Errorf("who insists: %v", err)
	}
}

// TestAddRefusesWhatChangesNothing: within a ban that lasts as long nothing is left to refuse.
func TestAddRefusesWhatChangesNothing(t *testing.T) {
	const wide, narrow = "192.0.2.0/24", "192.0.2.7/32"
	const ann = "ann@one.example"
	for name, c := range map[string]struct {
		there, added Wanted
		there1, add1 string
		hours        [2]int // 0 is without an end
		idle         bool
	}{
		"within":                  {there1: wide, add1: narrow, idle: true},
		"ends sooner":             {there1: wide, add1: narrow, hours: [2]int{0, 1}, idle: true},
		"ends with it":            {there1: wide, add1: narrow, hours: [2]int{1, 1}, idle: true},
		"ends later":              {there1: wide, add1: narrow, hours: [2]int{1, 2}},
		"does not end":            {there1: wide, add1: narrow, hours: [2]int{1, 0}},
		"around":                  {there1: narrow, add1: wide},
		"beside":                  {there1: "192.0.3.0/24", add1: narrow},
		"a login of a network":    {there1: wide, add1: narrow, added: Wanted{Login: ann}, idle: true},
		"a login of the same":     {there1: wide, add1: wide, added: Wanted{Login: ann}, idle: true},
		"the same login":          {there1: wide, add1: narrow, there: Wanted{Login: ann}, added: Wanted{Login: "Ann@one.example"}, idle: true},
		"another login":           {there1: wide, add1: narrow, there: Wanted{Login: ann}, added: Wanted{Login: "bob@one.example"}},
		"all, in that of a login": {there1: wide, add1: narrow, there: Wanted{Login: ann}},
		"in shadow":               {there1: wide, add1: narrow, added: Wanted{Shadow: true}},
		"within one in shadow":    {there1: wide, add1: narrow, there: Wanted{Shadow: true}},
		"the same, for the store": {there1: wide, add1: wide},
		"by force":                {there1: wide, add1: narrow, added: Wanted{Force: true}},
	} {
		a, n, now := desk()
		add := func(w Wanted, network string, hours int) error {
			w.Prefix, w.Reason = netip.MustParsePrefix(network), "x"
			if hours > 0 {
				w.End = now.Add(time.Duration(hours) * time.Hour)
			}
			_, err := a.Add(t.Context(), w)
			return err
		}
		if err := add(c.there, c.there1, c.hours[0]); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		err := add(c.added, c.add1, c.hours[1])
		if c.idle != fault.Is(err, fault.Invalid) || !c.idle && err != nil || (len(n.bans) == 2) == c.idle {
			t.Errorf("%s: %v, %d bans", name, err, len(n.bans))
		}
		if c.idle && !strings.Contains(err.Error(), "--force") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLift(t *testing.T) {
	a, n, now := desk()
	p := netip.MustParsePrefix("192.0.2.0/24")
	add := func(login string) Ban {
		t.Helper()
		b, err := a.Add(t.Context(), Wanted{Prefix: p, Login: login, Reason: "x"})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	pair := add("ann@one.example")
	if _, err := a.LiftOf(t.Context(), p, netip.Addr{}, ""); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), string(pair.ID)) {
		t.Errorf("the other one is not named: %v", err)
	}
	all := add("")
	for _, c := range []struct {
		lift func() (Ban, error)
		want mail.ID
	}{
		{func() (Ban, error) { return a.LiftOf(t.Context(), p, netip.Addr{}, "") }, all.ID},
		{func() (Ban, error) { return a.LiftOf(t.Context(), p, netip.Addr{}, "ANN@one.example") }, pair.ID},
		{func() (Ban, error) { return a.LiftOf(t.Context(), p, netip.Addr{}, "") }, ""},
		{func() (Ban, error) { return a.Lift(t.Context(), "01K00000000000000000000009") }, ""},
		{func() (Ban, error) { return a.Lift(t.Context(), pair.ID) }, pair.ID}, // the store says that it has ended
	} {
		b, err := c.lift()
		if b.ID != c.want || (err == nil) != (c.want != "") || err != nil && !fault.Is(err, fault.NotFound) {
			t.Errorf("lifted %+v (%v), want %s", b, err, c.want)
		}
		if err == nil && (b.End != now.Truncate(time.Microsecond) || b.Lifted != "cli:root") {
			t.Errorf("lifted %+v", b)
		}
	}
	if e := n.events[2]; e.Kind != audit.BanLifted || e.Object != "ban 192.0.2.0/24" || e.Data["ban"] != string(all.ID) {
		t.Errorf("the event is %+v", e)
	}
	n.err = errors.New("away")
	if _, err := a.Lift(t.Context(), pair.ID); !errors.Is(err, n.err) {
		t.Errorf("a store that is away: %v", err)
	}
}
