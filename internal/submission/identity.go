package submission

import (
	"context"

	"countersign/internal/mail"
	"countersign/internal/message"
	"countersign/internal/policy/sender"
	"countersign/internal/submission/naming"
)

// mayName decides about an envelope sender, and returns the one that takes its place where it
// is not theirs and is rewritten, itself in any other case that passes.
func (s *session) mayName(ctx context.Context, op string, who rights, env *mail.Envelope) (mail.Address, error) {
	v, err := s.weigh(ctx, who, env.From, nil)
	if err != nil {
		return mail.Address{}, err
	}
	if v.Action == sender.Rewritten && naming.Usable(&v, env) {
		return v.Own, nil
	}
	return env.From, s.refuseSender(op, &v)
}

// refuseSender refuses what a verdict does not let pass as it is, and remembers why, for the
// record; nil for what passes.
func (s *session) refuseSender(op string, v *sender.Verdict) error {
	err := naming.Refusal(op, v)
	if err != nil {
		s.unowned = v.Decisive
	}
	return err
}

// weigh decides about a message by what it names; header is nil while that is not known.
func (s *session) weigh(ctx context.Context, who rights, from mail.Address, header []message.Identity) (sender.Verdict, error) {
	asker := naming.Asker{Domains: s.gate.opt.Domains, Now: s.gate.opt.Now}
	return asker.Weigh(ctx, who.sender, &who.credential.Envelope, from, header)
}

// checkHeader refuses a header that is broken, loops, or names a sender that
// is not the account's, or rewrites that; it encodes what must be.
func (s *session) checkHeader(ctx context.Context, header *message.Header, tx *transaction, policy *Policy) (*naming.Named, error) {
	const op = "submission.header"
	err := header.Check(policy.MaxReceived)
	if err != nil {
		return nil, err
	}
	mode := message.RawRefuse
	if policy.EncodeHeaders {
		mode = message.RawEncode
	}
	// It also refuses an address beyond ASCII without SMTPUTF8 (RFC 6532 section 3).
	err = header.EncodeRaw(mode, tx.env.SMTPUTF8)
	if err != nil {
		return nil, err
	}
	read := header.Senders
	if policy.CheckNames {
		read = header.Identities
	}
	n := &naming.Named{}
	if n.Identities, err = read(); err != nil {
		return nil, err
	}
	if n.Verdict, err = s.weigh(ctx, tx.who, tx.given, n.Identities); err != nil {
		return nil, err
	}
	tx.env.From = tx.given
	if n.Verdict.Action != sender.Rewritten || !naming.Usable(&n.Verdict, &tx.env) {
		return n, s.refuseSender(op, &n.Verdict)
	}
	if n.Envelope = n.Verdict.Envelope(); n.Envelope {
		tx.env.From = n.Verdict.Own
	}
	n.Changed = header.Rewrite(n.Verdict.Rewriting())
	if n.Identities, err = read(); err != nil {
		return nil, err
	}
	return n, s.mayStill(ctx, op, tx, n)
}

// mayStill refuses a message that does not name, or does not name any more, what passes as it
// is.
func (s *session) mayStill(ctx context.Context, op string, tx *transaction, n *naming.Named) error {
	v, err := s.weigh(ctx, tx.who, tx.env.From, n.Identities)
	if err != nil {
		return err
	}
	if n.Changed == nil && !n.Envelope {
		n.Verdict = v // of what was rewritten, the one that said so is kept
	}
	return s.refuseSender(op, &v)
}

// judgeAgain refuses a message whose sender has lost the right to send it, or
// to one of its addresses, since MAIL.
func (s *session) judgeAgain(ctx context.Context, tx *transaction, n *naming.Named) error {
	who, err := s.rights(ctx)
	if err != nil {
		return err
	}
	tx.who = who
	return s.mayStill(ctx, "submission.judge", tx, n)
}
