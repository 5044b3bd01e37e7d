// Package entrance decides from where clients may come in: by access lists, by where their
// addresses are, and by DNS lists, together.
//
// What is in the lists is for packages access/list and access/dnsbl; what a client is told,
// and when it is asked about, for those who ask here. Bans are not its matter.
//
// Main types: Entrance, Visitor, Rules, Judgement.
package entrance

import (
	"context"
	"net/netip"
	"sync/atomic"

	"countersign/internal/access/dnsbl"
	"countersign/internal/access/list"
	"countersign/internal/access/list/book"
)

// Moment is when DNS lists are asked about a client.
type Moment uint8

// The moments.
const (
	// AtMail is when somebody who has logged in begins a message.
	AtMail Moment = iota
	// AtLogin is before anything of a login is verified.
	AtLogin
)

// Rules say what DNS lists lead to.
type Rules struct {
	At Moment
	// RefuseAt is the score from which on a client is refused.
	RefuseAt int
	// Shadow has nobody refused: it is noted.
	Shadow bool
	// PassAllowed has nobody judged whom an access list allows.
	PassAllowed bool
}

// Options are what an Entrance is made of. All fields but Version are needed.
type Options struct {
	Lists *book.Book
	// Place says where a client is; it is called concurrently, and waits for nobody.
	Place func(client netip.Addr) list.Place
	// Version is another one as soon as Place may say otherwise of a client, and never 0; nil has it asked
	// each time.
	Version func() uint64
	Names   *dnsbl.Checker
	Rules   Rules
}

// Entrance decides. A nil one lets everybody in. It is safe for concurrent use.
type Entrance struct {
	opt   Options
	rules atomic.Pointer[Rules]
}

// Visitor is a client that has logged in, or will. It is used by one goroutine at a time.
type Visitor struct {
	// Who has but a listener while nobody knows more.
	Who    list.Who
	Client netip.Addr
	lists  book.Lists
	// place is where it is by a version, 0 while that is not known.
	place   list.Place
	version uint64
}

// New returns an Entrance.
func New(opt Options) *Entrance {
	e := &Entrance{opt: opt}
	e.SetRules(opt.Rules)
	return e
}

// SetRules changes the rules for all that comes.
func (e *Entrance) SetRules(r Rules) { e.rules.Store(&r) }

// Stranger decides about a client of a listener of which nobody knows yet who it is: denied is
// only who could not be let in whoever it is. It waits for nobody.
func (e *Entrance) Stranger(listener string, client netip.Addr) list.Decision {
	if e == nil || e.opt.Lists.Len() == 0 {
		return list.Decision{}
	}
	return e.opt.Lists.Hopeless(list.Question{Who: list.Who{Listener: listener}, Place: e.opt.Place(client)})
}

// Unknown is Stranger for a visitor that has not logged in and asks again and again.
func (e *Entrance) Unknown(v *Visitor) list.Decision {
	if e == nil || e.opt.Lists.Len() == 0 {
		return list.Decision{}
	}
	return e.opt.Lists.HopelessBy(&v.lists, list.Question{Who: list.Who{Listener: v.Who.Listener}, Place: e.placeOf(v)})
}

// Known decides about a client that has logged in. It waits for nobody.
func (e *Entrance) Known(v *Visitor) list.Decision {
	if e == nil || e.opt.Lists.Len() == 0 {
		return list.Decision{}
	}
	return e.opt.Lists.DecideBy(&v.lists, list.Question{Who: v.Who, Place: e.placeOf(v)})
}

// placeOf says where a visitor is now.
func (e *Entrance) placeOf(v *Visitor) list.Place {
	if e.opt.Version == nil {
		return e.opt.Place(v.Client)
	}
	if now := e.opt.Version(); v.version != now { // asked for first: what comes meanwhile has another one
		v.place, v.version = e.opt.Place(v.Client), now
	}
	return v.place
}

// Shadow is what would deny a client that is let in, were nothing in shadow mode; the zero
// value for nothing. Of a client that nobody knows yet: as with
// Stranger, what would not keep out every login is nothing.
func (e *Entrance) Shadow(v *Visitor) list.Decision {
	if e == nil || e.opt.Lists.Len() == 0 {
		return list.Decision{}
	}
	decide := func(q list.Question) list.Decision { return e.opt.Lists.DecideBy(&v.lists, q) }
	if v.Who.Account == "" {
		decide = e.opt.Lists.Hopeless
	}
	q := list.Question{Who: v.Who, Place: e.placeOf(v), Shadow: true}
	d := decide(q)
	q.Shadow = false
	if !d.Denied || decide(q).Denied {
		return list.Decision{}
	}
	return d
}

// Judgement is what DNS lists lead to. The zero value is nothing.
type Judgement struct {
	// Refused says that the client is on lists that count for enough; Deferred, that lists
	// have not answered without which it is not judged.
	Refused, Deferred bool
	// Shadow says that one of them would be so, were it not for shadow mode.
	Shadow  bool
	Verdict dnsbl.Verdict
}

// Judge asks DNS lists about a client, if this is the moment: it waits for them, as
// dnsbl.Checker.Check does.
func (e *Entrance) Judge(ctx context.Context, at Moment, v *Visitor) (j Judgement) {
	if e == nil {
		return j
	}
	rules := e.rules.Load()
	if rules.At != at || e.opt.Names.Lists() == 0 || rules.PassAllowed && e.Known(v).Allowed {
		return j
	}
	j.Verdict = e.opt.Names.Check(ctx, v.Client)
	enough := len(j.Verdict.Hits) > 0 && j.Verdict.Score >= rules.RefuseAt
	// Where a list is away that could make up for the others, nothing is final yet.
	refused := enough && (len(j.Verdict.Closed) == 0 || j.Verdict.Least >= rules.RefuseAt)
	deferred := !refused && len(j.Verdict.Closed) > 0
	if rules.Shadow {
		j.Shadow = refused || deferred
		return j
	}
	j.Refused, j.Deferred = refused, deferred
	return j
}
