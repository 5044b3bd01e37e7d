package backlog

import (
	"sync"
	"time"

	"countersign/internal/mail"
	"countersign/internal/queue"
)

// Limits bound a Backlog. All are above 0.
type Limits struct {
	// Workers is the most jobs given out at the same time.
	Workers int
	// PerDestination is how many of those may go to one destination.
	PerDestination int
	// Jobs and Bytes bound what waits: transactions, and octets of content.
	Jobs  int
	Bytes int64
}

// Job is one transaction to be: recipients of one submission at one
// destination, which S names.
type Job[S comparable] struct {
	Destination S
	Submission  *queue.Submission
	// Deliveries are the recipients. Who has been given the job may shorten
	// it.
	Deliveries []queue.Delivery
	// Content is nil where it is to be read from the store.
	Content *queue.Content
	// Since is when it was certain that it is to be made; it may be set before the
	// job is given away, else it is when that comes into memory.
	Since time.Time
	// Parked counts how often it was put back by Park.
	Parked int

	owner *owner[S]
}

// bytes is what the job's content takes in memory.
func (j *Job[S]) bytes() int64 {
	if j.Content == nil {
		return 0
	}
	return int64(len(j.Content.Head) + len(j.Content.Body))
}

// Backlog holds jobs until their turn. It is safe for concurrent use.
type Backlog[S comparable] struct {
	limits Limits
	now    func() time.Time

	mu      sync.Mutex // guards all that follows, and all that hangs on it
	flights flights
	turns   turns[S]
	// stopped says that no job is given out.
	stopped bool
}

// New returns an empty Backlog. now is the clock.
func New[S comparable](limits Limits, now func() time.Time) *Backlog[S] {
	return &Backlog[S]{limits: limits, now: now, flights: newFlights(), turns: newTurns[S](limits)}
}

// offerWindow is how long after its acceptance an offer may come.
const offerWindow = 30 * time.Second

// Offer takes all jobs of a submission that has just been stored, or none: the
// answer is false where there is no room.
func (b *Backlog[S]) Offer(id mail.ID, jobs []*Job[S]) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.flights.scannedBefore(id) {
		return true
	}
	for _, j := range jobs {
		if !b.turns.room(j, len(jobs)) {
			return false
		}
	}
	for _, j := range jobs {
		b.add(j)
	}
	return true
}

// Take takes a job that a scan has found; false where there is no room.
func (b *Backlog[S]) Take(j *Job[S]) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range j.Deliveries { // an offer may have come since the look
		if b.flights.known(keyOf(d)) {
			return true
		}
	}
	if !b.turns.room(j, 1) {
		return false
	}
	if b.now().Sub(j.Submission.At) < offerWindow && j.Deliveries[0].Attempts == 0 {
		b.flights.scanned[j.Submission.ID] = b.now()
	}
	b.add(j)
	return true
}

// add puts a job at the end of its lane.
func (b *Backlog[S]) add(j *Job[S]) {
	if j.Since.IsZero() {
		j.Since = b.now()
	}
	b.flights.begin(j.Submission.ID, j.Deliveries)
	b.turns.add(j, b.now())
}

// Next gives out the job whose turn it is, nil where there is none or as many
// are given out as may be. Who gets it calls Leave or Park once, then Done.
func (b *Backlog[S]) Next() *Job[S] {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return nil
	}
	return b.turns.next(b.now())
}

// Leave gives the place at the destination back. reached says that it answered,
// which earns it another place; failed that it could not be reached, which
// leaves it one. Neither says nothing.
func (b *Backlog[S]) Leave(j *Job[S], reached, failed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turns.leave(j, reached, failed, b.now())
}

// Park puts a job that could not be tried back, and leaves its destination alone
// for as long as wait. It takes the place of Leave; its deliveries stay in
// flight.
func (b *Backlog[S]) Park(j *Job[S], wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	j.Parked++
	b.turns.park(j, b.now().Add(wait), b.now())
}

// Done gives the worker back.
func (b *Backlog[S]) Done(j *Job[S]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turns.done(j)
}

// Last says that no more will be told of a job that was given out and not
// parked; it reports whether that was the last of its submission's jobs in
// memory.
func (b *Backlog[S]) Last(j *Job[S]) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.flights.last(j.Submission.ID)
}

// Land forgets deliveries of one submission: a scan may find them again.
func (b *Backlog[S]) Land(submission mail.ID, numbers ...int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flights.land(submission, numbers)
}

// BeginLook is called before a scan looks at the store. What landed before that
// look began cannot be in it.
func (b *Backlog[S]) BeginLook() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.flights.landed)
}

// Known reports whether a delivery that the last look showed is in memory or
// has landed meanwhile.
func (b *Backlog[S]) Known(d queue.Delivery) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.flights.known(keyOf(d))
}

// Full reports whether nothing more goes in, whosever it is.
func (b *Backlog[S]) Full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.turns.waiting.jobs >= b.limits.Jobs || b.turns.waiting.bytes >= b.limits.Bytes
}

// Low reports whether there is room enough to be worth a scan.
func (b *Backlog[S]) Low() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.turns.waiting.jobs <= b.limits.Jobs/2 && b.turns.waiting.bytes <= b.limits.Bytes/2
}

// Waiting counts the jobs that wait for a worker.
func (b *Backlog[S]) Waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.turns.waiting.jobs
}

// Stop gives out no job any more.
func (b *Backlog[S]) Stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
}

// Sweep, called about once a second, lets parked destinations go on, and
// forgets destinations that nothing has needed for a while and offers that never came.
func (b *Backlog[S]) Sweep() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.turns.sweep(now)
	b.flights.sweep(now)
}
