// Package ration bounds what is recorded of clients that have not logged in, so that nobody
// can fill disk and log without an account.
//
// Main types: Rations.
package ration

import (
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"countersign/internal/audit"
)

// What clients that have not logged in may have recorded, in events a minute
// and at once: of one wide network, and of all together. Failed logins count
// apart, and more of them are kept: whoever looks for guessed passwords needs
// them, and each costs the client a password check or a refused AUTH. The end of a session
// whose beginning is recorded is recorded too, and costs nothing.
const (
	NetworkEvents = 300
	allEvents     = 6000
	networkLogins = 3000
	allLogins     = 12_000
)

// maxNetworks is how many networks are told apart; those beyond share one ration.
const maxNetworks = 1024

// Times of the rations.
const (
	// rationTime is the time that a ration is for, and between two summaries.
	rationTime = time.Minute
	// sweepPause is the least time between two looks for rations not needed.
	sweepPause = time.Second
)

// bucket holds what may still be spent. One that has never been used is full.
type bucket struct {
	left float64
	at   time.Time
}

// fill adds what has come since the last time, up to size.
func (b *bucket) fill(now time.Time, size float64) {
	if b.at.IsZero() {
		b.left = size
	}
	if passed := now.Sub(b.at); passed > 0 {
		b.left = min(size, b.left+size*passed.Seconds()/rationTime.Seconds())
	}
	b.at = now
}

// ration is what one network has.
type ration struct {
	network        netip.Prefix
	events, logins bucket
	// omittedEvents and omittedLogins count what was left out since the last
	// summary, omittedConnections those of the events that a connection begins with.
	omittedEvents, omittedLogins, omittedConnections int
}

// Rations bounds what is recorded. What is left out is counted and told once a minute. It is
// safe for concurrent use.
type Rations struct {
	// now is the clock; record takes the summaries.
	now    func() time.Time
	record func(audit.Event)

	// telling is held while summaries are handed over, and taken before mu.
	telling sync.Mutex
	mu      sync.Mutex // guards what follows
	// events and logins are those of all networks together.
	events, logins bucket
	networks       map[netip.Prefix]*ration
	// others is of the networks beyond maxNetworks.
	others ration
	// swept is when rations that are not needed were last looked for.
	swept time.Time
	// summary is due when something has been left out, else nil.
	summary *time.Timer
	closed  bool
}

// New returns Rations; record takes the summaries.
func New(now func() time.Time, record func(audit.Event)) *Rations {
	return &Rations{now: now, record: record, networks: map[netip.Prefix]*ration{}}
}

// Spend reports whether an event of a client in network may be recorded.
func (r *Rations) Spend(network netip.Prefix, kind audit.Kind) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	own := r.of(network, now)
	mine, all, omitted := &own.events, &r.events, &own.omittedEvents
	size, allSize := float64(NetworkEvents), float64(allEvents)
	if kind == audit.AuthFailed {
		mine, all, omitted = &own.logins, &r.logins, &own.omittedLogins
		size, allSize = networkLogins, allLogins
	}
	mine.fill(now, size)
	all.fill(now, allSize)
	if mine.left >= 1 && all.left >= 1 {
		mine.left--
		all.left--
		return true
	}
	*omitted++
	if kind == audit.SessionOpened {
		own.omittedConnections++
	}
	if r.summary == nil && !r.closed {
		r.summary = time.AfterFunc(rationTime, r.tell)
	}
	return false
}

// Refund gives back what a session spent that has logged in since: a network
// whose clients all log in never uses up its ration.
func (r *Rations) Refund(network netip.Prefix, events int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	own := r.of(network, now)
	own.events.fill(now, NetworkEvents)
	own.events.left = min(NetworkEvents, own.events.left+float64(events))
	r.events.fill(now, allEvents)
	r.events.left = min(allEvents, r.events.left+float64(events))
}

// of returns the ration of a network. The caller holds mu.
func (r *Rations) of(network netip.Prefix, now time.Time) *ration {
	if own := r.networks[network]; own != nil {
		return own
	}
	if passed := now.Sub(r.swept); len(r.networks) >= maxNetworks && (passed >= sweepPause || passed < 0) {
		r.swept = now
		for key, own := range r.networks {
			if own.idle(now) {
				delete(r.networks, key)
			}
		}
	}
	if len(r.networks) >= maxNetworks {
		return &r.others
	}
	own := &ration{network: network}
	r.networks[network] = own
	return own
}

// idle reports whether a ration is as a new one would be.
func (own *ration) idle(now time.Time) bool {
	own.events.fill(now, NetworkEvents)
	own.logins.fill(now, networkLogins)
	return own.events.left >= NetworkEvents && own.logins.left >= networkLogins &&
		own.omittedEvents == 0 && own.omittedLogins == 0
}

// tell records what has been left out, one summary a network.
func (r *Rations) tell() {
	r.telling.Lock()
	defer r.telling.Unlock()
	for _, e := range r.summaries() {
		r.record(e)
	}
}

// summaries returns what has been left out, and begins to count anew.
func (r *Rations) summaries() []audit.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary = nil
	var all []audit.Event
	for _, own := range r.networks {
		all = own.summary(all, own.network.String())
	}
	return r.others.summary(all, "other networks")
}

// summary adds an event about what has been left out, if anything, and begins
// to count anew.
func (own *ration) summary(all []audit.Event, network string) []audit.Event {
	if own.omittedEvents == 0 && own.omittedLogins == 0 {
		return all
	}
	e := audit.Event{
		Kind: audit.EventsOmitted,
		Text: fmt.Sprintf("%d events and %d failed logins of clients in %s that had not logged in", own.omittedEvents, own.omittedLogins, network),
		Data: map[string]string{
			"network": network,
			"events":  strconv.Itoa(own.omittedEvents),
			"logins":  strconv.Itoa(own.omittedLogins),
			// How many came is known all the same: limit/hindsight counts them.
			"connections": strconv.Itoa(own.omittedConnections),
		},
	}
	own.omittedEvents, own.omittedLogins, own.omittedConnections = 0, 0, 0
	return append(all, e)
}

// Close tells what is left to tell, and from then on nothing more.
func (r *Rations) Close() {
	r.mu.Lock()
	r.closed = true
	if r.summary != nil {
		r.summary.Stop()
	}
	r.mu.Unlock()
	r.tell()
}
