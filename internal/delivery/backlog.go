package delivery

import (
	"sync"
	"time"

	"countersign/internal/mail"
	"countersign/internal/queue"
)

// key names one delivery.
type key struct {
	submission mail.ID
	n          int
}

// job is one transaction to be: recipients of one submission at one site.
type job struct {
	site       site
	submission *queue.Submission
	deliveries []queue.Delivery
	// content is nil where it is to be read from the store.
	content *queue.Content
	// since is when it came into memory.
	since time.Time
}

// bytes is what the job's content takes in memory.
func (j *job) bytes() int64 {
	if j.content == nil {
		return 0
	}
	return int64(len(j.content.Head) + len(j.content.Body))
}

// destination is what is in memory of one site. The backlog's lock guards it.
type destination struct {
	site   site
	queued []*job
	// active counts the jobs that a worker holds a place for.
	active int
	// width is how many may be active now. It grows with each success and
	// falls to one when the site cannot be reached, so that many sites that
	// hang cannot take all workers.
	width int
	// listed says that it stands in the backlog's ready list.
	listed bool
	// downUntil is when the site is tried again after down told why it could
	// not be reached; jobs before that get the same answer at once.
	downUntil time.Time
	down      answer
	// used is when it was last needed.
	used time.Time
}

// firstWidth is how many connections a site gets before it has answered.
const firstWidth = 1

// minRoom is how many jobs any destination may have in memory while there is
// any room at all.
const minRoom = 8

// backlog is the window of the queue that is in memory. It is safe for
// concurrent use.
type backlog struct {
	limits Limits
	now    func() time.Time

	mu           sync.Mutex // guards all that follows and every destination
	destinations map[site]*destination
	// ready holds the destinations that have a job and room to start it, in
	// the order of their turns.
	ready []*destination
	// inFlight are the deliveries in memory, from here or by a worker. A scan
	// leaves them alone.
	inFlight map[key]struct{}
	// recent are those that left inFlight since the scan's last look at the
	// store, which may still show them as due.
	recent map[key]struct{}
	// scanned are the submissions that a scan found before they were offered,
	// so that the offer that is still to come does not start them again.
	scanned map[mail.ID]time.Time
	jobs    int
	bytes   int64
	// stopped says that no job is given out any more.
	stopped bool
}

func newBacklog(limits Limits, now func() time.Time) *backlog {
	return &backlog{
		limits: limits, now: now,
		destinations: map[site]*destination{},
		inFlight:     map[key]struct{}{},
		recent:       map[key]struct{}{},
		scanned:      map[mail.ID]time.Time{},
	}
}

// offerWindow is how long after its acceptance an offer may come.
const offerWindow = 30 * time.Second

// offer takes all jobs of a submission that has just been stored, or none: the
// answer is false where there is no room.
func (b *backlog) offer(id mail.ID, jobs []*job) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, found := b.scanned[id]; found {
		delete(b.scanned, id)
		return true
	}
	for _, j := range jobs {
		if !b.room(b.destination(j.site), len(jobs), j.bytes()) {
			return false
		}
	}
	for _, j := range jobs {
		b.add(j)
	}
	return true
}

// beginLook is called before the scan looks at the store. What finished before
// that look began cannot be in it.
func (b *backlog) beginLook() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.recent)
}

// known reports whether a delivery that the last look showed is in memory or
// was finished meanwhile.
func (b *backlog) known(k key) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, flying := b.inFlight[k]
	_, done := b.recent[k]
	return flying || done
}

// take takes a job that a scan has found; false where there is no room.
func (b *backlog) take(j *job) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range j.deliveries { // an offer may have come since the look
		k := key{d.Submission, d.N}
		if _, flying := b.inFlight[k]; flying {
			return true
		}
		if _, done := b.recent[k]; done {
			return true
		}
	}
	if !b.room(b.destination(j.site), 1, 0) {
		return false
	}
	if b.now().Sub(j.submission.At) < offerWindow && j.deliveries[0].Attempts == 0 {
		b.scanned[j.submission.ID] = b.now()
	}
	b.add(j)
	return true
}

// full reports whether nothing more goes in, whatever its destination.
func (b *backlog) full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.jobs >= b.limits.BacklogJobs || b.bytes >= b.limits.BacklogBytes
}

// low reports whether there is room enough to be worth a scan.
func (b *backlog) low() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.jobs <= b.limits.BacklogJobs/2 && b.bytes <= b.limits.BacklogBytes/2
}

// room reports whether a destination may have n jobs more. A destination may
// take as much as it leaves free for others: one alone half, two a third each.
func (b *backlog) room(d *destination, n int, bytes int64) bool {
	free := b.limits.BacklogJobs - b.jobs
	if free < n || b.bytes+bytes > b.limits.BacklogBytes {
		return false
	}
	return len(d.queued) < max(free, minRoom)
}

// destination finds or makes the destination of a site.
func (b *backlog) destination(s site) *destination {
	d := b.destinations[s]
	if d == nil {
		d = &destination{site: s, width: min(firstWidth, b.limits.PerDestination)}
		b.destinations[s] = d
	}
	d.used = b.now()
	return d
}

// add puts a job at the end of its destination.
func (b *backlog) add(j *job) {
	d := b.destination(j.site)
	j.since = b.now()
	d.queued = append(d.queued, j)
	b.jobs++
	b.bytes += j.bytes()
	for _, delivery := range j.deliveries {
		b.inFlight[key{delivery.Submission, delivery.N}] = struct{}{}
	}
	b.list(d)
}

// list puts d into the ready list if it belongs there.
func (b *backlog) list(d *destination) {
	if d.listed || len(d.queued) == 0 || d.active >= d.width {
		return
	}
	d.listed = true
	b.ready = append(b.ready, d)
}

// next gives out the next job, one destination after the other; nil where
// there is none.
func (b *backlog) next() *job {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.ready) > 0 && !b.stopped {
		d := b.ready[0]
		b.ready = b.ready[1:]
		d.listed = false
		if len(d.queued) == 0 || d.active >= d.width {
			continue
		}
		j := d.queued[0]
		d.queued[0] = nil
		d.queued = d.queued[1:]
		d.active++
		b.jobs--
		b.bytes -= j.bytes()
		b.list(d)
		return j
	}
	return nil
}

// leave gives the place at the destination back. A site that was reached gets
// more room; where down says why it was not, that holds for downFor.
func (b *backlog) leave(s site, reached bool, down *answer, downFor time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.destination(s)
	d.active--
	switch {
	case reached:
		d.width = min(d.width+1, b.limits.PerDestination)
		d.downUntil = time.Time{}
	case down != nil:
		d.width = 1
		d.down = *down
		d.downUntil = b.now().Add(downFor)
	}
	b.list(d)
}

// isDown returns why a site is not to be tried now.
func (b *backlog) isDown(s site, downFor time.Duration) (answer, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.destination(s)
	left := d.downUntil.Sub(b.now())
	// More than downFor is left only where the clock went back.
	return d.down, left > 0 && left <= downFor
}

// finish forgets a job; its deliveries may be found by a scan again.
func (b *backlog) finish(j *job) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range j.deliveries {
		k := key{d.Submission, d.N}
		delete(b.inFlight, k)
		b.recent[k] = struct{}{}
	}
}

// stop gives out no job any more.
func (b *backlog) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
}

// sweep forgets destinations that nothing has needed for a while, and offers that never
// came.
func (b *backlog) sweep() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for s, d := range b.destinations {
		unused := d.active == 0 && len(d.queued) == 0 && !d.listed
		if age := now.Sub(d.used); unused && (age > time.Minute || age < 0) {
			delete(b.destinations, s)
		}
	}
	for id, at := range b.scanned {
		if age := now.Sub(at); age > offerWindow || age < 0 {
			delete(b.scanned, id)
		}
	}
}

// size returns how many jobs wait for a worker.
func (b *backlog) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.jobs
}
