package entrance

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"countersign/internal/access/dnsbl"
	"countersign/internal/access/list"
	"countersign/internal/access/list/book"
	"countersign/internal/access/place"
	"countersign/internal/fault"
	"countersign/internal/mx"
)

// names answers about one client: each zone with an address, or not at all.
type names map[string]string

func (n names) Ask(_ context.Context, name string, _ mx.Type) (mx.Answer, error) {
	for zone, text := range n {
		if !strings.HasSuffix(name, zone) {
			continue
		}
		if text == "" {
			return mx.Answer{}, fault.New("test", fault.Unavailable, "away")
		}
		return mx.Answer{Addresses: []netip.Addr{netip.MustParseAddr(text)}, TTL: time.Minute}, nil
	}
	return mx.Answer{}, fault.New("test", fault.NotFound, "not on it")
}

// TestJudge: what the lists have said, and what they have not, decides together.
func TestJudge(t *testing.T) {
	bad := dnsbl.List{Name: "bad", Zone: "bad.example", Score: 5}
	good := dnsbl.List{Name: "good", Zone: "good.example", Score: -5, Closed: true}
	other := dnsbl.List{Name: "other", Zone: "other.example", Score: 1, Closed: true}
	open := dnsbl.List{Name: "open", Zone: "open.example", Score: -5}
	for name, c := range map[string]struct {
		lists             []dnsbl.List
		says              names
		refused, deferred bool
	}{
		"on none":                                 {[]dnsbl.List{bad, good, other}, names{}, false, false},
		"on the list":                             {[]dnsbl.List{bad, good, other}, names{"bad.example": "127.0.0.2"}, true, false},
		"which another makes up for":              {[]dnsbl.List{bad, good}, names{"bad.example": "127.0.0.2", "good.example": "127.0.0.2"}, false, false},
		"or might, were it not away":              {[]dnsbl.List{bad, good}, names{"bad.example": "127.0.0.2", "good.example": ""}, false, true},
		"one is away that could not":              {[]dnsbl.List{bad, other}, names{"bad.example": "127.0.0.2", "other.example": ""}, true, false},
		"one is away that may be left out":        {[]dnsbl.List{bad, open}, names{"bad.example": "127.0.0.2", "open.example": ""}, true, false},
		"one is away, and others have too little": {[]dnsbl.List{other, good}, names{"other.example": "127.0.0.2", "good.example": ""}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			asked := dnsbl.New(dnsbl.Options{Asker: c.says})
			asked.Configure(c.lists)
			e := New(Options{Lists: book.New(nil), Place: new(place.Finder).Place, Names: asked, Rules: Rules{RefuseAt: 5}})
			client := netip.MustParseAddr("198.51.100.7")
			if j := e.Judge(t.Context(), AtMail, &Visitor{Client: client}); j.Refused != c.refused || j.Deferred != c.deferred || j.Shadow {
				t.Errorf("%+v", j)
			}
			e.SetRules(Rules{RefuseAt: 5, Shadow: true})
			if j := e.Judge(t.Context(), AtMail, &Visitor{Client: client}); j.Refused || j.Deferred || j.Shadow != (c.refused || c.deferred) {
				t.Errorf("in shadow mode: %+v", j)
			}
			if j := e.Judge(t.Context(), AtLogin, &Visitor{Client: client}); j.Refused || j.Deferred || j.Shadow {
				t.Errorf("at another moment: %+v", j)
			}
		})
	}
}

// TestPlaceIsFeltAtOnce: a visitor who stays is where the files say that are in force now.
func TestPlaceIsFeltAtOnce(t *testing.T) {
	where, version, asked := list.Place{Country: "DE"}, uint64(1), 0
	b := book.New(nil)
	b.Apply([]list.Entry{{ID: "A", What: list.What{Country: "KP"}, Reason: "x"}})
	e := New(Options{
		Lists: b, Names: dnsbl.New(dnsbl.Options{Asker: names{}}), Version: func() uint64 { return version },
		Place: func(netip.Addr) list.Place { asked++; return where },
	})
	v := &Visitor{Who: list.Who{Account: "ann@one.example"}}
	for range 3 {
		if e.Known(v).Denied {
			t.Error("denied")
		}
	}
	where, version = list.Place{Country: "KP"}, 2
	for range 2 {
		if !e.Known(v).Denied || asked != 2 {
			t.Errorf("not denied by the new file, or asked %d times", asked)
		}
	}
}

// TestShadowOfStrangers: of a client that nobody knows yet, only what would keep out every login is
// noted.
func TestShadowOfStrangers(t *testing.T) {
	b := book.New(nil)
	what := func(text string) list.What {
		w, err := list.ParseWhat(text)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	b.Apply([]list.Entry{
		{ID: "A", What: what("192.0.2.0/24"), Shadow: true, Reason: "x"},
		{ID: "B", For: list.Subject{Kind: list.Account, Name: "ann@one.example"}, What: what("192.0.2.7"), Effect: list.Except, Reason: "x"},
	})
	e := New(Options{Lists: b, Place: new(place.Finder).Place, Names: dnsbl.New(dnsbl.Options{Asker: names{}})})
	stranger := list.Who{Listener: "web"}
	ann, bob := stranger, stranger
	ann.Account, bob.Account = "ann@one.example", "bob@one.example"
	for _, c := range []struct {
		who    list.Who
		client string
		noted  bool
	}{
		{stranger, "192.0.2.8", true}, {stranger, "192.0.2.7", false}, {ann, "192.0.2.7", false}, {bob, "192.0.2.7", true}, {ann, "192.0.2.8", true}, {bob, "192.0.3.1", false},
	} {
		v := &Visitor{Who: c.who, Client: netip.MustParseAddr(c.client)}
		for range 2 {
			if got, want := e.Unknown(v), e.Stranger(c.who.Listener, v.Client); got != want {
				t.Errorf("%+v before the login: %+v, want %+v", c.who, got, want)
			}
		}
		if d := e.Shadow(&Visitor{Who: c.who, Client: netip.MustParseAddr(c.client)}); d.Denied != c.noted {
			t.Errorf("%+v from %s: %+v", c.who, c.client, d)
		}
	}
}
