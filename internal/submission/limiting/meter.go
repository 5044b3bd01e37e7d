package limiting

import (
	"io"
	"slices"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/limit/tally"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/smtp"
)

// Meter holds the messages of one session against its limits. It is used by one goroutine at a
// time.
//
// What is over a limit of one message or connection is refused where it is known first: at MAIL
// where the connection has no room for any message, or none for the announced size; at RCPT
// the recipients that are too many, while those before them stand; and at the end of the content.
type Meter struct {
	Desk *Desk
	sent tally.Tally
}

// Message is what is known of a message. It is used as a Meter is.
type Message struct {
	// Levels are its subjects with their limits.
	Levels []limit.Level
	// Size is what the client has announced, 0 for nothing (RFC 1870 section 3).
	Size int64
	// recipients are how many the client has named so far, the first of them first.
	recipients int64
	first      mail.Address
	// octets are those that have come, as the client has sent them (RFC 1870 section 5).
	octets int64
	// decision is what became of it.
	decision limit.Decision
}

// Named adds a recipient that was accepted.
func (m *Message) Named(to mail.Address) {
	if m.recipients == 0 {
		m.first = to
	}
	m.recipients++
}

// least is what a message adds with one more recipient.
func (m *Message) least() limit.Amounts {
	return limit.Amounts{limit.Messages: 1, limit.Recipients: 1, limit.Bytes: max(m.Size, 1)}
}

// amounts are what a whole message adds.
func (m *Message) amounts() limit.Amounts {
	return limit.Amounts{limit.Messages: 1, limit.Recipients: m.recipients, limit.Bytes: m.octets}
}

// forHelp reports whether the client has named the postmaster alone.
func (m *Meter) forHelp(msg *Message) bool {
	return msg.recipients == 1 && m.Desk.isPostmaster(msg.first)
}

// strictest returns what refuses or defers a message that has so much and wants so much more; nil
// for nothing.
func (m *Meter) strictest(levels []limit.Level, has, want limit.Amounts) *limit.Breach {
	return refusing(m.sent.Over(levels, has, want))
}

// refusing returns the strictest of what a message is over, where that refuses or defers it.
func refusing(over []limit.Breach) *limit.Breach {
	if b := limit.Strictest(over); b != nil && b.Action() >= limit.Defer {
		return b
	}
	return nil
}

// Mail refuses to begin a message for which there is no room, whoever its recipients are. A limit of 0
// is for Rcpt: it may be for the postmaster.
func (m *Meter) Mail(msg *Message) error {
	const op = "submission.mail"
	over := m.sent.Over(msg.Levels, limit.Amounts{}, msg.least())
	b := refusing(slices.DeleteFunc(over, func(b limit.Breach) bool { return b.Limit.Max == 0 }))
	switch {
	case b == nil:
		return nil
	case b.Limit.Window == limit.PerConnection && b.Used >= b.Limit.Max && b.Action() == limit.Defer:
		// Another connection has room, and this one never again: 421 closes it (RFC 5321 section 3.8).
		return refused(op, fault.Busy, smtp.ELimitConnection, b)
	}
	return refusal(op, b)
}

// Rcpt refuses a recipient who is too many; those before stand. The postmaster alone never is.
func (m *Meter) Rcpt(msg *Message, to mail.Address) error {
	help := m.Desk.isPostmaster(to)
	if help && msg.recipients == 0 {
		return nil
	}
	if b := m.strictest(msg.Levels, limit.Amounts{limit.Recipients: msg.recipients}, msg.least()); b != nil {
		return refusal("submission.rcpt", b)
	}
	if help {
		return nil
	}
	return m.Desk.room(msg.Levels, msg.recipients+1)
}

// Content returns a message's content, which ends in a refusal where it is too large.
func (m *Meter) Content(msg *Message, in io.Reader) io.Reader { return &content{m, msg, in} }

// content counts what the client sends.
type content struct {
	meter *Meter
	msg   *Message
	in    io.Reader
}

// Read implements io.Reader.
func (c *content) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.msg.octets += int64(n)
	if err != nil && err != io.EOF || c.meter.forHelp(c.msg) {
		return n, err
	}
	if b := c.meter.strictest(c.msg.Levels, limit.Amounts{}, limit.Amounts{limit.Bytes: c.msg.octets}); b != nil {
		return n, refusal("submission.data", b)
	}
	return n, err
}

// Data decides about a whole message by limits of one message or connection among levels, which
// hold now, and holds it where one wants that.
func (m *Meter) Data(msg *Message, a *queue.Acceptance, levels []limit.Level) error {
	if m.forHelp(msg) {
		return nil
	}
	msg.decision = m.sent.Judge(levels, msg.amounts())
	switch d := &msg.decision; {
	case !d.Passes():
		return refusal("submission.data", d.Decisive)
	case d.Decisive == nil:
		return nil
	}
	for i := range a.Deliveries {
		if one := &a.Deliveries[i]; one.State == queue.Queued {
			one.State, one.HoldReason = queue.Held, queue.HoldLimit
		}
	}
	return nil
}

// Taken counts a message that was stored, and returns what the record has of its limits.
func (m *Meter) Taken(msg *Message, a *queue.Acceptance) []audit.Event {
	if !m.forHelp(msg) {
		m.sent.Add(msg.amounts())
	}
	return slices.Concat(events(a.Submission.ID, &msg.decision), events(a.Submission.ID, &a.Decision))
}

// refusal is the answer to what is over a limit.
func refusal(op string, b *limit.Breach) error {
	recipients := b.Limit.Window == limit.PerMessage && b.Limit.Measure == limit.Recipients
	switch final := b.Action() == limit.Refuse; {
	case b.Limit.Window.Passing() && b.Limit.Measure == limit.Bytes && b.Never():
		// RFC 1870 section 6.1 (3) at MAIL, section 6.3 behind the content.
		return refused(op, fault.TooLarge, smtp.ELimitSize, b)
	case recipients && final:
		// RFC 5321 section 4.5.3.1.10: a site's policy may refuse for good; RFC 3463 section 3.6 has X.5.3.
		return refused(op, fault.Denied, smtp.ELimitRecipientsRefused, b)
	case recipients:
		return refused(op, fault.Busy, smtp.ELimitRecipients, b) // RFC 5321 section 4.5.3.1.10
	case final:
		return refused(op, fault.Denied, smtp.ELimitRefused, b)
	}
	return refused(op, fault.Busy, smtp.ELimitReached, b)
}

func refused(op string, kind fault.Kind, reason smtp.Reason, b *limit.Breach) error {
	e := fault.Refuse(op, kind, string(reason))
	e.Detail, e.Err = b.Describe(), &limit.OverError{Decision: limit.Decision{Decisive: b}}
	return e
}
