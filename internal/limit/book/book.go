// Package book has all rules of limits in memory, so that each message finds its limits
// without a question to the store, which it follows.
//
// How they are kept is for package feed/shelf. It counts nothing.
//
// Main types: Book.
package book

import (
	"slices"
	"time"

	"countersign/internal/feed"
	"countersign/internal/feed/shelf"
	"countersign/internal/limit"
	"countersign/internal/mail"
)

// Book is all rules that hold. It is safe for concurrent use, and questions about rules wait for
// nobody.
type Book struct {
	*shelf.Shelf[limit.Subject, limit.Rule, []limit.Rule]
	lately lately
}

// pages are the rules of one moment.
type pages = shelf.Pages[limit.Subject, limit.Rule, []limit.Rule]

// New returns an empty Book; now is its clock, nil for time.Now.
func New(now func() time.Time) *Book {
	return &Book{Shelf: shelf.New(shelf.Options[limit.Subject, limit.Rule, []limit.Rule]{
		Keys: func(r *limit.Rule) []limit.Subject { return []limit.Subject{r.For} },
		ID:   func(r *limit.Rule) string { return string(r.ID) },
		// One that somebody has lifted holds no more, whatever the clock here says.
		Holds: func(r *limit.Rule, at time.Time) bool { return r.Lifted == "" && r.Holds(at) },
		Make:  func(rules []limit.Rule) []limit.Rule { return rules },
		Texts: texts,
		Now:   now,
	})}
}

// texts are those of a rule.
func texts(r *limit.Rule, keep func(string) string) {
	r.ID, r.For.Name = mail.ID(keep(string(r.ID))), keep(r.For.Name)
	r.Because, r.By = keep(r.Because), keep(r.By)
}

// Follow returns what keeps a book as a store is; nobody else changes it then.
func Follow(from limit.Feed, b *Book, opt feed.Options) *feed.Follower[limit.Rule] {
	return feed.Follow(feed.Source[limit.Rule]{What: "limits", Since: from.RulesSince, Changed: from.RulesChanged}, b, opt)
}

// Len returns how many rules are in the book.
func (b *Book) Len() int { return b.Pages().Len() }

// Version is another number as soon as a rule has come, has changed or was lifted.
func (b *Book) Version() uint64 { return b.Pages().Version() }

// Levels returns the subjects of a message that have limits, with these, as limit.Who.Levels
// does by the rules that hold now: all of one moment. The levels are the caller's; their lists of
// limits are everybody's.
func (b *Book) Levels(who limit.Who) []limit.Level {
	p := b.Pages()
	if p.Len() == 0 {
		return nil
	}
	return slices.Clone(b.answer(p, who, b.Now()).levels)
}

// Watch returns Levels for who asks again and again, mostly about the same: it looks for them only where
// who sends is another one than before, a rule has changed, or one has ended. The levels are everybody's,
// and nobody changes them. It is used by one goroutine at a time.
func (b *Book) Watch() func(limit.Who) []limit.Level {
	var version uint64 // of the pages by which last was found
	var of limit.Who
	var last answer
	return func(who limit.Who) []limit.Level {
		p := b.Pages()
		if p.Len() == 0 {
			return nil
		}
		if now := b.Now(); version != p.Version() || of != who || !last.good(now) {
			version, of, last = p.Version(), who, b.answer(p, who, now)
		}
		return last.levels
	}
}

// answer finds the levels by pages.
func (b *Book) answer(p *pages, who limit.Who, now time.Time) answer {
	a, known := b.lately.find(p, who, now)
	if known {
		return a
	}
	a = answer{from: now}
	a.levels = who.Levels(func(s limit.Subject) []limit.Rule {
		rules := p.Of(s)
		a.mind(rules)
		return rules
	}, now)
	b.lately.keep(p, who, a)
	return a
}
