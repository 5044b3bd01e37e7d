package login

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
	"countersign/internal/login/recent"
	"countersign/internal/login/why"
	"countersign/internal/mail"
)

func TestKeysOfAnAttempt(t *testing.T) {
	for client, want := range map[string][]string{
		"192.0.2.7":            {"192.0.2.0/24", "192.0.2.7/32"},
		"::ffff:192.0.2.7":     {"192.0.2.0/24", "192.0.2.7/32"},
		"2001:db8:1:2:3:4:5:6": {"2001:db8:1::/48", "2001:db8:1:2::/64"},
		"fe80:1:2:3::7%eth0":   {"fe80:1:2::/48", "fe80:1:2:3::/64"},
		"":                     {"", ""},
	} {
		var a Attempt
		if client != "" {
			a.Client = netip.MustParseAddr(client)
		}
		if got := a.keys("login"); !slices.Equal(got, append(want, "login")) {
			t.Errorf("%s: %q", client, got)
		}
	}
}

// slowDerivation is how long one takes in the tests below, in fake time.
const slowDerivation = 30 * time.Millisecond

// busyWorld is one with two workers, on which each derivation takes its time.
func busyWorld(t *testing.T) *world {
	t.Helper()
	w := newWorldWith(t, setup{workers: 2, queue: 256})
	w.during = func() { time.Sleep(slowDerivation) }
	return w
}

// attack brings a thousand clients that guess for ever, until the returned function is
// called.
func (w *world) attack(client func(i int) netip.Addr, login func(i int) string) (stop func()) {
	var over atomic.Bool
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			for !over.Load() {
				_, _ = askPassword(w, client(i), login(i), wrongPassword)
				time.Sleep(700 * time.Millisecond)
			}
		})
	}
	synctest.Wait()
	return func() { over.Store(true); all.Wait() }
}

// networks spreads clients over n wide networks.
func networks(n int) func(int) netip.Addr {
	return func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i % n), byte(i / n)}) }
}

// anyLogin names a login of its own for each client.
func anyLogin(i int) string { return fmt.Sprintf("u%d@acme.example", i) }

// An attack of a thousand parallel guesses, from one network or from fifty, at any logins
// or at the honest client's own, keeps nobody from logging in, and who is known least.
func TestHonestLoginAmidAnAttack(t *testing.T) {
	own := func(int) string { return loginA }
	for name, c := range map[string]struct {
		client func(i int) netip.Addr
		login  func(i int) string
		within time.Duration
		// after is how long the attack has gone on.
		after time.Duration
	}{
		"one network, any login":      {networks(1), anyLogin, 100 * time.Millisecond, 0},
		"one network, this login":     {networks(1), own, 100 * time.Millisecond, 0},
		"fifty networks, any login":   {networks(50), anyLogin, 3 * time.Second, 0},
		"fifty networks, this login":  {networks(50), own, 3 * time.Second, 0},
		"fifty networks, no login":    {networks(50), func(i int) string { return strings.Repeat("x", i) }, 200 * time.Millisecond, 0},
		"as many networks and logins": {func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i / 250), byte(i % 250), 1}) }, anyLogin, 200 * time.Millisecond, 25 * time.Second},
		"networks of IPv6, any login": {func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:7:%x::1", i)) }, anyLogin, 200 * time.Millisecond, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := busyWorld(t)
				if _, err := askPassword(w, elsewhere, loginA, goodPassword); err != nil { // makes elsewhere known
					t.Fatal(err)
				}
				stop := w.attack(c.client, c.login)
				time.Sleep(c.after)
				for n := range 3 {
					stranger := netip.AddrFrom4([4]byte{192, 0, byte(n), 1})
					for client, within := range map[netip.Addr]time.Duration{stranger: c.within, elsewhere: 2 * slowDerivation} {
						if _, waiting := w.hasher.Running(); waiting < 150 {
							t.Errorf("only %d wait: no attack", waiting)
						}
						began := time.Now()
						_, err := askPassword(w, client, loginA, goodPassword)
						if took := time.Since(began); err != nil || took > within {
							t.Errorf("from %s: %v after %v, within %v wanted", client, err, took, within)
						}
					}
				}
				stop()
			})
		})
	}
}

// Who has got in once, and then guesses in a crowd, keeps out neither strangers nor
// others who are known.
func TestCrowdOfSomebodyKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := busyWorld(t)
		crowd := netip.MustParseAddr("203.0.113.1")
		if _, err := askPassword(w, crowd, "b@acme.example", passwordOfB); err != nil {
			t.Fatal(err)
		}
		stop := w.attack(func(int) netip.Addr { return crowd }, func(int) string { return "b@acme.example" })
		for range 3 {
			began := time.Now()
			_, err := askPassword(w, here, loginA, wrongPassword)
			if took := time.Since(began); why.Word(err) != "wrong-password" || took > 8*slowDerivation {
				t.Errorf("a stranger: %v after %v", err, took)
			}
		}
		stop()
	})
}

// A password that was remembered is answered while nothing else can be.
func TestRememberedPasswordWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldWith(t, setup{workers: 1, queue: -1, options: Options{Remember: time.Hour}})
		if err := w.password(loginA, goodPassword); err != nil {
			t.Fatal(err)
		}
		w.during = func() { time.Sleep(time.Minute) }
		var guess sync.WaitGroup
		guess.Go(func() { _ = w.password("b@acme.example", wrongPassword) })
		synctest.Wait()
		if err := w.password("b@acme.example", passwordOfB); !fault.Is(err, fault.Busy) || fault.ReasonOf(err) != "auth-busy" {
			t.Fatalf("%v: the room is not full", err)
		}
		began := time.Now()
		if err := w.password(loginA, goodPassword); err != nil || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		guess.Wait()
	})
}

// Never more derivations run than there are workers.
func TestWorkersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldWith(t, setup{workers: 2, queue: 3})
		var running, most, busy atomic.Int32
		w.during = func() {
			now := running.Add(1)
			for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
			}
			time.Sleep(time.Second)
			running.Add(-1)
		}
		var all sync.WaitGroup
		for range 9 {
			all.Go(func() {
				if fault.Is(w.password(loginA, wrongPassword), fault.Busy) {
					busy.Add(1)
				}
			})
		}
		synctest.Wait()
		if running, waiting := w.hasher.Running(); running != 2 || waiting != 3 || busy.Load() != 4 {
			t.Errorf("%d run, %d wait, %d were refused; 2, 3 and 4 wanted", running, waiting, busy.Load())
		}
		all.Wait()
		if running, waiting := w.hasher.Running(); running+waiting != 0 || most.Load() != 2 {
			t.Errorf("%d run and %d wait afterwards, %d ran at once", running, waiting, most.Load())
		}
	})
}

// Who guesses has both login and network against them; neither an owner at whose
// password others guess, nor who shares a network with them, has.
func TestWhoGuesses(t *testing.T) {
	for _, login := range []string{loginA, "nobody@acme.example", "no address"} {
		w := newWorld(t)
		guessing := func(client netip.Addr, at string) bool {
			key, _ := mail.KeyOf(at)
			return w.v.clients.Guess(key, client)
		}
		if guessing(here, login) {
			t.Errorf("%s: somebody guesses before anybody was wrong", login)
		}
		_ = w.password(login, wrongPassword)
		if !guessing(here, login) || guessing(elsewhere, login) || guessing(here, "b@acme.example") {
			t.Errorf("%s: it is not who was wrong that guesses", login)
		}
		w.pass(recent.KeepFailed)
		if guessing(here, login) {
			t.Errorf("%s: a failure counts for ever", login)
		}
	}
	w := newWorld(t)
	if err := w.password(loginA, goodPassword); err != nil || w.v.clients.Guess(loginA, here) {
		t.Errorf("%v, or a login counts as a failure", err)
	}
}
