package account

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

	"countersign/internal/account/phc"
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

// slow makes derivations take their time and match nothing.
func slow(h *Hasher) {
	h.derive = func(_, _ []byte, _ phc.Params, length uint32) []byte {
		time.Sleep(slowDerivation)
		return make([]byte, length)
	}
}

// An attack of a thousand parallel guesses, from one network or from fifty, at
// any logins or at the honest client's own, keeps nobody from logging in.
func TestHonestLoginAmidAnAttack(t *testing.T) {
	networks := func(n int) func(int) netip.Addr {
		return func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i % n), byte(i / n)}) }
	}
	for name, c := range map[string]struct {
		client func(i int) netip.Addr
		login  func(i int) string
		within time.Duration
	}{
		"one network, any login":      {networks(1), func(i int) string { return fmt.Sprintf("u%d@acme.example", i) }, 100 * time.Millisecond},
		"one network, this login":     {networks(1), func(int) string { return "a@acme.example" }, 100 * time.Millisecond},
		"fifty networks, any login":   {networks(50), func(i int) string { return fmt.Sprintf("u%d@acme.example", i) }, 3 * time.Second},
		"fifty networks, this login":  {networks(50), func(int) string { return "a@acme.example" }, 3 * time.Second},
		"fifty networks, no login":    {networks(50), func(i int) string { return strings.Repeat("x", i) }, 200 * time.Millisecond},
		"networks of IPv6, any login": {func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:7:%x::1", i)) }, func(i int) string { return fmt.Sprintf("u%d@acme.example", i) }, 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, err := NewHasher(HasherOptions{Params: cheap, Workers: 2, Queue: 256})
				if err != nil {
					t.Fatal(err)
				}
				w := newWorld(t)
				slow(h)
				v := NewVerifier(w.store, h, VerifierOptions{})
				var over atomic.Bool
				var all sync.WaitGroup
				for i := range 1000 {
					all.Go(func() {
						for !over.Load() {
							_, _ = v.Password(t.Context(), Attempt{Login: c.login(i), Password: "a wrong password", Client: c.client(i)})
							time.Sleep(700 * time.Millisecond)
						}
					})
				}
				synctest.Wait()
				for range 3 {
					if _, waiting := h.Running(); waiting < 150 {
						t.Errorf("only %d wait: no attack", waiting)
					}
					began := time.Now()
					_, err := v.Password(t.Context(), Attempt{Login: "a@acme.example", Password: "mistyped password", Client: netip.MustParseAddr("192.0.2.7")})
					if FailureCause(err) != "wrong-password" {
						t.Errorf("got %v", err)
					}
					if took := time.Since(began); took > c.within {
						t.Errorf("the answer took %v", took)
					}
				}
				over.Store(true)
				all.Wait()
			})
		})
	}
}

// A password that was remembered is answered while nothing else can be.
func TestRememberedPasswordWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _, _, release := blockingHasher(t, 1, 0)
		w := newWorld(t)
		v := NewVerifier(w.store, h, VerifierOptions{Remember: time.Minute})
		blocking := h.derive
		h.derive = w.hasher.derive
		if _, err := v.Password(t.Context(), Attempt{Login: "a@acme.example", Password: goodPassword}); err != nil {
			t.Fatal(err)
		}
		h.derive = blocking
		var guess sync.WaitGroup
		guess.Go(func() { _, _ = v.Password(t.Context(), Attempt{Login: "b@acme.example", Password: "a wrong password"}) })
		synctest.Wait()
		if _, err := v.Password(t.Context(), Attempt{Login: "b@acme.example", Password: goodPassword}); err == nil {
			t.Fatal("the room is not full")
		}
		began := time.Now()
		if _, err := v.Password(t.Context(), Attempt{Login: "a@acme.example", Password: goodPassword}); err != nil || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		close(release)
		guess.Wait()
	})
}
