package delivery

import (
	"sync"
	"time"

	"countersign/internal/delivery/verdict"
)

// downs remembers for a while why sites could not be reached, so that what
// waits for them gets the same answer without an attempt of its own. It is
// safe for concurrent use.
type downs struct {
	mu    sync.Mutex // guards sites
	sites map[site]down
}

// down is why a site is not tried, until when.
type down struct {
	why   verdict.Answer
	until time.Time
}

// set notes why a site could not be reached.
func (d *downs) set(s site, why verdict.Answer, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sites[s] = down{why, until}
}

// clear forgets it, as the site was reached.
func (d *downs) clear(s site) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sites, s)
}

// why returns why a site is not to be tried now. hold is the longest that a
// site is down: more is left only where the clock went back.
func (d *downs) why(s site, now time.Time, hold time.Duration) (verdict.Answer, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	have, ok := d.sites[s]
	left := have.until.Sub(now)
	return have.why, ok && left > 0 && left <= hold
}

// sweep forgets what holds no more.
func (d *downs) sweep(now time.Time, hold time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s, have := range d.sites {
		if left := have.until.Sub(now); left <= 0 || left > hold {
			delete(d.sites, s)
		}
	}
}
