package submission

import (
	"strings"

	"countersign/internal/limit"
	"countersign/internal/limit/network"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/submission/limiting"
)

// limits makes the question about a message that the store answers where it stores it; nil
// where nobody has a limit.
func (s *session) limits(a *queue.Acceptance, tx *transaction, warnAt int) *limit.Question {
	if s.gate.opt.Limits == nil {
		return nil
	}
	levels := limit.Without(s.gate.opt.Limits(s.as(tx)), limit.Connections)
	switch {
	case len(levels) == 0:
		return nil
	case len(a.Deliveries) == 1 && s.gate.isPostmaster(a.Deliveries[0].Recipient.To):
		return limiting.ForHelp(&a.Submission)
	}
	return limiting.Question(a, levels, warnAt)
}

// as is as who a message is sent.
func (s *session) as(tx *transaction) limit.Who {
	sender := tx.who.sender
	return limit.Who{
		Credential: string(tx.who.credential.ID), Account: sender.Account.Login(), Plan: sender.Plan.Name,
		Domain: string(sender.Domain.Name), Customer: sender.Customer.Name,
		Network: network.Of(s.peer.Client.Addr()), Node: s.gate.opt.Node,
	}
}

// isPostmaster reports whether an address is that of whoever runs the gate (RFC 5321
// section 4.5.1).
func (g *Gate) isPostmaster(a mail.Address) bool {
	return a.IsASCII() && strings.EqualFold(a.Local, "postmaster") && strings.EqualFold(string(a.Domain), g.opt.Hostname)
}
