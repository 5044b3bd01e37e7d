package guard

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// TestStalePhones: seven devices poll for a day with a password that was changed. One is in
// a network from which nobody has logged in.
func TestStalePhones(t *testing.T) {
	w := newWorld(t)
	home, away := addr("192.0.2.1"), addr("198.51.100.1")
	w.want(w.try(home, "ann@one.example", "new", true), passed, "the owner")
	for range 24 * 60 {
		for range 7 {
			w.want(w.try(home, "ann@one.example", "old", false), wrong, "a phone at home")
			w.want(w.try(away, "ann@one.example", "old", false), wrong, "a phone elsewhere")
		}
		w.pass(time.Minute)
	}
	w.want(w.try(away, "ann@one.example", "new", true), passed, "the owner elsewhere")
	w.peaceful()
}

// TestStalePhonesUnseen is the same with a mechanism that does not show the secret, every
// ten minutes.
func TestStalePhonesUnseen(t *testing.T) {
	w := newWorld(t)
	away := addr("198.51.100.1")
	for range 7 * 24 * 6 {
		w.attempt(Failure{Client: away, Login: "ann@one.example"}, false)
		w.pass(10 * time.Minute)
	}
	w.peaceful()
	w.want(w.try(away, "ann@one.example", "new", true), passed, "the owner elsewhere")
}

// TestSpraying: 10,000 names with one secret each, from one network.
func TestSpraying(t *testing.T) {
	for name, c := range map[string]struct {
		missing bool
		most    int
	}{"of accounts": {false, 20}, "of nobody": {true, 15}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			client := addr("192.0.2.1")
			verified := 0
			for n := range 10_000 {
				login := fmt.Sprintf("user%d@one.example", n)
				f := Failure{Client: client, Login: login, Missing: c.missing, Digest: digest(login, "Summer2026"), Seen: true}
				if w.attempt(f, false) == wrong {
					verified++
				}
				w.pass(300 * time.Millisecond)
			}
			if verified != c.most {
				t.Errorf("%d were verified, want %d", verified, c.most)
			}
			if len(w.actions) != 1 || w.actions[0].Rule != RuleNames || !w.actions[0].Ban || w.actions[0].Login != "" {
				t.Errorf("the guard has done %+v", w.actions)
			}
		})
	}
}

// TestSprayerWithAnAccount has a password of its own, which does not help it.
func TestSprayerWithAnAccount(t *testing.T) {
	w := newWorld(t)
	client := addr("192.0.2.1")
	verified := 0
	for n := range 10_000 {
		if w.try(client, fmt.Sprintf("user%d@one.example", n), "Summer2026", false) == wrong {
			verified++
		}
		w.want(w.try(client, "eve@one.example", "hers", true), passed, "its own")
		w.pass(time.Second)
	}
	if verified != 21 {
		t.Errorf("%d were verified", verified)
	}
	if len(w.actions) != 1 || w.actions[0].Ban || w.actions[0].Network != netip.MustParsePrefix("192.0.2.1/32") {
		t.Errorf("the guard has done %+v", w.actions)
	}
}

// TestBotnet: one login and 10,000 secrets from 1,000 networks, while the owner sends.
func TestBotnet(t *testing.T) {
	w := newWorld(t)
	const login = "ann@one.example"
	home := addr("203.0.113.7")
	w.want(w.try(home, login, "right", true), passed, "the owner before")
	verified := 0
	for n := range 10_000 {
		bot := netip.AddrFrom4([4]byte{10, 0, byte(n % 1000 / 250), byte(n % 250)})
		if w.try(bot, login, fmt.Sprint("guess", n), false) == wrong {
			verified++
		}
		if n%10 == 0 {
			w.want(w.try(home, login, "right", true), passed, "the owner at guess %d", n)
		}
		w.pass(2 * time.Second)
	}
	if verified != 20 {
		t.Errorf("%d guesses were verified", verified)
	}
	w.pass(2 * time.Hour)
	w.want(w.try(addr("198.51.100.1"), login, "right", true), passed, "the owner elsewhere, afterwards")
}

// TestOffice: fifty people and a stale phone behind one address; on one day all passwords
// are changed, and each has a device that does not know it.
func TestOffice(t *testing.T) {
	w := newWorld(t)
	office := addr("192.0.2.1")
	person := func(n int) string { return fmt.Sprintf("p%d@one.example", n) }
	for hour := range 24 * 7 {
		for n := range 50 {
			w.want(w.try(office, person(n), "good", true), passed, "person %d", n)
			if hour > 24 {
				w.want(w.try(office, person(n), "old", false), wrong, "the other device of %d", n)
			}
		}
		for range 60 {
			w.want(w.try(office, "phone@one.example", "stale", false), wrong, "the phone")
			w.pass(time.Minute)
		}
	}
	w.peaceful()
}

// TestBusyNetwork: of a network from which many log in, as many more may fail, and those
// who log in there do not count at all.
func TestBusyNetwork(t *testing.T) {
	w := newWorld(t)
	client := addr("192.0.2.1")
	for n := range 50 {
		person := fmt.Sprintf("p%d@one.example", n)
		w.want(w.try(client, person, "good", true), passed, "person %d", n)
		w.want(w.try(client, person, "old", false), wrong, "the other device of %d", n)
	}
	for n := range 69 {
		w.want(w.try(client, fmt.Sprintf("guest%d@one.example", n), "old", false), wrong, "guest %d", n)
	}
	w.peaceful()
	w.try(client, "guest69@one.example", "old", false)
	if len(w.actions) != 1 || w.actions[0].Ban || w.actions[0].Count != 70 {
		t.Errorf("the guard has done %+v", w.actions)
	}
	w.want(w.try(client, "p0@one.example", "good", true), passed, "person 0")
	w.want(w.try(client, "guest70@one.example", "good", true), refused, "one more guest")
}

// TestOnePair: many secrets for one login from one network slow down, then ban it there.
func TestOnePair(t *testing.T) {
	w := newWorld(t)
	client := addr("192.0.2.1")
	var waits []time.Duration
	for n := range 10 {
		if err := w.g.Enter(client, "ann@one.example", ""); err != nil {
			t.Fatalf("attempt %d: %v", n, err)
		}
		wait := w.g.Failed(Failure{Client: client, Login: "ann@one.example", Digest: uint16(n), Seen: true})
		w.g.Leave(client, "ann@one.example", "")
		if err := w.g.Enter(client, "ann@one.example", ""); n < 9 && (err == ErrTooSoon) != (wait > 0) {
			t.Fatalf("while the answer to %d waits: %v", n, err)
		} else if err == nil {
			w.g.Leave(client, "ann@one.example", "")
		}
		waits = append(waits, wait)
		if n < 9 {
			w.pass(wait)
		}
	}
	want := "[0s 0s 0s 1s 2s 4s 8s 16s 20s 20s]"
	if fmt.Sprint(waits) != want {
		t.Errorf("the answers waited for %v, want %s", waits, want)
	}
	if len(w.actions) != 1 || w.actions[0].Rule != RuleSecrets || !w.actions[0].Ban || w.actions[0].Login != "ann@one.example" || w.actions[0].Count != 10 {
		t.Fatalf("the guard has done %+v", w.actions)
	}
	if err := w.g.Enter(client, "ann@one.example", ""); err != ErrBarred {
		t.Errorf("until the ban is felt: %v", err)
	}
	w.want(w.try(client, "bob@one.example", "his", true), passed, "somebody else there")
	w.want(w.try(addr("192.0.2.2"), "ann@one.example", "hers", true), passed, "the owner elsewhere")
	w.pass(time.Hour + time.Second)
	for n := range 9 {
		w.want(w.try(client, "ann@one.example", fmt.Sprint("new", n), false), wrong, "after the ban")
		w.pass(time.Minute)
	}
	if len(w.actions) != 1 {
		t.Errorf("what the first ban was for counts again: %+v", w.actions)
	}
}

// TestUnseenGuesses: guessing by SCRAM is slowed, and banned in the end.
func TestUnseenGuesses(t *testing.T) {
	w := newWorld(t)
	client := addr("192.0.2.1")
	verified := 0
	for range 100_000 {
		if w.attempt(Failure{Client: client, Login: "ann@one.example"}, false) == wrong {
			verified++
		}
		w.pass(time.Second)
		if len(w.actions) > 0 {
			break
		}
	}
	if len(w.actions) == 0 || verified > 512 || w.now.Hour() < 4 {
		t.Errorf("%d guesses until %v: %+v", verified, w.now, w.actions)
	}
}

// TestIPv6: whoever has a /64 does not win by using its addresses, nor by those of a /48.
func TestIPv6(t *testing.T) {
	for name, c := range map[string]struct {
		client func(n int) string
		most   int
		bans   string
	}{
		"of one /64":  {func(n int) string { return fmt.Sprintf("2001:db8:1:2:%x::%x", n, n) }, 20, "2001:db8:1:2::/64"},
		"of one /48":  {func(n int) string { return fmt.Sprintf("2001:db8:1:%x::1", n) }, 40, "2001:db8:1::/48"},
		"of many /48": {func(n int) string { return fmt.Sprintf("2001:db8:%x::1", n) }, 60_000, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			verified := 0
			for n := range 500 {
				if w.try(addr(c.client(n)), fmt.Sprintf("user%d@one.example", n), "x", false) == wrong {
					verified++
				}
			}
			if verified != min(c.most, 500) || c.bans != "" && (len(w.actions) != 1 || w.actions[0].Network.String() != c.bans) {
				t.Errorf("%d were verified, and the guard has done %+v", verified, w.actions)
			}
			w.actions, verified = nil, 0
			w.pass(48 * time.Hour)
			for n := range 500 {
				if w.try(addr(c.client(n)), "ann@two.example", fmt.Sprint("guess", n), false) == wrong {
					verified++
				}
				w.pass(time.Minute)
			}
			if verified > 40 || name == "of many /48" && verified > 20 {
				t.Errorf("%d secrets were tried of one login: %+v", verified, w.actions)
			}
		})
	}
}

// TestAllowed: nothing is counted of the operator's own networks, nor of the machine.
func TestAllowed(t *testing.T) {
	w := newWorld(t, func(r *Rules) { r.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")} })
	for _, client := range []string{"192.0.2.1", "::ffff:192.0.2.1", "127.0.0.1", "::1"} {
		for n := range 1000 {
			w.want(w.try(addr(client), fmt.Sprintf("user%d@one.example", n%100), fmt.Sprint(n), false), wrong, "from %s", client)
		}
	}
	w.peaceful()
	if marks, known := w.g.Size(); marks+known > 0 {
		t.Errorf("%d and %d are kept", marks, known)
	}
	w.g.Failed(Failure{Login: "ann@one.example"}) // from nowhere
}

// TestShadow: all is decided, nothing is done.
func TestShadow(t *testing.T) {
	w := newWorld(t, func(r *Rules) { r.Shadow = true })
	for n := range 100 {
		f := Failure{Client: addr("192.0.2.1"), Login: fmt.Sprintf("user%d@one.example", n), Seen: true}
		if err := w.g.Enter(f.Client, f.Login, ""); err != nil {
			t.Fatal(err)
		}
		if wait := w.g.Failed(f); wait > 0 {
			t.Fatalf("attempt %d waits for %v", n, wait)
		}
		w.g.Leave(f.Client, f.Login, "")
	}
	for n := range 50 {
		w.g.Failed(Failure{Client: addr("192.0.2.2"), Login: "ann@one.example", Digest: uint16(n), Seen: true})
		w.pass(time.Second)
	}
	if len(w.actions) != 5+5 {
		t.Errorf("the guard has done %+v", w.actions)
	}
	for _, a := range w.actions {
		if !a.Shadow {
			t.Errorf("%+v is no shadow", a)
		}
	}
}

// TestNoAddress: what is no address counts against its network alone.
func TestNoAddress(t *testing.T) {
	w := newWorld(t)
	for n := range 100 {
		for i := range 30 {
			w.g.Failed(Failure{Client: addr(fmt.Sprintf("192.0.2.%d", n)), Login: NoAddress + "1234", Missing: true, Digest: uint16(i), Seen: true})
		}
	}
	w.peaceful()
}

// TestParallel: attempts that are verified at the same time do not get around the rules.
func TestParallel(t *testing.T) {
	w := newWorld(t)
	entered := 0
	for n := range 1000 {
		if w.g.Enter(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), "ann@one.example", "") == nil {
			entered++
		}
	}
	if entered != 20 {
		t.Errorf("%d guesses at one login are verified at once", entered)
	}
	w = newWorld(t)
	client := addr("192.0.2.1")
	for n := range 50 {
		if err := w.g.Enter(client, fmt.Sprintf("p%d@one.example", n), ""); err != nil {
			t.Fatalf("an office that comes at once: %v", err)
		}
	}
	for n := range 50 {
		w.g.Leave(client, fmt.Sprintf("p%d@one.example", n), "")
	}
	if len(w.g.flying) > 0 {
		t.Errorf("%v are still verified", w.g.flying)
	}
	for n := range 6 {
		w.try(client, fmt.Sprintf("user%d@one.example", n), "x", false)
	}
	entered = 0
	for n := range 50 {
		if w.g.Enter(client, fmt.Sprintf("more%d@one.example", n), "") == nil {
			entered++
		}
	}
	if entered != 14 {
		t.Errorf("%d more logins are verified at once", entered)
	}
}

// TestNamesAreNotTold: whether one name exists changes nothing of what is answered to it and
// to the next few, wherever it stands in a spray, and whatever was drawn.
func TestNamesAreNotTold(t *testing.T) {
	for fewer := range uint16(6) {
		for place := range 14 {
			for _, missing := range []bool{true, false} {
				answers := func(tried bool) (list []outcome) {
					w := newWorld(t)
					w.draw = func(string, string) uint16 { return fewer }
					for n := range place + step {
						login := fmt.Sprintf("user%d@one.example", n)
						f := Failure{Client: addr("192.0.2.1"), Login: login, Missing: missing, Digest: digest(login, "x"), Seen: true}
						if n == place {
							f.Missing = tried
						}
						list = append(list, w.attempt(f, false))
					}
					return list
				}
				if a, b := fmt.Sprint(answers(true)), fmt.Sprint(answers(false)); a != b {
					t.Errorf("name %d of a network that draws %d: %s where nobody has it, else %s", place, fewer, a, b)
				}
			}
		}
	}
}
