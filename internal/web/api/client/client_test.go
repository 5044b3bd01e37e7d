package client

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestTokens(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		token := NewToken()
		if err := CheckToken(token); err != nil || len(token) != minToken || seen[token] {
			t.Fatalf("%q: %v", token, err)
		}
		seen[token] = true
	}
	good := NewToken()
	for _, bad := range []string{"", "short", good[1:], good + " x", good + "\x00", strings.Repeat("a", 64), strings.Repeat("ab", 40), strings.Repeat(good, 20), "=" + good} {
		if err := CheckToken(bad); err == nil {
			t.Errorf("%q passes", bad)
		} else if bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("the error repeats it: %v", err)
		}
	}
}

func TestFind(t *testing.T) {
	var set Set
	var tokens []string
	for i := range 5 {
		tokens = append(tokens, NewToken())
		set = append(set, New(Options{Name: fmt.Sprint(i), Token: tokens[i], PerMinute: 60}))
	}
	for i, token := range tokens {
		if c := set.Find(token); c == nil || c.Name() != fmt.Sprint(i) || c.Actor() != "api:"+fmt.Sprint(i) {
			t.Errorf("%d: %v", i, c)
		}
		for _, other := range []string{"", token[1:], token + "a", strings.ToUpper(token), " " + token} {
			if c := set.Find(other); c != nil {
				t.Errorf("%q is the token of %s", other, c.Name())
			}
		}
		if strings.Contains(fmt.Sprintf("%+v", set[i].opt), token) {
			t.Error("it keeps the token")
		}
	}
}

func TestBounds(t *testing.T) {
	all := New(Options{PerMinute: 60})
	some := New(Options{PerMinute: 60, Customers: []string{"a", "b"}, Plans: []string{"small"}})
	if !all.Sees("a") || !all.Sees("") || !all.Gives("x") || all.Bounded() {
		t.Error("one without customers does not see everything")
	}
	if !some.Sees("a") || some.Sees("c") || some.Sees("") || some.Gives("x") || !some.Gives("small") || some.Gives("") || !some.Bounded() {
		t.Error("one with customers sees others")
	}
}

// TestAttempts: what guessing can have recorded is bounded for each network and in all.
func TestAttempts(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	waits := 0
	a := NewAttempts(func() time.Time { return now }, func(context.Context) { waits++ })
	from := netip.MustParseAddr("2001:db8::1")
	recorded := 0
	for i := range 100 {
		if a.Failed(t.Context(), from) {
			recorded++
		}
		from = netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)) // all of one /64
	}
	if recorded != perNetwork || waits != perNetwork {
		t.Errorf("%d of one network, %d waits", recorded, waits)
	}
	for i := range 5000 {
		if a.Failed(t.Context(), netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})) {
			recorded++
		}
	}
	if recorded != inAll {
		t.Errorf("%d in all", recorded)
	}
	if len(a.wrong.of) > maxNetworks {
		t.Errorf("%d networks are kept", len(a.wrong.of))
	}
	stolen := 0
	for range 100 {
		if a.Misplaced(from) {
			stolen++
		}
	}
	if stolen != perNetwork {
		t.Errorf("after all those wrong tokens %d right ones from elsewhere are recorded", stolen)
	}
	now = now.Add(window)
	if !a.Failed(t.Context(), from) {
		t.Error("it is not looked at again when the window is over")
	}
}

// TestWaiting: whoever guesses at once cannot have more answers wait than there are places.
func TestWaiting(t *testing.T) {
	begun, hold := make(chan struct{}), make(chan struct{})
	a := NewAttempts(time.Now, func(context.Context) { begun <- struct{}{}; <-hold })
	done := make(chan bool, waiting)
	for i := range waiting {
		go func() { done <- a.Failed(context.Background(), netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})) }()
		<-begun
	}
	if !a.Failed(t.Context(), netip.MustParseAddr("10.1.1.1")) {
		t.Error("it is not recorded for want of a place")
	}
	close(hold)
	for range waiting {
		<-done
	}
	if a.waiting != 0 {
		t.Errorf("%d wait", a.waiting)
	}
}
