package notice

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"countersign/internal/audit"
	"countersign/internal/delivery/verdict"
	"countersign/internal/dsn"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// maxReturned bounds the body that a report gives back, in octets; of a larger
// message only the header is.
const maxReturned = 1 << 20

// Telling is what the sender is to be told about one recipient.
type Telling = dsn.Recipient

// Tell decides whether the sender is told of an outcome, and what (RFC 3461
// sections 4.1 and 5.2). A delay is told once, at an age of late or more. Nothing is
// ever reported about a message with the null sender: a report that fails itself
// ends there (RFC 5321 section 4.5.5).
func Tell(s *queue.Submission, delivery queue.Delivery, a verdict.Answer, o queue.Outcome, late time.Duration) (Telling, bool) {
	notify, now := delivery.Recipient.Notify, o.Result.At
	if s.Envelope.From.IsNull() {
		return Telling{}, false
	}
	t := Telling{Recipient: delivery.Recipient, Status: a.Enhanced, LastAttempt: now}
	if a.Remote {
		t.RemoteMTA = a.Host.Name
		t.Diagnostic = strings.TrimSpace(strconv.Itoa(a.Code) + " " + a.Enhanced + " " + a.Text)
	} else {
		t.Reason = strings.TrimSuffix(a.Text, ".")
	}
	switch o.State {
	case queue.Failed:
		t.Action = dsn.Failed
		return t, notify.OnFailure()
	case queue.Deferred:
		t.Action = dsn.Delayed
		t.WillRetryUntil = s.Expires
		return t, notify.Has(mail.NotifyDelay) && now.Sub(s.At) >= late && !delivery.DelayReported
	}
	// RFC 3461 section 5.2.2: a server that takes DSN parameters sees to the rest; for
	// one that does not, we say that the message was passed on.
	t.Action = dsn.Relayed
	return t, notify.Has(mail.NotifySuccess) && !a.Host.DSN
}

// Writer writes reports. All fields but Sign are set. It is safe for concurrent
// use.
type Writer struct {
	IDs *mail.IDSource
	Now func() time.Time
	// Host is the reporting MTA and the domain of the reports' author.
	Host mail.Domain
	// Random is the source of boundaries.
	Random io.Reader
	// Sign returns header fields to put on top of a report; nil leaves reports
	// unsigned.
	Sign func(head, body []byte) ([]byte, error)
	// Expires says when a report of a time is given up.
	Expires func(time.Time) time.Time
	// NewBody begins a file for a large report; see queue.Store.
	NewBody func(context.Context) (queue.BodyFile, error)
	Logger  *slog.Logger
}

// AddTo adds outcomes to r, with one report to the sender of all of them.
func (w *Writer) AddTo(r *queue.Report, s *queue.Submission, list []Notice, content *queue.Content) {
	if len(list) == 0 {
		return
	}
	var told []Telling
	for _, n := range list {
		told = append(told, n.Telling)
	}
	bounce := w.bounce(s, told, content)
	if bounce != nil {
		r.Reports = append(r.Reports, *bounce)
	}
	for _, n := range list {
		if bounce != nil {
			n.Event.Data["report"] = bounce.Submission.ID.String()
		}
		r.Outcomes = append(r.Outcomes, n.Outcome)
		r.Events = append(r.Events, n.Event)
	}
}

// bounce builds the report and what is needed to queue it; nil where that
// cannot be done, which the log then says.
func (w *Writer) bounce(s *queue.Submission, told []Telling, content *queue.Content) *queue.Acceptance {
	id, now := w.IDs.New(), w.Now()
	r := dsn.Report{
		Host: w.Host, ID: id, Date: now, To: s.Envelope.From,
		Recipients: told,
		Original:   dsn.Original{Head: content.Head, Envelope: s.Envelope, Arrival: s.At},
		Random:     w.Random,
	}
	body, err := returned(s, content)
	if err == nil && body != nil {
		defer body.Close()
		r.Original.Body, r.Original.MaxBody = body, maxReturned
	}
	message, err := dsn.Build(r)
	if err != nil {
		w.Logger.Error("report cannot be written", "submission", s.ID, "error", err)
		return nil
	}
	if w.Sign != nil {
		fields, err := w.Sign(message.Head, message.Body)
		if err != nil { // a report unsigned is better than none
			w.Logger.Warn("report cannot be signed", "submission", s.ID, "error", err)
		}
		message.Head = append(fields[:len(fields):len(fields)], message.Head...)
	}
	return w.acceptance(s, id, message, now)
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
func (w *Writer) acceptance(cause *queue.Submission, id mail.ID, m dsn.Message, now time.Time) *queue.Acceptance {
	a := &queue.Acceptance{
		Submission: queue.Submission{
			ID: id, Cause: cause.ID, Customer: cause.Customer, At: now, Expires: w.Expires(now),
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
		w.spill(a)
	}
	return a
}

// spill moves the body of a large report to a file; where that fails, the
// report stays as it is and the store says what it thinks of it.
func (w *Writer) spill(a *queue.Acceptance) {
	file, err := w.NewBody(context.Background())
	if err != nil {
		w.Logger.Warn("no file for a large report", "submission", a.Submission.Cause, "error", err)
		return
	}
	_, err = file.Write(a.Content.Body)
	if err == nil {
		err = file.Seal()
	}
	if err != nil {
		file.Discard()
		w.Logger.Warn("large report not written", "submission", a.Submission.Cause, "error", err)
		return
	}
	a.Content.Body, a.Content.Large = nil, file
}
