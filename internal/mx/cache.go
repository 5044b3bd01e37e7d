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
	// maxKept is the longest answer that is kept, in octets on the wire: 10,000 of
	// them would be 80 MB. A longer one is asked for anew each time.
	maxKept = 8 << 10
)

// question is what an answer is kept under.
type question struct {
	name  string
	qtype uint16
}

// answer is the records of a name, and how long they hold.
type answer struct {
	records []dns.RR
	until   time.Time
	// endless says that a chain of aliases was not followed to its end.
	endless bool
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

func (c *cache) get(q question, now time.Time) (answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.answers[q]
	// A clock that went back makes an answer older than its TTL allows look
	// fresh; nothing is kept for longer than maxTTL ahead.
	if !ok || !now.Before(a.until) || a.until.Sub(now) > maxTTL {
		return answer{}, false
	}
	return a, true
}

// put keeps records for their TTL, unless they are too long, and returns them with
// the end of it.
func (c *cache) put(q question, records []dns.RR, ttl time.Duration, now time.Time) answer {
	if ttl <= 0 {
		return answer{records: records, until: now} // RFC 1035 section 3.2.1: 0 means "do not keep"
	}
	a := answer{records: records, until: now.Add(max(ttl, minTTL))}
	size := 0
	for _, rr := range records {
		size += dns.Len(rr)
	}
	if c.size <= 0 || size > maxKept {
		return a
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.answers) >= c.size {
		c.evict(now)
	}
	c.answers[q] = a
	return a
}

// leastTTL is how long records hold that a chain of CNAME records has led to: no
// longer than the first of all of them to end.
func leastTTL(records, chain []dns.RR) time.Duration {
	ttl := maxTTL
	for _, list := range [][]dns.RR{records, chain} {
		for _, rr := range list {
			ttl = min(ttl, time.Duration(rr.Header().Ttl)*time.Second)
		}
	}
	return ttl
}

// negativeTTL is how long it holds that there are no such records: the lesser of
// the TTL of the SOA record beside the answer and of its last field (RFC 2308
// section 5). Without one nothing says so, and it is minTTL.
func negativeTTL(m *dns.Msg) time.Duration {
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			ttl := time.Duration(min(soa.Hdr.Ttl, soa.Minttl)) * time.Second
			return min(max(ttl, minTTL), maxTTL)
		}
	}
	return minTTL
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
