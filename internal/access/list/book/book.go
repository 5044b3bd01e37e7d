// Package book has all entries of access lists in memory, so that each connection and each
// command can be held against them, and follows the store.
//
// How they are kept is for package feed/shelf, what they say for package access/list. It
// knows besides which clients somebody might be let in from whom the broader entries keep
// out: so it need not be known who a client is to know that nobody can log in from there.
//
// Main types: Book.
package book

import (
	"net/netip"
	"time"

	"countersign/internal/access"
	"countersign/internal/access/list"
	"countersign/internal/feed"
	"countersign/internal/feed/shelf"
	"countersign/internal/mail"
)

// Book is all entries that hold. It is safe for concurrent use, and questions wait for
// nobody.
type Book struct {
	*shelf.Shelf[key, list.Entry, *list.Sheet]
}

// key is what entries are asked for: those for a subject, or, where In is set, those for any
// login that let clients in from about there.
type key struct {
	For list.Subject
	In  list.What
}

// New returns an empty Book; now is its clock, nil for time.Now.
func New(now func() time.Time) *Book {
	return &Book{shelf.New(shelf.Options[key, list.Entry, *list.Sheet]{
		Keys:  keys,
		ID:    func(e *list.Entry) string { return string(e.ID) },
		Holds: func(e *list.Entry, at time.Time) bool { return e.Holds(at) },
		Make:  list.NewSheet,
		Texts: texts,
		Now:   now,
	})}
}

// texts are those of an entry.
func texts(e *list.Entry, keep func(string) string) {
	e.ID, e.For.Name = mail.ID(keep(string(e.ID))), keep(e.For.Name)
	e.What.Country, e.Reason, e.By = keep(e.What.Country), keep(e.Reason), keep(e.By)
}

// keys are those of an entry.
func keys(e *list.Entry) []key {
	all := []key{{For: e.For}}
	if e.For.Kind.Login() && e.Effect != list.Deny && !e.Shadow {
		all = append(all, key{In: region(e.What)})
	}
	return all
}

// Networks of at least so many bits are found by these bits alone, all others together: so
// that a change of one makes few sheets anew however many there are.
const (
	near4 = 16
	near6 = 32
)

// region is under what it is noted that an entry lets somebody in.
func region(w list.What) list.What {
	p := w.Prefix
	if !p.IsValid() {
		return w
	}
	bits := near6
	if p.Addr().Is4() {
		bits = near4
	}
	if p.Bits() < bits {
		bits = 0
	}
	return list.What{Prefix: netip.PrefixFrom(p.Addr(), bits).Masked()}
}

// Follow returns what keeps a book as a store is; nobody else changes it then.
func Follow(from list.Feed, b *Book, opt feed.Options) *feed.Follower[list.Entry] {
	return feed.Follow(feed.Source[list.Entry]{What: "access lists", Since: from.EntriesSince, Changed: from.EntriesChanged}, b, opt)
}

// Len returns how many entries are in the book.
func (b *Book) Len() int { return b.Pages().Len() }

// Find returns an entry of which is reports true, nil for none. It looks at all of them.
func (b *Book) Find(is func(*list.Entry) bool) *list.Entry { return b.Pages().Find(is) }

// Lists remember which lists somebody has, and what these have said of a place, for who asks again and again.
// The zero value remembers nothing. It is used by one goroutine at a time.
type Lists struct {
	who    list.Who
	sheets list.Sheets
	// version is that of the book; 0 while nothing is remembered.
	version uint64
	// said is what they say of a place, nothing in shadow mode; steady says that it is so as long as the
	// lists are these.
	place  list.Place
	said   list.Decision
	steady bool
}

// Decide is list.Decide by the entries that hold now: all of one moment.
func (b *Book) Decide(q list.Question) list.Decision { return b.DecideBy(new(Lists), q) }

// DecideBy is Decide, and looks for lists if the book or Question.Who is another one than before, and into them
// if Place is, or what they say may end by itself.
func (b *Book) DecideBy(l *Lists, q list.Question) list.Decision {
	p := b.Pages()
	if p.Len() == 0 {
		return list.Decision{}
	}
	if l.version != p.Version() || l.who != q.Who {
		l.version, l.who, l.steady = p.Version(), q.Who, false
		l.sheets = q.Who.Sheets(func(s list.Subject) *list.Sheet { return p.Of(key{For: s}) })
	}
	if l.steady && !q.Shadow && l.place == q.Place {
		return l.said
	}
	d, steady := list.Decide(q, &l.sheets, b.Now())
	if !q.Shadow {
		l.place, l.said, l.steady = q.Place, d, steady
	}
	return d
}

// Hopeless decides about a client of which nobody knows yet who it is: denied only where
// there is no login that an entry could let in from there.
func (b *Book) Hopeless(q list.Question) list.Decision { return b.HopelessBy(new(Lists), q) }

// HopelessBy is Hopeless by what DecideBy remembers.
func (b *Book) HopelessBy(l *Lists, q list.Question) list.Decision {
	d := b.DecideBy(l, q)
	if d.Denied && b.somebody(q.Place) {
		return list.Decision{}
	}
	return d
}

// somebody reports whether an entry lets some login in from a place.
func (b *Book) somebody(place list.Place) bool {
	pages, now := b.Pages(), b.Now()
	client := access.Plain(place.Client)
	var regions []list.What
	if client.IsValid() {
		whole := netip.PrefixFrom(client, client.BitLen())
		regions = append(regions, region(list.What{Prefix: whole}), list.What{Prefix: netip.PrefixFrom(client, 0).Masked()})
	}
	if place.AS != 0 {
		regions = append(regions, list.What{AS: place.AS})
	}
	if place.Country != "" {
		regions = append(regions, list.What{Country: place.Country})
	}
	for _, in := range regions {
		if pages.Of(key{In: in}).Lets(place, now) {
			return true
		}
	}
	return false
}
