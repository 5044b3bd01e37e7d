package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/audit"
)

// shelf is a Store in memory.
type shelf struct {
	mu      sync.Mutex
	all     map[key]Kept
	numbers map[key]uint64
	last    uint64
	err     error
	pruned  int
}

func newShelf() *shelf { return &shelf{all: map[key]Kept{}, numbers: map[key]uint64{}} }

func (s *shelf) KeepRecords(_ context.Context, list []Kept, _ []audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	for _, kept := range list {
		k := key{kept.Network, kept.Login}
		if have, ok := s.all[k]; ok {
			kept = Kept{Merge(have.Record, kept.Record), later(have.End, kept.End)}
		}
		s.last++
		s.all[k], s.numbers[k] = kept, s.last
	}
	return nil
}

func (s *shelf) RecordsSince(_ context.Context, since uint64, limit int) (list []Record, number uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.last < since {
		return nil, s.last, s.err
	}
	var keys []key
	for k, n := range s.numbers {
		if n > since {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b key) int { return int(s.numbers[a]) - int(s.numbers[b]) })
	number = since
	for _, k := range keys[:min(limit, len(keys))] {
		list, number = append(list, s.all[k].Record), s.numbers[k]
	}
	return list, number, nil
}

func (s *shelf) Records(_ context.Context, q Query, _ int) (list []Record, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, kept := range s.all {
		if (!q.Network.IsValid() || q.Network == k.network) && (q.Login == "" || q.Login == k.login) {
			list = append(list, kept.Record)
		}
	}
	return list, s.err
}

func (s *shelf) PruneRecords(context.Context, time.Time, int, int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pruned++
	return 0, s.err
}

// gate is a Guard that shares by a shelf.
type gate struct {
	*world
	s *Sharer
}

func newGate(t *testing.T, s *shelf) gate {
	w := newWorld(t)
	return gate{w, NewSharer(SharerOptions{Guard: w.g, Store: s, Now: func() time.Time { return w.now }, Logger: slog.New(slog.DiscardHandler)})}
}

// TestGatesShare: two gates count together what each has seen, and one that starts later
// knows it all.
func TestGatesShare(t *testing.T) {
	store := newShelf()
	a, b := newGate(t, store), newGate(t, store)
	client, home := addr("192.0.2.1"), addr("203.0.113.7")
	a.want(a.try(home, "ann@one.example", "right", true), passed, "the owner at one gate")
	for n := range 9 {
		a.try(client, "ann@one.example", fmt.Sprint(n), false)
		b.try(client, "ann@one.example", fmt.Sprint(n), false) // the same ones
		a.pass(time.Minute)
		b.pass(time.Minute)
	}
	share := func() {
		for range 2 {
			a.s.Share(t.Context())
			b.s.Share(t.Context())
		}
	}
	share()
	for _, g := range []gate{a, b} {
		g.peaceful()
		if m := g.g.marks.of(netip.MustParsePrefix("192.0.2.1/32"), "ann@one.example"); m.Tries(g.now, 24*time.Hour) != 9 {
			t.Errorf("a gate counts %d", m.Tries(g.now, 24*time.Hour))
		}
		if !g.g.Known(home, "ann@one.example") || g.g.Known(client, "ann@one.example") || g.g.Known(home, "bob@one.example") {
			t.Error("a gate does not know the owner, or knows strangers")
		}
	}
	b.try(client, "ann@one.example", "the tenth", false)
	if len(b.actions) != 1 {
		t.Errorf("the tenth, at the other gate: %+v", b.actions)
	}
	share()
	if m := a.g.marks.of(netip.MustParsePrefix("192.0.2.1/32"), "ann@one.example"); m.Tries(a.now, 24*time.Hour) != 0 {
		t.Error("what the ban was for still counts at the first gate")
	}
	c := newGate(t, store)
	c.now = a.now
	if err := c.s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.g.standing(home, "ann@one.example") != known || c.g.marks.of(netip.MustParsePrefix("192.0.2.1/32"), "ann@one.example") == nil {
		t.Error("a gate that starts knows nothing")
	}
	if list := c.g.take(10); len(list) > 0 {
		t.Errorf("what was learnt is to be stored again: %+v", list)
	}
}

// TestClosedElsewhere: what one gate closes is closed at the other, and what an operator has
// forgotten is open at both.
func TestClosedElsewhere(t *testing.T) {
	store := newShelf()
	a, b := newGate(t, store), newGate(t, store)
	for n := range 20 {
		a.try(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), "ann@one.example", fmt.Sprint(n), false)
	}
	a.s.Share(t.Context())
	b.s.Share(t.Context())
	if err := b.g.Enter(addr("10.1.1.1"), "ann@one.example", ""); err != ErrLoginClosed {
		t.Fatalf("at the other gate: %v", err)
	}
	a.pass(time.Minute)
	b.pass(time.Minute)
	for k, kept := range store.all {
		if k.login == "ann@one.example" {
			if err := store.KeepRecords(t.Context(), []Kept{{Forgotten(kept.Record, a.now), kept.End}}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, g := range map[string]gate{"first": a, "second": b} {
		g.s.Share(t.Context())
		g.pass(time.Second)
		if got := g.try(addr("10.1.1.1"), "ann@one.example", "x", false); got != wrong {
			t.Errorf("after it was forgotten, at the %s gate: %v", name, got)
		}
		if n, _ := g.g.guesses("ann@one.example", g.now); n != 1 {
			t.Errorf("%d guesses count at the %s gate", n, name)
		}
	}
}

// TestStoreIsAway: what cannot be stored waits, within bounds, and a store that was put back
// from a copy is read anew.
func TestStoreIsAway(t *testing.T) {
	store := newShelf()
	a := newGate(t, store)
	store.err = errors.New("away")
	a.try(addr("192.0.2.1"), "ann@one.example", "x", false)
	a.try(addr("192.0.2.2"), "bob@one.example", "his", true)
	a.s.Share(t.Context())
	store.err = nil
	a.s.Share(t.Context())
	if len(store.all) != 2 || store.pruned != 1 {
		t.Errorf("%d are stored, pruned %d times", len(store.all), store.pruned)
	}
	restored := newShelf()
	r := Record{Network: netip.MustParsePrefix("192.0.2.3/32"), Login: "cid@one.example", Known: a.now}
	if err := restored.KeepRecords(t.Context(), []Kept{{Record: r}}, nil); err != nil {
		t.Fatal(err)
	}
	a.s.opt.Store = restored
	a.s.Share(t.Context())
	a.s.Share(t.Context())
	if a.g.standing(addr("192.0.2.3"), "cid@one.example") != known {
		t.Error("what is in the copy is not known")
	}
}

// TestRunStoresTheLast stores once a second, and once more when it ends.
func TestRunStoresTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf()
		a := newGate(t, store)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { a.s.Run(ctx); close(done) }()
		a.try(addr("192.0.2.1"), "ann@one.example", "x", false)
		time.Sleep(usualEvery + time.Millisecond)
		synctest.Wait()
		if len(store.all) != 1 {
			t.Errorf("%d are stored after a second", len(store.all))
		}
		a.try(addr("192.0.2.2"), "ann@one.example", "x", false)
		cancel()
		<-done
		if len(store.all) != 2 {
			t.Errorf("%d are stored in the end", len(store.all))
		}
	})
}

// TestClosedInTheStore: what is closed, and to whom, can be told from the store.
func TestClosedInTheStore(t *testing.T) {
	store := newShelf()
	a := newGate(t, store)
	home, office := addr("203.0.113.7"), addr("192.0.2.1")
	a.g.Passed(home, "ann@one.example", "", true)
	a.g.Passed(office, "bob@one.example", "", true)
	a.g.Passed(addr("192.0.2.2"), "ann@one.example", "", false)
	for n := range 20 {
		a.try(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), "ann@one.example", fmt.Sprint(n), false)
	}
	for n := range 21 {
		a.try(office, fmt.Sprintf("user%d@one.example", n), "x", false)
	}
	a.s.Share(t.Context())
	admin := NewAdmin(AdminOptions{Store: store, Now: func() time.Time { return a.now }})
	for _, c := range []struct {
		client netip.Addr
		login  string
		want   error
	}{
		{home, "ann@one.example", nil}, {addr("192.0.2.2"), "ann@one.example", nil}, {addr("10.1.1.1"), "ann@one.example", ErrLoginClosed}, {netip.Addr{}, "ann@one.example", ErrLoginClosed},
		{office, "bob@one.example", nil}, {office, "eve@one.example", ErrNetworkClosed}, {home, "eve@one.example", nil},
	} {
		s, err := admin.Standing(t.Context(), a.g.Rules(), Caller{Client: c.client, Login: c.login})
		if err != nil || s.Turned != c.want || (s.Turned != nil) != s.Until.Equal(a.now.Add(time.Hour)) {
			t.Errorf("%s from %s: %v until %v, %v", c.login, c.client, s.Turned, s.Until, err)
		}
	}
	rules := a.g.Rules()
	rules.Shadow = true
	if s, err := admin.Standing(t.Context(), rules, Caller{Client: office, Login: "eve@one.example"}); s.Turned != nil || err != nil {
		t.Errorf("in the shadow: %+v, %v", s, err)
	}
}
