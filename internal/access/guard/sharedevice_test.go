package guard

import (
	"fmt"
	"testing"
	"time"

	"countersign/internal/access/familiar"
)

// TestDevicesAreShared: a device that a login has come in by at one gate is in nobody's way at another
// one, nor after a restart, while somebody guesses in its network.
func TestDevicesAreShared(t *testing.T) {
	const login = "ann@one.example"
	store := newShelf()
	a, b := newGate(t, store), newGate(t, store)
	own := Failure{Client: addr("192.0.2.1"), Login: login, Device: "laptop"}
	a.want(a.attempt(own, true), passed, "the owner at one gate")
	a.s.Share(t.Context())
	b.s.Share(t.Context())
	c := newGate(t, store)
	if err := c.s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, g := range map[string]gate{"the other": b, "the one that was started anew": c} {
		verified := 0
		for second := range 20 * 60 {
			verified += g.guess(login, func(n int) string { return fmt.Sprint("pc", n) }, verified)
			if second%60 == 0 {
				g.want(g.attempt(own, true), passed, "the owner at %s gate in second %d", name, second)
			}
			g.pass(time.Second)
		}
		if most := 20*60/20 + 50; verified > most {
			t.Errorf("%d guesses at %s gate", verified, name)
		}
		g.s.Share(t.Context())
		d := newGate(t, store)
		if err := d.s.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if m := d.g.marks.of(levels(own.Client)[0].network, login); m == nil || len(m.Devices) > 0 {
			t.Errorf("a record of failures is %+v, with devices or none at all", m)
		}
	}
}

// TestEverNewDevicesElsewhere: who comes in by ever new names at one gate, as by a stolen app password, has
// no guess with each of them at another.
func TestEverNewDevicesElsewhere(t *testing.T) {
	const login = "ann@one.example"
	store := newShelf()
	a, b := newGate(t, store), newGate(t, store)
	home := addr("192.0.2.1")
	b.want(b.attempt(Failure{Client: home, Login: login, Device: "laptop"}, true), passed, "the owner")
	verified := 0
	for second := range 60 * 60 {
		name := fmt.Sprint("pc", second)
		a.g.Passed(home, login, name, false)
		a.s.Share(t.Context())
		b.s.Share(t.Context())
		verified += b.guess(login, func(int) string { return name }, verified)
		a.pass(time.Second)
		b.pass(time.Second)
	}
	if most := 60*60/20 + 50; verified > most {
		t.Errorf("%d guesses, want %d at most", verified, most)
	}
}

// TestDevicesToStore: of new devices a few a day are stored for each network, of known ones no more than the
// network is, and none of networks that are not stored.
func TestDevicesToStore(t *testing.T) {
	const login = "ann@one.example"
	w := newWorld(t)
	home := addr("192.0.2.1")
	writes := func() int { return len(w.g.take(1000)) }
	count := 0
	for n := range 100 {
		w.g.Passed(home, login, fmt.Sprint("pc", n), true)
		count += writes()
		w.g.Passed(home, login, fmt.Sprint("pc", n), true)
		count += writes()
		w.pass(time.Second)
	}
	if count != familiar.EachDevice { // the first with the network itself
		t.Errorf("%d writes for a hundred names, want %d", count, familiar.EachDevice)
	}
	w.pass(familiar.Again)
	w.g.Passed(home, login, "pc99", true)
	list := w.g.take(10)
	if len(list) != 1 || len(list[0].Devices) != familiar.EachDevice || list[0].Devices[0].Device != w.g.device(login, "PC99") {
		t.Fatalf("a day later: %+v", list)
	}
	w.g.Passed(home, login, "tablet", true)
	if n := writes(); n != 1 {
		t.Errorf("a new device of the next day: %d writes", n)
	}
	for n := range 3 * familiar.Each { // ever new networks, the last of which are not stored
		w.g.Passed(addr(fmt.Sprintf("10.0.0.%d", n)), login, "", true)
	}
	w.g.take(1000)
	w.g.Passed(addr(fmt.Sprintf("10.0.0.%d", 3*familiar.Each-1)), login, "phone", true)
	if n := writes(); n != 0 {
		t.Errorf("a device of a network that is not stored: %d writes", n)
	}
}
