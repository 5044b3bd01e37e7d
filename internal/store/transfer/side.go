package transfer

import (
	"context"
	"io"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit/tables"
)

// Origin tells one store from another.
type Origin struct {
	// Name is where it is, without a secret: "sqlite:/path" or
	// "postgres://user@host:5432/database".
	Name string
	// Born is when its schema was made.
	Born time.Time
}

// Moved is the mark of a store that was copied.
type Moved struct {
	// To is the name of the store that it was copied into.
	To string
	// At is when, Actor who did it.
	At    time.Time
	Actor string
}

// Side is one of the two stores, which no gate uses as long as it is open. Its
// methods are safe for concurrent use. Errors: fault.Corrupt for damaged data,
// fault.Unavailable where the store is away, fault.Canceled at the end of ctx.
type Side interface {
	Origin() Origin
	// Count says how many rows a table has, about where that would take long. Page
	// reads some, see tables.Table.Page.
	Count(ctx context.Context, t *tables.Table) (int64, error)
	Page(ctx context.Context, t *tables.Table, behind tables.Row, limit tables.Limit) ([]tables.Row, error)
	// Body opens a large body.
	Body(ctx context.Context, id mail.ID, size int64) (io.ReadCloser, error)
	// Alone is fault.Conflict as soon as it is not certain any more that no gate
	// uses the store.
	Alone(ctx context.Context) error
	// Leave marks the store as one that was copied: from when it returns, no gate
	// serves from it and no command changes what is in it, until somebody takes the
	// mark away. Reading and copying it go on. A second mark of one target replaces
	// the first.
	Leave(ctx context.Context, m Moved) error
	Close() error
}

// Target is the store that is filled. Errors are those of Side, and fault.Full.
type Target interface {
	Side
	// Begin marks the store as one into which from is being copied, or finds
	// that it is, which is resumed; with anew it is emptied then. fault.Conflict
	// where anything is in it, or the unfinished copy of another store.
	Begin(ctx context.Context, from Origin, anew bool) (resumed bool, err error)
	// Last returns the greatest key of a table, nil where it is empty.
	Last(ctx context.Context, t *tables.Table) (tables.Row, error)
	// Storable returns a text as the store can keep it.
	Storable(text string) string
	// Write stores rows in one transaction, which is durable when it returns.
	Write(ctx context.Context, t *tables.Table, rows []tables.Row) error
	// WriteBody stores a large body, in place of what an earlier run may have
	// stored of it, and returns when it is as durable as a row that names it will be.
	WriteBody(ctx context.Context, id mail.ID, content io.Reader) error
	// Finish sets what follows from the rows (totals, the next numbers), stores the
	// event, and takes the mark away, all in one transaction.
	Finish(ctx context.Context, e audit.Event) error
}
