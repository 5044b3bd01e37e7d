package delivery

import (
	"context"
	"crypto/tls"
	"time"

	"countersign/internal/delivery/notice"
	"countersign/internal/delivery/verdict"
	"countersign/internal/fault"
	"countersign/internal/queue"
)

// attempt is the path of one job: load, resolve, transact, classify, report.
// Its deliveries stay in flight until their outcome is stored; what ends before
// that is found by a scan again.
func (d *Deliverer) attempt(ctx context.Context, j *job) {
	defer d.opt.Metrics.began()()

	content, ok := d.load(ctx, j)
	if !ok {
		d.backlog.Leave(j, false, false)
		d.conclude(j, content, nil)
		return
	}
	answers, parked := d.ask(ctx, j, content)
	if parked {
		return
	}
	report, told := d.report(j, answers, content)
	if len(report.Outcomes) > 0 {
		report.Again = d.lostSince(j.Since) // while the other server took its time
		d.store(report, j.Submission)
	}
	d.conclude(j, content, told)
}

// conclude lets a job's deliveries go, but for what the sender is to be told:
// that is kept until the last job of the submission in memory comes here, which
// tells all of it in one report.
func (d *Deliverer) conclude(j *job, content *queue.Content, told []notice.Notice) {
	if d.lostSince(j.Since) { // who has it by now tells of it
		told = nil
	}
	kept := map[int]bool{}
	for _, n := range told {
		kept[n.Outcome.N] = true
	}
	for _, delivery := range j.Deliveries {
		if !kept[delivery.N] {
			d.backlog.Land(j.Submission.ID, delivery.N)
		}
	}
	if len(told) > 0 {
		d.letters.Add(j.Submission, told, d.opt.Now())
	}
	if !d.backlog.Last(j) {
		return
	}
	if l := d.letters.Take(j.Submission.ID); l != nil {
		d.write(l, content)
	}
}

// write stores the outcomes of a letter with the report to the sender, and
// lets their deliveries go. content is nil where it is to be read from the store.
func (d *Deliverer) write(l *notice.Letter, content *queue.Content) {
	if content == nil {
		content = d.contentOf(l.Submission)
	}
	if content != nil && !d.lostSince(l.Since) {
		r := &queue.Report{Submission: l.Submission.ID}
		d.notices.AddTo(r, l.Submission, l.List, content)
		d.store(r, l.Submission)
	}
	for _, n := range l.List {
		d.backlog.Land(l.Submission.ID, n.Outcome.N)
	}
}

// contentOf reads a message however long the store is away; nil where it is
// gone or we are being stopped.
func (d *Deliverer) contentOf(s *queue.Submission) *queue.Content {
	for wait := firstBackoff; ; wait = min(wait*2, lastBackoff) {
		ctx, cancel := d.patience()
		content, err := d.opt.Store.Content(ctx, s.ID)
		cancel()
		if err == nil || fault.Is(err, fault.NotFound) || d.hard.Err() != nil {
			return content
		}
		d.opt.Logger.Error("content cannot be read", "submission", s.ID, "error", err)
		pause(d.hard, wait)
	}
}

// staleAfter is how long a delivery may wait or be under way before the store is
// asked again whether it still is to be made.
const staleAfter = 500 * time.Millisecond

// load returns the content of a job, false where it is not to be sent now.
func (d *Deliverer) load(ctx context.Context, j *job) (*queue.Content, bool) {
	if d.stale(j.Since, d.opt.Now()) && !d.stillDue(ctx, j) {
		return nil, false
	}
	if j.Content != nil {
		return j.Content, true
	}
	content, err := d.opt.Store.Content(ctx, j.Submission.ID)
	if err != nil {
		if ctx.Err() == nil && !fault.Is(err, fault.NotFound) { // an administrator may have dropped it
			d.opt.Logger.Warn("content cannot be read", "submission", j.Submission.ID, "error", err)
		}
		return nil, false
	}
	return content, true
}

// stale reports whether what the store said at that time is too old to go by.
func (d *Deliverer) stale(said, now time.Time) bool {
	age := now.Sub(said)
	return age > staleAfter || age < 0 || d.lostSince(said)
}

// lostSince reports whether this node's deliveries may have gone to others since
// that time.
func (d *Deliverer) lostSince(said time.Time) bool { return !said.After(d.opt.HeldSince()) }

// stillDue asks the store whether the deliveries of a job that waited in
// memory are still to be made, and drops those that are not: their account may
// have been suspended, or an administrator may have held or dropped them.
func (d *Deliverer) stillDue(ctx context.Context, j *job) bool {
	now := d.opt.Now()
	waiting, err := d.opt.Store.Waiting(ctx, keysOf(j))
	if err != nil { // nothing is sent that may have been stopped
		return false
	}
	j.Since = now
	due := j.Deliveries[:0]
	for i, delivery := range j.Deliveries {
		if waiting[i] {
			due = append(due, delivery)
		} else {
			d.backlog.Land(delivery.Submission, delivery.N)
		}
	}
	j.Deliveries = due
	return len(due) > 0
}

// keysOf names the deliveries of a job.
func keysOf(j *job) []queue.Key {
	keys := make([]queue.Key, len(j.Deliveries))
	for i, delivery := range j.Deliveries {
		keys[i] = queue.Key{Submission: delivery.Submission, N: delivery.N}
	}
	return keys
}

// Parking: how long a site is left alone whose servers already have as many
// connections of ours as they get, and how often before that counts as an
// attempt.
const (
	parkFor    = time.Second
	maxParking = 120
)

// ask gets an answer for each delivery. It gives the place at the destination
// back, so that the next job starts while the outcome of this one is stored.
// parked says that the job was put back without one.
func (d *Deliverer) ask(ctx context.Context, j *job, content *queue.Content) (answers []verdict.Answer, parked bool) {
	hold, now := d.downFor(), d.opt.Now()
	if down, ok := d.downs.Why(j.Destination, now, hold); ok && !forced(j, now, hold) {
		d.backlog.Leave(j, false, false)
		answers := make([]verdict.Answer, len(j.Deliveries))
		for i := range answers {
			answers[i] = down
		}
		return answers, false
	}
	x := d.transact(ctx, j, content)
	if x.busy && j.Parked < maxParking {
		d.backlog.Park(j, parkFor)
		return nil, true
	}
	failed := false
	for _, a := range x.answers {
		if a.Site && a.State == queue.Deferred && !a.Canceled {
			failed = true
			d.downs.Set(j.Destination, a, d.opt.Now().Add(hold))
			break
		}
	}
	if x.reached {
		d.downs.Clear(j.Destination)
	}
	d.backlog.Leave(j, x.reached, failed)
	d.kick()
	return x.answers, false
}

// forced reports whether an administrator wants a job tried now: no schedule
// brings a delivery back as soon after its last attempt as hold.
func forced(j *job, now time.Time, hold time.Duration) bool {
	for _, delivery := range j.Deliveries {
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

// tlsName names a TLS version as the record does: "TLS 1.3".
func tlsName(version uint16) string { return tls.VersionName(version) }
