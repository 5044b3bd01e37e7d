package mx

import (
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Bounds on how long an answer is kept, whatever its TTL.
const (
	minTTL = 5 * time.Second
	maxTTL = time.Hour
)

// question is what an answer is kept under.
type question struct {
	name  string
	qtype uint16
}

// answer is one kept answer.
type answer struct {
	records []dns.RR
	until   time.Time
}

// cache keeps answers that hold records until their TTL is over. It is safe
// for concurrent use.
type cache struct {
	size int

	mu      sync.Mutex // guards answers
	answers map[question]answer
}

func newCache(size int) *cache {
	return &cache{size: size, answers: make(map[question]answer)}
}

func (c *cache) get(q question, now time.Time) ([]dns.RR, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.answers[q]
	// A clock that went back makes an answer older than its TTL allows look
	// fresh; nothing is kept for longer than maxTTL ahead.
	if !ok || !now.Before(a.until) || a.until.Sub(now) > maxTTL {
		return nil, false
	}
	return a.records, true
}

// put keeps records for the least of their TTLs. An empty answer is not kept.
func (c *cache) put(q question, records []dns.RR, now time.Time) {
	if len(records) == 0 || c.size <= 0 {
		return
	}
	ttl := maxTTL
	for _, rr := range records {
		ttl = min(ttl, time.Duration(rr.Header().Ttl)*time.Second)
	}
	if ttl <= 0 {
		return // RFC 1035 section 3.2.1: 0 means "do not keep"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.answers) >= c.size {
		c.evict(now)
	}
	c.answers[q] = answer{records: records, until: now.Add(max(ttl, minTTL))}
}

// evict removes what is over, and if that is not enough a part of the rest,
// whichever the map names first.
func (c *cache) evict(now time.Time) {
	for q, a := range c.answers {
		if !now.Before(a.until) {
			delete(c.answers, q)
		}
	}
	for q := range c.answers {
		if len(c.answers) <= c.size*3/4 {
			return
		}
		delete(c.answers, q)
	}
}
