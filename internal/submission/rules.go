package submission

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/message"
	"countersign/internal/policy/rules"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
	"countersign/internal/submission/ruled"
	"countersign/internal/submission/secured"
)

// ruled asks the rules of a stage about a message; the error is the answer where one refuses or
// defers. What is recorded of the rest is noted by note.
func (s *session) ruled(at rules.Stage, set *rules.Set, facts *rules.Facts) (rules.Decision, error) {
	d := set.Judge(at, facts)
	s.gate.opt.Metrics.Judged(&d)
	if err := ruled.Refusal(at, &d); err != nil {
		s.rule = d.Rule.Name
		s.note(at, &d, "")
		return d, err
	}
	return d, nil
}

// ruledMail asks the rules at MAIL, about a transaction that has no recipients yet.
func (s *session) ruledMail(ctx context.Context, tx *transaction) error {
	set := s.gate.policy.Load().Rules
	if len(set.Rules(rules.Mail)) == 0 {
		return nil
	}
	d, err := s.ruled(rules.Mail, set, s.facts(ctx, tx))
	if err == nil {
		s.note(rules.Mail, &d, "")
	}
	return err
}

// ruledRecipient asks the rules at RCPT.
func (s *session) ruledRecipient(ctx context.Context, to mail.Address) error {
	set := s.gate.policy.Load().Rules
	if len(set.Rules(rules.Recipient)) == 0 {
		return nil
	}
	f := s.facts(ctx, s.tx)
	f.Recipient, f.Counters.Recipients = to, len(s.tx.rcpts)+1
	d, err := s.ruled(rules.Recipient, set, f)
	if err == nil {
		s.note(rules.Recipient, &d, "")
	}
	return err
}

// content is a whole message, as rules look at it.
type content struct {
	// header is as the client has sent it.
	header *message.Header
	// senders are its identities, the first of From first.
	senders []mail.Address
	size    int64
}

// ruledData asks the rules about the whole message. What it decides is for ruled.Apply.
func (s *session) ruledData(ctx context.Context, tx *transaction, set *rules.Set, c content) (rules.Decision, error) {
	if len(set.Rules(rules.Data)) == 0 {
		return rules.Decision{Verdict: rules.Allow}, nil
	}
	f := s.facts(ctx, tx)
	f.Recipients, f.Counters.Recipients = tx.rcpts, len(tx.rcpts)
	f.Message = rules.Message{Senders: c.senders, Size: c.size, Header: c.header}
	return s.ruled(rules.Data, set, f)
}

// facts are what is known at MAIL; those that were asked for before are no more.
func (s *session) facts(ctx context.Context, tx *transaction) *rules.Facts {
	sender, credential := tx.who.sender, tx.who.credential
	if tx.facts == nil {
		tx.facts = new(rules.Facts)
	}
	*tx.facts = rules.Facts{
		Now:        s.gate.opt.Now(),
		Connection: rules.Connection{Client: s.peer.Client.Addr(), Listener: s.peer.Listener, Hello: s.hello},
		Principal: rules.Principal{
			Login: sender.Account.Login(), Domain: string(sender.Domain.Name), Customer: sender.Customer.Name, Plan: sender.Plan.Name,
			Credential: credential.Name, Kind: string(credential.Kind), Mechanism: s.proved.Mechanism,
			Created: sender.Account.Created, CustomerCreated: sender.Customer.Created,
		},
		Envelope: tx.env,
		Counters: rules.Counters{SessionMessages: s.messages},
		Used:     func(u rules.Used) (int64, error) { return s.used(ctx, tx, u) },
	}
	if s.tls != nil {
		tx.facts.Connection.TLS = strings.TrimPrefix(secured.Version(s.tls), "TLS ")
	}
	return tx.facts
}

// used says what limits have counted before this message. It asks the store once for each message.
func (s *session) used(ctx context.Context, tx *transaction, u rules.Used) (int64, error) {
	if s.gate.opt.Limits == nil || s.gate.opt.Counted == nil {
		return 0, errors.New("there are no limits")
	}
	if tx.countedAt.IsZero() {
		subjects := make([]limit.Subject, len(tx.message.Levels))
		for i := range tx.message.Levels {
			subjects[i] = tx.message.Levels[i].Subject
		}
		counters, at, err := s.gate.opt.Counted(ctx, subjects)
		if err != nil {
			return 0, err
		}
		tx.counters, tx.countedAt = counters, at
	}
	for i, l := range tx.message.Levels {
		if l.Subject.Kind == u.Kind && l.CountsIn(u.Window, tx.message.Levels) {
			return tx.counters[i].Used(u.Window, u.Measure, tx.countedAt), nil
		}
	}
	return 0, fmt.Errorf("no limit for the %s counts in a %s; one in shadow does", u.Kind, u.Window)
}

// note records which rules in shadow matched, and which could not be evaluated; submission is
// the message's id, "" where it has none.
func (s *session) note(at rules.Stage, d *rules.Decision, submission mail.ID) {
	for _, e := range ruled.Events(at, d) {
		e.Submission = submission
		s.record.Add(e)
	}
}

// admitted asks the rules about a client that connects, and records what they say within the
// ration of its network.
func (g *Gate) admitted(peer smtpserver.Peer) error {
	set := g.policy.Load().Rules
	if len(set.Rules(rules.Connect)) == 0 {
		return nil
	}
	d := set.Judge(rules.Connect, &rules.Facts{
		Now: g.opt.Now(), Connection: rules.Connection{Client: peer.Client.Addr(), Listener: peer.Listener},
	})
	g.opt.Metrics.Judged(&d)
	for _, e := range ruled.Events(rules.Connect, &d) {
		g.records.Stranger(peer, e)
	}
	err := ruled.Refusal(rules.Connect, &d)
	if err != nil {
		g.records.Refused(peer, smtp.ReplyFor(err), map[string]string{"rule": d.Rule.Name})
	}
	return err
}
