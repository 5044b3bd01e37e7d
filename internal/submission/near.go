package submission

import (
	"context"

	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/submission/limiting"
	"countersign/internal/submission/warning"
)

// accept stores a message, and with it what is written about limits that are near.
// The limits are those that hold now, whatever held when the message began.
func (s *session) accept(ctx context.Context, a *queue.Acceptance, tx *transaction, policy *Policy) error {
	levels := s.limits(tx)
	if err := s.meter.Data(&tx.message, a, levels); err != nil {
		return err
	}
	a.Limits = s.gate.desk.Question(a, levels, policy.WarnAt)
	err := limiting.Accept(ctx, s.gate.opt.Queue.Accept, a, func(near []limit.Breach) []queue.Notice {
		return s.gate.warnings(ctx, policy).Notices(&a.Submission, near)
	})
	s.gate.desk.Note(a, err)
	return err
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
