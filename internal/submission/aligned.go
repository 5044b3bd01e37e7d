package submission

import (
	"context"

	"countersign/internal/policy/alignment"
	"countersign/internal/policy/domainkey"
	"countersign/internal/submission/aligned"
	"countersign/internal/submission/naming"
)

// aligned finds out how a message will fare, and refuses it where the policy
// wants that.
func (s *session) aligned(ctx context.Context, tx *transaction, names *naming.Named, policy *Policy) (alignment.Ruling, error) {
	m := aligned.Message{
		Rules: policy.Alignment, Of: tx.who.sender, Senders: &names.Verdict, Authors: names.Authors(), MailFrom: tx.env.From.Domain,
	}
	if policy.Sign {
		m.Keys = func() ([]domainkey.Key, error) { // an error is that of what cannot be signed
			return s.gate.keys.Published(ctx, names.Signs(tx.who.sender), tx.who.sender.Generation)
		}
	}
	ruling, looked, err := aligned.Find(ctx, s.gate.opt.Alignment, m)
	if looked {
		s.gate.opt.Metrics.Ruled(ruling)
	}
	if err != nil {
		return ruling, err
	}
	return ruling, aligned.Refusal(ruling)
}
