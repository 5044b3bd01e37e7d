package submission

import (
	"context"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/limit/doors"
	"countersign/internal/smtp"
	"countersign/internal/submission/limiting"
)

// Doors let connections in as far as their limits have room; limit/doors.Doors does, and says
// what its method means.
type Doors interface {
	Enter(ctx context.Context, levels []limit.Level, warn int) (doors.Pass, limit.Decision, error)
}

// come judges the connection by what is known of it before the greeting: its network, this
// gate, and everything. An error is its refusal (RFC 5321 section 3.8 has 421 there), which says
// nothing of how much is used of what: that is for the record alone.
func (s *session) come(ctx context.Context) (limit.Decision, error) {
	g := s.gate
	if g.opt.Doors == nil || g.opt.Limits == nil {
		return limit.Decision{}, nil
	}
	levels := g.opt.Limits(limit.Who{Network: s.network, Node: g.opt.Node})
	d, err := s.pass(ctx, levels, smtp.EConnectionLimit)
	if err != nil {
		g.recordRefused(s.peer, smtp.ReplyFor(err), d.Decisive.Data())
	}
	return d, err
}

// comeAs judges the connection of somebody who has proved who they are, by the limits of the
// credential, the account and what that belongs to. An error is the answer to AUTH: 454 (RFC
// 4954 section 6), as the same login may come in later.
func (s *session) comeAs(ctx context.Context, p *account.Principal) error {
	g := s.gate
	if g.opt.Doors == nil || g.opt.Limits == nil {
		return nil
	}
	sender := p.Sender
	who := limit.Who{
		Credential: string(p.Credential.ID), Account: sender.Account.Login(), Plan: sender.Plan.Name,
		Domain: string(sender.Domain.Name), Customer: sender.Customer.Name,
	}
	var levels []limit.Level
	for _, l := range g.opt.Limits(who) {
		if l.Subject.Kind < limit.Network { // the others were asked before the greeting
			levels = append(levels, l)
		}
	}
	d, err := s.pass(ctx, levels, smtp.EConnectionLimitLogin)
	if err == nil {
		s.recordNear(d)
	}
	return err
}

// pass asks for a pass.
func (s *session) pass(ctx context.Context, levels []limit.Level, reason smtp.Reason) (limit.Decision, error) {
	const op = "submission.connect"
	pass, d, err := s.gate.opt.Doors.Enter(ctx, levels, s.gate.policy.Load().WarnAt)
	switch {
	case fault.Is(err, fault.Unavailable):
		return d, fault.Refuse(op, fault.Busy, string(reason))
	case err != nil:
		return d, err
	case !d.Passes():
		e := fault.Refuse(op, fault.Busy, string(reason))
		e.Detail = d.Decisive.Describe()
		return d, e
	}
	s.passes = append(s.passes, pass)
	return d, nil
}

// leave gives back what the connection holds.
func (s *session) leave() {
	for _, p := range s.passes {
		p.Leave()
	}
	s.passes = nil
}

// recordNear records which limits of connections are nearly used up, and which would have
// refused this one.
func (s *session) recordNear(d limit.Decision) {
	for i := range d.Near {
		s.record(limiting.Near(&d.Near[i]))
	}
	for i := range d.Over {
		if d.Over[i].Limit.Shadow {
			s.record(audit.Event{Kind: audit.LimitShadow, Text: d.Over[i].Describe(), Data: d.Over[i].Data()})
		}
	}
}
