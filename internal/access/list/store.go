package list

import (
	"context"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/tenant"
)

// Query says which entries are wanted. The zero value wants all.
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

// Store keeps entries. Each change is one transaction with its event, and gets a number
// higher than all changes before it. An entry for a customer, domain, account or credential
// ends with it, in the transaction that removes it, with an event: who gets the name
// inherits nothing. All methods may be called concurrently. Errors of all of them, besides
// those named: fault.Unavailable, fault.Corrupt, fault.Canceled, and of changes fault.Full.
type Store interface {
	Feed
	// AddEntry stores an entry. Errors: what Entry.Check says; fault.NotFound where what it
	// is for does not exist, as far as a store knows; fault.Conflict where there is one with
	// that id, or where one that holds at its Start says the same, which the error names, or where
	// more would hold then than the bound says, also where several are added at once.
	AddEntry(ctx context.Context, e Entry, within tenant.Bound, event audit.Event) error
	// RemoveEntry ends an entry at that time, in the name of by. Errors: fault.NotFound;
	// fault.Conflict where it has ended before.
	RemoveEntry(ctx context.Context, id mail.ID, at time.Time, by string, event audit.Event) error
	// Entries lists entries by Kind, Name and Start; a page of them by id.
	Entries(ctx context.Context, q Query) ([]Entry, error)
	// PruneEntries removes entries that ended before that time, at most limit of them, and
	// says how many. That gets no number, as they held no more; it leaves the change with
	// the highest number, so that the numbers never begin anew.
	PruneEntries(ctx context.Context, before time.Time, limit int) (removed int, err error)
}

// Feed is how those who keep entries in memory follow the store.
type Feed interface {
	// EntriesSince returns the entries whose latest change has a number above since, in the
	// order of these, and the highest number that there is. Whoever asks again with that
	// misses nothing. A since of 0 asks for all that hold, without those that have ended.
	// Where the number is below since, the store was put back from a copy: ask from 0.
	EntriesSince(ctx context.Context, since uint64) (changed []Entry, number uint64, err error)
	// EntriesChanged returns a channel that is closed when entries may have changed, and
	// whether that happens at the changes of all processes; else they have to be asked for.
	EntriesChanged() (changed <-chan struct{}, told bool)
}
