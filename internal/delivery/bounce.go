package delivery

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"countersign/internal/audit"
	"countersign/internal/dsn"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// maxReturned bounds the body that a report gives back, in octets; of a larger
// message only the header is.
const maxReturned = 1 << 20

// telling is what the sender is to be told about one recipient.
type telling = dsn.Recipient

// tell decides whether the sender is told, and what (RFC 3461 sections 4.1 and
// 5.2). Nothing is ever reported about a message with the null sender: a
// report that fails itself ends there (RFC 5321 section 4.5.5).
func (d *Deliverer) tell(s *queue.Submission, delivery queue.Delivery, a answer, o queue.Outcome, now time.Time) (telling, bool) {
	notify := delivery.Recipient.Notify
	if s.Envelope.From.IsNull() {
		return telling{}, false
	}
	t := telling{Recipient: delivery.Recipient, Status: a.enhanced, LastAttempt: now}
	if a.remote {
		t.RemoteMTA = a.host.name
		t.Diagnostic = strings.TrimSpace(strconv.Itoa(a.code) + " " + a.enhanced + " " + a.text)
	} else {
		t.Reason = strings.TrimSuffix(a.text, ".")
	}
	switch o.State {
	case queue.Failed:
		t.Action = dsn.Failed
		return t, notify.OnFailure()
	case queue.Deferred:
		t.Action = dsn.Delayed
		t.WillRetryUntil = s.Expires
		late := now.Sub(s.At) >= d.opt.DelayReportAfter
		return t, notify.Has(mail.NotifyDelay) && late && !delivery.DelayReported
	}
	// RFC 3461 section 5.2.2: a server that takes DSN parameters sees to the rest; for
	// one that does not, we say that the message was passed on.
	t.Action = dsn.Relayed
	return t, notify.Has(mail.NotifySuccess) && !a.host.dsn
}

// bounce builds the report and what is needed to queue it; nil where that
// cannot be done, which the log then says.
func (d *Deliverer) bounce(s *queue.Submission, told []telling, content *queue.Content, now time.Time) *queue.Acceptance {
	id := d.opt.IDs.New()
	r := dsn.Report{
		Host: d.opt.Hostname, ID: id, Date: now, To: s.Envelope.From,
		Recipients: told,
		Original:   dsn.Original{Head: content.Head, Envelope: s.Envelope, Arrival: s.At},
		Random:     d.opt.Random,
	}
	body, err := returned(s, content)
	if err == nil && body != nil {
		defer body.Close()
		r.Original.Body, r.Original.MaxBody = body, maxReturned
	}
	message, err := dsn.Build(r)
	if err != nil {
		d.opt.Logger.Error("report cannot be written", "submission", s.ID, "error", err)
		return nil
	}
	if d.opt.SignReport != nil {
		fields, err := d.opt.SignReport(message.Head, message.Body)
		if err != nil { // a report unsigned is better than none
			d.opt.Logger.Warn("report cannot be signed", "submission", s.ID, "error", err)
		}
		message.Head = append(fields[:len(fields):len(fields)], message.Head...)
	}
	return d.acceptance(s, id, message, now)
}

// returned opens the body that RET=FULL asks for, nil for none.
func returned(s *queue.Submission, content *queue.Content) (io.ReadCloser, error) {
	switch {
	case s.Envelope.Return != mail.ReturnFull:
		return nil, nil
	case content.Large == nil:
		return io.NopCloser(strings.NewReader(string(content.Body))), nil
	case content.Large.Size() > maxReturned:
		return nil, nil
	}
	return content.Large.Open()
}

// acceptance makes a report of ours a submission: from the null sender, to the
// sender of what it is about.
func (d *Deliverer) acceptance(cause *queue.Submission, id mail.ID, m dsn.Message, now time.Time) *queue.Acceptance {
	a := &queue.Acceptance{
		Submission: queue.Submission{
			ID: id, Cause: cause.ID, Customer: cause.Customer, At: now, Expires: d.schedule.Load().Expires(now),
			Envelope: mail.Envelope{Body: mail.Body7Bit, SMTPUTF8: m.SMTPUTF8},
			Size:     int64(len(m.Head) + len(m.Body)),
		},
		Deliveries: []queue.Delivery{{
			Submission: id, N: 1, State: queue.Queued, Next: now,
			Recipient: mail.Recipient{To: cause.Envelope.From},
		}},
		Content: queue.Content{Head: m.Head, Body: m.Body},
		Events: []audit.Event{{
			At: now, Kind: audit.BounceAccepted, Submission: id,
			Data: map[string]string{"cause": cause.ID.String(), "to": cause.Envelope.From.String()},
		}},
	}
	if m.EightBit {
		a.Submission.Envelope.Body = mail.Body8Bit
	}
	if len(m.Body) > queue.InlineMax {
		d.spill(a)
	}
	return a
}

// spill moves the body of a large report to a file; where that fails, the
// report stays as it is and the store says what it thinks of it.
func (d *Deliverer) spill(a *queue.Acceptance) {
	file, err := d.opt.Store.NewBody(context.WithoutCancel(d.hard))
	if err != nil {
		d.opt.Logger.Warn("no file for a large report", "submission", a.Submission.Cause, "error", err)
		return
	}
	_, err = file.Write(a.Content.Body)
	if err == nil {
		err = file.Seal()
	}
	if err != nil {
		file.Discard()
		d.opt.Logger.Warn("large report not written", "submission", a.Submission.Cause, "error", err)
		return
	}
	a.Content.Body, a.Content.Large = nil, file
}
