package crowd

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// room is a crowd under test that notes who made room, by name.
type room struct {
	t      *testing.T
	crowd  *Crowd
	limits Limits
	guests map[string]*Guest
	left   []string
}

func newRoom(t *testing.T, l Limits) *room {
	l.NarrowIPv4, l.NarrowIPv6 = 32, 64
	return &room{t: t, crowd: New(), limits: l, guests: map[string]*Guest{}}
}

// enter wants an answer for a client, and remembers its place by name.
func (r *room) enter(name, client string, want Answer) {
	r.t.Helper()
	addr, _ := netip.ParseAddr(client)
	g, answer := r.crowd.Enter(addr, r.limits, func() { r.left = append(r.left, name) })
	if answer != want || (g != nil) != (want == Welcome) {
		r.t.Fatalf("%s from %s: answer %d, want %d", name, client, answer, want)
	}
	r.guests[name] = g
}

// displaced wants those to have made room since the last call, in order.
func (r *room) displaced(names ...string) {
	r.t.Helper()
	if !slices.Equal(r.left, names) {
		r.t.Fatalf("%v made room, want %v", r.left, names)
	}
	r.left = nil
}

func TestNetworksAreLimited(t *testing.T) {
	r := newRoom(t, Limits{PerNarrow: 2, PerWide: 3})
	for _, tt := range []struct {
		client string
		want   Answer
	}{
		{"192.0.2.1", Welcome}, {"::ffff:192.0.2.1", Welcome}, {"192.0.2.1", NetworkFull},
		{"192.0.2.2", Welcome}, {"192.0.2.3", NetworkFull}, {"192.0.3.3", Welcome},
		{"2001:db8:1::1", Welcome}, {"2001:db8:1::2", Welcome}, {"2001:db8:1::3", NetworkFull},
		{"2001:db8:1:2::1", Welcome}, {"2001:db8:1:3::1", NetworkFull}, {"2001:db8:2::1", Welcome},
		{"", Welcome}, {"", Welcome}, {"", Welcome}, {"", Welcome}, // a pipe
	} {
		r.enter(tt.client, tt.client, tt.want)
	}
}

// TestWideIsNeverNarrower counts a /16 as one network in both respects where
// the operator says that it is one.
func TestWideIsNeverNarrower(t *testing.T) {
	narrow, wide := Limits{NarrowIPv4: 16, NarrowIPv6: 64}.networks(netip.MustParseAddr("192.0.2.1"))
	if want := netip.MustParsePrefix("192.0.0.0/16"); narrow != want || wide != want {
		t.Errorf("%v, %v", narrow, wide)
	}
}

// TestStrangersOfTheLargestCrowdMakeRoom fills all places from one wide network
// and wants newcomers of others to be served, the crowd's own not.
func TestStrangersOfTheLargestCrowdMakeRoom(t *testing.T) {
	r := newRoom(t, Limits{All: 4})
	r.enter("a1", "2001:db8:a:1::1", Welcome)
	r.enter("a2", "2001:db8:a:2::1", Welcome)
	r.enter("a3", "2001:db8:a:3::1", Welcome)
	r.enter("b1", "192.0.2.1", Welcome)
	r.displaced()
	r.enter("a4", "2001:db8:a:4::1", Full)
	if !r.crowd.Prove(r.guests["a1"]) { // has a right to stay
		t.Error("a1 is gone")
	}
	r.enter("c1", "198.51.100.1", Welcome)
	r.displaced("a2")
	if r.crowd.Prove(r.guests["a2"]) {
		t.Error("a place that is lost can be kept")
	}
	r.crowd.Leave(r.guests["a2"]) // as its session ends: changes nothing
	if r.crowd.Len() != 4 {
		t.Errorf("%d guests", r.crowd.Len())
	}
	// One stranger each: nobody has fewer but a network with none.
	r.enter("b2", "192.0.2.2", Full)
	r.enter("d1", "203.0.113.1", Welcome)
	r.displaced("b1")
	for _, name := range []string{"a3", "c1", "d1"} {
		r.crowd.Prove(r.guests[name])
	}
	r.enter("e1", "192.0.2.9", Full) // all have logged in
	r.displaced()
	r.crowd.Leave(r.guests["a3"])
	r.crowd.Leave(r.guests["a3"])
	r.enter("e1", "192.0.2.9", Welcome)
}

// TestBooksAgreeWithAModel does everything at random, and compares the books
// with those of somebody who counts anew each time.
func TestBooksAgreeWithAModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	type entry struct {
		g      *Guest
		wide   int
		proved bool
	}
	var in []*entry
	c := New()
	limits := Limits{All: 20, PerNarrow: 4, NarrowIPv4: 32, NarrowIPv6: 64, PerWide: 12}
	for step := range 20_000 {
		strangers := map[int]int{}
		for _, e := range in {
			if !e.proved {
				strangers[e.wide]++
			}
		}
		most := 0
		for _, n := range strangers {
			most = max(most, n)
		}
		switch action := rnd.IntN(4); {
		case action < 2:
			e := &entry{wide: rnd.IntN(6)}
			full := len(in) == limits.All
			addr := netip.MustParseAddr(fmt.Sprintf("192.0.%d.%d", e.wide, rnd.IntN(6)))
			var out *entry
			g, answer := c.Enter(addr, limits, func() {
				i := slices.IndexFunc(in, func(e *entry) bool { return e.g.gone })
				out = in[i]
				in = slices.Delete(in, i, i+1)
			})
			e.g = g
			if answer == Welcome {
				in = append(in, e)
			}
			if out != nil && (!full || out.proved || strangers[out.wide] != most || strangers[e.wide] >= most) {
				t.Fatalf("step %d: one of %d with %d of at most %d strangers made room for one with %d", step, out.wide, strangers[out.wide], most, strangers[e.wide])
			}
			if answer == Full && (!full || strangers[e.wide] < most) {
				t.Fatalf("step %d: refused, full %v, %d of %d", step, full, strangers[e.wide], most)
			}
		case len(in) == 0:
		case action == 2:
			i := rnd.IntN(len(in))
			c.Leave(in[i].g)
			in = slices.Delete(in, i, i+1)
		default:
			e := in[rnd.IntN(len(in))]
			e.proved = c.Prove(e.g)
		}
		if c.Len() != len(in) || len(in) > limits.All {
			t.Fatalf("step %d: %d guests, counted %d", step, c.Len(), len(in))
		}
	}
	for _, e := range in {
		c.Leave(e.g)
	}
	if narrow, wide := c.Networks(); narrow != 0 || wide != 0 || c.most != 0 {
		t.Errorf("left in the books: %d and %d networks, level %d", narrow, wide, c.most)
	}
}
