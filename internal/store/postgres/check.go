package postgres

import (
	"context"
	"fmt"
	"time"

	"countersign/internal/fault"
	"countersign/internal/soundness"
	"countersign/internal/store/postgres/bodies"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit/copying"
	"countersign/internal/store/sqlkit/inspection"
)

// noNodeSQL finds deliveries that no node will ever make or take over.
const noNodeSQL = `SELECT d.submission || '/' || d.n || ' of node ' || d.node FROM delivery d
    WHERE NOT EXISTS (SELECT 1 FROM node n WHERE n.id = d.node)`

// endlessSQL finds leases that end in more than an hour; the longest is ten minutes.
const endlessSQL = "SELECT 'node ' || id FROM node WHERE lease_until - 3600000000 > " + server.ClockSQL

// Check looks for what is wrong with a store, beside the nodes that work on it, and
// changes nothing. Of the options it needs how to connect. Errors are those of
// Open, fault.NotFound where the database has no store, and fault.Conflict where a
// copy into it is not finished.
func Check(ctx context.Context, o Options) (*soundness.Report, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	db, err := server.Open(ctx, server.Options{
		URL: o.URL, Password: o.Password, Connections: 1, Patience: o.Patience, Migrations: migrations, LookOnly: true, Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	found := soundness.Findings{BodiesInRows: true}
	err = db.Inspect(ctx, "postgres.check", func(c *server.Conn) error { return inspect(ctx, c, o.Now(), &found) })
	if err != nil {
		return nil, err
	}
	return found.Result(), nil
}

func inspect(ctx context.Context, c *server.Conn, now time.Time, found *soundness.Findings) error {
	if err := copying.Refuse(ctx, c, "postgres.check"); err != nil {
		return err
	}
	// Behind a failed query the server does no other in the same transaction, so
	// that nothing can be passed over.
	never := func(error) bool { return false }
	if err := inspection.Tables(ctx, c, newDialect(), found, never); err != nil {
		return unread(err)
	}
	if err := inspection.Due(ctx, c, now, found, never); err != nil {
		return unread(err)
	}
	if err := inspection.Record(ctx, c, found, never); err != nil {
		return unread(err)
	}
	queries := []inspection.Query{{Kind: soundness.NoNode, Text: noNodeSQL}, {Kind: soundness.EndlessLease, Text: endlessSQL}}
	for _, q := range append(queries, bodies.Checks()...) {
		if err := inspection.Run(ctx, c, q, found, never); err != nil {
			return unread(err)
		}
	}
	return nil
}

// unread says of an error what it means for the check.
func unread(err error) error {
	return &fault.Error{Op: "postgres.check", Kind: fault.KindOf(server.Failure("postgres.check", err)), Detail: fmt.Sprintf("the check was cut off: %v", err)}
}
