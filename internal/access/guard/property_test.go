package guard

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"countersign/internal/access/familiar"
)

// chance makes random events among few clients and logins, so that they meet.
type chance struct{ *rand.Rand }

func (c chance) client() netip.Addr {
	if c.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte{10, 0, 0, byte(c.IntN(12))})
	}
	return addr(fmt.Sprintf("2001:db8:%x:%x::%x", c.IntN(3), c.IntN(4), c.IntN(1000)))
}

func (c chance) login() string { return fmt.Sprintf("u%d@one.example", c.IntN(40)) }

// TestKnownAreNeverStopped: whatever comes in whatever order, no login is banned or closed where
// it has come in from, nor refused for longer than a pause, and nothing that is kept is beyond its bounds.
func TestKnownAreNeverStopped(t *testing.T) {
	stopped := 0
	for seed := range uint64(8) {
		c := chance{rand.New(rand.NewPCG(seed, 5))}
		w := newWorld(t, func(r *Rules) { r.MaxMarks = 300 })
		visited := map[key]time.Time{}
		known := func(client netip.Addr, login string) bool {
			at, ok := visited[key{Networks(client)[0], login}]
			return ok && w.now.Sub(at) < w.g.rules.Known-time.Hour
		}
		for n := range 4000 {
			client, login := c.client(), c.login()
			owner := known(client, login)
			f := Failure{Client: client, Login: login, Missing: c.IntN(3) == 0, Digest: uint16(c.IntN(500)), Seen: c.IntN(4) > 0}
			got := w.attempt(f, c.IntN(30) == 0)
			if owner && got == refused {
				err := w.g.Enter(client, login, "")
				if w.banned(client, login) || err != ErrTooSoon {
					t.Fatalf("seed %d: %s from %s is known, and was refused: %v, bans %v", seed, login, client, err, w.until)
				}
				w.pass((patience - 1) * w.g.rules.MaxDelay)
				w.want(w.attempt(f, true), passed, "seed %d: %s from %s, which is known, a pause later", seed, login, client)
			}
			if got == passed {
				visited[key{Networks(client)[0], login}] = w.now
			}
			w.pass(time.Duration(c.IntN(40)) * time.Second)
			if n%50 == 0 {
				w.bounded(300)
			}
		}
		stopped += len(w.until)
	}
	if stopped < 4 {
		t.Errorf("only %d were banned", stopped)
	}
}

// bounded wants all that is kept to be within bounds, and the indexes to be true.
func (w *world) bounded(most int) {
	w.Helper()
	m := w.g.marks
	if len(m.all) > most || m.order.Len() != len(m.all) || len(w.g.visited) > maxVisited || visits(w) > w.g.rules.MaxKnown || len(w.g.flying) > 0 {
		w.Fatalf("%d marks, %d in order, %d visits, %d known, %d verified", len(m.all), m.order.Len(), len(w.g.visited), visits(w), len(w.g.flying))
	}
	indexed := 0
	for network, of := range m.byNetwork {
		indexed += len(of)
		for _, mark := range of {
			if m.all[mark.key()] != mark || mark.Network != network {
				w.Fatalf("%s from %s is in the index alone", mark.Login, network)
			}
		}
	}
	pairs := 0
	for k, mark := range m.all {
		if k.login != "" && k.network.IsValid() {
			pairs++
		}
		if mark.Check() != nil {
			w.Fatalf("%+v", mark.Record)
		}
	}
	if indexed != pairs {
		w.Fatalf("%d of %d are in the index", indexed, pairs)
	}
}

// TestMemory: a botnet of ever new networks and names leaves no more than the bounds, and
// does not push out who is known.
func TestMemory(t *testing.T) {
	w := newWorld(t, func(r *Rules) { r.MaxMarks, r.MaxKnown = 1000, 2000 })
	home := addr("203.0.113.7")
	w.want(w.try(home, "ann@one.example", "right", true), passed, "the owner")
	for n := range 6000 {
		client := netip.AddrFrom4([4]byte{11, byte(n >> 16), byte(n >> 8), byte(n)})
		w.try(client, fmt.Sprintf("user%d@one.example", n), "x", false)
		w.want(w.try(client, "eve@one.example", "hers", true), passed, "a stolen account on a botnet")
		if n%100 == 0 {
			w.bounded(1000)
			w.g.take(1 << 20)
			w.pass(time.Second)
		}
	}
	if w.g.standing(home, "ann@one.example") != known {
		t.Error("the owner's network is not known any more")
	}
	w.pass(49 * time.Hour)
	w.g.take(1 << 20)
	w.g.Sweep()
	if marks, known := w.g.Size(); marks != 0 || known != familiar.Each+1 {
		t.Errorf("%d marks are left, and %d visits", marks, known)
	}
	w.pass(31 * 24 * time.Hour)
	w.g.Sweep()
	if visits, networks := w.g.known.Len(); visits != 0 || networks > 0 {
		t.Errorf("%d visits are left, of %d networks", visits, networks)
	}
}

// record makes a random one.
func (c chance) record(now time.Time) Record {
	at := func() time.Time {
		if c.IntN(3) == 0 {
			return time.Time{}
		}
		return now.Add(-time.Duration(c.IntN(100)) * time.Minute)
	}
	r := Record{
		Network: netip.MustParsePrefix("192.0.2.1/32"), Login: "ann@one.example", Missing: c.IntN(2) == 0,
		Known: at(), Banned: at(), Sprayed: at(), ClosedFrom: at(), ClosedUntil: at(), Opened: at(),
	}
	for range c.IntN(6) {
		r.Secrets.Note(uint16(c.IntN(8)), now.Unix()-int64(c.IntN(1000)))
	}
	for range c.IntN(6) {
		r.Devices = familiar.MergeUses(r.Devices, []familiar.Use{{Device: familiar.Device(c.IntN(7)), At: uint32(now.Unix()) - uint32(c.IntN(4))}})
	}
	if c.IntN(2) == 0 {
		r.Unseen, r.UnseenFrom, r.UnseenAt = 1+c.IntN(100), now.Add(-time.Duration(c.IntN(50))*time.Hour), now
	}
	return r
}

// TestMerge: who hears of what first makes no difference, nor who hears it twice.
func TestMerge(t *testing.T) {
	c := chance{rand.New(rand.NewPCG(1, 2))}
	now := time.Unix(1_800_000_000, 0).UTC()
	same := func(what string, got, want Record) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s:\n%+v\n%+v", what, got, want)
		}
	}
	for range 2000 {
		a, b := c.record(now), c.record(now)
		ab := Merge(a, b)
		same("either way", ab, Merge(b, a))
		same("twice", ab, Merge(ab, b))
		same("of itself", Merge(a, a), Merge(Merge(a, a), a))
		third := c.record(now)
		if x, y := Merge(ab, third).Devices, Merge(a, Merge(b, third)).Devices; !slices.Equal(x, y) {
			t.Fatalf("in another order: %v, %v", x, y)
		}
		for _, r := range []Record{a, b} {
			if r.Tries(now, time.Hour) > 0 && ab.tries(now, time.Time{}, time.Hour) == 0 {
				t.Fatalf("%+v is lost in %+v", r, ab)
			}
		}
	}
}

func visits(w *world) int {
	n, _ := w.g.known.Len()
	return n
}
