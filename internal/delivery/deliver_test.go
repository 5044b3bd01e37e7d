package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/audit"
	"countersign/internal/delivery/backlog"
	"countersign/internal/delivery/route"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/smtpclient"
	"countersign/internal/testkit"
)

// hang answers one step with nothing.
func hang(at string) func(testkit.Step) testkit.Action {
	return func(s testkit.Step) testkit.Action { return testkit.Action{Hang: s.At == at} }
}

// say answers one step with a text.
func say(at, text string) func(testkit.Step) testkit.Action {
	return func(s testkit.Step) testkit.Action {
		if s.At == at {
			return testkit.Action{Say: text}
		}
		return testkit.Action{}
	}
}

func TestDeliversOneTransactionForOneDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.opt.Metrics = NewMetrics(prometheus.NewRegistry())
		org := &testkit.MX{Extensions: testkit.AllExtensions()}
		com := &testkit.MX{}
		b.server("example.org", "192.0.2.1", 10, org)
		b.server("example.com", "192.0.2.2", 10, com)
		defer b.start()()
		a := b.put(b.letter("b@example.org", "c@example.com", "d@example.org"))
		b.store.empty(t)
		if got := org.Received(); len(got) != 1 || len(got[0].Rcpt) != 2 || got[0].Data != "Subject: x\r\nFrom: a@example.net\r\n\r\nhello\r\n" {
			t.Errorf("example.org got %+v, want one message to two", got)
		}
		if got := com.Received(); len(got) != 1 || len(got[0].Rcpt) != 1 {
			t.Errorf("example.com got %+v", got)
		}
		if b.store.contentGot != 0 {
			t.Errorf("the content was read %d times, although it was offered", b.store.contentGot)
		}
		var found bool
		for _, e := range b.store.events {
			if e.Delivery != 1 {
				continue
			}
			found = true
			want := map[string]string{"to": "b@example.org", "attempt": "1", "remote": "mx10.example.org [192.0.2.1]", "tls": "none"}
			if e.Kind != audit.DeliveryDelivered || e.Code != 250 || e.Enhanced != "2.0.0" || e.Text != "taken" ||
				e.Submission != a.Submission.ID || e.Session != a.Submission.Session || fmt.Sprint(e.Data) != fmt.Sprint(want) {
				t.Errorf("event = %+v", e)
			}
		}
		if !found {
			t.Error("no event")
		}
	})
}

func TestRecipientsAreSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		m := &testkit.MX{Extensions: testkit.AllExtensions()}
		b.server("example.org", "192.0.2.1", 10, m)
		b.opt.Limits.Recipients = 3
		defer b.start()()
		b.put(b.letter("a@example.org", "b@example.org", "c@example.org", "d@example.org"))
		b.store.empty(t)
		if got := m.Received(); len(got) != 2 || len(got[0].Rcpt)+len(got[1].Rcpt) != 4 {
			t.Errorf("got %+v, want two messages to four", got)
		}
	})
}

// TestTooManyRecipients: a server that takes two at a time gets the others at
// once, in the same connection.
func TestTooManyRecipients(t *testing.T) {
	for _, text := range []string{"452 4.5.3 too many", "552 too many"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			taken := map[int]int{}
			m := &testkit.MX{}
			m.Script = func(s testkit.Step) testkit.Action {
				if s.At != "RCPT" {
					return testkit.Action{}
				}
				if taken[s.Message]++; taken[s.Message] > 2 {
					return testkit.Action{Say: text}
				}
				return testkit.Action{}
			}
			b.server("example.org", "192.0.2.1", 10, m)
			defer b.start()()
			b.put(b.letter("a@example.org", "b@example.org", "c@example.org", "d@example.org", "e@example.org"))
			b.store.empty(t)
			if all, _ := m.Connections(); len(m.Received()) != 3 || all != 1 {
				t.Errorf("%s: %d messages over %d connections, want 3 over 1", text, len(m.Received()), all)
			}
			if kinds := b.store.kinds(); len(kinds) != 5 || slices.Contains(kinds, "deferred 452 4.5.3") {
				t.Errorf("%s: events %v", text, kinds)
			}
		})
	}
}

// TestOutcomes runs one attempt against every kind of server.
func TestOutcomes(t *testing.T) {
	drop := func(at string) func(testkit.Step) testkit.Action {
		return func(s testkit.Step) testkit.Action { return testkit.Action{Drop: s.At == at} }
	}
	tests := []struct {
		name string
		// first and second are the scripts of two hosts; nil second is a host
		// that does not exist.
		first, second func(testkit.Step) testkit.Action
		want          string
		// tried says whether the second host was.
		tried bool
	}{
		{"rcpt 5xx is final", say("RCPT", "550 5.1.1 who"), say("NOOP", ""), "failed 550 5.1.1", false},
		{"rcpt 5xx without enhanced code", say("RCPT", "550 who"), say("NOOP", ""), "failed 550 5.0.0", false},
		{"mailbox full is final", say("RCPT", "552 5.2.2 full"), say("NOOP", ""), "failed 552 5.2.2", false},
		{"mail 5xx is final", say("MAIL", "550 5.7.1 no"), say("NOOP", ""), "failed 550 5.7.1", false},
		{"end 5xx is final", say("END", "554 5.7.1 spam"), say("NOOP", ""), "failed 554 5.7.1", false},
		{"rcpt 4xx waits", say("RCPT", "451 4.2.0 grey"), say("NOOP", ""), "deferred 451 4.2.0", false},
		{"mail 4xx waits", say("MAIL", "450 4.7.1 slow"), say("NOOP", ""), "deferred 450 4.7.1", false},
		{"mail 421 goes on", say("MAIL", "421 4.3.2 bye"), say("NOOP", ""), "delivered 250 2.0.0", true},
		{"greeting 5xx goes on", say("CONNECT", "554 5.7.1 no"), say("NOOP", ""), "delivered 250 2.0.0", true},
		{"greeting 4xx goes on", say("CONNECT", "421 4.3.2 busy"), say("NOOP", ""), "delivered 250 2.0.0", true},
		{"greeting 5xx from all", say("CONNECT", "554 5.7.1 no"), say("CONNECT", "521 5.3.2 no mail"), "failed 521 5.3.2", true},
		{"greeting 5xx and 4xx", say("CONNECT", "554 5.7.1 no"), say("CONNECT", "421 4.3.2 busy"), "deferred 421 4.3.2", true},
		{"greeting 4xx and 5xx", say("CONNECT", "421 4.3.2 busy"), say("CONNECT", "554 5.7.1 no"), "deferred 421 4.3.2", true},
		{"drop at mail goes on", drop("MAIL"), say("NOOP", ""), "delivered 250 2.0.0", true},
		{"drop in content goes on", drop("BODY"), say("NOOP", ""), "delivered 250 2.0.0", true},
		{"drop after the dot waits", drop("END"), say("NOOP", ""), "deferred 451 4.4.2", false},
		{"hang after the dot waits", hang("END"), say("NOOP", ""), "deferred 451 4.4.2", false},
		{"hang at greeting goes on", hang("CONNECT"), say("NOOP", ""), "delivered 250 2.0.0", true},
		{"garbage from all", say("CONNECT", "hello"), say("CONNECT", "hello"), "deferred 451 4.5.0", true},
		{"greeting 5xx, then nobody", say("CONNECT", "554 5.7.1 no"), nil, "deferred 451 4.4.1", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				first, second := &testkit.MX{Script: tt.first}, &testkit.MX{Script: tt.second}
				if tt.second == nil {
					second = nil
				}
				b.server("example.org", "192.0.2.1", 10, first)
				b.server("example.org", "192.0.2.2", 20, second)
				b.server("example.net", "192.0.2.3", 10, &testkit.MX{})
				defer b.start()()
				a := b.letter("b@example.org")
				a.Content.Body = bytes.Repeat([]byte("more than a connection holds\r\n"), 10_000)
				b.put(a)
				b.store.until(t, func() bool { return len(b.store.reports) > 0 })
				if got := b.store.kinds()[0]; got != tt.want {
					t.Errorf("outcome = %s, want %s", got, tt.want)
				}
				if tried := slices.Contains(b.network.Dials(), "192.0.2.2:25"); tried != tt.tried {
					t.Errorf("second host tried: %v, want %v", tried, tt.tried)
				}
				maybe := b.store.got()[0].Events[0].Data["maybe_delivered"] == "yes"
				if maybe != strings.Contains(tt.name, "after the dot") {
					t.Errorf("maybe delivered = %v", maybe)
				}
			})
		})
	}
}

// TestLookups runs one attempt to domains that DNS has trouble with.
func TestLookups(t *testing.T) {
	tests := []struct {
		to   string
		want string
	}{
		{"b@gone.example", "failed 550 5.1.2"},
		{"b@null.example", "failed 556 5.1.10"},
		{"b@away.example", "deferred 451 4.4.3"},
		{"b@inside.example", "failed 550 5.4.4"},
		{"b@nohost.example", "failed 550 5.4.4"},
		{"b@refused.example", "deferred 451 4.4.1"},
		{"b@[127.0.0.1]", "failed 550 5.4.4"},
		{"b@[10.0.0.1]", "failed 550 5.4.4"},
		{"b@[192.0.2.1]", "delivered 250 2.0.0"},
		{"b@plain.example", "delivered 250 2.0.0"},
	}
	for _, tt := range tests {
		t.Run(tt.to, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				m := &testkit.MX{}
				b.server("example.org", "192.0.2.1", 10, m)
				b.server("inside.example", "10.0.0.1", 10, m)
				b.server("refused.example", "192.0.2.9", 10, nil)
				b.names.mx["null.example"] = append(b.names.mx["null.example"], nullMX)
				b.names.mx["nohost.example"] = append(b.names.mx["nohost.example"], b.names.mx["example.org"][0])
				b.names.mx["nohost.example"][0].Host = "nothing.example"
				b.names.err["away.example"] = fault.New("test", fault.Unavailable, "away")
				b.names.ip["plain.example"] = b.names.ip["mx10.example.org"]
				b.network.Set("127.0.0.1:25", m)
				defer b.start()()
				a := b.letter(tt.to)
				a.Submission.Envelope.From = mail.Address{}
				b.put(a)
				b.store.until(t, func() bool { return len(b.store.reports) > 0 })
				if got := b.store.kinds()[0]; got != tt.want {
					t.Errorf("outcome = %s, want %s: %s", got, tt.want, b.store.events[0].Text)
				}
				for _, dialed := range b.network.Dials() {
					if !strings.HasPrefix(dialed, "192.0.2.") {
						t.Errorf("connected to %s", dialed)
					}
				}
			})
		})
	}
}

// TestRetriesOverDays follows the schedule to its end, in the time of a bubble.
func TestRetriesOverDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		m := &testkit.MX{Script: say("RCPT", "450 4.2.0 never ready")}
		sender := &testkit.MX{}
		b.server("example.org", "192.0.2.1", 10, m)
		b.server("example.net", "192.0.2.2", 10, sender)
		defer b.start()()
		began := time.Now()
		a := b.put(b.letter("b@example.org"))
		b.store.until(t, func() bool { return len(b.store.waiting) == 0 })
		if took := time.Since(began); took < 120*time.Hour || took > 120*time.Hour+time.Minute {
			t.Errorf("given up after %v, want five days", took)
		}
		kinds := b.store.kinds()
		if len(kinds) != 37 || kinds[0] != "deferred 450 4.2.0" || kinds[35] != "failed 550 5.4.7" || kinds[36] != "delivered 250 2.0.0" {
			t.Errorf("%d events, last %v; want 36 attempts, the last failed, and a report delivered", len(kinds), kinds[max(0, len(kinds)-2):])
		}
		for i, e := range b.store.events[:5] {
			if next := e.At.Add(queue.Schedule{}.Wait(i + 1)).UTC().Format(time.RFC3339); e.Data["next"] != next || e.Data["attempt"] != fmt.Sprint(i+1) {
				t.Errorf("attempt %d: data %v, want next %s", i+1, e.Data, next)
			}
		}
		reports := bounces(sender)
		if len(reports) != 1 || !strings.Contains(reports[0], "Status: 5.4.7") || !strings.Contains(reports[0], "never ready") {
			t.Errorf("reports = %q", reports)
		}
		if bounce := b.store.got()[len(b.store.got())-1]; bounce.Submission == a.Submission.ID {
			t.Error("the last report is not about the bounce")
		}
	})
}

func TestConnectionsAreReusedAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var mu sync.Mutex // guards active and most
		active, most := 0, 0
		m := &testkit.MX{Extensions: testkit.AllExtensions(), Script: func(s testkit.Step) testkit.Action {
			mu.Lock()
			defer mu.Unlock()
			switch s.At {
			case "MAIL":
				active++
				most = max(most, active)
			case "DATA":
				return testkit.Action{Say: "354 go on", Drip: time.Millisecond}
			case "END":
				active--
			}
			return testkit.Action{}
		}}
		b.server("example.org", "192.0.2.1", 10, m)
		b.opt.Limits = Limits{PerDestination: 5, MessagesPerConnection: 20}
		defer b.start()()
		for range 200 {
			b.put(b.letter("b@example.org"))
		}
		b.store.empty(t)
		all, _ := m.Connections()
		if len(m.Received()) != 200 || most > 5 || most < 3 || all < 10 || all > 20 {
			t.Errorf("%d messages over %d connections, at most %d at a time; want 200 over 10 to 20, at most 5", len(m.Received()), all, most)
		}
		count := map[int]int{}
		for _, r := range m.Received() {
			if count[r.Connection]++; count[r.Connection] > 20 {
				t.Fatal("more than 20 messages over one connection")
			}
		}
		time.Sleep(15 * time.Second) // in the bubble: idle connections are over
		synctest.Wait()
		if n := len(b.d.pool.idle); n != 0 {
			t.Errorf("%d sites have idle connections", n)
		}
	})
}

// TestStaleConnection: a server that closes idle connections costs no attempt.
func TestStaleConnection(t *testing.T) {
	for _, a := range []testkit.Action{{Drop: true}, {Say: "421 4.4.2 idle too long", Drop: true}} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			m := &testkit.MX{Script: func(s testkit.Step) testkit.Action {
				if s.At == "MAIL" && s.Message == 2 {
					return a
				}
				return testkit.Action{}
			}}
			b.server("example.org", "192.0.2.1", 10, m)
			defer b.start()()
			b.put(b.letter("b@example.org"))
			b.store.empty(t)
			b.put(b.letter("b@example.org"))
			b.store.empty(t)
			if kinds := b.store.kinds(); !slices.Equal(kinds, []string{"delivered 250 2.0.0", "delivered 250 2.0.0"}) {
				t.Errorf("events = %v", kinds)
			}
		})
	}
}

// TestHangingSitesDoNotStarveOthers: more messages than memory holds wait for
// sites that hang, and one for a site that does not.
func TestHangingSitesDoNotStarveOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.opt.Limits = Limits{Workers: 16, PerDestination: 8, BacklogJobs: 64}
		for i := range 5 {
			b.server(fmt.Sprintf("hang%d.example", i), fmt.Sprintf("192.0.2.%d", 10+i), 10, &testkit.MX{
				Script: func(s testkit.Step) testkit.Action { return testkit.Action{Hang: s.At == "CONNECT"} },
			})
		}
		m := &testkit.MX{}
		b.server("example.org", "192.0.2.1", 10, m)
		stop := b.start()
		for i := range 1000 {
			b.put(from("other", "a@other.example", b.letter(fmt.Sprintf("b@hang%d.example", i%5))))
		}
		began := time.Now()
		b.put(b.letter("b@example.org"))
		b.store.until(t, func() bool { return len(m.Received()) == 1 })
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if n := b.d.backlog.Waiting(); n > 64 {
			t.Errorf("%d jobs in memory", n)
		}
		ctx, cancel := contextWithin(time.Second)
		defer cancel()
		b.d.Stop(ctx) // it cuts off; that is another test's matter
		stop()
	})
}

// TestDownSiteIsAskedOnce: what waits for a site that cannot be reached learns that
// without an attempt of its own.
func TestDownSiteIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.server("example.org", "192.0.2.1", 10, nil)
		b.network.Hang("192.0.2.1:25")
		defer b.start()()
		for range 50 {
			b.put(b.letter("b@example.org"))
		}
		b.store.until(t, func() bool { return len(b.store.reports) == 50 })
		if n := len(b.network.Dials()); n > backlog.FirstWidth {
			t.Errorf("%d connections were tried, want %d", n, backlog.FirstWidth)
		}
		b.network.Set("192.0.2.1:25", &testkit.MX{})
		b.store.empty(t)
		for _, kind := range b.store.kinds()[50:] {
			if kind != "delivered 250 2.0.0" {
				t.Errorf("second attempt: %s", kind)
			}
		}
	})
}

// TestStoreAway: an outcome that cannot be stored is not made again, only
// stored again.
func TestStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		m := &testkit.MX{}
		b.server("example.org", "192.0.2.1", 10, m)
		defer b.start()()
		b.store.set(func() { b.store.away = true })
		a := b.letter("b@example.org")
		b.put(a)
		time.Sleep(time.Hour) // in the bubble
		synctest.Wait()
		if n := len(m.Received()); n != 1 {
			t.Errorf("sent %d times, want once", n)
		}
		b.store.set(func() { b.store.away = false })
		b.store.empty(t)
		time.Sleep(time.Minute) // in the bubble
		if n := len(m.Received()); n != 1 || !strings.Contains(b.log.String(), "outcome cannot be stored") {
			t.Errorf("sent %d times, want once; log: %s", n, b.log)
		}
	})
}

// TestScanIsOlderThanReport: what Due shows may have been finished while it
// looked.
func TestScanIsOlderThanReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		m := &testkit.MX{}
		b.server("example.org", "192.0.2.1", 10, m)
		release := make(chan struct{})
		looked := make(chan struct{}, 1000)
		b.store.inDue = func() {
			looked <- struct{}{}
			<-release
		}
		defer b.start()()
		<-looked // the first scan, of an empty queue
		b.store.set(func() { b.store.inDue = nil })
		release <- struct{}{}
		time.Sleep(scanGap + scanEvery/2) // in the bubble: just before the next scan
		a := b.letter("b@example.org")
		b.store.set(func() { b.store.inDue = func() { looked <- struct{}{}; <-release } })
		if err := b.store.Accept(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		<-looked // the scan has seen it
		b.store.set(func() { b.store.inDue = nil })
		b.d.Offer(a) // and so it is delivered while the scan looks
		b.store.empty(t)
		release <- struct{}{}
		time.Sleep(10 * time.Second) // in the bubble
		if n := len(m.Received()); n != 1 {
			t.Errorf("sent %d times, want once", n)
		}
	})
}

// TestOfferAfterScan: a scan may find and finish a message before its session
// comes to offer it.
func TestOfferAfterScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		m := &testkit.MX{}
		b.server("example.org", "192.0.2.1", 10, m)
		defer b.start()()
		a := b.letter("b@example.org")
		if err := b.store.Accept(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		b.store.empty(t)
		time.Sleep(5 * time.Second) // in the bubble
		b.d.Offer(a)
		time.Sleep(10 * time.Second) // in the bubble
		if n := len(m.Received()); n != 1 {
			t.Errorf("sent %d times, want once", n)
		}
	})
}

// TestHeldWhileItWaits: an account suspended while its message waits in memory
// sends nothing.
func TestHeldWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		free := make(chan struct{})
		m := &testkit.MX{Script: func(s testkit.Step) testkit.Action {
			if s.At == "END" && s.Message == 1 {
				<-free
			}
			return testkit.Action{}
		}}
		b.server("example.org", "192.0.2.1", 10, m)
		b.opt.Limits.PerDestination = 1
		defer b.start()()
		b.put(b.letter("b@example.org"))
		held := b.put(b.letter("c@example.org", "d@example.org"))
		time.Sleep(time.Second) // in the bubble
		b.store.set(func() { b.store.waiting[queue.Key{Submission: held.Submission.ID, N: 1}].Delivery.State = queue.Held })
		close(free)
		b.store.until(t, func() bool { return len(b.store.waiting) == 1 })
		time.Sleep(time.Minute) // in the bubble
		got := m.Received()
		if len(got) != 2 || !slices.Equal(got[1].Rcpt, []string{"TO:<d@example.org>"}) {
			t.Errorf("received %+v, want the second message for d alone", got)
		}
	})
}

func TestStop(t *testing.T) {
	t.Run("lets attempts finish", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			m := &testkit.MX{Script: func(s testkit.Step) testkit.Action {
				if s.At == "END" {
					return testkit.Action{Say: "250 ok", Drip: time.Second}
				}
				return testkit.Action{}
			}}
			b.server("example.org", "192.0.2.1", 10, m)
			b.opt.Limits.PerDestination = 1
			b.start()
			defer m.Close()
			b.put(b.letter("b@example.org"))
			b.put(b.letter("b@example.org"))
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := b.d.Stop(ctx); err != nil {
				t.Error(err)
			}
			if len(m.Received()) != 1 || len(b.store.waiting) != 1 {
				t.Errorf("%d sent, %d wait; want 1 and 1", len(m.Received()), len(b.store.waiting))
			}
		})
	})
	for _, at := range []string{"MAIL", "END"} {
		t.Run("cuts off at "+at, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				m := &testkit.MX{Script: func(s testkit.Step) testkit.Action { return testkit.Action{Hang: s.At == at} }}
				b.server("example.org", "192.0.2.1", 10, m)
				b.start()
				defer m.Close()
				b.put(b.letter("b@example.org"))
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := b.d.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Stop = %v", err)
				}
				if len(b.store.waiting) != 1 {
					t.Errorf("%d wait, want 1", len(b.store.waiting))
				}
				// Before the end of the content nothing has happened; after it,
				// the record says that it may have.
				if kinds := b.store.kinds(); (len(kinds) == 1) != (at == "END") {
					t.Errorf("events = %v", kinds)
				}
			})
		})
	}
}

func TestRoutes(t *testing.T) {
	authority := testkit.NewAuthority(t)
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		relay := &testkit.MX{TLS: authority.Server("relay.example"), Implicit: true, Login: "gate", Password: "secret"}
		inside, first, later := &testkit.MX{}, &testkit.MX{TLS: authority.Server("mx10.secure.example")}, &testkit.MX{}
		b.names.ip["relay.example"] = append(b.names.ip["relay.example"], mustAddr("10.1.1.1"))
		b.network.Set("10.1.1.1:465", relay)
		b.network.Set("127.0.0.1:2525", inside)
		b.network.Set("10.1.1.2:25", later)
		b.server("secure.example", "192.0.2.1", 10, first)
		b.servers = append(b.servers, relay, inside, later)
		b.opt.Routes = []route.Route{
			{Domain: "*", Host: "127.0.0.1", Port: 2525},
			{Domain: "example.org", Host: "relay.example", ImplicitTLS: true, TLS: smtpclient.TLSRequired, Username: "gate", Password: "secret", RootCAs: authority.Pool()},
			{Domain: "secure.example", TLS: smtpclient.TLSRequired, RootCAs: authority.Pool()},
		}
		defer b.start()()
		b.put(b.letter("a@example.org", "b@example.com", "c@example.net", "d@secure.example"))
		b.store.empty(t)
		if got := relay.Received(); len(got) != 1 || got[0].Login != "gate" || !got[0].TLS {
			t.Errorf("the relay got %+v", got)
		}
		if got := inside.Received(); len(got) != 1 || len(got[0].Rcpt) != 2 {
			t.Errorf("the next hop of all others got %+v, want one message to two", got)
		}
		if got := first.Received(); len(got) != 1 || !got[0].TLS {
			t.Errorf("the MX got %+v", got)
		}
		b.d.SetRoutes([]route.Route{{Domain: "*", Host: "10.1.1.2"}})
		b.put(b.letter("a@example.org"))
		b.store.empty(t)
		if got := later.Received(); len(got) != 1 {
			t.Errorf("the new next hop got %+v", got)
		}
	})
}

// TestTLSFallsBack: where nothing was promised, TLS that fails is no reason
// not to deliver; where TLS is required, it is.
func TestTLSFallsBack(t *testing.T) {
	authority := testkit.NewAuthority(t)
	for _, tt := range []struct {
		mode smtpclient.TLSMode
		want string
		tls  string
	}{
		{smtpclient.TLSOpportunistic, "delivered 250 2.0.0", "failed"},
		{smtpclient.TLSRequired, "deferred 451 4.7.5", "none"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			m := &testkit.MX{TLS: authority.Server("x"), Script: func(s testkit.Step) testkit.Action {
				if s.At == "STARTTLS" {
					return testkit.Action{Say: "220 go on", Drop: true}
				}
				return testkit.Action{}
			}}
			b.server("example.org", "192.0.2.1", 10, m)
			b.opt.Routes = []route.Route{{Domain: "*", TLS: tt.mode}}
			defer b.start()()
			b.put(b.letter("b@example.org"))
			b.store.until(t, func() bool { return len(b.store.reports) > 0 })
			if got := b.store.kinds()[0]; got != tt.want || b.store.events[0].Data["tls"] != tt.tls {
				t.Errorf("outcome = %s, tls %s; want %s, %s", got, b.store.events[0].Data["tls"], tt.want, tt.tls)
			}
		})
	}
}
