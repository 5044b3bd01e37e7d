package bans

import (
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/access"
	"countersign/internal/audit"
	"countersign/internal/mail"
)

const (
	// noteEvery is how often it is recorded at most that a ban in shadow would have refused the
	// clients of one network.
	noteEvery = time.Hour
	// maxNoted is how many of them are remembered; of those beyond none is recorded, but counted.
	maxNoted = 4096
)

// seen is a ban in shadow and a network (an IPv4 address or an IPv6 /64) that it would have hit.
type seen struct {
	ban    mail.ID
	client netip.Prefix
}

// notes records what bans in shadow would have refused.
type notes struct {
	now func() time.Time
	// hits counts what is recorded, omitted what is not for want of memory.
	hits, omitted prometheus.Counter

	mu   sync.Mutex // guards last
	last map[seen]time.Time
}

// Network returns what book.Book.Network does, and notes what a ban in shadow would have done.
func (s *Set) Network(client netip.Addr) *access.Ban {
	ban := s.Book.Network(client)
	if ban == nil {
		s.shadowed(client, "", "connection")
	}
	return ban
}

// Watch returns what book.Book.Watch does, and notes what a ban in shadow would have done.
func (s *Set) Watch(client netip.Addr) func(login string) *access.Ban {
	hits, would := s.Book.Watch(client), s.WatchShadow(client)
	if s.opt.Record == nil {
		return hits
	}
	var last *access.Ban
	var until time.Time // up to when last has been noted
	return func(login string) *access.Ban {
		if ban := hits(login); ban != nil {
			return ban
		}
		if ban := would(login); ban != nil && (ban != last || !s.opt.Now().Before(until)) {
			last, until = ban, s.note(ban, client, "session")
		}
		return nil
	}
}

// Hits reports what book.Book.Hits does, and notes what a ban in shadow would have done.
func (s *Set) Hits(client netip.Addr, login string) bool {
	hits := s.Book.Hits(client, login)
	if !hits {
		s.shadowed(client, login, "login")
	}
	return hits
}

// shadowed notes the ban in shadow that would have hit a client, if there is one.
func (s *Set) shadowed(client netip.Addr, login, what string) {
	if s.Shadows() == 0 || s.opt.Record == nil {
		return
	}
	if ban := s.Shadow(client, login); ban != nil {
		s.note(ban, client, what)
	}
}

// note notes that a ban in shadow would have hit a client, unless it is noted already, and returns until when it
// is not to be noted again.
func (s *Set) note(ban *access.Ban, client netip.Addr, what string) (until time.Time) {
	first, until := s.notes.first(ban, client)
	if first {
		s.notes.hits.Inc()
		s.opt.Record(audit.Event{
			At: s.opt.Now().UTC(), Kind: audit.BanShadow, Client: access.Plain(client).String(), Object: "ban " + ban.Object(), Login: ban.Login,
			Text: ban.Reason, Data: map[string]string{"ban": string(ban.ID), "what": what},
		})
	}
	return until
}

// first reports whether it is to be noted again of a ban and a client, and until when it then is not; zero
// where it is not remembered.
func (n *notes) first(ban *access.Ban, client netip.Addr) (first bool, until time.Time) {
	client = access.Plain(client)
	bits := 64
	if client.Is4() {
		bits = 32
	}
	network, err := client.Prefix(bits)
	if err != nil {
		return false, time.Time{}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	key, now := seen{ban.ID, network}, n.now()
	if at, known := n.last[key]; known && now.Sub(at) < noteEvery {
		return false, at.Add(noteEvery)
	}
	if len(n.last) >= maxNoted {
		for k, at := range n.last {
			if now.Sub(at) >= noteEvery {
				delete(n.last, k)
			}
		}
		if len(n.last) >= maxNoted {
			n.omitted.Inc()
			return false, time.Time{}
		}
	}
	n.last[key] = now
	return true, now.Add(noteEvery)
}
