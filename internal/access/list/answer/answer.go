// Package answer says of one client what the access lists make of it, for whoever asks: the
// command line and the API.
//
// Package access/list/book decides; a client that comes in is not asked about here.
//
// Main types: Answer; function Of.
package answer

import (
	"countersign/internal/access/list"
	"countersign/internal/access/list/book"
	"countersign/internal/mail"
)

// Answer is what becomes of a client.
type Answer struct {
	Client  string `json:"client"`
	Country string `json:"country,omitempty"` // left out where no file says it
	AS      uint32 `json:"as,omitempty"`
	// Outcome is denied, allowed, or open where nothing is said.
	Outcome string  `json:"outcome"`
	Rule    string  `json:"rule,omitempty"`
	Entry   mail.ID `json:"entry,omitempty"`
	Reason  string  `json:"reason,omitempty"`
	// Greeting says, of a client that is not known, that it is refused in place of the
	// greeting; else it is let in until its login is known.
	Greeting bool   `json:"refused_at_greeting,omitempty"`
	Shadow   string `json:"would_be_denied_by,omitempty"` // by a rule in shadow mode
}

// The outcomes.
const (
	Denied  = "denied"
	Allowed = "allowed"
	Open    = "open"
)

// Of returns what the entries of a book make of a client.
func Of(b *book.Book, q list.Question) Answer {
	d := b.Decide(q)
	a := Answer{Client: q.Place.Client.String(), Country: q.Place.Country, AS: q.Place.AS, Outcome: Open}
	if d.Denied || d.Allowed {
		a.Outcome, a.Rule = Allowed, d.Rule()
		if d.Denied {
			a.Outcome = Denied
		}
		if d.Entry != nil {
			a.Entry, a.Reason = d.Entry.ID, d.Entry.Reason
		}
	}
	stranger := q
	stranger.Who = list.Who{Listener: q.Who.Listener}
	a.Greeting = b.Hopeless(stranger).Denied
	q.Shadow = true
	if s := b.Decide(q); s.Denied && !d.Denied {
		a.Shadow = s.Rule()
	}
	return a
}

// Provider is what is told in place of why everybody, or who comes to a listener, is refused.
const Provider = "refused by the provider"

// ForOwner is Of for somebody who is to know only what is said for the login of the client and what is
// above it: of what is said for everybody or for a listener, whether it denies.
func ForOwner(b *book.Book, q list.Question) Answer {
	a, d := Of(b, q), b.Decide(q)
	q.Shadow = true
	if shadow := b.Decide(q); !shadow.At.Kind.Login() {
		a.Shadow = ""
	}
	a.Greeting = false
	if (d.Denied || d.Allowed) && !d.At.Kind.Login() {
		a.Rule, a.Entry, a.Reason = "", "", ""
		if d.Denied {
			a.Reason = Provider
		}
	}
	return a
}
