// Package reseller has what bounds a client of the API with customers of its own: what it sees, for
// which anything else is as if it were not there, how much may be in force for these customers, and
// whom it resumes.
//
// Main types: Scope; functions Of, Resumes.
package reseller

import (
	"context"
	"strings"

	"countersign/internal/audit"
	"countersign/internal/fault"
)

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
