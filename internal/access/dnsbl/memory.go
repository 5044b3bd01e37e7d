package dnsbl

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// answer is what a list says of an address.
type answer struct {
	score int
	on    bool
	// trouble is why it has said nothing; "" where it has.
	trouble string
	// ours says that it was not asked, as too much else was.
	ours bool
}

// The bounds on how long an answer is kept, whatever its TTL. The lower one is for lists that
// say 0, so that one session asks once.
const (
	minKept = 10 * time.Second
	maxHeld = time.Hour
	// again is how long a failure is kept, so that a list that is away is not waited for by
	// each command of each client.
	again = 5 * time.Second
)

// memory has the answers of one list. It is safe for concurrent use.
type memory struct {
	mu      sync.Mutex // guards what follows
	size    int
	answers map[netip.Addr]*kept
}

// kept is an answer, or one that is being asked for.
type kept struct {
	// done is closed when the answer is there.
	done   chan struct{}
	answer answer
	until  time.Time
}

func newMemory(size int) *memory { return &memory{size: size, answers: map[netip.Addr]*kept{}} }

// resize changes how many answers are kept.
func (m *memory) resize(size int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.size = size
}

// forget has all asked for again. Who waits for an answer gets it.
func (m *memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.answers)
}

// get returns the answer about an address, by asking where it is not known. One asks for all
// who want it at once; who asks is bounded by their own ctx, and whose ctx ends while
// another asks has no answer.
func (m *memory) get(ctx context.Context, client netip.Addr, now func() time.Time, ask func() (answer, time.Duration)) answer {
	for {
		k, mine := m.place(client, now())
		if mine {
			m.fill(client, k, now, ask)
			return k.answer
		}
		select {
		case <-k.done:
			// Whoever asked may have left before the answer came.
			if k.until.IsZero() && ctx.Err() == nil {
				continue
			}
			return k.answer
		case <-ctx.Done():
			return answer{trouble: "nobody waits for its answer"}
		}
	}
}

// find returns the answer about an address, where it is there.
func (m *memory) find(client netip.Addr, now time.Time) (a answer, found bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.answers[client]
	if k == nil || !k.fresh(now) {
		return a, false
	}
	select {
	case <-k.done:
		return k.answer, true
	default:
		return a, false
	}
}

// place returns what is known of an address, or a place for that, which is mine to fill.
func (m *memory) place(client netip.Addr, now time.Time) (k *kept, mine bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k = m.answers[client]; k != nil && k.fresh(now) {
		return k, false
	}
	if len(m.answers) >= m.size {
		m.evict(now)
	}
	k = &kept{done: make(chan struct{})}
	m.answers[client] = k
	return k, true
}

// fresh reports whether an answer holds, or is being asked for. What is kept for longer than
// that has come from a clock that went back.
func (k *kept) fresh(now time.Time) bool {
	select {
	case <-k.done:
		return now.Before(k.until) && k.until.Sub(now) <= maxHeld
	default:
		return true
	}
}

// fill asks, and has all know who wait.
func (m *memory) fill(client netip.Addr, k *kept, now func() time.Time, ask func() (answer, time.Duration)) {
	a, ttl := ask()
	switch {
	case a.trouble == "":
		k.until = now().Add(min(max(ttl, minKept), maxHeld))
	case ttl >= 0:
		k.until = now().Add(again)
	}
	k.answer = a
	close(k.done)
}

// evict makes room: what is over goes first, then whatever the map names first. The lock is
// held.
func (m *memory) evict(now time.Time) {
	for client, k := range m.answers {
		if !k.fresh(now) {
			delete(m.answers, client)
		}
	}
	for client := range m.answers {
		if len(m.answers) <= m.size*3/4 {
			return
		}
		delete(m.answers, client)
	}
}
