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
// where nobody has a limit, or nothing counts.
func (s *session) limits(a *queue.Acceptance, tx *transaction, warnAt int) *limit.Question {
	if s.gate.opt.Limits == nil {
		return nil
	}
	want := limit.Amounts{limit.Messages: 1, limit.Bytes: a.Submission.Size}
	for i := range a.Deliveries {
		if !s.gate.isPostmaster(a.Deliveries[i].Recipient.To) {
			want[limit.Recipients]++
		}
	}
	if want[limit.Recipients] == 0 {
		return nil // a cry for help must not be too much
	}
	sub := &a.Submission
	levels := s.gate.opt.Limits(limit.Who{
		Credential: string(sub.Credential), Account: sub.Login, Plan: tx.who.sender.Plan.Name,
		Domain: string(sub.Domain), Customer: sub.Customer,
		Network: limit.NetworkOf(s.peer.Client.Addr()), Node: s.gate.opt.Node,
	})
	if len(levels) == 0 {
		return nil
	}
	q := &limit.Question{Levels: levels, Want: want, Warn: warnAt}
	if limit.Bounds(levels, limit.NewRecipients) {
		q.Contacts = &limit.Contacts{Login: sub.Login}
		for i := range a.Deliveries {
			if to := a.Deliveries[i].Recipient.To; !s.gate.isPostmaster(to) {
				q.Contacts.Recipients = append(q.Contacts.Recipients, limit.DigestOf(to.Key()))
			}
		}
		slices.Sort(q.Contacts.Recipients)
		q.Contacts.Recipients = slices.Compact(q.Contacts.Recipients)
	}
	return q
}

// isPostmaster reports whether an address is that of whoever runs the gate (RFC 5321
// section 4.5.1).
func (g *Gate) isPostmaster(a mail.Address) bool {
	return strings.EqualFold(a.Local, "postmaster") && strings.EqualFold(string(a.Domain), g.opt.Hostname)
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
