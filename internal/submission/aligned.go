package submission

import (
	"context"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/policy/alignment"
	"countersign/internal/queue"
	"countersign/internal/smtp"
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
	if s.gate.opt.Alignment == nil || policy.Alignment.For(from) == alignment.Off {
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
	ruling := policy.Alignment.Rule(s.gate.opt.Alignment.Look(ctx, q))
	s.gate.opt.Metrics.Ruled(ruling)
	if ruling.Action == alignment.Refuse {
		return ruling, &fault.Error{
			Op: "submission.aligned", Kind: fault.Denied, Reason: string(smtp.EUnaligned), Detail: ruling.Advice(),
		}
	}
	return ruling, nil
}

// apply holds what is accepted where the ruling wants it, and returns the warning for the
// record, none where there is nothing to warn of.
func (s *session) apply(ruling alignment.Ruling, a *queue.Acceptance) []audit.Event {
	if ruling.Action == alignment.Off {
		return nil
	}
	warning := s.complete(audit.Event{
		Kind: audit.Unaligned, Submission: a.Submission.ID, Reason: string(smtp.EUnaligned),
		Text: ruling.Assessment.Reason(), Data: ruling.Data(),
	})
	if ruling.Action != alignment.Hold {
		return []audit.Event{warning}
	}
	for i := range a.Deliveries {
		a.Deliveries[i].State, a.Deliveries[i].HoldReason = queue.Held, queue.HoldAlignment
	}
	return []audit.Event{warning, s.complete(audit.Event{
		Kind: audit.DeliveryHeld, Submission: a.Submission.ID, Reason: queue.HoldAlignment, Text: ruling.Assessment.Reason(),
	})}
}
