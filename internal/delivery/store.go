package delivery

import (
	"context"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/queue"
)

// Waits between tries to store an outcome.
const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
	// lastPatience is what the store gets when we are being stopped.
	lastPatience = 2 * time.Second
)

// store stores a report, however long the store is away: until it has taken
// the outcome, the deliveries are not made again, and the worker begins nothing
// else, so that no more can wait here than there are workers. Only being stopped
// ends that, after one last try. The reports in it are then ready to be delivered.
//
// A lease that ended meanwhile changes nothing: under the next one is settled what is
// still this node's, and only what another node has by now is left to that. done says
// that it was stored as it is.
func (d *Deliverer) store(r *queue.Report, s *queue.Submission) (done bool) {
	known, wait, failed := d.opt.Now(), firstBackoff, false
	r.Counted = d.counted(r, s)
	for {
		last := d.hard.Err() != nil
		r.Again = r.Again || d.lostSince(known)
		err := d.storeOnce(r)
		switch {
		case err == nil:
			d.stored(r, s)
			return true
		case fault.Is(err, fault.NotFound):
			d.storeEach(r, s)
			return false
		case last:
			d.opt.Logger.Error("outcome cannot be stored, and we stop", "submission", r.Submission, "error", err)
			return false
		}
		if !failed {
			defer d.opt.Metrics.unreported()()
		}
		r.Again, failed = true, true // it may have been stored although the answer was lost
		if fault.Is(err, fault.Fenced) {
			d.awaitLease()
			continue
		}
		d.opt.Logger.Error("outcome cannot be stored", "submission", r.Submission, "error", err)
		if !fault.KindOf(err).Temporary() {
			// Only a report can be what the store will never take, or has
			// taken already; the outcome matters more.
			r.Reports = nil
		}
		d.rest(wait)
		wait = min(wait*2, lastBackoff)
	}
}

// counted returns what is counted of a report: recipients that another server has refused
// for good. Automatic mail, which has no sender to return to, goes to addresses that nobody
// has chosen, and is left out.
func (d *Deliverer) counted(r *queue.Report, s *queue.Submission) *limit.Question {
	if d.opt.Failed == nil || s.Login == "" || s.Envelope.From.IsNull() {
		return nil
	}
	n := int64(0)
	for i := range r.Outcomes {
		if o := &r.Outcomes[i]; o.State == queue.Failed && o.Result.Remote != "" && o.Result.Code >= 500 {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	levels := d.opt.Failed(s)
	if len(levels) == 0 {
		return nil
	}
	return &limit.Question{Levels: levels, Want: limit.Amounts{limit.FailedRecipients: n}}
}

// storeEach stores outcomes one by one, as one of them is not ours to settle any
// more. The reports to the sender go with the first that is.
func (d *Deliverer) storeEach(r *queue.Report, s *queue.Submission) {
	if len(r.Outcomes) < 2 {
		return
	}
	reports := r.Reports
	for _, o := range r.Outcomes {
		one := &queue.Report{Submission: r.Submission, Outcomes: []queue.Outcome{o}, Reports: reports, Again: true}
		for _, e := range r.Events {
			if e.Delivery == o.N {
				one.Events = append(one.Events, e)
			}
		}
		if d.store(one, s) {
			reports = nil
		}
	}
}

// stored notes that a report was.
func (d *Deliverer) stored(r *queue.Report, s *queue.Submission) {
	d.opt.Metrics.stored(r, s)
	d.log(r)
	for i := range r.Reports {
		d.Offer(&r.Reports[i])
	}
}

// awaitLease waits until this node has a lease, as far as is known, for a moment at
// least. A stop ends that.
func (d *Deliverer) awaitLease() {
	pause(d.hard, firstBackoff)
	for !d.opt.Holds() && d.hard.Err() == nil {
		pause(d.hard, firstBackoff)
	}
}

// rest waits before the next try to store an outcome, no longer than until this node
// has another lease: then that is urgent.
func (d *Deliverer) rest(wait time.Duration) {
	since := d.opt.HeldSince()
	for ; wait > 0 && d.hard.Err() == nil && d.opt.HeldSince().Equal(since); wait -= firstBackoff {
		pause(d.hard, min(wait, firstBackoff))
	}
}

// storeOnce tries to store a report.
func (d *Deliverer) storeOnce(r *queue.Report) error {
	ctx, cancel := d.patience()
	defer cancel()
	return d.opt.Store.Report(ctx, r)
}

// patience returns a context that a stop does not end at once, as what is known
// of a delivery is worth a moment.
func (d *Deliverer) patience() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(d.hard))
	stop := context.AfterFunc(d.hard, func() {
		time.AfterFunc(lastPatience, cancel)
	})
	return ctx, func() { stop(); cancel() }
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
