package guard

import (
	"context"
	"net/netip"
	"time"

	"countersign/internal/access/familiar"
	"countersign/internal/audit"
)

// Query says which Records are wanted. The zero value wants all.
type Query struct {
	// Network wants those of exactly that network; invalid for any.
	Network netip.Prefix
	// Login wants those of that login; "" for any.
	Login string
	// Customers wants those of logins in the domains of these customers, be they accounts' or not; none
	// for any.
	Customers []string
}

// Kept is a Record that is to be stored.
type Kept struct {
	Record
	// End is when it may be removed.
	End time.Time
}

// MaxStored is how many networks of one login a store has that it is known in, twice what one
// gate has in memory; Stale is how much older than a new one the visit is that gives way: whoever
// has a password and comes from ever new networks fills no store, and pushes out no network
// that its owner has used within that time.
const (
	MaxStored = 2 * familiar.Each
	Stale     = 7 * 24 * time.Hour
)

// Store keeps Records for all gates that share it. All methods may be called concurrently.
// Errors of all of them, besides those named: fault.Unavailable, fault.Corrupt,
// fault.Canceled, and of changes fault.Full.
type Store interface {
	// KeepRecords puts each Record together with the one of its network and login that is
	// kept (Merge), with the later End, and stores the events with them, in one
	// transaction. Each that changes by that gets a number higher than all changes before
	// it. Of one login MaxStored networks are kept as known; where there are so many, a new
	// one takes the place of one that is Stale, and is left out where none is. Errors:
	// fault.Invalid, for all of them, where one is not of the form that Record says.
	KeepRecords(ctx context.Context, list []Kept, events []audit.Event) error
	// RecordsSince returns the Records whose latest change has a number above since, in the
	// order of these, limit of them at most, and the highest number of those, or since
	// where there is none. Whoever asks again with that until nothing comes misses nothing.
	// Where the number is below since, the store was put back from a copy: ask from 0.
	RecordsSince(ctx context.Context, since uint64, limit int) (changed []Record, number uint64, err error)
	// Records lists Records, those that changed last first, limit of them at most.
	Records(ctx context.Context, q Query, limit int) ([]Record, error)
	// PruneRecords removes Records whose End is before that time, and of those without a
	// Known the ones that changed longest ago, where there are more than most; at most
	// limit of each. It says how many. The change with the highest number stays.
	PruneRecords(ctx context.Context, before time.Time, most, limit int) (removed int, err error)
}
