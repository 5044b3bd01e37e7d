// Package connected holds a connection to the limits of connections: before the greeting by
// what is known of it then, and once more when somebody has proved who they are.
//
// Package limit/doors counts; here is who is asked about, and what the answer to the client is.
//
// Main types: Passes, Doors.
package connected

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

// Passes are what one connection holds of limits of connections. They are used by one
// goroutine at a time.
type Passes struct {
	// Doors let connections in, and Levels returns the subjects of one that have limits, with
	// these; where either is nil everybody comes in.
	Doors  Doors
	Levels func(limit.Who) []limit.Level

	held []doors.Pass
}

// Come judges the connection by what is known of it before the greeting: its network, this
// gate, and everything. An error is its refusal (RFC 5321 section 3.8 has 421 there), which says
// whose limit it is and from when on there is room: how much others use is for the record alone.
// warn is of how many percent used somebody is to be warned, 0 for never.
func (p *Passes) Come(ctx context.Context, who limit.Who, warn int) (limit.Decision, error) {
	if p.Doors == nil || p.Levels == nil {
		return limit.Decision{}, nil
	}
	return p.enter(ctx, p.Levels(who), warn, smtp.EConnectionLimit)
}

// ComeAs judges the connection of somebody who has proved who they are, by the limits of the
// credential, the account and what that belongs to. An error is the answer to AUTH: 454 (RFC
// 4954 section 6), as the same login may come in later.
func (p *Passes) ComeAs(ctx context.Context, proved *account.Principal, warn int) (limit.Decision, error) {
	if p.Doors == nil || p.Levels == nil {
		return limit.Decision{}, nil
	}
	sender := proved.Sender
	who := limit.Who{
		Credential: string(proved.Credential.ID), Account: sender.Account.Login(), Plan: sender.Plan.Name,
		Domain: string(sender.Domain.Name), Customer: sender.Customer.Name,
	}
	var levels []limit.Level
	for _, l := range p.Levels(who) {
		if l.Subject.Kind < limit.Network { // the others were asked before the greeting
			levels = append(levels, l)
		}
	}
	return p.enter(ctx, levels, warn, smtp.EConnectionLimitLogin)
}

// enter asks for a pass.
func (p *Passes) enter(ctx context.Context, levels []limit.Level, warn int, reason smtp.Reason) (limit.Decision, error) {
	const op = "submission.connect"
	pass, d, err := p.Doors.Enter(ctx, levels, warn)
	switch {
	case fault.Is(err, fault.Unavailable):
		return d, fault.Refuse(op, fault.Busy, string(reason))
	case err != nil:
		return d, err
	case !d.Passes():
		e := fault.Refuse(op, fault.Busy, string(reason))
		e.Detail, e.Err = d.Decisive.Describe(), &limit.OverError{Decision: d}
		return d, e
	}
	p.held = append(p.held, pass)
	return d, nil
}

// Leave gives back what the connection holds.
func (p *Passes) Leave() {
	for _, pass := range p.held {
		pass.Leave()
	}
	p.held = nil
}

// Events are those of a connection that came in: which of its limits are nearly used up, and
// which would have refused it.
func Events(d *limit.Decision) (list []audit.Event) {
	for i := range d.Near {
		list = append(list, limiting.Near(&d.Near[i]))
	}
	for i := range d.Over {
		if d.Over[i].Limit.Shadow {
			list = append(list, audit.Event{Kind: audit.LimitShadow, Text: d.Over[i].Recorded(), Data: d.Over[i].Data()})
		}
	}
	return list
}
