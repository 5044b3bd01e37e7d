package guard

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// twin is a world with attempts under way.
type twin struct {
	*world
	under []Failure
	saw   map[error]int
}

func newTwin(t *testing.T) *twin {
	small := func(r *Rules) {
		r.Secrets, r.Names, r.LoginSecrets, r.LoginNetworks, r.Close, r.Window, r.Free = 6, 8, 8, 3, 5*time.Minute, time.Hour, 2
		r.MaxMarks = 60
	}
	return &twin{world: newWorld(t, small), saw: map[error]int{}}
}

// state is all that a guard has in memory.
func (w *twin) state() string {
	var b strings.Builder
	for e := w.g.marks.order.Front(); e != nil; e = e.Next() {
		m := e.Value.(*mark)
		fmt.Fprintf(&b, "%+v next %v barred %v own %v weight %+v used %d\n", m.Record, m.next, m.barred, m.own, m.weight, m.used)
	}
	fmt.Fprintln(&b, w.g.flying, w.g.flyingBy, w.g.changed, w.g.visited, w.g.marks.uses, w.actions)
	return b.String()
}

// step is one moment of a random history: an attempt begins or ends, or time passes.
func (w *twin) step(c chance) {
	f := Failure{Missing: c.IntN(3) == 0, Digest: uint16(c.IntN(50)), Seen: c.IntN(4) > 0}
	f.Client, f.Login, f.Device = c.whoever()
	ends, right, at, wait := c.IntN(2) == 0, c.IntN(12) == 0, c.IntN(1000), time.Duration(c.IntN(3000))*time.Millisecond
	if ends && len(w.under) > 0 {
		at %= len(w.under)
		f = w.under[at]
		w.under = slices.Delete(w.under, at, at+1)
		if right && !f.Closed {
			w.g.Passed(f.Client, f.Login, f.Device, at%2 == 0)
		} else {
			w.g.Failed(f)
		}
		w.g.Leave(f.Client, f.Login, f.Device)
	} else if !w.banned(f.Client, f.Login) {
		err := w.g.Enter(f.Client, f.Login, f.Device)
		w.saw[err]++
		if f.Closed = err == ErrNetworkClosed; err == nil || f.Closed {
			w.under = append(w.under, f)
		}
	}
	if c.IntN(4) == 0 {
		w.pass(wait * time.Duration(1+c.IntN(10)))
	}
}

// whoever is somebody who tries a login: often one of few, and often one login of many from the same office.
func (c chance) whoever() (client netip.Addr, login, device string) {
	client, login, device = c.client(), c.login(), c.device()
	switch c.IntN(3) {
	case 0:
		return addr("10.0.0.1"), fmt.Sprintf("u%d@one.example", c.IntN(2)), device
	case 1:
		return addr("10.0.0.2"), login, device
	}
	return client, login, device
}

func (c chance) device() string { return []string{"", "laptop", "phone", "pc"}[c.IntN(4)] }

// TestForeseen: what is foreseen is what Enter says at that moment, and a guard that is asked at any time, and about
// whatever, is as one that is never asked.
func TestForeseen(t *testing.T) {
	saw := map[error]int{}
	for seed := range uint64(6) {
		asked, left := newTwin(t), newTwin(t)
		history := func() chance { return chance{rand.New(rand.NewPCG(seed, 7))} }
		a, b, asks := history(), history(), chance{rand.New(rand.NewPCG(seed, 8))}
		for n := range 2000 {
			for range asks.IntN(4) {
				asked.g.Foresee(asks.whoever())
			}
			asked.step(a)
			left.step(b)
			if n%20 == 0 {
				if x, y := asked.state(), left.state(); x != y {
					t.Fatalf("seed %d, step %d: who is asked has\n%s, who is not\n%s", seed, n, x, y)
				}
			}
			client, login, device := asks.whoever()
			_, foreseen := asked.g.Foresee(client, login, device)
			for _, w := range []*twin{asked, left} {
				if got := w.g.Enter(client, login, device); got != foreseen {
					t.Fatalf("seed %d, step %d: %s from %s by %q is %v, foreseen was %v", seed, n, login, client, device, got, foreseen)
				} else if got == nil || got == ErrNetworkClosed {
					w.g.Leave(client, login, device)
				}
			}
			saw[foreseen]++
		}
	}
	for _, why := range append(All(), nil) {
		if saw[why] < 20 {
			t.Errorf("%v was foreseen %d times alone", why, saw[why])
		}
	}
}

// TestForeseenFromTheStore: where one gate alone has counted, and each failure by what is none of the login's own
// devices, the store foretells what the gate says.
func TestForeseenFromTheStore(t *testing.T) {
	saw := map[error]int{}
	for seed := range uint64(10) {
		c := chance{rand.New(rand.NewPCG(seed, 9))}
		w := newGate(t, newShelf())
		w.g.rules.Names = 8
		admin := NewAdmin(AdminOptions{Store: w.s.opt.Store, Now: func() time.Time { return w.now }})
		clients := []netip.Addr{addr("192.0.2.1"), addr("192.0.2.2"), addr("2001:db8:1:1::1"), addr("2001:db8:1:2::1"), addr("2001:db8:1:3::1"), addr("2001:db8:1:4::1"), addr("198.51.100.1")}
		login := func() string { return fmt.Sprintf("u%d@one.example", min(c.IntN(4)*c.IntN(10), 30)) }
		for n := range 12 {
			w.g.Passed(clients[n%4], fmt.Sprintf("u%d@one.example", n%3), "laptop", n%5 > 0)
		}
		w.pass(time.Minute)
		for n := range 1200 {
			f := Failure{Client: clients[c.IntN(len(clients))], Login: login(), Digest: uint16(n), Seen: true, Device: fmt.Sprint("pc", n)}
			w.attempt(f, false)
			if c.IntN(3) > 0 {
				w.pass(time.Duration(c.IntN(12)) * time.Second)
			}
			if c.IntN(200) == 0 {
				w.pass(2 * time.Hour)
			}
			w.s.Share(t.Context())
			client, login := clients[c.IntN(len(clients))], login()
			for _, device := range []string{"pc", "laptop"} {
				until, want := w.g.Foresee(client, login, device)
				if w.banned(client, login) || want == ErrBarred {
					continue // which the ban tells
				}
				s, err := admin.Standing(t.Context(), w.g.Rules(), Caller{client, login, called(login, device)})
				if err != nil || s.Turned != want || (s.Turned == nil) == s.Until.After(w.now) || s.Until.Sub(until).Abs() > time.Second {
					m := w.g.marks.of(levels(client)[0].network, login)
					t.Fatalf("seed %d, step %d at %v: %s from %s by %s is %v until %v, %v; the gate says %v until %v: %+v", seed, n, w.now, login, client, device, s.Turned, s.Until, err, want, until, m)
				}
				saw[want]++
			}
		}
	}
	for _, why := range []error{nil, ErrTooSoon, ErrLoginClosed, ErrNetworkClosed} {
		if saw[why] < 50 {
			t.Errorf("%v was foreseen %d times alone", why, saw[why])
		}
	}
}

// TestForeseenAtItsEdges: what strangers repeat, and what is not seen, is known by when it was stored last; what was forgotten
// counts no more, and is waited for all the same; nothing is foreseen where the rules do not hold.
func TestForeseenAtItsEdges(t *testing.T) {
	const login = "ann@one.example"
	client := addr("192.0.2.1")
	tried := uint16(100)
	secrets := func(w *gate, n int, after time.Duration) { // each another one
		for range n {
			w.pass(after)
			tried++
			w.attempt(Failure{Client: client, Login: login, Digest: tried, Seen: true}, false)
		}
	}
	unseen := func(w *gate, n int, after time.Duration) {
		for range n {
			w.pass(after)
			w.attempt(Failure{Client: client, Login: login}, false)
		}
	}
	owner := func(w *gate) { w.g.Passed(client, login, "", true) }
	for name, c := range map[string]struct {
		happens func(w *gate)
		wait    time.Duration
	}{
		"four secrets":                {func(w *gate) { secrets(w, 4, 20*time.Second) }, time.Second},
		"four, and the answer is out": {func(w *gate) { secrets(w, 4, 20*time.Second); w.pass(time.Second) }, 0},
		"four, one of which is repeated and stored with a fifth": {func(w *gate) {
			w.attempt(Failure{Client: client, Login: login, Digest: 7, Seen: true}, false)
			secrets(w, 4, 20*time.Second)
			w.pass(20 * time.Minute)
			w.attempt(Failure{Client: client, Login: login, Digest: 7, Seen: true}, false)
		}, 2 * time.Second},
		"sixteen that were not seen":                        {func(w *gate) { unseen(w, 16, 20*time.Second) }, 2 * time.Second},
		"eight where it is known":                           {func(w *gate) { owner(w); secrets(w, 8, 0) }, 11 * time.Second},
		"seven and one that was not seen where it is known": {func(w *gate) { owner(w); secrets(w, 7, 0); unseen(w, 1, time.Second) }, 10 * time.Second},
		"eight that are forgotten": {func(w *gate) {
			owner(w)
			secrets(w, 8, 0)
			w.pass(time.Second)
			w.s.Share(t.Context())
			if _, err := NewAdmin(AdminOptions{Store: w.s.opt.Store, Now: func() time.Time { return w.now }}).Forget(t.Context(), Subject{Login: login}, login); err != nil {
				t.Fatal(err)
			}
		}, 10 * time.Second},
		"in shadow": {func(w *gate) { secrets(w, 4, 20*time.Second); w.g.rules.Shadow = true }, 0},
		"off":       {func(w *gate) { secrets(w, 4, 20*time.Second); w.g.rules.Off = true }, 0},
		"from where all may": {func(w *gate) {
			secrets(w, 4, 20*time.Second)
			w.g.rules.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		}, 0},
	} {
		w := newGate(t, newShelf())
		c.happens(&w)
		w.s.Share(t.Context())
		s, err := NewAdmin(AdminOptions{Store: w.s.opt.Store, Now: func() time.Time { return w.now }}).Standing(t.Context(), w.g.Rules(), Caller{Client: client, Login: login})
		var want error
		if c.wait > 0 {
			want = ErrTooSoon
		}
		until, got := w.g.Foresee(client, login, "")
		if err != nil || s.Turned != want || got != want || !s.Until.Equal(until) || until.IsZero() != (c.wait == 0) || c.wait > 0 && !until.Equal(w.now.Add(c.wait)) {
			t.Errorf("%s: %+v at %v, %v; the gate says %v until %v, want %v for %v", name, s, w.now, err, got, until, want, c.wait)
		}
	}
}
