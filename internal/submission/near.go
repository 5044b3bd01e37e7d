package submission

import (
	"context"
	"errors"

	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/smtp"
	"countersign/internal/submission/limiting"
	"countersign/internal/submission/warning"
)

// accept stores a message, and with it what is written about limits that are near.
func (s *session) accept(ctx context.Context, a *queue.Acceptance, policy *Policy) error {
	err := limiting.Accept(ctx, s.gate.opt.Queue.Accept, a, func(near []limit.Breach) []queue.Notice {
		return s.gate.warnings(ctx, policy).Notices(&a.Submission, near)
	})
	s.gate.note(a, err)
	return err
}

// note remembers which limits had no room.
func (g *Gate) note(a *queue.Acceptance, err error) {
	var over *limit.OverError
	switch {
	case a.Limits == nil:
	case err == nil:
		g.lately.Note(&a.Decision, a.Limits.Levels, g.opt.Now())
	case errors.As(err, &over):
		g.lately.Note(&over.Decision, a.Limits.Levels, g.opt.Now())
	}
}

// room refuses a recipient with whom the message is over a limit for certain, by what this
// gate remembers: so the client hears it before the content (RFC 5321 section 4.5.3.1.10 has
// 452 here, after which it sends to the others first). The store is not asked; what it decides
// about the whole message stands. Whom a cry for help may go to is not refused.
func (s *session) room(to mail.Address) error {
	g := s.gate
	if g.lately.Empty() || g.opt.Limits == nil || g.isPostmaster(to) {
		return nil
	}
	s.limited(s.tx)
	over := g.lately.Over(s.tx.levels, int64(len(s.tx.rcpts))+1, g.opt.Now())
	if over == nil {
		return nil
	}
	const op = "submission.rcpt"
	e := fault.Refuse(op, fault.Busy, string(smtp.ELimitReached))
	if over.Limit.Action == limit.Refuse {
		e = fault.Refuse(op, fault.Denied, string(smtp.ELimitRefused))
	}
	e.Detail = over.Describe()
	return e
}

// limited finds the limits of a message, once.
func (s *session) limited(tx *transaction) {
	if tx.levels == nil {
		tx.levels = append([]limit.Level{}, s.gate.opt.Limits(s.as(tx))...)
	}
}

// warnings writes to those whose limits are near.
func (g *Gate) warnings(ctx context.Context, policy *Policy) *warning.Writer {
	return &warning.Writer{
		IDs: g.opt.IDs, Now: g.opt.Now, Host: g.opt.Hostname, Lifetime: policy.Lifetime, Operator: policy.WarnTo, Ceiling: &g.mails, Logger: g.opt.Logger,
		Sign: func(head, body []byte) ([]byte, error) {
			return g.SignOwn(ctx, mail.Domain(g.opt.Hostname), head, body)
		},
	}
}
