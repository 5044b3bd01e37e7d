// Package rounds has what is known of the looks at domains that gates take turns in: which gate
// has a domain in hand, when it was looked at last, and what was found. It is in the store, so that
// of several gates one alone looks at a domain each time, another one where that is gone, and none of
// them again after a restart.
//
// What there is to be found is for package policy/alignment, and who looks for app/aligning.
//
// Main types: Look, Turn, Store.
package rounds

import (
	"context"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Look is what is kept of the looks at a domain.
type Look struct {
	Domain mail.Domain
	// Node has it in hand since Taken, or had it last; "" and zero for nobody ever.
	Node  string
	Taken time.Time
	// At is when a look ended last; zero for never. What follows is what was found then.
	At time.Time
	// Verdict is what alignment.Verdict has, Policy what dmarc.Policy has, "" for nothing yet. Policy is
	// the one that was known last, where it was not then.
	Verdict, Policy string
	// Reason says in one sentence why mail does not pass, "" where it does.
	Reason string
	// Failing says that its mail failed when that was known last, Slow that the look took long.
	Failing, Slow bool
}

// Turn is who takes domains in hand, and which.
type Turn struct {
	// Node names the gate; At is now.
	Node string
	At   time.Time
	// Due leaves out those that were looked at then or later, Lapsed those that somebody has taken
	// then or later and not given back by KeepLook.
	Due, Lapsed time.Time
}

// Bounds.
const (
	// MostTaken is how many domains TakeLooks takes.
	MostTaken = 64
	// MostAsked is of how many domains LooksAt tells at once.
	MostAsked = 512
	// maxText bounds the texts of a Look, in octets.
	maxText = 128
	// MaxReason bounds its Reason.
	MaxReason = 600
)

// CheckTurn reports, as fault.Invalid, what nobody can take in hand.
func CheckTurn(domains []mail.Domain, t Turn) error {
	if len(domains) > MostTaken || len(t.Node) > maxText || t.At.IsZero() {
		return fault.New("rounds.take", fault.Invalid, "%d domains, for node %q, at %v: that is not a turn", len(domains), t.Node, t.At)
	}
	return nil
}

// CheckAsked reports, as fault.Invalid, more domains than can be asked for at once.
func CheckAsked(domains []mail.Domain) error {
	if len(domains) > MostAsked {
		return fault.New("rounds.find", fault.Invalid, "%d domains are asked for at once, at most %d can be", len(domains), MostAsked)
	}
	return nil
}

// CheckLook reports, as fault.Invalid, what cannot be kept.
func CheckLook(l Look) error {
	if l.Domain == "" || len(l.Node) > maxText || len(l.Verdict) > maxText || len(l.Policy) > maxText || len(l.Reason) > MaxReason || l.At.IsZero() || l.Taken.IsZero() {
		return fault.New("rounds.keep", fault.Invalid, "%+v: that is no look", l)
	}
	return nil
}

// Store keeps looks. They go with their domains. All methods may be called concurrently, also from
// several processes. Errors of all, besides those named: fault.Unavailable, fault.Corrupt,
// fault.Canceled, and of changes fault.Full.
type Store interface {
	// TakeLooks takes in hand those of some domains, at most MostTaken, that are due and in nobody's
	// hand, and returns what is kept of them, in their order; what there is not is left out. Of those who
	// ask at the same time one gets each. fault.Invalid for what CheckTurn refuses.
	TakeLooks(ctx context.Context, domains []mail.Domain, t Turn) ([]Look, error)
	// KeepLook keeps what a look has found, gives the domain back, and stores the events in the
	// same transaction. fault.Conflict where another has taken the domain since (Node and Taken
	// say who had it), or it is gone; fault.Invalid for what CheckLook refuses.
	KeepLook(ctx context.Context, l Look, events ...audit.Event) error
	Reader
}

// Reader reads what is kept of looks. Methods and errors are as those of Store.
type Reader interface {
	// AllLooks lists all that is kept, by domain; of the domains of one customer, unless that is "".
	AllLooks(ctx context.Context, customer string) ([]Look, error)
	// LookAt returns what is kept of one domain, which may be nothing but its name: it was never
	// looked at, or there is none of that name.
	LookAt(ctx context.Context, domain mail.Domain) (Look, error)
	// LooksAt returns, in one question, for each of some domains what LookAt returns of it, in their
	// order. fault.Invalid for what CheckAsked refuses.
	LooksAt(ctx context.Context, domains []mail.Domain) ([]Look, error)
}

// ByDomain returns what AllLooks lists, to be found by domain.
func ByDomain(ctx context.Context, from Reader, customer string) (map[mail.Domain]Look, error) {
	list, err := from.AllLooks(ctx, customer)
	of := make(map[mail.Domain]Look, len(list))
	for _, l := range list {
		of[l.Domain] = l
	}
	return of, err
}
