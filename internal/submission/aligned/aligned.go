// Package aligned has what follows from how a message will fare for DMARC at its receivers: what
// its From domain wants done, the refusal, the hold, and what the record is told.
//
// How it will fare is found out by package policy/alignment.
//
// Main functions: Action, Refusal, Apply.
package aligned

import (
	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/policy/alignment"
	"countersign/internal/policy/sender"
	"countersign/internal/queue"
	"countersign/internal/smtp"
)

// Action is what is done about a message of an account with that domain in From which will fail:
// what is set for the domain, also where it is another's that a mode of senders lets pass, else what
// the rules have.
func Action(r alignment.Rules, of *account.Sender, v *sender.Verdict, from mail.Domain) alignment.Action {
	own, known := of.Alignment[from]
	if !known {
		own = v.Hosted[from].Alignment
	}
	return r.For(from, string(own))
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
