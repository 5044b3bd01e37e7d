package submission

import (
	"slices"
	"strings"

	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// limits makes the question about a message that the store answers where it stores it; nil
// where nobody has a limit.
func (s *session) limits(a *queue.Acceptance, tx *transaction, warnAt int) *limit.Question {
	if s.gate.opt.Limits == nil {
		return nil
	}
	sub := &a.Submission
	levels := s.gate.opt.Limits(s.as(tx))
	levels = limit.Without(levels, limit.Connections)
	if len(levels) == 0 {
		return nil
	}
	if len(a.Deliveries) == 1 && s.gate.isPostmaster(a.Deliveries[0].Recipient.To) {
		return forHelp(sub)
	}
	q := &limit.Question{
		Levels: levels, Warn: warnAt,
		Want: limit.Amounts{limit.Messages: 1, limit.Recipients: int64(len(a.Deliveries)), limit.Bytes: sub.Size},
	}
	if limit.Bounds(levels, limit.NewRecipients) {
		q.Contacts = &limit.Contacts{Login: sub.Login}
		for i := range a.Deliveries {
			q.Contacts.Recipients = append(q.Contacts.Recipients, limit.DigestOf(a.Deliveries[i].Recipient.To.Key()))
		}
		slices.Sort(q.Contacts.Recipients)
		q.Contacts.Recipients = slices.Compact(q.Contacts.Recipients)
	}
	return q
}

// as is as who a message is sent.
func (s *session) as(tx *transaction) limit.Who {
	sender := tx.who.sender
	return limit.Who{
		Credential: string(tx.who.credential.ID), Account: sender.Account.Login(), Plan: sender.Plan.Name,
		Domain: string(sender.Domain.Name), Customer: sender.Customer.Name,
		Network: limit.NetworkOf(s.peer.Client.Addr()), Node: s.gate.opt.Node,
	}
}

// What an account may write to the gate's postmaster, whatever its limits: a cry for help
// must not be too much, nor a way around all limits.
const (
	helpMessages = 10
	helpBytes    = 10 << 20
)

// forHelp makes the question about a message to the postmaster alone, which counts apart.
func forHelp(sub *queue.Submission) *limit.Question {
	return &limit.Question{
		Want: limit.Amounts{limit.Messages: 1, limit.Bytes: sub.Size},
		Levels: []limit.Level{{
			Subject: limit.Subject{Kind: limit.Account, Name: sub.Login + " to the postmaster"},
			Limits: []limit.Limit{
				{Measure: limit.Messages, Window: limit.Day, Max: helpMessages, Action: limit.Defer},
				{Measure: limit.Bytes, Window: limit.Day, Max: helpBytes, Action: limit.Defer},
			},
		}},
	}
}

// isPostmaster reports whether an address is that of whoever runs the gate (RFC 5321
// section 4.5.1).
func (g *Gate) isPostmaster(a mail.Address) bool {
	return a.IsASCII() && strings.EqualFold(a.Local, "postmaster") && strings.EqualFold(string(a.Domain), g.opt.Hostname)
}

// recordLimits records what limits say of a message that was accepted.
func (s *session) recordLimits(a *queue.Acceptance) {
	note := func(kind audit.Kind, b *limit.Breach) {
		s.record(audit.Event{Kind: kind, Submission: a.Submission.ID, Text: b.Describe(), Data: b.Data()})
	}
	d := &a.Decision
	for i := range d.Near {
		note(audit.LimitNear, &d.Near[i])
	}
	for i := range d.Over {
		if d.Over[i].Limit.Shadow {
			note(audit.LimitShadow, &d.Over[i])
		}
	}
	switch {
	case d.Decisive == nil:
	case d.Action == limit.Hold:
		note(audit.LimitHeld, d.Decisive)
	default:
		d.Decisive.Room = d.Slot
		note(audit.LimitSlowed, d.Decisive)
	}
}
