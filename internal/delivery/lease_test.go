package delivery

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/queue"
	"countersign/internal/testkit"
)

// TestNothingBeginsWithoutALease: while what is in memory may be another node's,
// it stays where it is.
func TestNothingBeginsWithoutALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		m := &testkit.MX{}
		b.server("example.org", "192.0.2.1", 10, m)
		var holds atomic.Bool
		b.opt.Holds = holds.Load
		defer b.start()()
		b.put(b.letter("b@example.org"))
		time.Sleep(time.Minute) // in the bubble
		if n := len(b.network.Dials()); n != 0 {
			t.Errorf("%d connections without a lease", n)
		}
		holds.Store(true)
		b.store.empty(t)
		if n := len(m.Received()); n != 1 {
			t.Errorf("sent %d times with a lease, want once", n)
		}
	})
}

// TestLostLeaseStopsAnAttempt: a node that loses its lease in the middle of an
// attempt does not let the server take the message, up to the end of the content.
func TestLostLeaseStopsAnAttempt(t *testing.T) {
	for _, at := range []string{"CONNECT", "MAIL", "RCPT", "DATA", "BODY"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			var lost atomic.Bool
			m := &testkit.MX{Script: func(s testkit.Step) testkit.Action {
				if s.At == at {
					lost.Store(true)
				}
				return testkit.Action{}
			}}
			b.server("example.org", "192.0.2.1", 10, m)
			b.opt.Holds = func() bool { return !lost.Load() }
			defer b.start()()
			a := b.letter("b@example.org")
			if at == "BODY" { // more than is on its way when the server comes to it
				a.Content.Body = make([]byte, 0, 4<<20)
				for len(a.Content.Body) < 4<<20 {
					a.Content.Body = append(a.Content.Body, "more than a connection holds\r\n"...)
				}
			}
			b.put(a)
			time.Sleep(time.Minute) // in the bubble
			if n := len(m.Received()); n != 0 || len(b.store.got()) != 0 || b.store.left() != 1 {
				t.Errorf("%s: taken %d times, %d outcomes, %d left; want 0, 0, 1", at, n, len(b.store.got()), b.store.left())
			}
		})
	}
}

// TestAnotherLeaseIsNotTheSame: what came into memory under a lease that was lost
// is not sent under the next, however soon that comes, unless the store says so.
func TestAnotherLeaseIsNotTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		m := &testkit.MX{}
		b.server("example.org", "192.0.2.1", 10, m)
		var holds atomic.Bool
		var since atomic.Int64
		b.opt.Holds = holds.Load
		b.opt.HeldSince = func() time.Time { return time.Unix(0, since.Load()) }
		defer b.start()()
		a := b.letter("b@example.org")
		b.put(a)
		time.Sleep(10 * time.Millisecond)                                                             // in the bubble
		b.store.set(func() { delete(b.store.waiting, queue.Key{Submission: a.Submission.ID, N: 1}) }) // another node has delivered it
		since.Store(time.Now().UnixNano())
		holds.Store(true)
		b.d.kick()
		time.Sleep(time.Second) // in the bubble
		if n := len(m.Received()); n != 0 {
			t.Errorf("sent %d times under a lease that came after it", n)
		}
	})
}

// TestSenderIsToldOnce: a failure that was found out under a lease that is lost is
// told of by who makes the delivery then, here the same node.
func TestSenderIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var since atomic.Int64
		tries := 0
		m := &testkit.MX{Script: func(s testkit.Step) testkit.Action {
			if s.At != "RCPT" {
				return testkit.Action{}
			}
			if tries++; tries == 1 {
				since.Store(time.Now().Add(time.Millisecond).UnixNano())
			}
			return testkit.Action{Say: "550 5.1.1 nobody"}
		}}
		b.server("example.org", "192.0.2.1", 10, m)
		b.opt.HeldSince = func() time.Time { return time.Unix(0, since.Load()) }
		defer b.start()()
		a := b.letter("b@example.org")
		b.put(a)
		time.Sleep(30 * time.Second) // in the bubble
		bounces, outcomes := 0, 0
		for _, r := range b.store.got() {
			bounces += len(r.Reports)
			for _, o := range r.Outcomes {
				if o.State == queue.Failed && r.Submission == a.Submission.ID {
					outcomes++
				}
			}
		}
		if tries < 2 || bounces != 1 || outcomes != 1 {
			t.Errorf("%d tries, %d reports to the sender, %d failures; want 2 at least, 1, 1", tries, bounces, outcomes)
		}
	})
}

// TestAnswerUnderAnotherLease: an answer that comes when the lease was lost and taken
// again is stored only where the delivery is still this node's.
func TestAnswerUnderAnotherLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var since atomic.Int64
		m := &testkit.MX{Script: func(s testkit.Step) testkit.Action {
			if s.At == "END" {
				since.Store(time.Now().UnixNano())
				time.Sleep(time.Second) // in the bubble
			}
			return testkit.Action{}
		}}
		b.server("example.org", "192.0.2.1", 10, m)
		b.opt.HeldSince = func() time.Time { return time.Unix(0, since.Load()) }
		defer b.start()()
		b.put(b.letter("b@example.org"))
		b.store.empty(t)
		got := b.store.got()
		if len(got) != 1 || len(got[0].Outcomes) != 1 || !got[0].Again {
			t.Errorf("stored %+v, want one outcome, as if made again", got)
		}
	})
}
