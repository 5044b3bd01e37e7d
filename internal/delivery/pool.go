package delivery

import (
	"sync"
	"time"

	"countersign/internal/delivery/verdict"
	"countersign/internal/smtpclient"
)

// connection is an open connection with whom it leads to.
type connection struct {
	client *smtpclient.Client
	host   verdict.Host
	// since is when it was last used.
	since time.Time
}

// pool keeps connections between messages. It is safe for concurrent use.
type pool struct {
	limits Limits
	now    func() time.Time

	mu sync.Mutex // guards what follows
	// idle holds the connections of each site, the one used last at the end.
	idle  map[site][]*connection
	count int
	// closing waits for connections that say QUIT.
	closing sync.WaitGroup
	closed  bool
}

func newPool(limits Limits, now func() time.Time) *pool {
	return &pool{limits: limits, now: now, idle: map[site][]*connection{}}
}

// get takes an idle connection to a site, nil where there is none.
func (p *pool) get(s site) *connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[s]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	p.keep(s, list[:len(list)-1])
	p.count--
	return c
}

// put gives a connection back, for the next message or to be closed.
func (p *pool) put(s site, c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	worth := c.client.Usable() && c.client.Sent() < p.limits.MessagesPerConnection &&
		p.limits.IdleTimeout > 0 && !p.closed &&
		len(p.idle[s]) < p.limits.PerDestination && p.count < p.limits.Workers
	if !worth {
		p.quit(c)
		return
	}
	c.since = p.now()
	p.idle[s] = append(p.idle[s], c)
	p.count++
}

// keep sets what is idle at a site.
func (p *pool) keep(s site, list []*connection) {
	if len(list) == 0 {
		delete(p.idle, s)
		return
	}
	p.idle[s] = list
}

// quit closes a connection without making anybody wait.
func (p *pool) quit(c *connection) { p.closing.Go(c.client.Close) }

// sweep closes what has been idle for too long, or all.
func (p *pool) sweep(all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = p.closed || all
	now := p.now()
	for s, list := range p.idle {
		var stay []*connection
		for _, c := range list {
			age := now.Sub(c.since)
			if all || age >= p.limits.IdleTimeout || age < 0 {
				p.count--
				p.quit(c)
				continue
			}
			stay = append(stay, c)
		}
		p.keep(s, stay)
	}
}

// close closes everything and waits for it, without a QUIT where there is no
// time left.
func (p *pool) close(atOnce bool) {
	if atOnce {
		p.mu.Lock()
		for _, list := range p.idle {
			for _, c := range list {
				c.client.Abort()
			}
		}
		p.mu.Unlock()
	}
	p.sweep(true)
	p.closing.Wait()
}
