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

// report turns answers into outcomes, events and reports to the sender. Those
// that were cut off before an answer are left out.
func (d *Deliverer) report(j *job, answers []answer, content *queue.Content) *queue.Report {
	now := d.opt.Now()
	r := &queue.Report{Submission: j.submission.ID}
	var told []telling
	var reported []int // the events of those that the sender is told of
	for i, delivery := range j.deliveries {
		if answers[i].canceled {
			continue
		}
		o, a := d.outcome(j.submission, delivery, answers[i], now)
		if t, ok := d.tell(j.submission, delivery, a, o, now); ok {
			told = append(told, t)
			reported = append(reported, len(r.Events))
			o.DelayReported = o.DelayReported || o.State == queue.Deferred
		}
		r.Outcomes = append(r.Outcomes, o)
		r.Events = append(r.Events, event(j.submission, delivery, o, a))
	}
	if len(told) > 0 {
		if bounce := d.bounce(j.submission, told, content, now); bounce != nil {
			r.Reports = append(r.Reports, *bounce)
			for _, i := range reported {
				r.Events[i].Data["report"] = bounce.Submission.ID.String()
			}
		}
	}
	return r
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
