package submission

import (
	"context"

	"countersign/internal/policy/alignment"
	"countersign/internal/submission/aligned"
	"countersign/internal/submission/naming"
)

// Alignment tells beforehand whether messages will pass DMARC at their receivers. It is
// used concurrently and answers within a bounded time; what it does not know by then is
// alignment.Unknown.
type Alignment interface {
	Look(ctx context.Context, q alignment.Question) alignment.Assessment
}

// aligned finds out how a message will fare, and refuses it where the policy
// wants that. Several domains in From are judged by the first, which signs.
func (s *session) aligned(ctx context.Context, tx *transaction, names *naming.Named, policy *Policy) (alignment.Ruling, error) {
	from := names.Author()
	action := aligned.Action(policy.Alignment, tx.who.sender, &names.Verdict, from)
	if s.gate.opt.Alignment == nil || action == alignment.Off {
		return alignment.Ruling{}, nil
	}
	q := alignment.Question{From: from, MailFrom: tx.env.From.Domain, Customer: tx.who.sender.Customer.Name}
	if policy.Sign {
		keys, err := s.gate.keys.Published(ctx, names.Signs(tx.who.sender), tx.who.sender.Generation)
		if err != nil {
			return alignment.Ruling{}, err // as it could not be signed
		}
		q.Keys = keys
	}
	ruling := alignment.Rule(action, s.gate.opt.Alignment.Look(ctx, q))
	s.gate.opt.Metrics.Ruled(ruling)
	return ruling, aligned.Refusal(ruling)
}
