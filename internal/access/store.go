package access

import (
	"context"
	"net/netip"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/tenant"
)

// Query says which bans are wanted. The zero value wants all.
type Query struct {
	// ID and Prefix name those wanted; "" and invalid for any.
	ID     mail.ID
	Prefix netip.Prefix
	// Client wants those whose network this address is in; invalid for any.
	Client netip.Addr
	// Holding wants those alone that hold at that time; zero for all.
	Holding time.Time
	// Page is which part of them. Those of customers are those for a login in one of their domains, be
	// it an account's or not.
	Page tenant.Page
}

// Store keeps bans. Each change is one transaction with its event, and gets a number
// higher than all changes before it. All methods may be called concurrently. Errors of
// all of them, besides those named: fault.Unavailable, fault.Corrupt, fault.Canceled, and
// of changes fault.Full.
type Store interface {
	Feed
	// AddBan stores a ban. Errors: what Ban.Check says; fault.Conflict where there is one
	// with that id, or one that holds at its Start with the same Prefix, Login and Shadow, which
	// the error names, or where at its Start more would hold than the bound says, also where several
	// are set at once.
	AddBan(ctx context.Context, b Ban, within tenant.Bound, e audit.Event) error
	// LiftBan ends a ban at that time, in the name of by. Errors: fault.NotFound;
	// fault.Conflict where it has ended before.
	LiftBan(ctx context.Context, id mail.ID, at time.Time, by string, e audit.Event) error
	// Bans lists bans by Start, those of one moment by id; a page of them by id.
	Bans(ctx context.Context, q Query) ([]Ban, error)
	// PruneBans removes bans that ended before that time, at most limit of them, and says
	// how many. That gets no number, as they held no more; it leaves the change with the
	// highest number, so that the numbers never begin anew.
	PruneBans(ctx context.Context, before time.Time, limit int) (removed int, err error)
}

// Feed is how those who keep bans in memory follow the store.
type Feed interface {
	// BansSince returns the bans whose latest change has a number above since, in the order
	// of these, and the highest number that there is. Whoever asks again with that misses
	// nothing. A since of 0 asks for all that hold, without those that have ended. Where
	// the number is below since, the store was put back from a copy: ask from 0.
	BansSince(ctx context.Context, since uint64) (changed []Ban, number uint64, err error)
	// BansChanged returns a channel that is closed when bans may have changed, and whether
	// that happens at the changes of all processes; else they have to be asked for.
	BansChanged() (changed <-chan struct{}, told bool)
}
