// Package limiting is what lies between a message at the gate and its limits: where in a session
// they refuse it, the question that the store answers, what is written where most of a limit is
// used, and what is recorded.
//
// Package limit decides, and package limit/tally about one message and one connection.
//
// Main types: Desk, Meter.
package limiting

import (
	"context"
	"errors"
	"maps"
	"slices"

	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// question makes that about a message, by its subjects with their limits.
func question(a *queue.Acceptance, levels []limit.Level, warnAt int) *limit.Question {
	q := &limit.Question{
		Levels: levels, Warn: warnAt,
		Want: limit.Amounts{limit.Messages: 1, limit.Recipients: int64(len(a.Deliveries)), limit.Bytes: a.Submission.Size},
	}
	if limit.Bounds(levels, limit.NewRecipients) {
		q.Contacts = &limit.Contacts{Login: a.Submission.Login}
		for i := range a.Deliveries {
			q.Contacts.Recipients = append(q.Contacts.Recipients, limit.DigestOf(a.Deliveries[i].Recipient.To.Key()))
		}
		slices.Sort(q.Contacts.Recipients)
		q.Contacts.Recipients = slices.Compact(q.Contacts.Recipients)
	}
	return q
}

// What an account may write to the gate's postmaster, whatever its limits: a cry for help
// must not be too much, nor a way around all limits.
const (
	helpMessages = 10
	helpBytes    = 10 << 20
)

// forHelp makes the question about a message to the postmaster alone, which counts apart.
func forHelp(sub *queue.Submission) *limit.Question {
	return &limit.Question{
		Want: limit.Amounts{limit.Messages: 1, limit.Bytes: sub.Size},
		Levels: []limit.Level{{
			Subject: limit.Subject{Kind: limit.Account, Name: sub.Login + " to the postmaster"},
			Limits: []limit.Limit{
				{Measure: limit.Messages, Window: limit.Day, Max: helpMessages, Action: limit.Defer},
				{Measure: limit.Bytes, Window: limit.Day, Max: helpBytes, Action: limit.Defer},
			},
		}},
	}
}

// Accept stores a message. Where most of a limit is used with it, the store asks for what is to be
// written about that, which happens once in a window, and stores both in one transaction.
func Accept(ctx context.Context, store func(context.Context, *queue.Acceptance) error, a *queue.Acceptance, write func([]limit.Breach) []queue.Notice) error {
	const asked = 3 // others may come meanwhile, and other limits be near
	a.Warns = a.Limits != nil && a.Limits.Warn > 0
	for n := 0; ; n++ {
		if n == asked {
			a.Warns = false
		}
		err := store(ctx, a)
		var near *queue.NearError
		if !errors.As(err, &near) {
			return err
		}
		a.Notices = append(a.Notices, write(near.Near)...)
	}
}

// Near is what the record has of a limit of which most is used: its text says how much that is with
// what was accepted, as the mail about it does; its data has the two apart.
func Near(b *limit.Breach) audit.Event {
	with := *b
	with.Used, with.Want = b.Used+b.Want, 0
	return audit.Event{Kind: audit.LimitNear, Text: with.Recorded(), Data: b.Data()}
}

// Tell adds to the event of a refusal which limit it is for, and whose that is, where err is of one.
func Tell(err error, e *audit.Event) {
	var over *limit.OverError
	if !errors.As(err, &over) {
		return
	}
	if e.Data == nil {
		e.Data = map[string]string{}
	}
	maps.Copy(e.Data, over.Decision.Decisive.Data())
}

// events are what the record has of limits about a message that was accepted.
func events(submission mail.ID, d *limit.Decision) (list []audit.Event) {
	note := func(kind audit.Kind, b *limit.Breach) {
		list = append(list, audit.Event{Kind: kind, Submission: submission, Text: b.Recorded(), Data: b.Data()})
	}
	for i := range d.Near {
		e := Near(&d.Near[i])
		e.Submission = submission
		list = append(list, e)
	}
	for i := range d.Over {
		if d.Over[i].Limit.Shadow {
			note(audit.LimitShadow, &d.Over[i])
		}
	}
	switch {
	case d.Decisive == nil:
	case d.Action == limit.Hold:
		note(audit.LimitHeld, d.Decisive)
	default:
		d.Decisive.Room = d.Slot
		note(audit.LimitSlowed, d.Decisive)
	}
	return list
}

// Stored are the warnings that were stored with a message.
func Stored(a *queue.Acceptance) (list []*queue.Acceptance) {
	for i := range a.Decision.Near {
		for k := range a.Notices {
			if n := &a.Notices[k]; n.About == a.Decision.Near[i].Key() {
				for m := range n.Messages {
					list = append(list, &n.Messages[m])
				}
			}
		}
	}
	return list
}
