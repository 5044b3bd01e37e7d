package submission

import (
	"context"
	"errors"

	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/submission/warning"
)

// accept stores a message. Where most of a limit is used with it, the store asks for what is to be
// written about that, which happens once in a window, and stores both in one transaction.
func (s *session) accept(ctx context.Context, a *queue.Acceptance, policy *Policy) error {
	const asked = 3 // others may come meanwhile, and other limits be near
	a.Warns = a.Limits != nil && a.Limits.Warn > 0
	for n := 0; ; n++ {
		if n == asked {
			a.Warns = false
		}
		err := s.gate.opt.Queue.Accept(ctx, a)
		var near *queue.NearError
		if !errors.As(err, &near) {
			return err
		}
		a.Notices = append(a.Notices, s.gate.warnings(ctx, policy).Notices(&a.Submission, near.Near)...)
	}
}

// warnings writes to those whose limits are near.
func (g *Gate) warnings(ctx context.Context, policy *Policy) *warning.Writer {
	return &warning.Writer{
		IDs: g.opt.IDs, Now: g.opt.Now, Host: g.opt.Hostname, Lifetime: policy.Lifetime, Operator: policy.WarnTo, Logger: g.opt.Logger,
		Sign: func(head, body []byte) ([]byte, error) {
			return g.SignOwn(ctx, mail.Domain(g.opt.Hostname), head, body)
		},
	}
}

// stored are the warnings that were stored with a message.
func stored(a *queue.Acceptance) (list []*queue.Acceptance) {
	for i := range a.Decision.Near {
		for k := range a.Notices {
			if n := &a.Notices[k]; n.About == a.Decision.Near[i].Key() {
				for m := range n.Messages {
					list = append(list, &n.Messages[m])
				}
			}
		}
	}
	return list
}
