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
		// Due since it was accepted, also where the clock was set back meanwhile.
		if delivery.State == queue.Queued && (!delivery.Next.After(now) || !delivery.Next.After(a.Submission.At)) {
			due = append(due, delivery)
		}
	}
	submission := a.Submission
	jobs := d.group(&submission, due, a.Submission.At) // the process may have been stopped since then
	if a.Content.Large == nil {                        // else read again at the attempt, in its final place
		content := a.Content
		for _, j := range jobs {
			j.Content = &content
		}
	}
	if !d.backlog.Offer(a.Submission.ID, jobs) {
		d.behind.Store(true)
	}
	d.kick()
}

// group makes one job of the recipients that share a site, up to the most that
// one transaction takes, of what was known to wait at that time.
func (d *Deliverer) group(s *queue.Submission, deliveries []queue.Delivery, since time.Time) []*job {
	table := *d.routes.Load()
	last := map[site]*job{}
	var jobs []*job
	for _, delivery := range deliveries {
		to := table.Site(delivery.Recipient.To.Domain)
		j := last[to]
		if j == nil || len(j.Deliveries) >= d.opt.Limits.Recipients {
			j = &job{Destination: to, Submission: s, Since: since}
			last[to] = j
			jobs = append(jobs, j)
		}
		j.Deliveries = append(j.Deliveries, delivery)
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
			d.sweep()
		case <-d.wake:
		}
	}
}

// sweep lets go what is over: sites that were left alone for a while, idle
// connections, and failures that waited for others long enough.
func (d *Deliverer) sweep() {
	now := d.opt.Now()
	d.backlog.Sweep()
	d.downs.Sweep(now, d.downFor())
	d.pool.sweep(false)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.started {
		return // Stop sees to the letters
	}
	for _, l := range d.letters.Old(now) {
		d.workers.Go(func() { d.write(l, nil) })
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
		if d.backlog.Full() {
			d.behind.Store(true)
			return from
		}
		d.backlog.BeginLook()
		now := d.opt.Now()
		items, err := d.opt.Store.Due(ctx, now, from, pageSize)
		if err != nil {
			if ctx.Err() == nil {
				d.opt.Logger.Error("queue cannot be read", "error", err)
			}
			return from
		}
		d.takePage(items, now)
		if len(items) < pageSize {
			return queue.Position{}
		}
		last := items[len(items)-1].Delivery
		from = queue.Position{Next: last.Next, Submission: last.Submission, N: last.N}
	}
	d.behind.Store(true)
	return from
}

// takePage takes what a look at that time showed, less what finds no room.
func (d *Deliverer) takePage(items []queue.Item, at time.Time) {
	for len(items) > 0 {
		s := items[0].Submission
		var due []queue.Delivery
		for len(items) > 0 && items[0].Submission.ID == s.ID {
			delivery := items[0].Delivery
			items = items[1:]
			if !d.backlog.Known(delivery) {
				due = append(due, delivery)
			}
		}
		for _, j := range d.group(s, due, at) {
			d.backlog.Take(j)
		}
	}
}
