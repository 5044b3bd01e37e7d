package delivery

import (
	"strconv"
	"time"

	"countersign/internal/audit"
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
func (d *Deliverer) report(j *job, answers []answer, content *queue.Content) (r *queue.Report, told []gathered) {
	now := d.opt.Now()
	r = &queue.Report{Submission: j.Submission.ID}
	var relayed []gathered
	for i, delivery := range j.Deliveries {
		if answers[i].canceled {
			continue
		}
		o, a := d.outcome(j.Submission, delivery, answers[i], now)
		g := gathered{outcome: o, event: event(j.Submission, delivery, o, a)}
		tell := false
		g.telling, tell = d.tell(j.Submission, delivery, a, o, now)
		switch {
		case tell && o.State == queue.Delivered:
			relayed = append(relayed, g)
		case tell:
			g.outcome.DelayReported = o.DelayReported || o.State == queue.Deferred
			told = append(told, g)
		default:
			r.Outcomes = append(r.Outcomes, g.outcome)
			r.Events = append(r.Events, g.event)
		}
	}
	d.tellOf(r, j.Submission, relayed, content)
	return r, told
}

// tellOf adds outcomes to r with one report to the sender of all of them.
func (d *Deliverer) tellOf(r *queue.Report, s *queue.Submission, list []gathered, content *queue.Content) {
	if len(list) == 0 {
		return
	}
	var told []telling
	for _, g := range list {
		told = append(told, g.telling)
	}
	bounce := d.bounce(s, told, content, d.opt.Now())
	if bounce != nil {
		r.Reports = append(r.Reports, *bounce)
	}
	for _, g := range list {
		if bounce != nil {
			g.event.Data["report"] = bounce.Submission.ID.String()
		}
		r.Outcomes = append(r.Outcomes, g.outcome)
		r.Events = append(r.Events, g.event)
	}
}

// outcome decides what becomes of one delivery: a deferred one gets its next
// time, or fails when its lifetime is over.
func (d *Deliverer) outcome(s *queue.Submission, delivery queue.Delivery, a answer, now time.Time) (queue.Outcome, answer) {
	o := queue.Outcome{N: delivery.N, State: a.state, DelayReported: delivery.DelayReported}
	if a.state == queue.Deferred {
		next, giveUp := d.schedule.Load().Next(delivery.Attempts+1, now, s.At, s.Expires)
		if giveUp {
			a = expired(a)
			o.State = a.state
		} else {
			o.Next = next
		}
	}
	o.Result = queue.Result{At: now, Code: a.code, Enhanced: a.enhanced, Text: a.text}
	if a.host.addr.IsValid() {
		o.Result.Remote = a.host.String()
	}
	return o, a
}

// event records one outcome.
func event(s *queue.Submission, delivery queue.Delivery, o queue.Outcome, a answer) audit.Event {
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
	if a.cause != "" {
		e.Data["error"] = a.cause
	}
	if a.host.tls != "" {
		e.Data["tls"] = a.host.tls
	}
	if o.State == queue.Deferred {
		e.Data["next"] = o.Next.UTC().Format(time.RFC3339)
	}
	if a.maybe {
		e.Data["maybe_delivered"] = "yes"
	}
	return e
}
