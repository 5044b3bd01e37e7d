package book

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign/internal/access/list"
	"countersign/internal/feed"
	"countersign/internal/mail"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// rank says how narrow what an entry is about is, -1 where a place is not in it. It is the
// rule as the documentation has it, without any of the look-ups.
func rank(w list.What, p list.Place) int {
	switch {
	case w.AS != 0:
		if w.AS == p.AS {
			return 2
		}
	case w.Country != "":
		if w.Country == p.Country {
			return 1
		}
	case w.Prefix.Contains(p.Client.Unmap()):
		if w.Prefix.Bits() == 0 {
			return 0
		}
		return 2 + w.Prefix.Bits()
	}
	return -1
}

// model goes through all entries, subject by subject from the narrowest. It says what is
// decided, and by which entry.
func model(all []list.Entry, q list.Question, now time.Time) (denied, allowed bool, by mail.ID) {
	w := q.Who
	for _, of := range []list.Subject{
		{Kind: list.Credential, Name: w.Credential}, {Kind: list.Account, Name: w.Account}, {Kind: list.Domain, Name: w.Domain},
		{Kind: list.Customer, Name: w.Customer}, {Kind: list.Listener, Name: w.Listener}, {Kind: list.Everywhere},
	} {
		if of.Name == "" && of.Kind != list.Everywhere {
			continue
		}
		best, closed := -1, false
		for i := range all {
			e := &all[i]
			if e.For != of || e.Lifted != "" || !e.End.IsZero() && !now.Before(e.End) || e.Shadow && !q.Shadow {
				continue
			}
			closed = closed || e.Effect == list.Allow
			switch r := rank(e.What, q.Place); {
			case r < 0 || r < best:
			case r > best:
				best, denied, by = r, e.Effect == list.Deny, e.ID
			case e.Effect == list.Deny && !denied:
				denied, by = true, e.ID
			}
		}
		if best >= 0 {
			return denied, !denied, by
		}
		if closed {
			return true, false, ""
		}
	}
	return false, false, ""
}

// world is a book beside the entries that it was told of.
type world struct {
	book *Book
	// lists are those of whoever was asked about last, stayed those of who was asked about first, and is again
	// and again, strange those of who has not logged in.
	lists, stayed, strange Lists
	first                  *list.Question
	all                    []list.Entry
	now                    time.Time
	n                      int
}

func newWorld() *world {
	w := &world{now: noon}
	w.book = New(func() time.Time { return w.now })
	return w
}

func (w *world) entry(t *rapid.T) list.Entry {
	w.n++
	e := list.Entry{
		ID: mail.ID(fmt.Sprintf("01K%023d", w.n)), Start: w.now, By: "me", Reason: "x",
		For: rapid.SampledFrom([]list.Subject{
			{}, {}, {Kind: list.Listener, Name: "web"}, {Kind: list.Listener, Name: "other"}, {Kind: list.Customer, Name: "acme"}, {Kind: list.Domain, Name: "one.example"},
			{Kind: list.Account, Name: "ann@one.example"}, {Kind: list.Account, Name: "bob@one.example"}, {Kind: list.Credential, Name: "01KPH00000000000000000000A"},
		}).Draw(t, "for"),
		Effect: rapid.SampledFrom([]list.Effect{list.Deny, list.Allow, list.Except}).Draw(t, "effect"),
		Shadow: rapid.IntRange(0, 4).Draw(t, "shadow") == 0,
		What:   what(t),
	}
	if minutes := rapid.IntRange(0, 5).Draw(t, "minutes"); minutes > 0 {
		e.End = w.now.Add(time.Duration(minutes) * time.Minute)
	}
	return e
}

func what(t *rapid.T) list.What {
	switch rapid.IntRange(0, 5).Draw(t, "what") {
	case 0:
		return list.What{Country: rapid.SampledFrom([]string{"DE", "FR"}).Draw(t, "country")}
	case 1:
		return list.What{AS: rapid.Uint32Range(1, 2).Draw(t, "AS")}
	}
	a := address(t)
	return list.What{Prefix: netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits")).Masked()}
}

// address is one of few, which differ early, late, or in their family.
func address(t *rapid.T) netip.Addr {
	return netip.MustParseAddr(rapid.SampledFrom([]string{
		"192.0.2.1", "192.0.2.2", "192.0.3.1", "192.1.0.1", "10.0.0.1", "2001:db8::1", "2001:db8::2", "2001:db8:1::1", "2001:db9::1", "fe80::1",
	}).Draw(t, "address"))
}

func (w *world) step(t *rapid.T) {
	switch rapid.IntRange(0, 6).Draw(t, "step") {
	case 0:
		w.now = w.now.Add(time.Minute)
	case 1:
		w.book.Sweep()
	case 2:
		if len(w.all) > 0 {
			i := rapid.IntRange(0, len(w.all)-1).Draw(t, "removed")
			w.all[i].End, w.all[i].Lifted = w.now.Add(time.Minute), "me" // by a clock that is ahead
			w.book.Apply(w.all[i : i+1])
		}
	case 3:
		w.book.Replace(w.all)
	default:
		e := w.entry(t)
		w.all = append(w.all, e)
		w.book.Apply([]list.Entry{e, e})
	}
}

func (w *world) question(t *rapid.T) list.Question {
	return list.Question{
		Who: list.Who{
			Listener: rapid.SampledFrom([]string{"", "web"}).Draw(t, "listener"), Customer: rapid.SampledFrom([]string{"", "acme"}).Draw(t, "customer"),
			Domain: rapid.SampledFrom([]string{"", "one.example"}).Draw(t, "domain"), Account: rapid.SampledFrom([]string{"", "ann@one.example"}).Draw(t, "account"),
			Credential: rapid.SampledFrom([]string{"", "01KPH00000000000000000000A"}).Draw(t, "credential"),
		},
		Place: list.Place{
			Client: address(t), Country: rapid.SampledFrom([]string{"", "DE", "FR"}).Draw(t, "country"), AS: rapid.Uint32Range(0, 2).Draw(t, "AS"),
		},
		Shadow: rapid.Bool().Draw(t, "shadow"),
	}
}

// TestLikeAListOfEntries holds the book against a list that is gone through.
func TestLikeAListOfEntries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			w.step(t)
			q := w.question(t)
			if w.first == nil {
				w.first = &q
			}
			denied, allowed, by := model(w.all, q, w.now)
			d := w.book.Decide(q)
			var id mail.ID
			if d.Entry != nil {
				id = d.Entry.ID
			}
			// Of several that say the same of the same, any may be named.
			if d.Denied != denied || d.Allowed != allowed || (id == "") != (by == "") {
				t.Fatalf("%+v: %+v by %q, want denied %v, allowed %v by %q of %+v", q, d, id, denied, allowed, by, w.all)
			}
			if again := w.book.DecideBy(&w.lists, q); again != d {
				t.Fatalf("%+v: %+v by lists that were found before, want %+v", q, again, d)
			}
			w.stays(t)
			w.hopeless(t, q.Place)
		}
		w.book.Sweep()
		holding := 0
		for i := range w.all {
			if w.all[i].Holds(w.now) {
				holding++
			}
		}
		if w.book.Len() != holding {
			t.Fatalf("%d are in the book of %d that hold", w.book.Len(), holding)
		}
	})
}

// stays wants the same said of who stays as of who comes now, twice as nothing changes between.
func (w *world) stays(t *rapid.T) {
	for range 2 {
		for _, shadow := range []bool{false, true} {
			q := *w.first
			q.Shadow = shadow
			if got, want := w.book.DecideBy(&w.stayed, q), w.book.Decide(q); got != want {
				t.Fatalf("%+v, who stays: %+v, want %+v", q, got, want)
			}
		}
	}
}

// hopeless wants a client to be turned away before its login only where no login could be
// let in from there, and to be turned away there wherever so.
func (w *world) hopeless(t *rapid.T, p list.Place) {
	q := list.Question{Who: list.Who{Listener: "web"}, Place: p}
	denied, _, _ := model(w.all, q, w.now)
	for _, e := range w.all {
		if e.For.Kind.Login() && e.Effect != list.Deny && !e.Shadow && e.Holds(w.now) && rank(e.What, p) >= 0 {
			denied = false
		}
	}
	for _, d := range []list.Decision{w.book.Hopeless(q), w.book.HopelessBy(&w.strange, q), w.book.HopelessBy(&w.strange, q)} {
		if d.Denied != denied {
			t.Fatalf("%+v: denied before the login %v, want %v by %+v", p, d.Denied, denied, w.all)
		}
	}
}

// TestOneChangeOfMany: with 100,000 accounts that have entries of their own, one change copies
// a small part.
func TestOneChangeOfMany(t *testing.T) {
	const n, most = 100_000, 512 << 10 // octets
	w := newWorld()
	for i := range n {
		network := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
		w.all = append(w.all, list.Entry{
			ID: mail.ID(fmt.Sprintf("01K%023d", i)), For: list.Subject{Kind: list.Account, Name: fmt.Sprintf("u%d@example.org", i)}, What: list.What{Prefix: network}, Effect: list.Allow,
		})
	}
	w.book.Replace(w.all)
	e := w.all[7]
	e.ID, e.What.Country, e.What.Prefix = "x", "DE", netip.Prefix{}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w.book.Apply([]list.Entry{e})
	runtime.ReadMemStats(&after)
	if octets := after.TotalAlloc - before.TotalAlloc; octets > most || w.book.Len() != n+1 {
		t.Errorf("one change takes %d octets, and there are %d", octets, w.book.Len())
	}
}

// feeding is a store that tells of one entry.
type feeding struct{ entry list.Entry }

func (f feeding) EntriesSince(context.Context, uint64) ([]list.Entry, uint64, error) {
	return []list.Entry{f.entry}, 1, nil
}
func (feeding) EntriesChanged() (<-chan struct{}, bool) { return nil, true }

// TestSteadyOrNot: what was said is said anew when an entry comes, ends, is removed, the clock goes back, or the
// client is another one or elsewhere.
func TestSteadyOrNot(t *testing.T) {
	w := newWorld()
	var l Lists
	q := list.Question{Who: list.Who{Account: "ann@one.example"}, Place: list.Place{Client: netip.MustParseAddr("192.0.2.1")}}
	want := func(by mail.ID) {
		t.Helper()
		for range 2 {
			if d := w.book.DecideBy(&l, q); (by != "") != d.Denied || by != "" && d.Entry.ID != by {
				t.Errorf("%+v, want %q", d, by)
			}
		}
	}
	deny := func(id mail.ID, prefix string, length time.Duration) list.Entry {
		e := list.Entry{ID: id, What: list.What{Prefix: netip.MustParsePrefix(prefix)}, Start: w.now}
		if length > 0 {
			e.End = w.now.Add(length)
		}
		w.book.Apply([]list.Entry{e})
		return e
	}
	deny("other", "10.0.0.0/8", 0)
	want("")
	timed := deny("timed", "192.0.2.0/24", time.Minute)
	want("timed")
	w.now = timed.End
	want("")
	w.now = noon
	want("timed")
	timed.Lifted = "me"
	w.book.Apply([]list.Entry{timed})
	want("")
	wide := deny("wide", "192.0.0.0/16", 0)
	want("wide")
	q.Place.Client = netip.MustParseAddr("192.1.0.1")
	want("")
	q.Place.Client = netip.MustParseAddr("192.0.2.1")
	w.book.Apply([]list.Entry{{ID: "own", For: list.Subject{Kind: list.Account, Name: "ann@one.example"}, What: wide.What, Effect: list.Except}})
	want("")
	q.Who.Account = "bob@one.example"
	want("wide")
}

func TestFollows(t *testing.T) {
	b := New(nil)
	f := Follow(feeding{list.Entry{ID: "x", What: list.What{Country: "DE"}}}, b, feed.Options{})
	if err := f.Load(t.Context()); err != nil || b.Len() != 1 || !b.Decide(list.Question{Place: list.Place{Country: "DE"}}).Denied {
		t.Errorf("%d entries after %v", b.Len(), err)
	}
}

// BenchmarkDecide is what an answer costs with 100,000 accounts, 1,000 networks and some
// countries.
func BenchmarkDecide(b *testing.B) {
	w := newWorld()
	for i := range 100_000 {
		w.all = append(w.all, list.Entry{
			ID: mail.ID(fmt.Sprint(i)), For: list.Subject{Kind: list.Account, Name: fmt.Sprintf("u%d@example.org", i)},
			What: list.What{Prefix: netip.MustParsePrefix("10.0.0.0/8")}, Effect: list.Except,
		})
	}
	for i := range 1000 {
		w.all = append(w.all, list.Entry{ID: mail.ID(fmt.Sprint("n", i)), What: list.What{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(i >> 8), byte(i), 0}), 16+i%9).Masked()}})
	}
	w.book.Replace(w.all)
	q := list.Question{
		Who:   list.Who{Listener: "web", Customer: "acme", Domain: "example.org", Account: "u7@example.org", Credential: "01KPH00000000000000000000A"},
		Place: list.Place{Client: netip.MustParseAddr("172.200.3.4"), Country: "DE", AS: 64500},
	}
	b.Run("anew", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if d := w.book.Decide(q); d.Denied {
				b.Fatal(d)
			}
		}
	})
	b.Run("again", func(b *testing.B) {
		b.ReportAllocs()
		var l Lists
		for b.Loop() {
			if d := w.book.DecideBy(&l, q); d.Denied {
				b.Fatal(d)
			}
		}
	})
}
