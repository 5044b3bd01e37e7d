package submission

import (
	"cmp"

	"countersign/internal/limit"
	"countersign/internal/queue"
)

// limits are the subjects of a message that have limits now, with these. Nobody changes them.
func (s *session) limits(tx *transaction) []limit.Level {
	if s.levels == nil {
		return nil
	}
	if s.counts != tx.who { // neither account nor credential is ever changed
		s.counts, s.as = tx.who, s.countsAs(tx.who)
	}
	return s.levels(s.as)
}

// countsAs is as who a message is sent.
func (s *session) countsAs(who rights) limit.Who {
	sender := who.sender
	return limit.Who{
		Credential: string(who.credential.ID), Account: sender.Account.Login(), Plan: sender.Plan.Name,
		Domain: string(sender.Domain.Name), Customer: sender.Customer.Name, Network: s.network, Node: s.gate.opt.Node,
	}
}

// countedAs is what the record has of a message beside who has sent it and from where, so that it can
// be told later as what it counted: by which credential and at which gate it came, and whether limits
// count it at all.
func (s *session) countedAs(a *queue.Acceptance) map[string]string {
	data := map[string]string{limit.DataCredential: cmp.Or(string(a.Submission.Credential), limit.NoCredential)}
	if s.gate.opt.Node != "" {
		data["node"] = s.gate.opt.Node
	}
	if s.gate.desk.ForHelp(a) {
		data[limit.DataCounts] = limit.CountsApart
	}
	return data
}
