package guard

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// world is a Guard in a time that the test moves, with the bans that it has set.
type world struct {
	*testing.T
	g       *Guard
	now     time.Time
	actions []Action
	// until has the bans, by network and login.
	until map[key]time.Time
	times map[key]int
	draw  func(network, window string) uint16
}

func newWorld(t *testing.T, change ...func(*Rules)) *world {
	w := &world{T: t, now: time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC), until: map[key]time.Time{}, times: map[key]int{}, draw: never}
	rules := Default()
	for _, c := range change {
		c(&rules)
	}
	w.g = New(Options{Rules: rules, Now: func() time.Time { return w.now }, Draw: func(a, b string) uint16 { return w.draw(a, b) }, Device: called, Act: w.act})
	return w
}

func (w *world) act(a Action) {
	w.actions = append(w.actions, a)
	if a.Ban && !a.Shadow {
		k := key{a.Network, a.Login}
		w.until[k] = w.now.Add(time.Hour << w.times[k])
		w.times[k]++
		w.g.Done(a)
	}
}

func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

// digest stands for a keyed one.
func digest(login, secret string) uint16 {
	h := fnv.New32a()
	fmt.Fprint(h, login, "\x00", secret)
	return uint16(h.Sum32())
}

// called stands for a keyed digest of what a device calls itself.
func called(login, name string) uint32 {
	h := fnv.New32a()
	fmt.Fprint(h, login, "\x00", strings.ToLower(name))
	return max(1, h.Sum32())
}

// banned says whether a ban hits.
func (w *world) banned(client netip.Addr, login string) bool {
	for k, until := range w.until {
		if k.network.Contains(client) && (k.login == "" || k.login == login) && w.now.Before(until) {
			return true
		}
	}
	return false
}

// outcome is what became of an attempt.
type outcome int

const (
	passed  outcome = iota
	wrong           // it was verified, and was wrong
	refused         // nothing was verified
)

// try is one attempt by a mechanism that shows the secret. right says whether it is.
func (w *world) try(client netip.Addr, login, secret string, right bool) outcome {
	return w.attempt(Failure{Client: client, Login: login, Digest: digest(login, secret), Seen: true}, right)
}

func (w *world) attempt(f Failure, right bool) outcome {
	if w.banned(f.Client, f.Login) {
		return refused
	}
	err := w.g.Enter(f.Client, f.Login, f.Device)
	if err != nil && err != ErrNetworkClosed {
		return refused
	}
	defer w.g.Leave(f.Client, f.Login, f.Device)
	if err != nil {
		f.Closed = true
		w.g.Failed(f)
		return refused
	}
	if right {
		w.g.Passed(f.Client, f.Login, f.Device, true)
		return passed
	}
	w.g.Failed(f)
	return wrong
}

// want wants an outcome.
func (w *world) want(got, want outcome, what string, args ...any) {
	w.Helper()
	if got != want {
		w.Fatalf("%s: %d, want %d", fmt.Sprintf(what, args...), got, want)
	}
}

// peaceful wants nothing to have been done.
func (w *world) peaceful() {
	w.Helper()
	if len(w.actions) > 0 {
		w.Fatalf("the guard has done %+v", w.actions)
	}
}

// never draws what leaves the numbers as they are.
func never(string, string) uint16 { return 0 }
