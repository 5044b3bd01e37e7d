package delivery

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/queue"
	"countersign/internal/testkit"
)

// from makes a letter somebody else's.
func from(customer, login string, a *queue.Acceptance) *queue.Acceptance {
	a.Submission.Customer, a.Submission.Login = customer, login
	return a
}

// TestSilentHostsDoNotStarveOthers: one account with messages to a thousand domains,
// each with hosts that take connections and say nothing, holds up nobody else.
func TestSilentHostsDoNotStarveOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.opt.Limits = Limits{Workers: 32, PerAddress: 1000}
		silent := &testkit.MX{Script: hang("CONNECT")}
		b.network.Set("192.0.2.9:25", silent)
		for i := range 1000 {
			for p := range 4 {
				b.server(fmt.Sprintf("hang%d.example", i), "192.0.2.9", uint16(10*p), nil)
			}
		}
		m := &testkit.MX{}
		b.server("example.org", "192.0.2.1", 10, m)
		stop := b.start()
		for i := range 1000 {
			b.put(from("evil", "a@evil.example", b.letter(fmt.Sprintf("b@hang%d.example", i))))
		}
		for n := range 20 {
			began := time.Now()
			b.put(from("good", "a@example.net", b.letter("b@example.org")))
			b.store.until(t, func() bool { return len(m.Received()) == n+1 })
			if took := time.Since(began); took > time.Second {
				t.Errorf("message %d took %v", n, took)
			}
			time.Sleep(time.Minute) // in the bubble
		}
		ctx, cancel := contextWithin(time.Second)
		defer cancel()
		b.d.Stop(ctx) // it cuts off; that is another test's matter
		silent.Close()
		stop()
	})
}

// TestConnectionsToOneAddressAreBounded: many domains with the same server open no
// more connections to it than it gets, and all are delivered all the same.
func TestConnectionsToOneAddressAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.opt.Limits = Limits{Workers: 64, PerDestination: 2, PerAddress: 5}
		var mu sync.Mutex // guards active and most
		active, most := 0, 0
		m := &testkit.MX{Script: func(s testkit.Step) testkit.Action {
			mu.Lock()
			switch s.At {
			case "MAIL":
				active++
				most = max(most, active)
			case "END":
				active--
			}
			mu.Unlock()
			if s.At == "DATA" {
				time.Sleep(3 * time.Second) // in the bubble
			}
			return testkit.Action{}
		}}
		b.network.Set("192.0.2.9:25", m)
		defer m.Close()
		for i := range 50 {
			b.server(fmt.Sprintf("d%d.example", i), "192.0.2.9", 10, nil)
		}
		defer b.start()()
		for i := range 50 {
			b.put(from(fmt.Sprint("c", i%10), fmt.Sprint("a@", i%10), b.letter(fmt.Sprintf("b@d%d.example", i))))
		}
		b.store.empty(t)
		if len(m.Received()) != 50 || most > 5 || most < 3 {
			t.Errorf("%d messages, at most %d at a time; want 50, at most 5", len(m.Received()), most)
		}
		for _, kind := range b.store.kinds() {
			if kind != "delivered 250 2.0.0" {
				t.Errorf("outcome %s: waiting for a place costs an attempt", kind)
			}
		}
	})
}

// TestBusyAddressIsNotWaitedForForever: a destination whose server never has a
// place is deferred like any other that cannot be reached.
func TestBusyAddressIsNotWaitedForForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.opt.Limits = Limits{PerDestination: 1, PerAddress: 1}
		m := &testkit.MX{Script: hang("END")}
		b.network.Set("192.0.2.9:25", m)
		b.server("one.example", "192.0.2.9", 10, nil)
		b.server("two.example", "192.0.2.9", 10, nil)
		stop := b.start()
		b.put(b.letter("b@one.example"))
		time.Sleep(time.Second) // in the bubble
		began := time.Now()
		b.put(b.letter("b@two.example"))
		b.store.until(t, func() bool { return len(b.store.reports) > 0 })
		took := time.Since(began)
		if kind := b.store.kinds()[0]; kind != "deferred 451 4.4.5" || took < maxParking*parkFor || took > 2*maxParking*parkFor {
			t.Errorf("%s after %v", kind, took)
		}
		m.Close()
		stop()
	})
}

// TestAttemptHasADeadline: hosts that answer each command just in time, for
// ever, end with the time of the attempt.
func TestAttemptHasADeadline(t *testing.T) {
	for _, at := range []string{"CONNECT", "RCPT", "END"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.opt.AttemptTimeout = 3 * time.Minute
			slow := func(s testkit.Step) testkit.Action {
				if s.At == at {
					return testkit.Action{Say: strings.Repeat("250-wait\r\n", 1000) + "250 ok", Drip: 2 * time.Second}
				}
				return testkit.Action{}
			}
			for i := range 6 {
				b.server("example.org", fmt.Sprintf("192.0.2.%d", i+1), uint16(i), &testkit.MX{Script: slow})
			}
			stop := b.start()
			began := time.Now()
			b.put(b.letter("b@example.org"))
			b.store.until(t, func() bool { return len(b.store.reports) > 0 })
			if took := time.Since(began); took > 3*time.Minute || took < time.Minute || at == "CONNECT" && took > time.Minute+time.Second {
				t.Errorf("%s: the attempt took %v, want at most 3 minutes, and 1 to find a host", at, took)
			}
			if kind := b.store.kinds()[0]; kind != "deferred 451 4.4.2" {
				t.Errorf("%s: outcome %s", at, kind)
			}
			maybe := b.store.got()[0].Events[0].Data["maybe_delivered"] == "yes"
			if maybe != (at == "END") {
				t.Errorf("%s: maybe delivered = %v", at, maybe)
			}
			for _, m := range b.servers {
				m.Close()
			}
			stop()
		})
	}
}

// TestSuspensionStopsAnAttempt: an account suspended while its message is
// under way tries no further host, and does not send the content.
func TestSuspensionStopsAnAttempt(t *testing.T) {
	for _, at := range []string{"CONNECT", "EHLO", "MAIL", "RCPT", "DATA"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			slow := func(s testkit.Step) testkit.Action {
				if s.At == at {
					time.Sleep(30 * time.Second) // in the bubble
					if at == "CONNECT" {
						return testkit.Action{Drop: true}
					}
				}
				return testkit.Action{}
			}
			first, second := &testkit.MX{Script: slow}, &testkit.MX{}
			b.server("example.org", "192.0.2.1", 10, first)
			b.server("example.org", "192.0.2.2", 20, second)
			defer b.start()()
			a := b.put(b.letter("b@example.org"))
			time.Sleep(10 * time.Second) // in the bubble
			b.store.set(func() {
				b.store.waiting[queue.Key{Submission: a.Submission.ID, N: 1}].Delivery.State = queue.Held
			})
			time.Sleep(time.Minute) // in the bubble
			if n := len(first.Received()) + len(second.Received()); n != 0 || len(b.store.got()) != 0 {
				t.Errorf("%s: sent %d times after the suspension, %d outcomes", at, n, len(b.store.got()))
			}
			b.store.set(func() {
				b.store.waiting[queue.Key{Submission: a.Submission.ID, N: 1}].Delivery.State = queue.Queued
			})
			b.store.empty(t)
			if n := len(first.Received()) + len(second.Received()); n != 1 {
				t.Errorf("%s: sent %d times after the release", at, n)
			}
		})
	}
}
