package alignment

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// Options say how a Checker works. Each field has a default for its zero value.
type Options struct {
	// Judge makes the assessments.
	Judge *Judge
	// Wait is how long Look keeps its caller waiting; 0 means 1 second, less than 0 not
	// at all.
	Wait time.Duration
	// Timeout bounds one assessment, its wait for a place included; 0 means 20 seconds.
	Timeout time.Duration
	// Running is how many assessments are made at once; 0 means 16. Of one customer a quarter of
	// them is, of one From domain two.
	Running int
	// Waiting is how many more wait for that; 0 means 1,000. What comes on top is Unknown, and
	// so is what comes on top of an eighth of them for one customer.
	Waiting int
	// Size is how many assessments are kept; 0 means 10,000.
	Size int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// How long an assessment is relied on, whatever DNS says.
const (
	// A pass is looked at again in the background while it is used for up to a day more;
	// DNS that is away for a night keeps nobody's mail from passing.
	minPass, maxPass, stalePass = time.Minute, time.Hour, 24 * time.Hour
	// Who mends a record shall not wait long. A failure is relied on beyond it only while there
	// is no place or no time to look again: else slow DNS would undo the rule for a domain.
	minFail, maxFail, staleFail = 30 * time.Second, 5 * time.Minute, 15 * time.Minute
	// What could not be known is not asked at every message. What takes too long again and
	// again is asked more and more seldom, as it takes a place for long each time.
	unknownFor, maxPause = 30 * time.Second, 10 * time.Minute
)

// Checker gives assessments within a bounded time, and keeps them. It is safe for
// concurrent use.
type Checker struct {
	judge         *Judge
	wait, timeout time.Duration
	size, most    int
	now           func() time.Time

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex // guards what follows
	entries map[key]*entry
	shares  *shares
	flights int // under way or waiting for a place
	closed  bool
}

// key is what an assessment is kept under.
type key [sha256.Size]byte

// entry is what is kept of one question.
type entry struct {
	// have is the last assessment; its Verdict is "" where there is none yet.
	have Assessment
	// until is when have is to be made anew.
	until time.Time
	// since is when have was last found, where that is a pass or a failure.
	since time.Time
	// late is how often in a row the assessment has taken too long.
	late int
	// done is closed when the assessment under way has ended; nil where none is.
	done chan struct{}
}

// New returns a Checker. Close ends it.
func New(o Options) *Checker {
	orElse := func(n *int, def int) {
		if *n <= 0 {
			*n = def
		}
	}
	orElse(&o.Running, 16)
	orElse(&o.Waiting, 1000)
	orElse(&o.Size, 10_000)
	if o.Wait == 0 {
		o.Wait = time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 20 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Checker{
		judge: o.Judge, wait: o.Wait, timeout: o.Timeout, size: o.Size, most: o.Running + o.Waiting, now: o.Now,
		shares: newShares(o.Running, o.Running+o.Waiting), ctx: ctx, cancel: cancel, entries: map[key]*entry{},
	}
}

// Close ends what is under way and waits for it. Afterwards what is not kept is
// Unknown.
func (c *Checker) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.work.Wait()
}

// Look returns what is known of a question, and waits for at most Options.Wait where
// nothing is; then it is Unknown, and the assessment goes on for the next one who asks. A pass
// that is due to be looked at again is returned at once.
func (c *Checker) Look(ctx context.Context, q Question) Assessment {
	known, done := c.find(q)
	if done == nil {
		return known
	}
	timer := time.NewTimer(max(0, c.wait))
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[q.key()]; e != nil && (c.fresh(e) || c.failing(e)) {
		return e.have
	}
	return unknown(q, tooLong)
}

// Why nothing is known where all places are taken, and where there was no time.
const (
	tooMuch = "too much else is being found out"
	tooLong = "it takes too long to find out"
)

// find returns what is known of a question; or, where that is nothing to go by, a channel
// that is closed when it will be. What is due is begun.
func (c *Checker) find(q Question) (known Assessment, done <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[q.key()]
	if e != nil && c.fresh(e) {
		return e.have, nil
	}
	if (e == nil || e.done == nil) && (c.closed || c.flights >= c.most || c.shares.full(q)) {
		if e != nil && (c.stale(e) || c.failing(e)) {
			return e.have, nil
		}
		return unknown(q, tooMuch), nil
	}
	e = c.entry(q)
	if e.done == nil {
		c.begin(e, q)
	}
	if c.stale(e) {
		return e.have, nil
	}
	return Assessment{}, e.done
}

// entry returns what is kept of a question, if need be an empty one. The lock is held.
func (c *Checker) entry(q Question) *entry {
	k := q.key()
	e := c.entries[k]
	if e == nil {
		c.makeRoom()
		e = &entry{}
		c.entries[k] = e
	}
	return e
}

// fresh reports whether an assessment holds. A clock that went back makes none hold for
// longer than any may.
func (c *Checker) fresh(e *entry) bool {
	now := c.now()
	return e.have.Verdict != "" && now.Before(e.until) && e.until.Sub(now) <= maxPass
}

// stale reports whether a pass that is due is still to be gone by.
func (c *Checker) stale(e *entry) bool { return e.have.Verdict == Pass && c.younger(e, stalePass) }

// failing reports whether a failure that is due is still to be gone by where nothing newer can
// be found out for lack of a place or of time.
func (c *Checker) failing(e *entry) bool {
	return e.have.Verdict == WillFail && c.younger(e, staleFail)
}

// younger reports whether an assessment was found less than a time ago.
func (c *Checker) younger(e *entry, than time.Duration) bool {
	age := c.now().Sub(e.since)
	return age >= 0 && age < than
}

// begin makes an assessment in the background. The lock is held.
func (c *Checker) begin(e *entry, q Question) {
	done := make(chan struct{})
	e.done = done
	c.flights++
	t := c.shares.join(q)
	c.work.Go(func() {
		a, lack := c.assess(q, t)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.flights--
		c.shares.leave(t)
		c.keep(e, a, lack)
		e.done = nil
		close(done)
	})
}

// lack is what an assessment that is Unknown for it has lacked.
type lack uint8

const (
	nothing lack = iota
	place
	timeToLook
)

// assess makes an assessment as soon as there is a place.
func (c *Checker) assess(q Question, t ticket) (Assessment, lack) {
	ctx, cancel := context.WithTimeout(c.ctx, c.timeout)
	defer cancel()
	free, ok := t.enter(ctx)
	if !ok {
		return unknown(q, tooMuch), place
	}
	defer free()
	deadline, _ := ctx.Deadline()
	left := time.Until(deadline)
	a := c.judge.Assess(ctx, q)
	switch {
	case a.Verdict != Unknown || ctx.Err() == nil:
		return a, nothing
	case left < c.timeout/2: // it has waited for its place
		return a, place
	}
	return a, timeToLook
}

// keep takes an assessment over. One that is Unknown leaves a pass of not long ago as it
// is, and one that is so for lack of something a failure. The lock is held.
func (c *Checker) keep(e *entry, a Assessment, without lack) {
	now := c.now()
	switch a.Verdict {
	case Pass:
		e.since, e.until, e.late = now, now.Add(min(max(a.TTL, minPass), maxPass)), 0
	case WillFail:
		e.since, e.until, e.late = now, now.Add(min(max(a.TTL, minFail), maxFail)), 0
	default:
		pause := unknownFor
		if without == timeToLook {
			pause = min(unknownFor<<min(e.late, 8), maxPause)
			e.late++
		}
		e.until = now.Add(pause)
		if c.stale(e) {
			return
		}
		if without != nothing && c.failing(e) {
			if last := e.since.Add(staleFail); last.Before(e.until) {
				e.until = last
			}
			return
		}
	}
	e.have = a
}

// makeRoom forgets what is due, and a part of the rest where that is not enough, but
// nothing that is under way. The lock is held.
func (c *Checker) makeRoom() {
	if len(c.entries) < c.size {
		return
	}
	for k, e := range c.entries {
		if e.done == nil && !c.fresh(e) {
			delete(c.entries, k)
		}
	}
	for k, e := range c.entries {
		if len(c.entries) <= c.size*3/4 {
			return
		}
		if e.done == nil {
			delete(c.entries, k)
		}
	}
}

// unknown is the assessment of what could not be looked at.
func unknown(q Question, why string) Assessment {
	leg := Leg{State: Unknown, Reasons: []string{why}}
	return Assessment{Question: q, Verdict: Unknown, DKIM: leg, SPF: leg}
}

// key is one for each question that can have another answer.
func (q Question) key() key {
	text := make([]byte, 0, 1<<10) // enough for most
	add := func(s string) { text = append(append(text, s...), 0) }
	add(q.From.String())
	add(q.MailFrom.String())
	for i := range q.Keys {
		add(q.Keys[i].Name())
		add(q.Keys[i].Record)
	}
	return sha256.Sum256(text)
}
