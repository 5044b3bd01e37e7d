package submission

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/message"
	"countersign/internal/policy/rules"
	"countersign/internal/queue"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
)

// ruled asks the rules of a stage about a message; the error is the answer where one refuses or
// defers. What is recorded of the rest is noted by note.
func (s *session) ruled(at rules.Stage, set *rules.Set, facts *rules.Facts) (rules.Decision, error) {
	d := set.Judge(at, facts)
	s.gate.opt.Metrics.judged(&d)
	if err := ruleError(at, &d); err != nil {
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

// ruledData asks the rules about the whole message. What it decides is for applyRules.
func (s *session) ruledData(ctx context.Context, tx *transaction, set *rules.Set, c content) (rules.Decision, error) {
	if len(set.Rules(rules.Data)) == 0 {
		return rules.Decision{Verdict: rules.Allow}, nil
	}
	f := s.facts(ctx, tx)
	f.Recipients, f.Counters.Recipients = tx.rcpts, len(tx.rcpts)
	f.Message = rules.Message{Senders: c.senders, Size: c.size, Header: c.header}
	return s.ruled(rules.Data, set, f)
}

// facts are what is known at MAIL.
func (s *session) facts(ctx context.Context, tx *transaction) *rules.Facts {
	sender, credential := tx.who.sender, tx.who.credential
	f := &rules.Facts{
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
		f.Connection.TLS = strings.TrimPrefix(tlsData(s.tls)["version"], "TLS ")
	}
	return f
}

// used says what limits have counted before this message. It asks the store once for each message.
func (s *session) used(ctx context.Context, tx *transaction, u rules.Used) (int64, error) {
	if s.gate.opt.Limits == nil || s.gate.opt.Counted == nil {
		return 0, errors.New("there are no limits")
	}
	if tx.countedAt.IsZero() {
		tx.levels = s.gate.opt.Limits(s.whoSends(tx))
		subjects := make([]limit.Subject, len(tx.levels))
		for i := range tx.levels {
			subjects[i] = tx.levels[i].Subject
		}
		counters, at, err := s.gate.opt.Counted(ctx, subjects)
		if err != nil {
			return 0, err
		}
		tx.counters, tx.countedAt = counters, at
	}
	for i, l := range tx.levels {
		if l.Subject.Kind == u.Kind && l.CountsIn(u.Window, tx.levels) {
			return tx.counters[i].Used(u.Window, u.Measure, tx.countedAt), nil
		}
	}
	return 0, fmt.Errorf("no limit for the %s counts in a %s; one in shadow does", u.Kind, u.Window)
}

// ruleError is the answer where a decision lets nothing pass; nil where it does.
func ruleError(at rules.Stage, d *rules.Decision) error {
	const op = "submission.rule"
	var e *fault.Error
	switch connects := at == rules.Connect; {
	case d.Verdict == rules.Refuse && connects:
		e = fault.Refuse(op, fault.Denied, string(smtp.ERuleUnwelcome))
	case d.Verdict == rules.Refuse:
		e = fault.Refuse(op, fault.Denied, string(smtp.ERuleRefused))
	case d.Verdict == rules.Defer && connects:
		e = fault.Refuse(op, fault.Busy, string(smtp.ERuleUnwelcomeNow))
	case d.Verdict == rules.Defer && d.Failed:
		return fault.Refuse(op, fault.Unavailable, string(smtp.ERuleFailed))
	case d.Verdict == rules.Defer:
		e = fault.Refuse(op, fault.Busy, string(smtp.ERuleDeferred))
	default:
		return nil
	}
	if !d.Failed {
		e.Detail = d.Rule.Because + " (rule " + d.Rule.Name + ")"
	}
	return e
}

// note records which rules in shadow matched, and which could not be evaluated; submission is
// the message's id, "" where it has none.
func (s *session) note(at rules.Stage, d *rules.Decision, submission mail.ID) {
	for _, e := range noted(at, d) {
		e.Submission = submission
		s.record(e)
	}
}

// noted makes the events of note.
func noted(at rules.Stage, d *rules.Decision) (events []audit.Event) {
	for _, r := range d.Would {
		events = append(events, audit.Event{Kind: audit.RuleShadow, Text: r.Because, Data: ruleData(at, r, string(r.Verdict))})
	}
	for i := range d.Faults {
		f := &d.Faults[i]
		events = append(events, audit.Event{Kind: audit.RuleFailed, Text: f.Cause(), Data: ruleData(at, f.Rule, string(f.Rule.OnError))})
	}
	return events
}

// ruleData is what events say of a rule.
func ruleData(at rules.Stage, r *rules.Rule, action string) map[string]string {
	return map[string]string{"rule": r.Name, "at": string(at), "action": action}
}

// applyRules holds or slows down what is accepted where a rule wants it, and returns the event
// of that.
func (s *session) applyRules(d *rules.Decision, a *queue.Acceptance, now time.Time) []audit.Event {
	r := d.Rule
	if r == nil {
		return nil
	}
	e := audit.Event{Submission: a.Submission.ID, Text: r.Because, Data: ruleData(rules.Data, r, string(r.Verdict))}
	switch r.Verdict {
	case rules.Hold:
		e.Kind, e.Reason = audit.RuleHeld, queue.HoldRule
	case rules.Slow:
		e.Kind, e.Reason = audit.RuleSlowed, queue.Slowed
		e.Data["room"] = now.Add(r.Delay).UTC().Format(time.RFC3339)
	default:
		a.Events[0].Data["rule"] = r.Name // it lets the message pass
		return nil
	}
	for i := range a.Deliveries {
		delivery := &a.Deliveries[i]
		switch {
		case delivery.State != queue.Queued: // it is held for something else already
		case r.Verdict == rules.Hold:
			delivery.State, delivery.HoldReason = queue.Held, queue.HoldRule
		default:
			delivery.Next, delivery.HoldReason = now.Add(r.Delay), queue.Slowed
		}
	}
	return []audit.Event{s.complete(e)}
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
	g.opt.Metrics.judged(&d)
	for _, e := range noted(rules.Connect, &d) {
		if !g.rations.Spend(peer.Network(), e.Kind) {
			g.opt.Metrics.leftOut()
			continue
		}
		e.At, e.Session, e.Client = g.opt.Now(), peer.ID, peer.Client.Addr().Unmap().String()
		g.opt.Recorder.Record(e)
	}
	err := ruleError(rules.Connect, &d)
	if err != nil {
		g.recordRefused(peer, smtp.ReplyFor(err), "rule", d.Rule.Name)
	}
	return err
}
