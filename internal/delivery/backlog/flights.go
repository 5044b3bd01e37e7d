package backlog

import (
	"time"

	"countersign/internal/mail"
	"countersign/internal/queue"
)

func keyOf(d queue.Delivery) queue.Key { return queue.Key{Submission: d.Submission, N: d.N} }

// flights knows which deliveries are in memory.
type flights struct {
	// flying are the deliveries that wait here, that a worker has, or whose
	// outcome is not stored yet. A scan leaves them alone.
	flying map[queue.Key]struct{}
	// landed are those that left flying since the scan's last look at the
	// store, which may still show them as due.
	landed map[queue.Key]struct{}
	// scanned are the submissions that a scan found before they were offered,
	// so that the offer that is still to come does not start them again.
	scanned map[mail.ID]time.Time
	// jobs counts the jobs of each submission that have not come to their end.
	jobs map[mail.ID]int
}

func newFlights() flights {
	return flights{
		flying: map[queue.Key]struct{}{}, landed: map[queue.Key]struct{}{},
		scanned: map[mail.ID]time.Time{}, jobs: map[mail.ID]int{},
	}
}

// begin notes a job's deliveries.
func (f *flights) begin(submission mail.ID, deliveries []queue.Delivery) {
	f.jobs[submission]++
	for _, d := range deliveries {
		f.flying[keyOf(d)] = struct{}{}
	}
}

// last counts a job out.
func (f *flights) last(submission mail.ID) bool {
	f.jobs[submission]--
	if f.jobs[submission] > 0 {
		return false
	}
	delete(f.jobs, submission)
	return true
}

// land forgets deliveries until the next look.
func (f *flights) land(submission mail.ID, numbers []int) {
	for _, n := range numbers {
		k := queue.Key{Submission: submission, N: n}
		delete(f.flying, k)
		f.landed[k] = struct{}{}
	}
}

// known reports whether a delivery is in memory or has just left it.
func (f *flights) known(k queue.Key) bool {
	if _, flying := f.flying[k]; flying {
		return true
	}
	_, landed := f.landed[k]
	return landed
}

// scannedBefore reports whether a scan found the submission before its offer
// came, which it does only once.
func (f *flights) scannedBefore(id mail.ID) bool {
	_, found := f.scanned[id]
	delete(f.scanned, id)
	return found
}

// sweep forgets offers that never came.
func (f *flights) sweep(now time.Time) {
	for id, at := range f.scanned {
		if age := now.Sub(at); age > offerWindow || age < 0 {
			delete(f.scanned, id)
		}
	}
}
