package delivery

import (
	"strconv"
	"time"

	"countersign/internal/audit"
	"countersign/internal/delivery/notice"
	"countersign/internal/delivery/verdict"
	"countersign/internal/queue"
)

// eventKinds maps the state after an attempt to the event that records it.
var eventKinds = map[queue.State]audit.Kind{
	queue.Delivered: audit.DeliveryDelivered,
	queue.Deferred:  audit.DeliveryDeferred,
	queue.Failed:    audit.DeliveryFailed,
}

// report turns answers into outcomes and events. Of what the sender is to be told, a
// delivery is reported at once, as its outcome must not wait; the rest is left
// for the letter. Those that were cut off before an answer are in neither.
func (d *Deliverer) report(j *job, answers []verdict.Answer, content *queue.Content) (r *queue.Report, told []notice.Notice) {
	now := d.opt.Now()
	r = &queue.Report{Submission: j.Submission.ID}
	var relayed []notice.Notice
	for i, delivery := range j.Deliveries {
		if answers[i].Canceled {
			continue
		}
		o, a := d.outcome(j.Submission, delivery, answers[i], now)
		n := notice.Notice{Outcome: o, Event: d.event(j.Submission, delivery, o, a)}
		tell := false
		n.Telling, tell = notice.Tell(j.Submission, delivery, a, o, d.opt.DelayReportAfter)
		switch {
		case tell && o.State == queue.Delivered:
			relayed = append(relayed, n)
		case tell:
			n.Outcome.DelayReported = o.DelayReported || o.State == queue.Deferred
			told = append(told, n)
		default:
			r.Outcomes = append(r.Outcomes, n.Outcome)
			r.Events = append(r.Events, n.Event)
		}
	}
	d.notices.AddTo(r, j.Submission, relayed, content)
	return r, told
}

// outcome decides what becomes of one delivery: a deferred one gets its next
// time, or fails when its lifetime is over.
func (d *Deliverer) outcome(s *queue.Submission, delivery queue.Delivery, a verdict.Answer, now time.Time) (queue.Outcome, verdict.Answer) {
	o := queue.Outcome{N: delivery.N, State: a.State, DelayReported: delivery.DelayReported}
	if a.State == queue.Deferred {
		next, giveUp := d.schedule.Load().Next(delivery.Attempts+1, now, s.At, s.Expires)
		if giveUp {
			a = verdict.Expired(a)
			o.State = a.State
		} else {
			o.Next = next
		}
	}
	o.Result = queue.Result{At: now, Code: a.Code, Enhanced: a.Enhanced, Text: a.Text}
	if a.Host.Addr.IsValid() {
		o.Result.Remote = a.Host.String()
	}
	return o, a
}

// event records one outcome.
func (d *Deliverer) event(s *queue.Submission, delivery queue.Delivery, o queue.Outcome, a verdict.Answer) audit.Event {
	e := audit.Event{
		At: o.Result.At, Kind: eventKinds[o.State],
		Session: s.Session, Submission: s.ID, Delivery: delivery.N, Login: s.Login,
		Code: o.Result.Code, Enhanced: o.Result.Enhanced, Text: o.Result.Text,
		Data: map[string]string{
			"to":      delivery.Recipient.To.String(),
			"attempt": strconv.Itoa(delivery.Attempts + 1),
		},
	}
	if o.Result.Remote != "" {
		e.Data["remote"] = o.Result.Remote
	}
	if a.Cause != "" {
		e.Data["error"] = a.Cause
	}
	if a.Host.TLS != "" {
		e.Data["tls"] = a.Host.TLS
	}
	if o.State == queue.Deferred {
		e.Data["next"] = o.Next.UTC().Format(time.RFC3339)
	}
	if d.opt.Node != "" {
		e.Data["node"] = d.opt.Node
	}
	if a.Maybe {
		e.Data["maybe_delivered"] = "yes"
	}
	return e
}
