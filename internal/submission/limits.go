package submission

import (
	"countersign/internal/limit"
	"countersign/internal/limit/network"
)

// limits are the subjects of a message that have limits now, with these.
func (g *Gate) limits(who limit.Who) []limit.Level {
	if g.opt.Limits == nil {
		return nil
	}
	return g.opt.Limits(who)
}

// counted is as who the messages of a session are counted while its account is as it is.
type counted struct {
	by  rights
	who limit.Who
}

// as is as who a message is sent.
func (s *session) as(tx *transaction) limit.Who {
	if by := tx.who; s.counted.by != by {
		s.counted = counted{by, limit.Who{
			Credential: string(by.credential.ID), Account: by.sender.Account.Login(), Plan: by.sender.Plan.Name,
			Domain: string(by.sender.Domain.Name), Customer: by.sender.Customer.Name,
			Network: network.Of(s.peer.Client.Addr()), Node: s.gate.opt.Node,
		}}
	}
	return s.counted.who
}
