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
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"

	"countersign/internal/access"
)

// Book is all bans that hold. It is safe for concurrent use, and questions wait for
// nobody.
type Book struct {
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
}

func empty() *pages {
	return &pages{everybody: new(bart.Table[*access.Ban]), logins: new(bart.Table[map[string]*access.Ban])}
}

// New returns an empty Book; now is its clock, nil for time.Now.
func New(now func() time.Time) *Book {
	if now == nil {
		now = time.Now
	}
	b := &Book{now: now}
	b.pages.Store(empty())
	return b
}

// Len returns how many bans are in the book.
func (b *Book) Len() int {
	p := b.pages.Load()
	return p.everybody.Size() + p.pairs
}

// Network returns the ban of everybody that hits a client, the one of the longest prefix;
// nil for none, and for a client without an address. What it points to must not be
// changed.
func (b *Book) Network(client netip.Addr) *access.Ban {
	client = access.Plain(client)
	table := b.pages.Load().everybody
	ban, found := table.Lookup(client)
	if !found || b.holds(ban) {
		return ban
	}
	// It has ended and is not gone yet: a wider one may hold.
	for _, wider := range table.Supernets(netip.PrefixFrom(client, client.BitLen())) {
		if b.holds(wider) {
			return wider
		}
	}
	return nil
}

// Login returns the ban that hits a client with a login, in the form of accounts: of
// that login from a network, or of everybody there; nil for none. What it points to must
// not be changed.
func (b *Book) Login(client netip.Addr, login string) *access.Ban {
	plain := access.Plain(client)
	table := b.pages.Load().logins
	if login != "" && plain.IsValid() && table.Contains(plain) {
		for _, of := range table.Supernets(netip.PrefixFrom(plain, plain.BitLen())) {
			if ban := of[login]; ban != nil && b.holds(ban) {
				return ban
			}
		}
	}
	return b.Network(client)
}

// Hits reports whether Login finds a ban.
func (b *Book) Hits(client netip.Addr, login string) bool { return b.Login(client, login) != nil }

func (b *Book) holds(ban *access.Ban) bool { return ban.End.IsZero() || b.now().Before(ban.End) }

// Replace makes the book one of these bans alone.
func (b *Book) Replace(list []access.Ban) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := draft{pages: *empty(), logins: byLogin{}}
	for i := range list {
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

// Apply takes changes, in the order in which they were made.
func (b *Book) Apply(changes []access.Ban) {
	if len(changes) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	d := draft{pages: *b.pages.Load(), logins: byLogin{}}
	for i := range changes {
		ban := changes[i]
		if b.holds(&ban) {
			d.put(&ban)
		} else {
			d.drop(&ban)
		}
	}
	b.pages.Store(d.done())
}

// Sweep removes what has ended.
func (b *Book) Sweep() {
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
