package counting

import (
	"errors"
	"sync"

	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/storetest/expect"
)

// notice makes what is written about a limit of ann: so many messages.
func (y *story) notice(messages int, about string) queue.Notice {
	l, err := limit.Parse(about)
	expect.Must(y, err)
	n := queue.Notice{About: (&limit.Breach{Subject: ann, Limit: l}).Key()}
	for range messages {
		m := y.message(1)
		m.Submission.Login, m.Limits = "", nil
		m.Deliveries[0].Recipient.To = mail.Address{Local: "ops", Domain: "there.example"}
		m.Events = []audit.Event{{At: m.Submission.At, Kind: audit.BounceAccepted, Submission: m.Submission.ID, Data: map[string]string{"cause": "x"}}}
		n.Messages = append(n.Messages, *m)
	}
	return n
}

// noticedOnce: a message with which a limit is near is stored together with what is written about
// that, once in a window, whoever asks at the same time; and nobody counts that.
func noticedOnce(y *story) {
	send := func(notices ...queue.Notice) (*queue.Acceptance, error) {
		a := y.message(1, level(ann, limit.Defer, "messages/hour=10", "recipients/day=100"))
		a.Limits.Warn, a.Warns, a.Notices = 80, true, notices
		return a, y.s.Accept(y.ctx, a)
	}
	for range 7 {
		_, err := send(y.notice(2, "messages/hour=10")) // which nobody needs yet
		expect.Must(y, err)
	}
	y.waits("", 7)
	_, err := send()
	var near *queue.NearError
	if !errors.As(err, &near) || len(near.Near) != 1 || near.Near[0].Subject != ann || near.Near[0].Used != 7 {
		y.Fatalf("nobody asks for a notice: %v", err)
	}
	if _, err := send(y.notice(1, "recipients/day=100")); !errors.As(err, &near) {
		y.Errorf("a notice about another limit will do: %v", err)
	}
	y.waits("", 7)
	y.used(ann, limit.Messages, 7) // it was not counted
	var sending sync.WaitGroup
	for range 3 {
		sending.Go(func() {
			_, err := send(y.notice(2, "messages/hour=10"), y.notice(1, "recipients/day=100"))
			expect.Must(y, err)
		})
	}
	sending.Wait()
	y.used(ann, limit.Messages, 10)
	list := y.waits("", 12) // ten, and the two of one notice
	ours := 0
	for i := range list {
		if list[i].Delivery.Recipient.To.Local == "ops" {
			ours++
		}
	}
	if ours != 2 {
		y.Errorf("%d notices are stored, want 2", ours)
	}
	found, err := y.s.Search(y.ctx, audit.Query{Kind: audit.BounceAccepted})
	if err != nil || len(found) != 2 {
		y.Errorf("the record has %d notices (%v)", len(found), err)
	}
	bad := y.message(1, level(ann, limit.Defer, "messages/hour=100"))
	n := y.notice(1, "messages/hour=100")
	n.Messages[0].Limits = bad.Limits
	bad.Notices = []queue.Notice{n}
	if err := y.s.Accept(y.ctx, bad); err == nil {
		y.Error("a notice is counted")
	}
}
