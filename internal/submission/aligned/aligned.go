// Package aligned has what follows from how a message will fare for DMARC at its receivers: what
// its From domain wants done, the refusal, the hold, and what the record is told.
//
// How it will fare is found out by package policy/alignment.
//
// Main functions: Find, Refusal, Apply.
package aligned

import (
	"context"
	"sync"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/policy/alignment"
	"countersign/internal/policy/domainkey"
	"countersign/internal/policy/sender"
	"countersign/internal/queue"
	"countersign/internal/smtp"
)

// Looker tells beforehand whether messages will pass DMARC at their receivers. It is used
// concurrently and answers within a bounded time; what it does not know by then is alignment.Unknown.
type Looker interface {
	Look(ctx context.Context, q alignment.Question) alignment.Assessment
}

// Message is what is to be known of a message, beside who looks.
type Message struct {
	Rules alignment.Rules
	// Of is who sends it, Senders what was decided about those that it names.
	Of      *account.Sender
	Senders *sender.Verdict
	// Authors are the domains of From, each once, MailFrom the one of the envelope.
	Authors  []mail.Domain
	MailFrom mail.Domain
	// Keys returns those that sign it; nil where nothing is signed here.
	Keys func() ([]domainkey.Key, error)
}

// mostAuthors bounds the domains of From that are looked at, of those of which something is asked for.
const mostAuthors = 8

// Find finds out how a message will fare, and what follows. Where From has addresses of several
// domains, receivers go by the strictest policy of those that fail (RFC 9989 section 11.5), so that
// the worst ruling counts. looked is false where nothing was to be found out. The error is that of
// Keys.
func Find(ctx context.Context, looker Looker, m Message) (worst alignment.Ruling, looked bool, err error) {
	var questions []alignment.Question
	var actions []alignment.Action
	for _, from := range m.Authors {
		if action := m.action(from); action != alignment.Off && len(questions) < mostAuthors {
			actions = append(actions, action)
			questions = append(questions, alignment.Question{From: from, MailFrom: m.MailFrom, Customer: m.Of.Customer.Name})
		}
	}
	if looker == nil || len(questions) == 0 {
		return alignment.Ruling{}, false, nil
	}
	var keys []domainkey.Key
	if m.Keys != nil {
		if keys, err = m.Keys(); err != nil {
			return alignment.Ruling{}, false, err
		}
	}
	rulings := make([]alignment.Ruling, len(questions))
	look := func(i int) {
		questions[i].Keys = keys
		rulings[i] = alignment.Rule(actions[i], looker.Look(ctx, questions[i]))
	}
	var looks sync.WaitGroup // at once, so that they wait no longer than one
	for i := 1; i < len(questions); i++ {
		looks.Go(func() { look(i) })
	}
	look(0) // most messages have no other
	looks.Wait()
	return alignment.Worst(rulings), true, nil
}

// action is what is done about a message with that domain in From which will fail: what is set for
// the domain, also where it is another's that a mode of senders lets pass, else what the rules have.
func (m *Message) action(from mail.Domain) alignment.Action {
	own, known := m.Of.Alignment[from]
	if !known {
		own = m.Senders.Hosted[from].Alignment
	}
	return m.Rules.For(from, string(own))
}

// Refusal is the answer where a ruling refuses, nil for any other.
func Refusal(r alignment.Ruling) error {
	if r.Action != alignment.Refuse {
		return nil
	}
	return &fault.Error{Op: "submission.aligned", Kind: fault.Denied, Reason: string(smtp.EUnaligned), Detail: r.Advice()}
}

// Apply holds what is accepted where a ruling wants it, and returns what the record is told, none
// where there is nothing to warn of. complete adds whose session it is.
func Apply(r alignment.Ruling, a *queue.Acceptance, complete func(audit.Event) audit.Event) []audit.Event {
	if r.Action == alignment.Off {
		return nil
	}
	warning := complete(audit.Event{
		Kind: audit.Unaligned, Submission: a.Submission.ID, Reason: string(smtp.EUnaligned),
		Text: r.Assessment.Reason(), Data: r.Data(),
	})
	if r.Action != alignment.Hold {
		return []audit.Event{warning}
	}
	for i := range a.Deliveries {
		a.Deliveries[i].State, a.Deliveries[i].HoldReason = queue.Held, queue.HoldAlignment
	}
	return []audit.Event{warning, complete(audit.Event{
		Kind: audit.DeliveryHeld, Submission: a.Submission.ID, Reason: queue.HoldAlignment, Text: r.Assessment.Reason(),
	})}
}
