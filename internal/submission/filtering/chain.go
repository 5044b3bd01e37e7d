package filtering

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/filter"
	"countersign/internal/smtp"
)

// Chain is the filters of a listener, in their order. It is not changed, and is used
// concurrently.
type Chain []*filter.Filter

// Run takes a draft through the filters. The error is the refusal of the message; what is
// to be recorded of it is in d.Events all the same.
func (c Chain) Run(ctx context.Context, d *Draft) error {
	for _, f := range c {
		answer, err := f.Ask(ctx, &d.Message)
		if fault.Is(err, fault.Canceled) || errors.Is(err, filter.ErrUnread) {
			return err // trouble of ours
		}
		if err != nil {
			err = d.unanswered(f, err)
		} else {
			err = d.follow(ctx, f, answer)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unanswered does what the options say about a message that the program was not asked
// about. The error is a refusal.
func (d *Draft) unanswered(f *filter.Filter, cause error) error {
	f.Count(filter.Unanswered)
	action := f.WhenAway
	if f.Shadow {
		action = "shadow"
	}
	d.seen(f, "away")
	d.note(audit.FilterAway, f, clean(inWords(cause)), "action", string(action))
	switch action {
	case filter.Closed:
		return &fault.Error{Op: "submission.filter", Kind: fault.Unavailable, Reason: string(smtp.EFilterAway), Err: cause}
	case filter.Hold:
		d.hold(f, "it could not be asked")
	}
	return nil
}

// inWords is what lies behind the error of a filter, for people.
func inWords(err error) string {
	if behind := errors.Unwrap(err); behind != nil {
		return behind.Error()
	}
	return err.Error()
}

// follow does what a program says. The error is a refusal.
func (d *Draft) follow(ctx context.Context, f *filter.Filter, a *filter.Answer) error {
	switch a.Verdict {
	case filter.Refuse, filter.Defer:
		return d.refuse(f, a)
	case filter.Discard:
		d.held(f, filter.Held, "it wants the message thrown away")
		return nil
	}
	next, problem := d.changed(ctx, f, &a.Changes)
	switch {
	case problem != "":
		d.held(f, filter.Overstepped, problem)
		return nil
	case !a.Changes.Empty() && !f.Shadow:
		d.note(audit.FilterChanged, f, describe(&a.Changes))
		d.take(next, &a.Changes)
	}
	switch {
	case a.Quarantined:
		d.held(f, filter.Held, "it wants the message held: "+clean(a.Because))
	case a.Changes.Empty():
		f.Count(filter.Passed)
		d.seen(f, "passed")
	case f.Shadow:
		f.Count(filter.Changed)
		d.shadow(f, "change", describe(&a.Changes))
	default:
		f.Count(filter.Changed)
		d.seen(f, "changed")
	}
	return nil
}

// held holds the message, or records that it would be.
func (d *Draft) held(f *filter.Filter, o filter.Outcome, why string) {
	f.Count(o)
	if f.Shadow {
		d.shadow(f, "hold", why)
		return
	}
	d.seen(f, "held")
	d.hold(f, why)
}

// hold has the message held, once more where it already is.
func (d *Draft) hold(f *filter.Filter, why string) {
	d.Held = true
	d.note(audit.FilterHeld, f, why)
}

// shadow records what would have been done.
func (d *Draft) shadow(f *filter.Filter, action, text string) {
	d.seen(f, "would "+action)
	d.note(audit.FilterShadow, f, text, "action", action)
}

// refuse makes the refusal of what a program refuses, or records that it would have.
func (d *Draft) refuse(f *filter.Filter, a *filter.Answer) error {
	reason, outcome, action, kind := smtp.EFilterRefused, filter.Refused, "refuse", fault.Denied
	if a.Verdict == filter.Defer {
		reason, outcome, action, kind = smtp.EFilterDeferred, filter.Deferred, "defer", fault.Busy
	}
	f.Count(outcome)
	reply := replyOf(reason, a.Reply)
	said := clean(a.Reply.Text)
	if f.Shadow {
		d.shadow(f, action, strings.TrimSpace(fmt.Sprintf("%d %s %s", reply.Code, reply.Enhanced, said)))
		return nil
	}
	e := d.note(audit.FilterRefused, f, said)
	e.Reason, e.Code, e.Enhanced = string(reason), reply.Code, reply.Enhanced.String()
	return &fault.Error{Op: "submission.filter", Kind: kind, Err: reply}
}

// seen notes in few words what came of the message at a filter.
func (d *Draft) seen(f *filter.Filter, how string) {
	d.Seen = append(d.Seen, f.Name+": "+how)
}

// note adds an event about a filter; more are further data, key and value in turns.
func (d *Draft) note(kind audit.Kind, f *filter.Filter, text string, more ...string) *audit.Event {
	data := map[string]string{"filter": f.Name}
	for i := 0; i+1 < len(more); i += 2 {
		data[more[i]] = more[i+1]
	}
	d.Events = append(d.Events, audit.Event{Kind: kind, Text: text, Data: data})
	return &d.Events[len(d.Events)-1]
}
