package guard

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"countersign/internal/access/familiar"
	"countersign/internal/access/guard/tried"
)

// TestOneNetworkIsNotACrowd: what one network has verified at once is a part of what may be.
func TestOneNetworkIsNotACrowd(t *testing.T) {
	for name, client := range map[string]func(n int) netip.Addr{
		"one address": func(int) netip.Addr { return addr("192.0.2.1") },
		"a /48":       func(n int) netip.Addr { return addr(fmt.Sprintf("2001:db8:1:%x::1", n)) },
	} {
		w := newWorld(t)
		entered := 0
		for n := range 100 {
			if w.g.Enter(client(n), "ann@one.example", "") == nil {
				entered++
			}
		}
		if entered < 5 || entered > 10 {
			t.Errorf("%s has %d verified at once", name, entered)
		}
		w.want(w.try(addr("198.51.100.1"), "ann@one.example", "right", true), passed, "the owner, beside %s", name)
	}
}

// TestGuesserBesideTheOwner: in a network where the login is known, parallel connections gain
// nothing, and the owner's password passes a pause later.
func TestGuesserBesideTheOwner(t *testing.T) {
	w := newWorld(t)
	home := addr("192.0.2.1")
	w.want(w.try(home, "ann@one.example", "right", true), passed, "the owner")
	verified := 0
	for range 24 * 60 * 60 {
		entered := 0
		for w.g.Enter(home, "ann@one.example", "") == nil {
			entered++
		}
		for range entered {
			w.g.Failed(Failure{Client: home, Login: "ann@one.example", Digest: uint16(verified), Seen: true})
			w.g.Leave(home, "ann@one.example", "")
			verified++
		}
		w.pass(time.Second)
	}
	if most := 24*60*60/20 + 50; verified > most {
		t.Errorf("%d guesses in a day, want %d at most", verified, most)
	}
	w.peaceful()
	w.pass(patience * w.g.rules.MaxDelay)
	w.want(w.try(home, "ann@one.example", "right", true), passed, "the owner, a pause later")
}

// TestPhoneBesideTheOwner: a telephone that repeats an old password each minute, whether it shows
// it or not, does not keep the owner's mail program in the same network waiting.
func TestPhoneBesideTheOwner(t *testing.T) {
	for _, seen := range []bool{true, false} {
		w := newWorld(t)
		home := addr("192.0.2.1")
		w.want(w.try(home, "ann@one.example", "right", true), passed, "the owner")
		for n := range 6 { // and looked for the right one themselves
			w.try(home, "ann@one.example", fmt.Sprint("try", n), false)
			w.pass(20 * time.Second)
		}
		for n := range 24 * 60 {
			w.attempt(Failure{Client: home, Login: "ann@one.example", Digest: 7, Seen: seen}, false)
			w.pass(time.Second)
			w.want(w.try(home, "ann@one.example", "right", true), passed, "in minute %d, the password shown: %v", n, seen)
			w.pass(59 * time.Second)
		}
		w.peaceful()
	}
}

// TestAppPasswordsOpenNoGuessing: a network that is known by an app password is closed to no
// botnet's doing, but good for ten guesses at the password.
func TestAppPasswordsOpenNoGuessing(t *testing.T) {
	w := newWorld(t)
	printer := addr("192.0.2.1")
	const login = "ann@one.example"
	w.g.Passed(printer, login, "", false)
	if w.g.Known(printer, login) {
		t.Error("an app password makes a network one of the password's")
	}
	for n := range 40 {
		w.try(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), login, fmt.Sprint(n), false)
	}
	w.want(w.try(printer, login, "app", true), passed, "the printer, while a botnet guesses")
	other := addr("192.0.2.2")
	w.g.Passed(other, login, "", false)
	verified := 0
	for n := range 1000 {
		if w.try(other, login, fmt.Sprint("guess", n), false) == wrong {
			verified++
		}
		w.pass(time.Minute)
	}
	if last := w.actions[len(w.actions)-1]; verified != 10 || last.Ban || last.Login != login || last.Network != netip.MustParsePrefix("192.0.2.2/32") {
		t.Errorf("%d guesses: %+v", verified, w.actions)
	}
}

// TestOtherNetworksOfAWideOne: a neighbour in the /48 of the owner is a stranger, and the owner is
// hit by nothing that is done about them.
func TestOtherNetworksOfAWideOne(t *testing.T) {
	w := newWorld(t, func(r *Rules) { r.Secrets, r.LoginSecrets = 20, 1000 })
	home := addr("2001:db8:1:1::1")
	const login = "ann@one.example"
	w.want(w.try(home, login, "right", true), passed, "the owner")
	verified := 0
	for n := range 200 {
		if w.try(addr(fmt.Sprintf("2001:db8:1:%x::1", n+2)), login, fmt.Sprint("guess", n), false) == wrong {
			verified++
		}
		w.pass(time.Minute)
		w.want(w.try(home, login, "right", true), passed, "the owner after %d", n)
	}
	if verified != tried.Most || len(w.actions) != 1 || w.actions[0].Ban || w.actions[0].Network != netip.MustParsePrefix("2001:db8:1::/48") {
		t.Errorf("%d guesses: %+v", verified, w.actions)
	}
}

// TestClosedNetworksTellNothing: in a closed network, what fails is answered alike whether the
// login is known there or not.
func TestClosedNetworksTellNothing(t *testing.T) {
	w := newWorld(t)
	office := addr("192.0.2.1")
	w.want(w.try(office, "ann@one.example", "right", true), passed, "who works there")
	for n := range 21 {
		w.try(office, fmt.Sprintf("user%d@one.example", n), "x", false)
	}
	if len(w.actions) != 1 || w.actions[0].Ban {
		t.Fatalf("the guard has done %+v", w.actions)
	}
	begin := w.now
	answers := func(login string) (list []string) {
		w.now = begin
		for n := range 40 {
			err := w.g.Enter(office, login, "")
			if err != nil && err != ErrNetworkClosed {
				list = append(list, err.Error())
			} else {
				list = append(list, fmt.Sprint(w.g.Failed(Failure{Client: office, Login: login, Digest: uint16(n), Seen: n%3 > 0, Closed: err != nil})))
				w.g.Leave(office, login, "")
			}
			w.pass(time.Duration(n%4) * 3 * time.Second)
		}
		return list
	}
	if known, stranger := fmt.Sprint(answers("ann@one.example")), fmt.Sprint(answers("bob@one.example")); known != stranger {
		t.Errorf("who is known is told\n%s, others\n%s", known, stranger)
	}
}

// TestStolenPasswordsPushOutNobody: whoever has somebody's password, and comes from ever new
// networks, does not push out those that the owner has used on several days.
func TestStolenPasswordsPushOutNobody(t *testing.T) {
	w := newWorld(t)
	home, work := addr("203.0.113.7"), addr("2001:db8:7:7::1")
	for range 2 {
		w.g.Passed(home, "ann@one.example", "", true)
		w.g.Passed(work, "ann@one.example", "", true)
		w.pass(25 * time.Hour)
	}
	for n := range 500 {
		w.g.Passed(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), "ann@one.example", "", true)
		w.g.Passed(addr(fmt.Sprintf("2001:db8:%x:%x::1", 7+n%9, 100+n)), "ann@one.example", "", true)
		w.pass(time.Minute)
	}
	for _, own := range []netip.Addr{home, work} {
		if w.g.standing(own, "ann@one.example") != known {
			t.Errorf("%s is not known any more", own)
		}
	}
}

// TestRotatingIsNotStored: an account that comes from ever new networks leaves few records.
func TestRotatingIsNotStored(t *testing.T) {
	for name, c := range map[string]struct {
		client func(n int) netip.Addr
		most   int
	}{
		"one /48":       {func(n int) netip.Addr { return addr(fmt.Sprintf("2001:db8:7:%x::1", n)) }, familiar.EachWide + 1 + 2*10},
		"all addresses": {func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}) }, familiar.Each + 10},
	} {
		w := newWorld(t)
		stored := map[key]bool{}
		for n := range 10 * 24 * 60 { // for ten days
			w.g.Passed(c.client(n), "ann@one.example", "", true)
			w.pass(time.Minute)
			for _, r := range w.g.take(1000) {
				stored[key{r.Network, r.Login}] = true
			}
		}
		if len(stored) > c.most || len(stored) < 5 {
			t.Errorf("%d records of %s are stored, want %d at most", len(stored), name, c.most)
		}
	}
}

// TestVisitsAreStoredDaily: of who comes in all the time, so that they are known after a restart.
func TestVisitsAreStoredDaily(t *testing.T) {
	w := newWorld(t)
	days := 0
	for range 40 * 24 {
		w.g.Passed(addr("192.0.2.1"), "ann@one.example", "", true)
		days += len(w.g.take(10))
		w.pass(time.Hour)
	}
	if days != 40 {
		t.Errorf("in 40 days it was stored %d times", days)
	}
}

// TestBansThatAreNotSet: what was to be banned, and was not, is decided again.
func TestBansThatAreNotSet(t *testing.T) {
	w := newWorld(t)
	w.g.opt.Act = func(a Action) { w.actions = append(w.actions, a) } // and nothing comes of it
	for n := range 10 {
		w.try(addr("192.0.2.1"), "ann@one.example", fmt.Sprint(n), false)
		w.pass(time.Minute)
	}
	for n := range 20 {
		w.try(addr("192.0.2.2"), fmt.Sprintf("user%d@one.example", n), "x", false)
	}
	w.pass(BarTime + time.Minute)
	w.try(addr("192.0.2.1"), "ann@one.example", "one more", false)
	w.try(addr("192.0.2.2"), "user20@one.example", "x", false)
	if len(w.actions) != 4 {
		t.Errorf("the guard has decided %+v", w.actions)
	}
}
