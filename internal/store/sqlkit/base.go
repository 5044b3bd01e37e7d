package sqlkit

import (
	"context"
	"log/slog"
	"time"

	"countersign/internal/audit"
)

// Base is what an engine gives to the parts that all engines share. All fields
// are set. What an engine has to repeat is run again, so each function that it
// is given sets its results anew.
type Base struct {
	// Read runs queries, Snapshot several that see one state of the database.
	Read, Snapshot func(ctx context.Context, op string, fn func(Reader) error) error
	// Look asks what fill returns of one state of the database, in one round trip where that has a
	// server. fill is called again where it is repeated.
	Look func(ctx context.Context, op string, fill func() []Ask) error
	// Number asks for one number, as Numbers does.
	Number func(ctx context.Context, op, text string) (int64, error)
	// Change runs a transaction during which nobody else changes accounts or the
	// queue. It returns when the change is durable or has failed as a whole.
	Change func(ctx context.Context, op string, run func(Writer) error) error
	// Record stores events in a running transaction, in order. It comes last.
	Record func(Writer, []audit.Event) error
	// Signal is raised when a change has raised the account generation.
	Signal *Signal
	// Now is the clock.
	Now func() time.Time
	// Logger gets what no caller is told.
	Logger *slog.Logger
}

// Dialect is in what words the engines differ. Table content numbers the
// messages; what is long is walked in parts of 512 numbers.
type Dialect struct {
	// Position is the function that finds a text in another, 1 for its beginning.
	Position string
	// Member returns an expression for a member of the JSON object in column data.
	Member func(name string) string
	// Cross joins two tables, and keeps their order where the engine could
	// choose a bad one.
	Cross string
	// Aside, before a column, keeps the engine from an index on it.
	Aside string
	// ByTime, behind table event, leads to the index of times.
	ByTime string
	// Listed is a table j with the column value, of the JSON list of texts that
	// is the next argument.
	Listed string
	// Pairs is a table j with the column value, of the JSON list of lists that is
	// the next argument.
	Pairs string
	// Lines returns a table l with the column value, of the lines of a text column.
	Lines func(column string) string
	// Parts comes before the SELECT of a query with OfDomain or Relying.
	Parts string
	// OfDomain selects the submissions s of domain ?3 in the parts ?1 to ?2, and
	// Relying those that rely on it; both are a FROM clause with conditions.
	OfDomain, Relying string
	// OfAll selects all submissions s of accounts, with their domains o, and
	// InParts is the condition, the first, that they are in the parts ?1 to ?2.
	OfAll, InParts string
	// AllParts comes before the SELECT of a query with Owned.
	AllParts string
	// Owned selects the submissions s of the domain that is the next argument, a
	// FROM clause that ends with a condition of a join.
	Owned string
	// Divided says that the index of an account's events is divided by the upper
	// bits of their numbers, so that each part is asked for.
	Divided bool
	// Raise raises the account generation, and lets other processes know where the
	// engine can.
	Raise string
	// Clock selects the clock of the database; "" where that is Base.Now.
	Clock string
	// Totals selects how many deliveries are queued, deferred and held.
	Totals string
}

// All collects what a query finds.
func All[T any](ctx context.Context, c Reader, text string, args Values, scan func(*Row) T) ([]T, error) {
	var list []T
	err := c.Query(ctx, text, args, func(r *Row) error {
		list = append(list, scan(r))
		return nil
	})
	return list, err
}
