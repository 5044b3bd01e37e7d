// Package book has all bans in memory, so that each connection and each command can be
// held against them, and follows the store.
//
// A look-up finds the longest network by a multi-bit trie and takes no lock; a change
// makes a new trie that shares most of the one before. It decides nothing beyond whether a
// ban holds: what is done about it is for who asks.
//
// Main types: Book.
package book

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"

	"countersign/internal/access"
)

// Book is all bans that hold. It is safe for concurrent use, and questions wait for
// nobody.
type Book struct {
	// real are those that refuse, shadow those that do nothing.
	real, shadow half
}

// half are the bans of one sort.
type half struct {
	now   func() time.Time
	pages atomic.Pointer[pages]
	mu    sync.Mutex // one change at a time
}

// pages are the bans of one moment. They are never changed.
type pages struct {
	// everybody has the bans of whole networks, logins those of logins from there.
	everybody *bart.Table[*access.Ban]
	logins    *bart.Table[map[string]*access.Ban]
	// pairs is how many there are of logins.
	pairs int
	// version is another one for all pages of a half; it is never 0.
	version uint64
}

func empty() *pages {
	return &pages{everybody: new(bart.Table[*access.Ban]), logins: new(bart.Table[map[string]*access.Ban]), version: 1}
}

// New returns an empty Book; now is its clock, nil for time.Now.
func New(now func() time.Time) *Book {
	if now == nil {
		now = time.Now
	}
	b := &Book{}
	for _, h := range []*half{&b.real, &b.shadow} {
		h.now = now
		h.pages.Store(empty())
	}
	return b
}

// Len returns how many bans in the book refuse somebody; those in shadow are not among them.
func (b *Book) Len() int { return b.real.len() }

// Shadows returns how many bans in shadow are in the book.
func (b *Book) Shadows() int { return b.shadow.len() }

// Network returns the ban of everybody that hits a client, the one of the longest prefix;
// nil for none, and for a client without an address. What it points to must not be
// changed. Bans in shadow hit nobody.
func (b *Book) Network(client netip.Addr) *access.Ban { return b.real.network(client) }

// Login returns the ban that hits a client with a login, in the form of accounts: of
// that login from a network, or of everybody there; nil for none. What it points to must
// not be changed. Bans in shadow hit nobody.
func (b *Book) Login(client netip.Addr, login string) *access.Ban { return b.real.login(client, login) }

// Hits reports whether Login finds a ban.
func (b *Book) Hits(client netip.Addr, login string) bool { return b.Login(client, login) != nil }

// Shadow returns the ban in shadow that would hit a client, with a login where that is not ""; nil
// for none. What it points to must not be changed.
func (b *Book) Shadow(client netip.Addr, login string) *access.Ban {
	return b.shadow.login(client, login)
}

// Replace makes the book one of these bans alone.
func (b *Book) Replace(list []access.Ban) {
	b.real.replace(list, false)
	b.shadow.replace(list, true)
}

// Apply takes changes, in the order in which they were made.
func (b *Book) Apply(changes []access.Ban) {
	b.real.apply(changes, false)
	b.shadow.apply(changes, true)
}

// Sweep removes what has ended.
func (b *Book) Sweep() {
	b.real.sweep()
	b.shadow.sweep()
}

// len returns how many there are.
func (b *half) len() int {
	p := b.pages.Load()
	return p.everybody.Size() + p.pairs
}

// network is Book.Network of this half.
func (b *half) network(client netip.Addr) *access.Ban { return b.login(client, "") }

// login is Book.Login of this half.
func (b *half) login(client netip.Addr, login string) *access.Ban {
	ban, _ := b.find(b.pages.Load(), client, login)
	return ban
}

// find is login by pages. nearest is the ban that goes before all others about the client and login, whether
// it holds or has ended and is not gone yet: as long as the pages stay it is the same, whatever the clock
// says, and nil where no ban is about them at all.
func (b *half) find(p *pages, client netip.Addr, login string) (ban, nearest *access.Ban) {
	client = access.Plain(client)
	if login != "" && client.IsValid() && p.logins.Contains(client) {
		for _, of := range p.logins.Supernets(netip.PrefixFrom(client, client.BitLen())) {
			one := of[login]
			if one == nil {
				continue
			}
			nearest = cmp.Or(nearest, one)
			if b.holds(one) {
				return one, nearest
			}
		}
	}
	ban, found := p.everybody.Lookup(client)
	if !found {
		return nil, nearest
	}
	nearest = cmp.Or(nearest, ban)
	if b.holds(ban) {
		return ban, nearest
	}
	// It has ended and is not gone yet: a wider one may hold.
	for _, wider := range p.everybody.Supernets(netip.PrefixFrom(client, client.BitLen())) {
		if b.holds(wider) {
			return wider, nearest
		}
	}
	return nil, nearest
}

func (b *half) holds(ban *access.Ban) bool { return ban.End.IsZero() || b.now().Before(ban.End) }

// replace takes of list what is in shadow, or what is not.
func (b *half) replace(list []access.Ban, shadow bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := draft{pages: *empty(), logins: byLogin{}}
	d.version = b.pages.Load().version
	for i := range list {
		if list[i].Shadow != shadow {
			continue
		}
		ban := list[i]
		switch {
		case !b.holds(&ban):
		case ban.Login == "":
			d.everybody.Insert(ban.Prefix, &ban) // nobody else has the table yet
		default:
			d.put(&ban)
		}
	}
	b.pages.Store(d.done())
}

// apply takes of changes what is in shadow, or what is not.
func (b *half) apply(changes []access.Ban, shadow bool) {
	if !slices.ContainsFunc(changes, func(ban access.Ban) bool { return ban.Shadow == shadow }) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	d := draft{pages: *b.pages.Load(), logins: byLogin{}}
	for i := range changes {
		if changes[i].Shadow != shadow {
			continue
		}
		ban := changes[i]
		if b.holds(&ban) {
			d.put(&ban)
		} else {
			d.drop(&ban)
		}
	}
	b.pages.Store(d.done())
}

// sweep removes what has ended.
func (b *half) sweep() {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.pages.Load()
	d := draft{pages: *before, logins: byLogin{}}
	for _, ban := range before.everybody.All() {
		if !b.holds(ban) {
			d.drop(ban)
		}
	}
	for _, of := range before.logins.All() {
		for _, ban := range of {
			if !b.holds(ban) {
				d.drop(ban)
			}
		}
	}
	b.pages.Store(d.done())
}
