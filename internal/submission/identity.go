package submission

import (
	"context"
	"slices"
	"strings"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/message"
	"countersign/internal/policy/sender"
	"countersign/internal/queue"
	"countersign/internal/smtp"
)

// Domains says whose domains are. It is asked for messages under addresses that are not the
// account's, where these may pass.
type Domains interface {
	// Domain returns a domain; fault.NotFound where there is none of that name.
	Domain(ctx context.Context, name mail.Domain) (account.Domain, error)
}

// named is whom a message names as its senders, and what was decided about that.
type named struct {
	identities []message.Identity
	verdict    sender.Verdict
	// changed is what was rewritten of the header, and envelope whether the envelope sender
	// was.
	changed  []message.Rewritten
	envelope bool
}

// author is the domain of the first address of From.
func (n *named) author() mail.Domain { return n.identities[0].Address.Domain }

// addresses are those that it names, the first of From first.
func (n *named) addresses() []mail.Address {
	list := make([]mail.Address, len(n.identities))
	for i := range n.identities {
		list[i] = n.identities[i].Address
	}
	return list
}

// signs is the domain whose keys sign a message of an account: that of its author, unless that
// is a stranger's, which shadow mode lets pass.
func (n *named) signs(r rights) mail.Domain {
	if slices.Contains(n.verdict.Outside, n.author()) {
		return r.sender.Account.Address.Domain
	}
	return n.author()
}

// weigh decides about a message by what it names; header is nil while that is not known.
func (s *session) weigh(ctx context.Context, who rights, from mail.Address, header []message.Identity) (sender.Verdict, error) {
	q := sender.Question{
		Account: who.sender, Envelope: &who.credential.Envelope, MailFrom: from, Header: header, Now: s.gate.opt.Now(),
	}
	strange := sender.Strange(q)
	if len(strange) == 0 || len(strange) > sender.MaxStrange || s.gate.opt.Domains == nil {
		if len(strange) == 0 {
			q.Hosted = map[mail.Domain]account.Domain{}
		}
		return sender.Judge(q), nil
	}
	q.Hosted = map[mail.Domain]account.Domain{}
	for _, name := range strange {
		d, err := s.gate.opt.Domains.Domain(ctx, name)
		switch {
		case fault.Is(err, fault.NotFound):
		case err != nil:
			return sender.Verdict{}, err
		default:
			q.Hosted[name] = d
		}
	}
	return sender.Judge(q), nil
}

// mayName decides about an envelope sender, and returns the one that takes its place where it
// is not theirs and is rewritten, itself in any other case that passes.
func (s *session) mayName(ctx context.Context, op string, who rights, env *mail.Envelope) (mail.Address, error) {
	v, err := s.weigh(ctx, who, env.From, nil)
	if err != nil {
		return mail.Address{}, err
	}
	if v.Action == sender.Rewritten && usable(&v, env) {
		return v.Own, nil
	}
	return env.From, s.refuseSender(op, &v)
}

// usable reports whether what takes the place of a sender may be sent: an address beyond
// ASCII needs SMTPUTF8 (RFC 6531 section 3.4).
func usable(v *sender.Verdict, env *mail.Envelope) bool { return v.Own.IsASCII() || env.SMTPUTF8 }

// refuseSender refuses what a verdict does not let pass as it is, and remembers why, for the
// record; nil for what passes.
func (s *session) refuseSender(op string, v *sender.Verdict) error {
	if v.Action == sender.Pass || v.Action == sender.Shadowed {
		return nil
	}
	f := v.Decisive
	s.unowned = f
	reason := smtp.EHeaderSenderNotOwned
	switch {
	case f.Reason == sender.NoNullSender:
		return fault.Refuse(op, fault.Denied, string(smtp.ENullSenderNotAllowed))
	case f.Place == sender.MailFrom:
		reason = smtp.ESenderNotOwned
	case f.Reason == sender.OnBehalfSender:
		reason = smtp.ESenderMissing
	}
	return refuse(op, reason, f.Address.String())
}

// checkHeader refuses a header that is broken, loops, or names a sender that
// is not the account's, or rewrites that; it encodes what must be.
func (s *session) checkHeader(ctx context.Context, header *message.Header, tx *transaction, policy *Policy) (*named, error) {
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
	n := &named{}
	if n.identities, err = read(); err != nil {
		return nil, err
	}
	if n.verdict, err = s.weigh(ctx, tx.who, tx.given, n.identities); err != nil {
		return nil, err
	}
	tx.env.From = tx.given
	if n.verdict.Action != sender.Rewritten || !usable(&n.verdict, &tx.env) {
		return n, s.refuseSender(op, &n.verdict)
	}
	if n.envelope = n.verdict.Envelope(); n.envelope {
		tx.env.From = n.verdict.Own
	}
	n.changed = header.Rewrite(n.verdict.Rewriting())
	if n.identities, err = read(); err != nil {
		return nil, err
	}
	return n, s.mayStill(ctx, op, tx, n)
}

// mayStill refuses a message that does not name, or does not name any more, what passes as it
// is.
func (s *session) mayStill(ctx context.Context, op string, tx *transaction, n *named) error {
	v, err := s.weigh(ctx, tx.who, tx.env.From, n.identities)
	if err != nil {
		return err
	}
	if n.changed == nil && !n.envelope {
		n.verdict = v // of what was rewritten, the one that said so is kept
	}
	return s.refuseSender(op, &v)
}

// judgeAgain refuses a message whose sender has lost the right to send it, or
// to one of its addresses, since MAIL.
func (s *session) judgeAgain(ctx context.Context, tx *transaction, n *named) error {
	who, err := s.rights(ctx)
	if err != nil {
		return err
	}
	tx.who = who
	return s.mayStill(ctx, "submission.judge", tx, n)
}

// rely says in an acceptance what the decision relies on: its domains, each once, but those of
// strangers.
func (n *named) rely(a *queue.Acceptance) {
	from := a.Submission.Envelope.From
	list := []mail.Address{from}
	for _, id := range n.identities {
		list = append(list, id.Address)
		a.Others = a.Others || id.Address.Key() != from.Key()
	}
	for _, address := range list {
		d := address.Domain
		if d != "" && !slices.Contains(a.Domains, d) && !slices.Contains(n.verdict.Outside, d) {
			a.Domains = append(a.Domains, d)
		}
	}
}

// told returns what is recorded of the senders of an accepted message, none where all that it
// named was theirs.
func (s *session) told(n *named, tx *transaction, id mail.ID) []audit.Event {
	e := audit.Event{Submission: id, Text: n.verdict.Text(), Data: map[string]string{}}
	switch {
	case n.verdict.Action == sender.Shadowed:
		e.Kind = audit.SenderShadow
		for i := range n.verdict.Findings {
			if f := &n.verdict.Findings[i]; !f.Reason.Theirs() {
				e.Data[fieldKey(f.Place)] = f.Address.String()
			}
		}
	case n.envelope || n.changed != nil:
		e.Kind = audit.SenderRewritten
		if n.envelope {
			e.Data["mail_from"], e.Data["mail_from_now"] = tx.given.String(), tx.env.From.String()
		}
		for _, c := range n.changed {
			key := fieldKey(c.Field)
			e.Data[key], e.Data[key+"_now"] = c.Before, c.After
		}
	default:
		return nil
	}
	return []audit.Event{s.complete(e)}
}

// fieldKey is the key of a place in the data of an event: "resent_from".
func fieldKey(place string) string {
	return strings.ToLower(strings.NewReplacer(" ", "_", "-", "_").Replace(place))
}
