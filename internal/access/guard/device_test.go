package guard

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"countersign/internal/access/familiar"
)

// guess has a guesser in the owner's network try all that is looked at, each time by what name
// says, and returns how many that was.
func (w *world) guess(login string, name func(n int) string, first int) (verified int) {
	home := addr("192.0.2.1")
	var entered []string
	for device := name(first); w.g.Enter(home, login, device) == nil; device = name(first + len(entered)) {
		entered = append(entered, device)
	}
	for n, device := range entered {
		w.g.Failed(Failure{Client: home, Login: login, Digest: uint16(first + n), Seen: true, Device: device})
		w.g.Leave(home, login, device)
	}
	return len(entered)
}

// TestOwnDeviceBesideAGuesser: who guesses in the owner's own network, all day and by ever new
// names, is in the way of no device that the owner has come in by, and gets no more guesses; who
// knows its name gets its turns too, and no more than these.
func TestOwnDeviceBesideAGuesser(t *testing.T) {
	const login = "ann@one.example"
	home := addr("192.0.2.1")
	for name, c := range map[string]struct {
		device func(n int) string
		turns  int
		free   bool // whether the owner is in nobody's way
	}{
		"of no name":          {func(int) string { return "" }, 1, true},
		"of ever new names":   {func(n int) string { return fmt.Sprint("pc", n) }, 1, true},
		"of the owner's name": {func(n int) string { return []string{"pc", "LAPTOP"}[n%2] }, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			own := Failure{Client: home, Login: login, Digest: 1, Seen: true, Device: "laptop"}
			w.want(w.attempt(own, true), passed, "the owner")
			verified := 0
			for second := range 2 * 60 * 60 {
				verified += w.guess(login, c.device, verified)
				if second%60 == 0 && c.free {
					w.want(w.attempt(own, true), passed, "the owner in second %d", second)
				}
				w.pass(time.Second)
			}
			if most := c.turns * (2*60*60/20 + 50); verified > most {
				t.Errorf("%d guesses, want %d at most", verified, most)
			}
			w.peaceful()
			if len(w.g.flying)+len(w.g.flyingBy) > 0 {
				t.Errorf("%v and %v are being verified", w.g.flying, w.g.flyingBy)
			}
		})
	}
}

// TestOwnDevicesAreSlowedDown: a device of the owner that guesses is as slow as any other, and in the
// way of no other one; a network that is not known has no devices.
func TestOwnDevicesAreSlowedDown(t *testing.T) {
	w := newWorld(t)
	const login = "ann@one.example"
	of := func(device string) Failure {
		return Failure{Client: addr("192.0.2.1"), Login: login, Seen: true, Device: device}
	}
	for _, device := range []string{"laptop", "phone"} {
		w.want(w.attempt(of(device), true), passed, "the owner's %s", device)
	}
	verified := 0
	for n := range 1000 {
		f := of("phone")
		f.Digest = uint16(n)
		if w.attempt(f, false) == wrong {
			verified++
		}
		w.pass(time.Second)
	}
	if verified < 10 || verified > 100 {
		t.Errorf("a device of the owner has %d guesses", verified)
	}
	w.want(w.attempt(of("laptop"), true), passed, "the other device")
	verified = 0
	for n := range 50 {
		f := Failure{Client: addr("192.0.2.9"), Login: login, Seen: true, Digest: uint16(n), Device: []string{"laptop", "phone", "pc"}[n%3]}
		if w.attempt(f, false) == wrong {
			verified++
		}
		w.pass(time.Minute)
	}
	if verified != 10 {
		t.Errorf("a stranger has %d guesses", verified)
	}
}

// TestEverNewDevices: who guesses the password in the owner's own network, and comes in there by an
// app password under ever new names, gets the guesses of one device; the owner's own is in nobody's way.
func TestEverNewDevices(t *testing.T) {
	w := newWorld(t)
	const login = "ann@one.example"
	home := addr("192.0.2.1")
	own := Failure{Client: home, Login: login, Digest: 1, Seen: true, Device: "laptop"}
	w.want(w.attempt(own, true), passed, "the owner")
	verified := 0
	for second := range 2 * 60 * 60 {
		name := fmt.Sprint("pc", second)
		w.g.Passed(home, login, name, false)
		verified += w.guess(login, func(int) string { return name }, verified)
		if second%60 == 0 {
			w.want(w.attempt(own, true), passed, "the owner in second %d", second)
		}
		w.pass(time.Second)
	}
	if most := 2*60*60/20 + 50; verified > most {
		t.Errorf("%d guesses, want %d at most", verified, most)
	}
	if m := w.g.marks.of(levels(home)[0].network, login); len(m.own) > 2*familiar.EachDevice+1 {
		t.Errorf("%d turns are kept", len(m.own))
	}
}

// TestDevicesAreBounded: of each network the last ones are known, in letters of any case; who has
// come in by an app password has them, too.
func TestDevicesAreBounded(t *testing.T) {
	w := newWorld(t)
	const login = "ann@one.example"
	home := addr("2001:db8:1:1::1")
	network := levels(home)[0].network
	owns := func(network netip.Prefix, login, device string) bool {
		return w.g.own(network, login, w.g.device(login, device), w.now) != 0
	}
	own := func(device string) bool { return owns(network, login, device) }
	for n := range familiar.EachDevice + 2 {
		w.g.Passed(home, login, fmt.Sprint("pc", n), true)
		w.pass(time.Second)
		w.g.Passed(home, login, "pc1", true)
		w.pass(time.Second)
	}
	w.g.Passed(home, login, "", true)
	w.g.Passed(home, login, "printer", false)
	for device, want := range map[string]bool{"pc0": false, "pc1": true, "PC1": true, "pc2": false, "pc3": true, "pc5": true, "printer": true, "": false, "other": false} {
		if own(device) != want {
			t.Errorf("%q is its own: %v", device, !want)
		}
	}
	other := levels(addr("198.51.100.9"))[0].network
	if owns(network, "bob@one.example", "pc1") || owns(other, login, "printer") {
		t.Error("a device is another's too, or one that came in by an app password is known elsewhere")
	}
	if owns(other, login, "pc1") {
		t.Error("a device has turns of its own where its login is not known")
	}
	w.g.Passed(addr("198.51.100.9"), login, "desktop", true)
	if !owns(other, login, "pc1") || owns(other, login, "printer") {
		t.Error("a device that came in by the password is not known elsewhere, or one that came in by an app password is")
	}
	w.pass(20 * 24 * time.Hour)
	w.g.Passed(home, login, "scanner", false)
	w.pass(11 * 24 * time.Hour)
	if !own("scanner") || own("pc1") || own("printer") {
		t.Error("a device is known for ever, as long as others come in from there, or not even that long")
	}
	m := &mark{}
	for n := range 1000 {
		m.setTurn(familiar.Device(n+1), w.now.Add(time.Hour), w.now)
	}
	if len(m.own) > maxOwn {
		t.Errorf("%d turns are kept", len(m.own))
	}
}

// TestDeviceFromElsewhere: a device that the login has come in by at home is in nobody's way in an
// office where somebody guesses; one that has come in nowhere shares the guesser's turns.
func TestDeviceFromElsewhere(t *testing.T) {
	const login = "ann@one.example"
	w := newWorld(t)
	office := addr("192.0.2.1")
	w.want(w.attempt(Failure{Client: office, Login: login, Device: "desktop"}, true), passed, "the owner in the office")
	w.want(w.attempt(Failure{Client: addr("198.51.100.7"), Login: login, Device: "laptop"}, true), passed, "the owner at home")
	verified, refusals := 0, 0
	for second := range 30 * 60 {
		verified += w.guess(login, func(n int) string { return fmt.Sprint("pc", n) }, verified)
		if second%60 == 59 {
			w.want(w.attempt(Failure{Client: office, Login: login, Device: "Laptop"}, true), passed, "the laptop in the office, in second %d", second)
			if w.attempt(Failure{Client: office, Login: login, Device: "tablet"}, true) == refused {
				refusals++
			}
		}
		w.pass(time.Second)
	}
	if refusals < 10 {
		t.Errorf("a new device was refused %d times: nobody is in its way", refusals)
	}
	strange := 0
	for n := range 30 { // in a network where the login is not known a name is of no use
		if w.attempt(Failure{Client: addr("203.0.113.1"), Login: login, Digest: uint16(n), Seen: true, Device: "laptop"}, false) == wrong {
			strange++
		}
		w.pass(time.Second)
	}
	if strange > 8 { // three at once, then after 1, 2, 4, 8 and 16 s
		t.Errorf("%d guesses by the name of a device from a strange network", strange)
	}
}

// TestDevicesAtOnce: what is being verified by one device is in the way of none but itself, and no
// more of each than a few at once.
func TestDevicesAtOnce(t *testing.T) {
	w := newWorld(t)
	const login = "ann@one.example"
	home := addr("192.0.2.1")
	w.g.Passed(home, login, "laptop", true)
	for n := range 5 {
		w.attempt(Failure{Client: home, Login: login, Digest: uint16(n), Seen: true}, false)
		w.pass(time.Minute)
	}
	enter := func(device string) (n int) {
		for n < 100 && w.g.Enter(home, login, device) == nil {
			n++
		}
		return n
	}
	if others, own, more := enter("pc"), enter("laptop"), enter("pad"); others != 3 || own != 3 || more != 0 {
		t.Errorf("%d by others, %d by a device of its own, %d more by others", others, own, more)
	}
	for range 3 {
		w.g.Leave(home, login, "pc")
	}
	if others := enter("pad"); others != 3 {
		t.Errorf("%d by others beside a device of its own", others)
	}
}
