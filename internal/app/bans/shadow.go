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

// Login returns what book.Book.Login does, and notes what a ban in shadow would have done.
func (s *Set) Login(client netip.Addr, login string) *access.Ban {
	ban := s.Book.Login(client, login)
	if ban == nil {
		s.shadowed(client, login, "session")
	}
	return ban
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
	if ban := s.Shadow(client, login); ban != nil && s.notes.first(ban, client) {
		s.notes.hits.Inc()
		s.opt.Record(audit.Event{
			At: s.opt.Now().UTC(), Kind: audit.BanShadow, Client: access.Plain(client).String(), Object: "ban " + ban.Object(), Login: ban.Login,
			Text: ban.Reason, Data: map[string]string{"ban": string(ban.ID), "what": what},
		})
	}
}

// first reports whether it is to be noted again of a ban and a client.
func (n *notes) first(ban *access.Ban, client netip.Addr) bool {
	client = access.Plain(client)
	bits := 64
	if client.Is4() {
		bits = 32
	}
	network, err := client.Prefix(bits)
	if err != nil {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	key, now := seen{ban.ID, network}, n.now()
	if at, known := n.last[key]; known && now.Sub(at) < noteEvery {
		return false
	}
	if len(n.last) >= maxNoted {
		for k, at := range n.last {
			if now.Sub(at) >= noteEvery {
				delete(n.last, k)
			}
		}
		if len(n.last) >= maxNoted {
			n.omitted.Inc()
			return false
		}
	}
	n.last[key] = now
	return true
}
