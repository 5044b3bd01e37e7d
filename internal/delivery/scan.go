package delivery

import (
	"context"
	"time"

	"countersign/internal/queue"
)

const (
	// scanEvery is how long after it is due a delivery is found at the latest.
	scanEvery = time.Second
	// pageSize is how many deliveries one look at the store lists.
	pageSize = 256
	// scanGap is the least time between two scans, besides as much as the last one took, so
	// that a queue that is longer than memory does not keep the store busy.
	scanGap = 100 * time.Millisecond
	// maxPages bounds one scan; the next goes on where it ended.
	maxPages = 64
)

// Offer takes a message that has just been stored, so that it need not be read
// again. Without room for it, a later scan finds it. It does not wait.
func (d *Deliverer) Offer(a *queue.Acceptance) {
	now := d.opt.Now()
	due := make([]queue.Delivery, 0, len(a.Deliveries))
	for _, delivery := range a.Deliveries {
		if delivery.State == queue.Queued && !delivery.Next.After(now) {
			due = append(due, delivery)
		}
	}
	submission := a.Submission
	jobs := d.group(&submission, due)
	if a.Content.Large == nil { // else read again at the attempt, in its final place
		content := a.Content
		for _, j := range jobs {
			j.content = &content
		}
	}
	if !d.backlog.offer(a.Submission.ID, jobs) {
		d.behind.Store(true)
	}
	d.kick()
}

// group makes one job of the recipients that share a site, up to the most that
// one transaction takes.
func (d *Deliverer) group(s *queue.Submission, deliveries []queue.Delivery) []*job {
	table := *d.routes.Load()
	last := map[site]*job{}
	var jobs []*job
	for _, delivery := range deliveries {
		to := table.site(delivery.Recipient.To.Domain)
		j := last[to]
		if j == nil || len(j.deliveries) >= d.opt.Limits.Recipients {
			j = &job{site: to, submission: s}
			last[to] = j
			jobs = append(jobs, j)
		}
		j.deliveries = append(j.deliveries, delivery)
	}
	return jobs
}

// scanLoop looks at the queue every second, and sooner when there is more than
// fitted in and room again, until ctx ends.
func (d *Deliverer) scanLoop(ctx context.Context) {
	tick := time.NewTicker(scanEvery)
	defer tick.Stop()
	var from queue.Position
	for {
		began := time.Now()
		from = d.scan(ctx, from)
		pause(ctx, scanGap+time.Since(began))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.backlog.sweep()
			d.pool.sweep(false)
		case <-d.wake:
		}
	}
}

// pause waits, at most until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// scan fills the backlog from the store, beginning behind from, and returns
// where the next one is to begin. Whatever a destination has no room for is
// passed over, so that it hides nothing behind it.
func (d *Deliverer) scan(ctx context.Context, from queue.Position) queue.Position {
	d.behind.Store(false)
	defer d.kick()
	for range maxPages {
		if d.backlog.full() {
			d.behind.Store(true)
			return from
		}
		d.backlog.beginLook()
		items, err := d.opt.Store.Due(ctx, d.opt.Now(), from, pageSize)
		if err != nil {
			if ctx.Err() == nil {
				d.opt.Logger.Error("queue cannot be read", "error", err)
			}
			return from
		}
		d.takePage(items)
		if len(items) < pageSize {
			return queue.Position{}
		}
		last := items[len(items)-1].Delivery
		from = queue.Position{Next: last.Next, Submission: last.Submission, N: last.N}
	}
	d.behind.Store(true)
	return from
}

// takePage takes what one look showed, less what finds no room.
func (d *Deliverer) takePage(items []queue.Item) {
	for len(items) > 0 {
		s := items[0].Submission
		var due []queue.Delivery
		for len(items) > 0 && items[0].Submission.ID == s.ID {
			delivery := items[0].Delivery
			items = items[1:]
			if !d.backlog.known(key{delivery.Submission, delivery.N}) {
				due = append(due, delivery)
			}
		}
		for _, j := range d.group(s, due) {
			d.backlog.take(j)
		}
	}
}
