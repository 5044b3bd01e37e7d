package delivery

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/queue"
	"countersign/internal/testkit"
)

var nullMX = mx.Record{}

func mustAddr(s string) netip.Addr         { return netip.MustParseAddr(s) }
func mustAddrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// TestReports checks who is told what, for each NOTIFY and each end.
func TestReports(t *testing.T) {
	old := -5 * time.Hour
	tests := []struct {
		name   string
		notify mail.Notify
		script func(testkit.Step) testkit.Action
		dsn    bool
		age    time.Duration
		null   bool
		want   string // the action told; "" for no report
	}{
		{name: "failure, nothing asked", script: say("RCPT", "550 5.1.1 who"), want: "failed"},
		{name: "failure asked", notify: mail.NotifyFailure, script: say("RCPT", "550 5.1.1 who"), want: "failed"},
		{name: "failure, success asked", notify: mail.NotifySuccess, script: say("RCPT", "550 5.1.1 who")},
		{name: "failure, never", notify: mail.NotifyNever, script: say("RCPT", "550 5.1.1 who")},
		{name: "failure of a report", null: true, script: say("RCPT", "550 5.1.1 who")},
		{name: "success, nothing asked"},
		{name: "success asked, no DSN there", notify: mail.NotifySuccess, want: "relayed"},
		{name: "success asked, DSN there", notify: mail.NotifySuccess, dsn: true},
		{name: "success of a report", notify: mail.NotifySuccess, null: true},
		{name: "delay asked, young", notify: mail.NotifyDelay, script: say("RCPT", "450 4.2.0 later")},
		{name: "delay asked, old", notify: mail.NotifyDelay, age: old, script: say("RCPT", "450 4.2.0 later"), want: "delayed"},
		{name: "delay not asked, old", age: old, script: say("RCPT", "450 4.2.0 later")},
		{name: "delay of a report", notify: mail.NotifyDelay, age: old, null: true, script: say("RCPT", "450 4.2.0 later")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				m, sender := &testkit.MX{Script: tt.script}, &testkit.MX{}
				if tt.dsn {
					m.Extensions = []string{"DSN"}
				}
				b.server("example.org", "192.0.2.1", 10, m)
				b.server("example.net", "192.0.2.2", 10, sender)
				defer b.start()()
				a := b.letter("b@example.org")
				a.Submission.At = a.Submission.At.Add(tt.age)
				a.Submission.Envelope.EnvelopeID = "my-id"
				a.Deliveries[0].Recipient.Notify = tt.notify
				a.Deliveries[0].Recipient.Original = "rfc822;original@example.org"
				if tt.null {
					a.Submission.Envelope.From = mail.Address{}
				}
				b.put(a)
				b.store.until(t, func() bool { return len(b.store.reports) > 0 })
				time.Sleep(time.Minute) // in the bubble
				reports := bounces(sender)
				if strings.Contains(b.log.String(), "report cannot") {
					t.Errorf("log: %s", b.log)
				}
				if tt.want == "" {
					if len(reports) != 0 {
						t.Errorf("told: %s", reports[0])
					}
					return
				}
				if len(reports) != 1 {
					t.Fatalf("%d reports, want 1", len(reports))
				}
				for _, want := range []string{
					"Action: " + tt.want, "Final-Recipient: rfc822; b@example.org", "Original-Recipient: rfc822;original@example.org",
					"Original-Envelope-Id: my-id", "Remote-MTA: dns; mx10.example.org", "Reporting-MTA: dns; gate.example",
				} {
					if !strings.Contains(reports[0], want) {
						t.Errorf("the report lacks %q:\n%s", want, reports[0])
					}
				}
				if sender.Received()[0].Mail != "FROM:<>" {
					t.Errorf("the report came from %s", sender.Received()[0].Mail)
				}
			})
		})
	}
}

// TestDelayIsToldOnce follows a delayed message through many attempts.
func TestDelayIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		sender := &testkit.MX{}
		b.server("example.org", "192.0.2.1", 10, &testkit.MX{Script: say("RCPT", "450 4.2.0 later")})
		b.server("example.net", "192.0.2.2", 10, sender)
		defer b.start()()
		a := b.letter("b@example.org")
		a.Deliveries[0].Recipient.Notify = mail.NotifyDelay | mail.NotifyFailure
		b.put(a)
		b.store.empty(t)
		reports := bounces(sender)
		if len(reports) != 2 || !strings.Contains(reports[0], "Action: delayed") || !strings.Contains(reports[0], "Will-Retry-Until") || !strings.Contains(reports[1], "Action: failed") {
			t.Errorf("%d reports, want one of the delay and one of the failure", len(reports))
		}
	})
}

// TestManyFailuresMakeOneReport: a message to many destinations, which fail one
// after the other, is told of once, but for those that take longer than a
// minute; what was delivered is stored at once.
func TestManyFailuresMakeOneReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		sender := &testkit.MX{Extensions: testkit.AllExtensions()}
		b.server("example.net", "192.0.2.200", 10, sender)
		b.server("good.example", "192.0.2.201", 10, &testkit.MX{})
		to := []string{"b@good.example"}
		for i := range 40 {
			domain, wait := fmt.Sprintf("bad%d.example", i), time.Duration(i)*time.Second
			if i >= 38 {
				wait = 4 * time.Minute
			}
			b.server(domain, fmt.Sprintf("192.0.2.%d", i+1), 10, &testkit.MX{Script: func(s testkit.Step) testkit.Action {
				if s.At == "RCPT" {
					time.Sleep(wait) // in the bubble
					return testkit.Action{Say: "550 5.1.1 who"}
				}
				return testkit.Action{}
			}})
			to = append(to, "b@"+domain)
		}
		stop := b.start()
		a := b.letter(to...)
		a.Submission.Envelope.Return = mail.ReturnFull
		b.put(a)
		b.store.until(t, func() bool { return len(b.store.reports) > 0 })
		if first := b.store.got()[0]; len(first.Outcomes) != 1 || first.Outcomes[0].State != queue.Delivered {
			t.Errorf("the delivery waits for the failures: %+v", first.Outcomes)
		}
		b.store.empty(t)
		reports := bounces(sender)
		failed := 0
		for _, r := range reports {
			failed += strings.Count(r, "Action: failed")
		}
		if len(reports) != 2 || failed != 40 {
			t.Errorf("%d reports of %d failures, want 2 of 40", len(reports), failed)
		}
		stop()
		if n := b.d.backlog.Waiting() + len(b.d.letters.Old(time.Time{})); n != 0 {
			t.Errorf("%d are left behind", n)
		}
	})
}

// TestStopTellsWhatIsKnown: failures that wait for others are stored when we are
// stopped, and what was cut off stays in the queue.
func TestStopTellsWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.server("bad.example", "192.0.2.1", 10, &testkit.MX{Script: say("RCPT", "550 5.1.1 who")})
		b.server("hang.example", "192.0.2.2", 10, &testkit.MX{Script: hang("RCPT")})
		b.opt.Limits.Workers = 16 // so that one account has more than one
		stop := b.start()
		b.put(b.letter("b@bad.example", "b@hang.example"))
		time.Sleep(10 * time.Second) // in the bubble
		synctest.Wait()
		if n := len(b.store.got()); n != 0 {
			t.Fatalf("%d stored, before the other one has ended", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.d.Stop(ctx); err == nil {
			t.Error("nothing was cut off")
		}
		got := b.store.got()
		if len(got) != 1 || len(got[0].Outcomes) != 1 || len(got[0].Reports) != 1 || b.store.left() != 2 {
			t.Errorf("stored %+v, %d left; want the failure with its report, and the other recipient left", got, b.store.left())
		}
		stop()
	})
}

// TestStopDoesNotWaitForAStoreThatIsAway: what waits for others and cannot be
// stored stays in the queue when the time is over.
func TestStopDoesNotWaitForAStoreThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.opt.Limits = Limits{PerDestination: 1, PerAddress: 1}
		b.server("no.example", "192.0.2.1", 10, &testkit.MX{Script: say("RCPT", "550 5.1.1 who")})
		b.server("busy.example", "192.0.2.2", 10, &testkit.MX{})
		stop := b.start()
		b.d.inUse.enter(netip.MustParseAddr("192.0.2.2")) // so that the second recipient waits
		b.put(b.letter("a@no.example", "b@busy.example"))
		time.Sleep(5 * time.Second) // in the bubble
		b.store.set(func() { b.store.away = true })
		ctx, cancel := contextWithin(30 * time.Second)
		defer cancel()
		began := time.Now()
		b.d.Stop(ctx)
		if took := time.Since(began); took < 30*time.Second || took > 30*time.Second+2*lastPatience || b.store.left() != 2 {
			t.Errorf("stopped after %v with %d left, want the 30 s that it had, and 2", took, b.store.left())
		}
		stop()
	})
}

// TestBounceNeverBounces: the sender's own address fails too.
func TestBounceNeverBounces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.server("example.org", "192.0.2.1", 10, &testkit.MX{Script: say("RCPT", "550 5.1.1 who")})
		b.server("example.net", "192.0.2.2", 10, &testkit.MX{Script: say("RCPT", "550 5.1.1 nor that")})
		defer b.start()()
		a := b.put(b.letter("b@example.org"))
		b.store.until(t, func() bool { return len(b.store.reports) == 2 })
		time.Sleep(time.Hour) // in the bubble
		if n := len(b.store.got()); n != 2 || len(b.store.waiting) != 0 || len(b.store.got()[1].Reports) != 0 {
			t.Errorf("%d reports, %d wait; want the failure and that of its bounce", n, len(b.store.waiting))
		}
		bounce := b.store.got()[0].Reports[0].Submission
		if bounce.Cause != a.Submission.ID || !bounce.Envelope.From.IsNull() || bounce.Login != "" {
			t.Errorf("bounce = %+v", bounce)
		}
		if got := b.store.got()[0].Events[0].Data["report"]; got != bounce.ID.String() {
			t.Errorf("the event names report %q, want %s", got, bounce.ID)
		}
	})
}

// TestOneReportForOneAttempt: two failures at one destination are told in one.
func TestOneReportForOneAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		sender := &testkit.MX{Extensions: testkit.AllExtensions()}
		b.server("example.org", "192.0.2.1", 10, &testkit.MX{Script: func(s testkit.Step) testkit.Action {
			if s.At == "RCPT" && !strings.Contains(s.Line, "good") {
				return testkit.Action{Say: "550 5.1.1 who"}
			}
			return testkit.Action{}
		}})
		b.server("example.net", "192.0.2.2", 10, sender)
		b.opt.SignReport = func(head, body []byte) ([]byte, error) { return []byte("X-Signed: yes\r\n"), nil }
		defer b.start()()
		a := b.letter("b@example.org", "good@example.org", "c@example.org")
		a.Submission.Envelope.Return = mail.ReturnFull
		large := strings.Repeat("0123456789 a long body\r\n", 5000)
		a.Content.Body = nil
		file := &body{sealed: true}
		file.WriteString(large)
		a.Content.Large = file
		b.put(a)
		b.store.empty(t)
		reports := bounces(sender)
		if len(reports) != 1 {
			t.Fatalf("%d reports, want 1", len(reports))
		}
		if !strings.HasPrefix(reports[0], "X-Signed: yes\r\n") {
			t.Error("the report is not signed")
		}
		if strings.Count(reports[0], "Action: failed") != 2 || strings.Contains(reports[0], "good@example.org") {
			t.Errorf("the report is about others: %.2000s", reports[0])
		}
		if !strings.Contains(reports[0], large) {
			t.Error("the message is not returned whole")
		}
		if n := len(b.store.got()); n != 3 || len(b.store.got()[0].Reports) != 0 || len(b.store.got()[1].Outcomes) != 2 {
			t.Fatalf("%d reports, want that of the delivery, that of the failures, and that of the bounce", n)
		}
		kept := b.store.got()[1].Reports[0].Content
		if kept.Large == nil || kept.Body != nil || len(large) < queue.InlineMax {
			t.Error("a large report is not kept in a file")
		}
	})
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := New(Options{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("New = %v, want invalid", err)
	}
}
