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

// as is as who a message is sent.
func (s *session) as(tx *transaction) limit.Who {
	sender := tx.who.sender
	return limit.Who{
		Credential: string(tx.who.credential.ID), Account: sender.Account.Login(), Plan: sender.Plan.Name,
		Domain: string(sender.Domain.Name), Customer: sender.Customer.Name,
		Network: network.Of(s.peer.Client.Addr()), Node: s.gate.opt.Node,
	}
}
