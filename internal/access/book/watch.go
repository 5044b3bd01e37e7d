package book

import (
	"net/netip"

	"countersign/internal/access"
)

// Watch returns Login for one client, for who asks about it with every command: it looks through the bans only
// where they have changed since, or the login has. It is used by one goroutine at a time.
func (b *Book) Watch(client netip.Addr) func(login string) *access.Ban { return b.real.watch(client) }

// WatchShadow returns Shadow for one client, as Watch does.
func (b *Book) WatchShadow(client netip.Addr) func(login string) *access.Ban {
	return b.shadow.watch(client)
}

// watch is Book.Watch of this half. Between questions it remembers one ban, and the number of the pages in
// place of the pages, so that nothing stays in memory that is over.
func (b *half) watch(client netip.Addr) func(login string) *access.Ban {
	var version uint64
	var of string
	var nearest *access.Ban
	return func(login string) *access.Ban {
		p := b.pages.Load()
		if version == p.version && of == login && (nearest == nil || b.holds(nearest)) {
			return nearest
		}
		version, of = p.version, login
		var ban *access.Ban
		ban, nearest = b.find(p, client, login)
		return ban
	}
}
