// Package reseller has what bounds a client of the API with customers of its own: what it sees, for
// which anything else is as if it were not there, how much may be in force for these customers, and
// whom it resumes.
//
// Main types: Scope, Bound; functions Of, Room, Resumes.
package reseller

import (
	"context"
	"strings"

	"countersign/internal/audit"
	"countersign/internal/fault"
)

// MostInForce is how many bans, entries of access lists, and limits with allowances may hold at once
// that are of the customers of a client or were set by it: of each kind. Every gate keeps them in
// memory.
const MostInForce = 1000

// Bound says what of a kind is counted for a client.
type Bound[T any] struct {
	// What names the kind, for people: "bans".
	What string
	// Actor is the client, as the record names it.
	Actor string
	// By says who has set one, Has whether it is the client's.
	By  func(*T) string
	Has func(*T) (bool, error)
}

// Room refuses, as fault.Conflict, to set more where MostInForce would be passed: have are those of
// all that hold, add is how many come. Other errors are those of Has.
func Room[T any](b Bound[T], have []T, add int) error {
	n := add
	for i := 0; i < len(have) && n <= MostInForce; i++ {
		counts := b.By(&have[i]) == b.Actor
		if !counts {
			var err error
			if counts, err = b.Has(&have[i]); err != nil {
				return err
			}
		}
		if counts {
			n++
		}
	}
	if n <= MostInForce {
		return nil
	}
	return fault.New("api.room", fault.Conflict, "there would be more than %d %s in force for the client's customers: end some that are not needed, name more in one, or let the operator set it", MostInForce, b.What)
}

// Searcher is what Resumes asks.
type Searcher interface {
	// Search is that of audit.Store.
	Search(ctx context.Context, q audit.Query) ([]audit.Event, error)
}

// Resumes refuses, as fault.Conflict, that a client resumes a suspended object that no client of the
// API has suspended the last time, as far as the record has it. The object is as the record names it:
// "account a@example.org". Other errors are those of Search.
func Resumes(ctx context.Context, record Searcher, object string) error {
	const op = "api.resume"
	events, err := record.Search(ctx, audit.Query{Kind: audit.AdminSuspended, Object: object, Newest: true, Limit: 1})
	switch {
	case err != nil:
		return err
	case len(events) == 0:
		return fault.New(op, fault.Conflict, "%s was suspended, and the record does not have by whom any more: the operator can resume it", object)
	case !strings.HasPrefix(events[0].Actor, "api:"):
		return fault.New(op, fault.Conflict, "%s was suspended by the operator, who can resume it", object)
	}
	return nil
}
