package limit

import (
	"context"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/tenant"
)

// Query says which rules are wanted. The zero value wants all.
type Query struct {
	// ID names the one wanted; "" for any.
	ID mail.ID
	// For wants those for exactly that subject; nil for any.
	For *Subject
	// Holding wants those alone that hold at that time; zero for all.
	Holding time.Time
	// Page is which part of them. Those of customers are those for them, their domains, and the accounts
	// and credentials in these. What was for a credential that is no more is nobody's.
	Page tenant.Page
}

// MaxSet is how many rules SetRules takes.
const MaxSet = 64

// Store keeps rules. Each change is one transaction with its events, and gets a number
// higher than all changes before it, which may be of several rules. A rule for an account, a
// credential, a domain, a customer or a plan ends in the transaction that removes it, lifted
// by who removes it, with an event audit.LimitLifted: who gets the name later inherits
// nothing. That of an account ends those for its credentials too. All methods may be called
// concurrently. Errors of all of them, besides those named: fault.Unavailable,
// fault.Corrupt, fault.Canceled, and of changes fault.Full.
type Store interface {
	Feed
	// SetRules stores rules, at most MaxSet, all of them or none. What holds at the Start of
	// one that it Replaces ends then, lifted by its By. Errors: what Rule.Check says;
	// fault.Invalid for more, and for two of them of which one would take the place of the
	// other; fault.NotFound for an account, a credential, a domain, a customer or a plan
	// that there is not; fault.Conflict where there is a rule with such an id, and where more would
	// hold at the Start of the first than the bound says, also where several set some at once: what
	// takes the place of others is no more.
	SetRules(ctx context.Context, rules []Rule, within tenant.Bound, events []audit.Event) error
	// LiftRule ends a rule at that time, in the name of by. Errors: fault.NotFound;
	// fault.Conflict where it has ended before.
	LiftRule(ctx context.Context, id mail.ID, at time.Time, by string, e audit.Event) error
	// Rules lists rules by kind and name of whom they are for, then by Start and id.
	Rules(ctx context.Context, q Query) ([]Rule, error)
	// PruneRules removes rules that ended before that time, at most limit of them, and says
	// how many. That gets no number, as they held no more; it leaves the change with the
	// highest number, so that the numbers never begin anew.
	PruneRules(ctx context.Context, before time.Time, limit int) (removed int, err error)
}

// Feed is how those who keep rules in memory follow the store.
type Feed interface {
	// RulesSince returns the rules whose latest change has a number above since, in the order
	// of these, those of one change by id, and the highest number that there is. Whoever asks again with that misses
	// nothing. A since of 0 asks for all that hold, without those that have ended. Where
	// the number is below since, the store was put back from a copy: ask from 0.
	RulesSince(ctx context.Context, since uint64) (changed []Rule, number uint64, err error)
	// RulesChanged returns a channel that is closed when rules may have changed, and whether
	// that happens at the changes of all processes; else they have to be asked for.
	RulesChanged() (changed <-chan struct{}, told bool)
}

// Doors is how connections are counted that are no messages. Both methods may be called
// concurrently. Errors: fault.Unavailable, fault.Fenced where this process is no gate at the
// moment, fault.Canceled where it was not come to before ctx ended, fault.Busy, fault.Full. Where
// there is an error nothing was counted, but that fault.Unavailable may leave it unclear.
type Doors interface {
	// Connect judges a connection and counts it where it passes, in one transaction: as of
	// all gates, and held by this one. It leaves in q.Self under which name that is.
	Connect(ctx context.Context, q *Question) (Decision, error)
	// Occupy notes that this process holds so many connections of each of these
	// (Question.Holds), whatever was noted before; it may be repeated.
	Occupy(ctx context.Context, held map[Subject]int64) error
	// Holder names this process among those that hold connections, and says how many gates
	// there were when it was last known, 1 at least. When the name changes, what was held under the
	// old one counts no more.
	Holder() (name string, gates int)
}

// Holders says who is there of those that hold connections, for who asks beside a gate.
type Holders interface {
	// Present returns which processes that hold connections are there now, by the names that
	// Doors.Holder has: what others have held counts no more. It may be wrong of one that has
	// just come or gone. Errors: fault.Unavailable, fault.Canceled.
	Present(ctx context.Context) (there func(holder string) bool, err error)
}

// Counts is how what was counted is looked at.
type Counts interface {
	// Counted returns the counters of subjects, in their order, as they are now, and the time by
	// the clock by which messages are counted; empty ones of what nothing was counted of.
	// It locks nothing: what is accepted meanwhile may be missing.
	Counted(ctx context.Context, subjects []Subject) ([]*Counter, time.Time, error)
	// Met returns for each contact the day on which that account wrote there last, 0 for never.
	// It locks nothing either.
	Met(ctx context.Context, contacts []Contact) ([]int64, error)
	// PruneCounts removes counters of which no window that ends at that time or later sees
	// anything, at most limit of them, and says how many. It may leave some for a day.
	PruneCounts(ctx context.Context, before time.Time, limit int) (removed int, err error)
	// PruneContacts forgets who was written to last before that time, at most limit of them,
	// and says how many.
	PruneContacts(ctx context.Context, before time.Time, limit int) (removed int, err error)
}
