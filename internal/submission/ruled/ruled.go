// Package ruled has what follows from a decision of the operator's rules: the answer to the
// client, the events of the record, and where the deliveries stand.
//
// Main functions: Refusal, Events, Apply.
package ruled

import (
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/policy/rules"
	"countersign/internal/queue"
	"countersign/internal/smtp"
)

// Refusal is the answer where a decision lets nothing pass; nil where it does.
func Refusal(at rules.Stage, d *rules.Decision) error {
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

// Events are the rules in shadow that matched, and those that could not be evaluated.
func Events(at rules.Stage, d *rules.Decision) (events []audit.Event) {
	for _, r := range d.Would {
		events = append(events, audit.Event{Kind: audit.RuleShadow, Text: r.Because, Data: data(at, r, string(r.Verdict))})
	}
	for i := range d.Faults {
		f := &d.Faults[i]
		events = append(events, audit.Event{Kind: audit.RuleFailed, Text: f.Cause(), Data: data(at, f.Rule, string(f.Rule.OnError))})
	}
	return events
}

// data is what events say of a rule.
func data(at rules.Stage, r *rules.Rule, action string) map[string]string {
	return map[string]string{"rule": r.Name, "at": string(at), "action": action}
}

// Apply holds or slows down what is accepted where a rule wants it, and adds the event of that
// as complete makes it. Where a rule has allowed the message, the first event, that of the
// acceptance, gets its name.
func Apply(d *rules.Decision, a *queue.Acceptance, now time.Time, complete func(audit.Event) audit.Event) {
	r := d.Rule
	if r == nil {
		return
	}
	e := audit.Event{Submission: a.Submission.ID, Text: r.Because, Data: data(rules.Data, r, string(r.Verdict))}
	switch r.Verdict {
	case rules.Hold:
		e.Kind, e.Reason = audit.RuleHeld, queue.HoldRule
	case rules.Slow:
		e.Kind, e.Reason = audit.RuleSlowed, queue.Slowed
		e.Data["room"] = now.Add(r.Delay).UTC().Format(time.RFC3339)
	default:
		a.Events[0].Data["rule"] = r.Name // it lets the message pass
		return
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
	a.Events = append(a.Events, complete(e))
}
