package warning

import (
	"sync"
	"time"

	"countersign/internal/limit"
)

// MaxHourly is how many mails the operator gets in an hour from one gate: whoever has many
// limits near at once must not fill that mailbox, in which other things matter too.
const MaxHourly = 60

// Ceiling counts the mails to the operator of one gate. The zero value has counted none. It is
// safe for concurrent use.
type Ceiling struct {
	mu sync.Mutex // guards what follows
	// began is when the hour did that n were written in; full says that there was one more.
	began time.Time
	n     int
	full  bool
}

// spend takes one mail, and reports whether it is within the ceiling; first says that it is the
// first of its hour that is not.
func (c *Ceiling) spend(now time.Time) (within, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if passed := now.Sub(c.began); passed >= time.Hour || passed < 0 {
		c.began, c.n, c.full = now, 0, false
	}
	if c.n < MaxHourly {
		c.n++
		return true, false
	}
	first, c.full = !c.full, true
	return false, first
}

// mayTell reports whether the operator gets a mail about a limit. That some are left out is
// logged once in an hour; which ones, the record has.
func (w *Writer) mayTell(b *limit.Breach) bool {
	if w.Ceiling == nil {
		return true
	}
	within, first := w.Ceiling.spend(w.Now())
	if first {
		w.Logger.Warn("no more mails about limits to limits.notify in this hour: look for limit.near in the record", "mails", MaxHourly, "first", b.Recorded())
	}
	return within
}
