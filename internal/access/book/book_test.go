package book

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign/internal/access"
	"countersign/internal/mail"
)

// shelf is a book with a clock of its own.
type shelf struct {
	*Book
	now time.Time
	n   int
}

func newShelf() *shelf {
	s := &shelf{now: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}
	s.Book = New(func() time.Time { return s.now })
	return s
}

// ban makes a ban that ends so long from now, 0 for never.
func (s *shelf) ban(prefix, login string, length time.Duration) access.Ban {
	s.n++
	b := access.Ban{ID: mail.ID(fmt.Sprintf("01K%023d", s.n)), Prefix: netip.MustParsePrefix(prefix), Login: login, Start: s.now}
	if length != 0 {
		b.End = s.now.Add(length)
	}
	return b
}

// hits wants a client with a login, "" for none, to be hit by that ban; nil for none.
func (s *shelf) hits(t *testing.T, client, login string, want *access.Ban) {
	t.Helper()
	addr, _ := netip.ParseAddr(client)
	got := s.Login(addr, login)
	if login == "" {
		got = s.Network(addr)
	}
	if (got == nil) != (want == nil) || got != nil && got.ID != want.ID {
		t.Errorf("%s as %q is hit by %+v, want %+v", client, login, got, want)
	}
}

func TestLongestThatHolds(t *testing.T) {
	s := newShelf()
	wide, mid, narrow := s.ban("198.51.0.0/16", "", 0), s.ban("198.51.100.0/24", "", time.Hour), s.ban("198.51.100.7/32", "", time.Minute)
	six := s.ban("2001:db8::/32", "", 0)
	s.Apply([]access.Ban{narrow, wide, six, mid})
	s.hits(t, "198.51.100.7", "", &narrow)
	s.hits(t, "::ffff:198.51.100.7", "", &narrow)
	s.hits(t, "198.51.100.8", "", &mid)
	s.hits(t, "198.51.99.8", "", &wide)
	s.hits(t, "198.52.0.0", "", nil)
	s.hits(t, "2001:db8:ffff::1", "", &six)
	s.hits(t, "2001:db8::1%eth0", "", &six)
	s.hits(t, "2001:db9::1", "", nil)
	s.hits(t, "", "", nil)
	s.hits(t, "", "ann@one.example", nil)
	s.now = narrow.End
	s.hits(t, "198.51.100.7", "", &mid)
	s.now = mid.End
	s.hits(t, "198.51.100.7", "", &wide)
	s.Apply([]access.Ban{{ID: wide.ID, Prefix: wide.Prefix, End: s.now}})
	s.hits(t, "198.51.100.7", "", nil)
	s.Sweep()
	if s.Len() != 1 {
		t.Errorf("%d are left, want the one that holds", s.Len())
	}
}

func TestLoginsFromNetworks(t *testing.T) {
	s := newShelf()
	ann, bob := s.ban("192.0.2.0/24", "ann@one.example", time.Hour), s.ban("192.0.2.0/24", "bob@one.example", 0)
	wider := s.ban("192.0.0.0/16", "ann@one.example", 0)
	s.Apply([]access.Ban{ann, bob, wider})
	s.hits(t, "192.0.2.1", "", nil)
	s.hits(t, "192.0.2.1", "ann@one.example", &ann)
	s.hits(t, "192.0.2.1", "bob@one.example", &bob)
	s.hits(t, "192.0.2.1", "eve@one.example", nil)
	s.hits(t, "192.0.3.1", "ann@one.example", &wider)
	s.hits(t, "192.0.3.1", "bob@one.example", nil)
	all := s.ban("192.0.2.1/32", "", 0)
	s.Apply([]access.Ban{all})
	s.hits(t, "192.0.2.1", "eve@one.example", &all)
	if s.Len() != 4 {
		t.Errorf("%d are in the book", s.Len())
	}
	s.now = ann.End
	s.hits(t, "192.0.2.1", "ann@one.example", &wider)
	s.Sweep()
	ended := wider
	ended.End = s.now
	s.Apply([]access.Ban{ended})
	s.hits(t, "192.0.3.1", "ann@one.example", nil)
	s.hits(t, "192.0.2.9", "bob@one.example", &bob)
	if s.Len() != 2 {
		t.Errorf("%d are left", s.Len())
	}
}

// TestLiftedAndSetAgain: the end of an earlier ban does not end the one that was set after.
func TestLiftedAndSetAgain(t *testing.T) {
	for _, login := range []string{"", "ann@one.example"} {
		s := newShelf()
		first := s.ban("192.0.2.0/24", login, 0)
		s.Apply([]access.Ban{first})
		s.now = s.now.Add(time.Minute)
		second := s.ban("192.0.2.0/24", login, 0)
		first.End = s.now
		s.Apply([]access.Ban{second, first})
		s.hits(t, "192.0.2.1", login, &second)
		s.Apply([]access.Ban{first, second})
		s.hits(t, "192.0.2.1", login, &second)
		if s.Len() != 1 {
			t.Errorf("%d are in the book", s.Len())
		}
	}
}

// TestLikeAListOfBans holds the book against a list that is gone through.
func TestLikeAListOfBans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newShelf()
		var model []access.Ban
		logins := []string{"", "", "a@x.example", "b@x.example"}
		watched := map[netip.Addr]func(string) *access.Ban{} // some clients stay
		address := func() netip.Addr {
			raw := [4]byte{10, byte(rapid.IntRange(0, 1).Draw(t, "b")), byte(rapid.IntRange(0, 3).Draw(t, "c")), byte(rapid.IntRange(0, 255).Draw(t, "d"))}
			if rapid.Bool().Draw(t, "six") {
				return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, raw[0], raw[1], raw[2], raw[3]})
			}
			return netip.AddrFrom4(raw)
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				s.now = s.now.Add(time.Minute)
			case 1:
				s.Sweep()
			case 2:
				if len(model) > 0 {
					i := rapid.IntRange(0, len(model)-1).Draw(t, "lifted")
					model[i].End = s.now
					s.Apply(model[i : i+1])
				}
			default:
				a := address()
				bits := rapid.IntRange(7, a.BitLen()).Draw(t, "bits")
				b := s.ban(netip.PrefixFrom(a, bits).Masked().String(), rapid.SampledFrom(logins).Draw(t, "login"), time.Duration(rapid.IntRange(0, 5).Draw(t, "length"))*time.Minute)
				for i := range model { // one that holds is lifted before another is set
					if model[i].Prefix == b.Prefix && model[i].Login == b.Login && model[i].Holds(s.now) {
						model[i].End = s.now
					}
				}
				model = append(model, b)
				s.Apply([]access.Ban{b})
			}
			if rapid.IntRange(0, 9).Draw(t, "anew") == 0 {
				s.Replace(model)
			}
			client, login := address(), rapid.SampledFrom(logins).Draw(t, "who")
			pair, plain := longest(model, s.now, client, login), longest(model, s.now, client, "")
			if pair == nil {
				pair = plain
			}
			if got := s.Network(client); (got == nil) != (plain == nil) || got != nil && got.ID != plain.ID {
				t.Fatalf("%s is hit by %+v, want %+v", client, got, plain)
			}
			if got := s.Login(client, login); (got == nil) != (pair == nil) || got != nil && got.ID != pair.ID {
				t.Fatalf("%s as %s is hit by %+v, want %+v", client, login, got, pair)
			}
			watched[client] = s.Watch(client)
			for client, hit := range watched {
				for range 2 {
					if got, want := hit(login), s.Login(client, login); got != want {
						t.Fatalf("%s, who stays, is hit as %s by %+v, want %+v", client, login, got, want)
					}
				}
			}
		}
		s.Sweep()
		holding := 0
		for i := range model {
			if model[i].Holds(s.now) {
				holding++
			}
		}
		if s.Len() != holding {
			t.Fatalf("%d are in the book of %d that hold", s.Len(), holding)
		}
	})
}

// longest goes through a list.
func longest(list []access.Ban, now time.Time, client netip.Addr, login string) (best *access.Ban) {
	for i := range list {
		b := &list[i]
		if b.Login == login && b.Holds(now) && b.Covers(client) && (best == nil || b.Prefix.Bits() > best.Prefix.Bits()) {
			best = b
		}
	}
	return best
}

// TestWatchedIsFeltAtOnce: who asks again and again gets what holds now, whatever was answered before: also where
// a ban ends by itself, and where the clock goes back.
func TestWatchedIsFeltAtOnce(t *testing.T) {
	const login = "a@x.example"
	s := newShelf()
	client := netip.MustParseAddr("192.0.2.1")
	watched, shadow := s.Watch(client), s.WatchShadow(client)
	want := func(ban *access.Ban) {
		t.Helper()
		for range 2 {
			if got := watched(login); (got == nil) != (ban == nil) || got != nil && got.ID != ban.ID {
				t.Errorf("hit by %+v, want %+v", got, ban)
			}
		}
	}
	want(nil)
	wide, short, own := s.ban("192.0.0.0/16", "", 0), s.ban("192.0.2.0/24", "", time.Minute), s.ban("192.0.0.0/16", login, 2*time.Minute)
	s.Apply([]access.Ban{wide})
	want(&wide)
	s.Apply([]access.Ban{short})
	want(&short)
	began := s.now
	s.now = short.End
	want(&wide)
	s.now = began
	want(&short)
	s.Apply([]access.Ban{own})
	want(&own)
	if got := watched(""); got == nil || got.ID != short.ID {
		t.Errorf("before the login: %+v", got)
	}
	want(&own)
	s.now = own.End
	want(&wide)
	s.Replace(nil)
	want(nil)
	s.Replace([]access.Ban{wide})
	want(&wide)
	wide.End = s.now
	s.Apply([]access.Ban{wide})
	want(nil)
	hidden := s.ban("192.0.2.0/24", login, 0)
	hidden.Shadow = true
	if shadow(login) != nil {
		t.Error("hit by nothing")
	}
	s.Apply([]access.Ban{hidden})
	if got := shadow(login); got == nil || got.ID != hidden.ID || watched(login) != nil {
		t.Errorf("in shadow: %+v", got)
	}
}

// TestAskedWhileItChanges is for the race detector: a ban that stays is found all along.
func TestAskedWhileItChanges(t *testing.T) {
	s := newShelf()
	stays := s.ban("192.0.2.0/24", "", 0)
	s.Apply([]access.Ban{stays})
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for range 3 {
		asking.Go(func() {
			watched := s.Watch(netip.MustParseAddr("192.0.2.9"))
			for {
				select {
				case <-stop:
					return
				default:
				}
				if s.Network(netip.MustParseAddr("192.0.2.9")) == nil {
					t.Error("the ban was gone for a moment")
					return
				}
				s.Login(netip.MustParseAddr("10.0.0.1"), "a@x.example")
				if watched("a@x.example") == nil {
					t.Error("the ban was gone for who watches")
					return
				}
			}
		})
	}
	for i := range 2000 {
		b := s.ban(fmt.Sprintf("192.0.%d.0/24", i%200), []string{"", "a@x.example"}[i%2], 0)
		if b.Prefix == stays.Prefix {
			continue
		}
		s.Apply([]access.Ban{b})
		b.End = s.now
		s.Apply([]access.Ban{b})
		if i%500 == 0 {
			s.Sweep()
		}
	}
	close(stop)
	asking.Wait()
}

// full is a book of so many bans, and clients of which every other one is hit.
func full(n int) (*Book, []netip.Addr) {
	random := rand.New(rand.NewPCG(1, 2))
	list := make([]access.Ban, n)
	clients := make([]netip.Addr, 0, 4096)
	for i := range list {
		a := netip.AddrFrom4([4]byte{byte(20 + random.IntN(150)), byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256))})
		bits := []int{32, 32, 32, 24, 24, 20, 16}[random.IntN(7)]
		if i%3 == 0 {
			a = netip.AddrFrom16([16]byte{0x20, 1, byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256))})
			bits = []int{64, 64, 56, 48}[random.IntN(4)]
		}
		list[i] = access.Ban{ID: mail.ID(fmt.Sprintf("01K%023d", i)), Prefix: netip.PrefixFrom(a, bits).Masked()}
		if i%2 == 0 {
			list[i].End = time.Now().Add(time.Hour)
		}
		if len(clients) < cap(clients) {
			clients = append(clients, a, netip.AddrFrom4([4]byte{192, 0, byte(i), byte(random.IntN(256))}))
		}
	}
	b := New(nil)
	b.Replace(list)
	return b, clients
}

var sizes = []int{0, 1000, 100_000, 1_000_000}

func BenchmarkNetwork(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			book, clients := full(n)
			if n == 0 {
				clients = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				book.Network(clients[i%len(clients)])
				i++
			}
		})
	}
}

// BenchmarkWatch is what a command costs of a client that nothing hits, and of one that a ban in shadow would
// hit, beside a look for each.
func BenchmarkWatch(b *testing.B) {
	const login = "a@x.example"
	book, _ := full(10_000)
	book.Apply([]access.Ban{{ID: "shadow", Prefix: netip.MustParsePrefix("198.18.0.0/15"), Shadow: true}})
	client := netip.MustParseAddr("198.18.7.9")
	b.Run("look", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			book.Login(client, login)
			book.Shadow(client, login)
		}
	})
	b.Run("watch", func(b *testing.B) {
		b.ReportAllocs()
		hit, would := book.Watch(client), book.WatchShadow(client)
		for b.Loop() {
			hit(login)
			would(login)
		}
	})
}

// BenchmarkApply is what one change costs.
func BenchmarkApply(b *testing.B) {
	book, _ := full(100_000)
	one := access.Ban{ID: "x", Prefix: netip.MustParsePrefix("203.0.113.7/32")}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		one.End = time.Time{}
		if i%2 == 1 {
			one.End = time.Unix(1, 0)
		}
		book.Apply([]access.Ban{one})
	}
}

// TestShadowHitsNobody: bans in shadow are found by who asks for them alone, and stand beside real ones.
func TestShadowHitsNobody(t *testing.T) {
	b := New(nil)
	real := access.Ban{ID: "real", Prefix: netip.MustParsePrefix("192.0.2.0/24")}
	shadow := access.Ban{ID: "shadow", Prefix: real.Prefix, Shadow: true}
	pair := access.Ban{ID: "pair", Prefix: netip.MustParsePrefix("198.51.100.0/24"), Login: "ann@one.example", Shadow: true}
	in, there := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1")
	check := func(what string, wantReal bool, wantShadow, wantPair string) {
		t.Helper()
		id := func(ban *access.Ban) string {
			if ban == nil {
				return ""
			}
			return string(ban.ID)
		}
		if got := b.Network(in) != nil; got != wantReal || b.Hits(in, "ann@one.example") != wantReal || b.Hits(there, "ann@one.example") {
			t.Errorf("%s: refused %v, want %v", what, got, wantReal)
		}
		if got, pair := id(b.Shadow(in, "")), id(b.Shadow(there, "ann@one.example")); got != wantShadow || pair != wantPair || b.Shadow(there, "bob@one.example") != nil {
			t.Errorf("%s: in shadow %q and %q, want %q and %q", what, got, pair, wantShadow, wantPair)
		}
	}
	b.Apply([]access.Ban{shadow, pair})
	check("shadow alone", false, "shadow", "pair")
	other := access.Ban{ID: "other", Prefix: netip.MustParsePrefix("203.0.113.0/24"), Shadow: true}
	b.Apply([]access.Ban{real, other}) // both sorts in one go
	check("beside a real one", true, "shadow", "pair")
	if b.Network(netip.MustParseAddr("203.0.113.1")) != nil || b.Len() != 1 || b.Shadows() != 3 {
		t.Errorf("%d and %d in shadow", b.Len(), b.Shadows())
	}
	shadow.End = time.Now().Add(-time.Minute)
	b.Apply([]access.Ban{shadow})
	check("after its end", true, "", "pair")
	b.Replace([]access.Ban{pair})
	check("replaced", false, "", "pair")
	b.Replace([]access.Ban{real})
	check("replaced by a real one", true, "", "")
}
