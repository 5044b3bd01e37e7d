package delivery

import (
	"context"
	"crypto/tls"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/queue"
)

// attempt is the path of one job: load, resolve, transact, classify, report.
// Its deliveries were leased by the backlog and stay so until the outcome is
// stored; what ends before that is found by a scan again.
func (d *Deliverer) attempt(ctx context.Context, j *job) {
	defer d.backlog.finish(j)
	defer d.opt.Metrics.began()()

	content, ok := d.load(ctx, j)
	if !ok {
		d.backlog.leave(j.site, false, nil, 0)
		return
	}
	answers := d.ask(ctx, j, content)
	if answers == nil {
		return
	}
	report := d.report(j, answers, content)
	if !d.store(report, j) {
		return
	}
	for i := range report.Reports {
		d.Offer(&report.Reports[i])
	}
}

// staleAfter is how long a job may wait in memory before it is asked for again
// whether it still is to be sent.
const staleAfter = 500 * time.Millisecond

// load returns the content of a job, false where it is not to be sent now.
func (d *Deliverer) load(ctx context.Context, j *job) (*queue.Content, bool) {
	age := d.opt.Now().Sub(j.since)
	if (age > staleAfter || age < 0) && !d.stillDue(ctx, j) {
		return nil, false
	}
	if j.content != nil {
		return j.content, true
	}
	content, err := d.opt.Store.Content(ctx, j.submission.ID)
	if err != nil {
		if ctx.Err() == nil && !fault.Is(err, fault.NotFound) { // an administrator may have dropped it
			d.opt.Logger.Warn("content cannot be read", "submission", j.submission.ID, "error", err)
		}
		return nil, false
	}
	return content, true
}

// stillDue asks the store whether the deliveries of a job that waited in
// memory are still to be made: their account may have been suspended, or an
// administrator may have held or dropped them.
func (d *Deliverer) stillDue(ctx context.Context, j *job) bool {
	waiting := j.deliveries[:0]
	for _, delivery := range j.deliveries {
		after := queue.Position{Next: delivery.Next, Submission: delivery.Submission, N: delivery.N - 1}
		items, err := d.opt.Store.Due(ctx, later(d.opt.Now(), delivery.Next), after, 1)
		if err == nil && len(items) == 1 && items[0].Delivery.Submission == delivery.Submission && items[0].Delivery.N == delivery.N {
			waiting = append(waiting, delivery)
		} else {
			d.backlog.finish(&job{deliveries: []queue.Delivery{delivery}})
		}
	}
	j.deliveries = waiting
	return len(waiting) > 0
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// ask gets an answer for each delivery, nil where the attempt was cut off
// before one. It gives the place at the destination back, so that the next
// job starts while the outcome of this one is stored.
func (d *Deliverer) ask(ctx context.Context, j *job, content *queue.Content) []answer {
	hold := d.downFor()
	if down, ok := d.backlog.isDown(j.site, hold); ok && !forced(j, d.opt.Now(), hold) {
		d.backlog.leave(j.site, false, nil, 0)
		answers := make([]answer, len(j.deliveries))
		for i := range answers {
			answers[i] = down
		}
		return answers
	}
	answers, reached := d.transact(ctx, j, content)
	var down *answer
	canceled := 0
	for i := range answers {
		if answers[i].site && answers[i].state == queue.Deferred {
			down = &answers[i]
		}
		if answers[i].canceled {
			canceled++
		}
	}
	d.backlog.leave(j.site, reached, down, hold)
	d.kick()
	if canceled == len(answers) {
		return nil
	}
	return answers
}

// forced reports whether an administrator wants a job tried now: no schedule
// brings a delivery back as soon after its last attempt as hold.
func forced(j *job, now time.Time, hold time.Duration) bool {
	for _, delivery := range j.deliveries {
		if delivery.Attempts > 0 && now.Sub(delivery.Last.At) <= hold {
			return true
		}
	}
	return false
}

// downFor is how long a site that could not be reached is left alone: shorter
// than the shortest wait of the schedule, so that it delays no retry.
func (d *Deliverer) downFor() time.Duration {
	return min(d.schedule.Load().Wait(1)/2, 30*time.Second)
}

// Waits between tries to store an outcome.
const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
	// lastPatience is what the store gets when we are being stopped.
	lastPatience = 2 * time.Second
)

// store stores a report, however long the store is away: until it has taken
// the outcome, the deliveries are not made again. Only being stopped ends
// that, after one last try. True when it is stored.
func (d *Deliverer) store(r *queue.Report, j *job) bool {
	wait := firstBackoff
	for {
		last := d.hard.Err() != nil
		err := d.storeOnce(r)
		if err == nil {
			d.opt.Metrics.stored(r, j.submission)
			d.log(r)
			return true
		}
		if fault.Is(err, fault.NotFound) {
			return false // dropped meanwhile
		}
		d.opt.Logger.Error("outcome cannot be stored", "submission", r.Submission, "error", err, "stopping", last)
		if last {
			return false
		}
		if !fault.KindOf(err).Temporary() {
			// Only a report can be what the store will never take, or has
			// taken already; the outcome matters more.
			r.Reports = nil
		}
		pause(d.hard, wait)
		wait = min(wait*2, lastBackoff)
	}
}

// storeOnce tries to store a report. It is not ended by a stop, as what is
// known of a delivery is worth a moment.
func (d *Deliverer) storeOnce(r *queue.Report) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(d.hard))
	defer cancel()
	stop := context.AfterFunc(d.hard, func() {
		time.AfterFunc(lastPatience, cancel)
	})
	defer stop()
	return d.opt.Store.Report(ctx, r)
}

// log writes one line for each event of a stored report, under the keys that
// all events have.
func (d *Deliverer) log(r *queue.Report) {
	events := r.Events
	for _, report := range r.Reports {
		events = append(events[:len(events):len(events)], report.Events...)
	}
	for _, e := range events {
		d.opt.Logger.LogAttrs(context.Background(), audit.Level(e.Kind), string(e.Kind), audit.LogAttrs(e)...)
	}
}

// tlsName names a TLS version as the record does: "TLS 1.3".
func tlsName(version uint16) string { return tls.VersionName(version) }
