package delivery

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/queue"
	"countersign/internal/testkit"
)

// tenancy is the lease of a node as a test has it.
type tenancy struct {
	holds atomic.Bool
	since atomic.Int64
}

// leased gives a bench a lease that can be lost.
func leased(b *bench) *tenancy {
	l := &tenancy{}
	b.opt.Holds = l.holds.Load
	b.opt.HeldSince = func() time.Time { return time.Unix(0, l.since.Load()) }
	l.take()
	time.Sleep(time.Millisecond) // in the bubble: what follows comes later
	return l
}

func (l *tenancy) take() { l.since.Store(time.Now().UnixNano()); l.holds.Store(true) }

// delivered counts the deliveries that the record has.
func (m *memory) delivered() (n int) {
	m.set(func() {
		for _, e := range m.events {
			if e.Kind == audit.DeliveryDelivered {
				n++
			}
		}
	})
	return n
}

var errFenced = fault.New("memory", fault.Fenced, "epoch 1 is over")

// TestOutageLongerThanALease: what was delivered while the store was away for
// longer than the lease is reported as soon as there is another one, and not sent
// again; what another node has adopted by then is left to that.
func TestOutageLongerThanALease(t *testing.T) {
	for _, adopted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			l := leased(b)
			m := &testkit.MX{}
			b.server("example.org", "192.0.2.1", 10, m)
			defer b.start()()
			a := b.letter("b@example.org")
			b.store.set(func() { b.store.away = true })
			b.put(a)
			time.Sleep(12 * time.Second) // in the bubble
			l.holds.Store(false)
			time.Sleep(48 * time.Second) // in the bubble
			b.store.set(func() { b.store.away, b.store.refuse = false, errFenced })
			time.Sleep(10 * time.Second) // in the bubble: longer than any wait between tries
			if n := len(m.Received()); n != 1 || len(b.store.got()) != 0 {
				t.Fatalf("sent %d times and %d outcomes, want once and none", n, len(b.store.got()))
			}
			want := 1
			b.store.set(func() {
				b.store.refuse = nil
				if adopted {
					want = 0
					delete(b.store.waiting, queue.Key{Submission: a.Submission.ID, N: 1})
				}
			})
			l.take()
			time.Sleep(300 * time.Millisecond) // in the bubble
			synctest.Wait()
			if n := b.store.delivered(); n != want || b.store.left() != 0 {
				t.Errorf("adopted %v: %d outcomes are stored, %d deliveries wait; want %d, 0", adopted, n, b.store.left(), want)
			}
			time.Sleep(time.Hour) // in the bubble
			if n := len(m.Received()); n != 1 {
				t.Errorf("adopted %v: sent %d times, want once", adopted, n)
			}
		})
	}
}

// TestOutageEndsBetweenTries: a new lease is reason enough to try again at once, though
// the last try was a moment ago.
func TestOutageEndsBetweenTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		l := leased(b)
		b.server("example.org", "192.0.2.1", 10, &testkit.MX{})
		defer b.start()()
		b.store.set(func() { b.store.away = true })
		b.put(b.letter("b@example.org"))
		for d := time.Duration(0); d < lastBackoff; d += 500 * time.Millisecond { // at any time between two tries
			time.Sleep(time.Minute + d) // in the bubble
			b.store.set(func() { b.store.away = false })
			l.take()
			time.Sleep(2 * firstBackoff) // in the bubble
			synctest.Wait()
			if n := b.store.left(); n != 0 {
				t.Fatalf("%v: %d deliveries are not reported", d, n)
			}
			b.store.set(func() { b.store.away = true })
			b.put(b.letter("b@example.org"))
		}
		b.store.set(func() { b.store.away = false })
		b.store.empty(t)
	})
}

// TestAnswerOfTheStoreIsLost: what was stored without our knowing is not recorded
// twice.
func TestAnswerOfTheStoreIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		m := &testkit.MX{}
		b.server("example.org", "192.0.2.1", 10, m)
		b.store.refuse, b.store.deaf = errAway, true
		defer b.start()()
		b.put(b.letter("b@example.org"))
		b.store.empty(t)
		time.Sleep(time.Minute) // in the bubble
		b.store.set(func() { b.store.refuse = nil })
		time.Sleep(time.Minute) // in the bubble
		if n := b.store.delivered(); n != 1 || len(m.Received()) != 1 {
			t.Errorf("recorded %d times, sent %d times; want once each", n, len(m.Received()))
		}
	})
}

// TestPartOfAReportIsOurs: where one of several recipients is not ours to settle any
// more, the others are, and the sender of what failed is told once.
func TestPartOfAReportIsOurs(t *testing.T) {
	for _, want := range []audit.Kind{audit.DeliveryDelivered, audit.DeliveryFailed} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			m, sender := &testkit.MX{}, &testkit.MX{}
			told := 0
			if want == audit.DeliveryFailed {
				m.Script, told = say("RCPT", "550 5.1.1 who"), 1
			}
			b.server("example.org", "192.0.2.1", 10, m)
			b.server("example.net", "192.0.2.2", 10, sender)
			b.store.refuse = errFenced
			defer b.start()()
			a := b.letter("b@example.org", "c@example.org", "d@example.org")
			b.put(a)
			time.Sleep(time.Second) // in the bubble
			b.store.set(func() {
				delete(b.store.waiting, queue.Key{Submission: a.Submission.ID, N: 2})
				b.store.refuse = nil
			})
			b.store.empty(t)
			time.Sleep(time.Minute) // in the bubble
			recorded := 0
			b.store.set(func() {
				for _, e := range b.store.events {
					if e.Kind == want && e.Submission == a.Submission.ID {
						recorded++
					}
				}
			})
			if recorded != 2 || len(m.Received()) != 1-told || len(bounces(sender)) != told {
				t.Errorf("%s: recorded %d times, sent %d times, the sender told %d times; want 2, %d, %d",
					want, recorded, len(m.Received()), len(bounces(sender)), 1-told, told)
			}
		})
	}
}

// TestUnreportedAreBounded: while no outcome can be stored, no more attempts are made
// than there are workers; then everything goes on.
func TestUnreportedAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		m := &testkit.MX{}
		b.server("example.org", "192.0.2.1", 10, m)
		b.opt.Limits = Limits{Workers: 8, PerDestination: 8}
		b.store.refuse = errAway
		defer b.start()()
		for range 50 {
			b.put(b.letter("b@example.org"))
		}
		time.Sleep(10 * time.Minute) // in the bubble
		if n := len(m.Received()); n == 0 || n > 8 {
			t.Errorf("%d messages were sent while nothing could be stored, want 8 at most", n)
		}
		b.store.set(func() { b.store.refuse = nil })
		b.store.empty(t)
		time.Sleep(time.Minute) // in the bubble
		if n := len(m.Received()); n != 50 || b.store.delivered() != 50 {
			t.Errorf("%d messages were sent and %d recorded, want 50", n, b.store.delivered())
		}
	})
}
