package postgres

import (
	"context"
	"fmt"

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

// Check looks for what is wrong with a store, beside the nodes that work on it, and
// changes nothing. Of the options it needs how to connect. Errors are those of
// Open, fault.NotFound where the database has no store, and fault.Conflict where a
// copy into it is not finished.
func Check(ctx context.Context, o Options) (*soundness.Report, error) {
	db, err := server.Open(ctx, server.Options{
		URL: o.URL, Password: o.Password, Connections: 1, Patience: o.Patience, Migrations: migrations, LookOnly: true, Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	found := soundness.Findings{BodiesInRows: true}
	err = db.Inspect(ctx, "postgres.check", func(c *server.Conn) error { return inspect(ctx, c, &found) })
	if err != nil {
		return nil, err
	}
	return found.Result(), nil
}

func inspect(ctx context.Context, c *server.Conn, found *soundness.Findings) error {
	if err := copying.Refuse(ctx, c, "postgres.check"); err != nil {
		return err
	}
	// Behind a failed query the server does no other in the same transaction, so
	// that nothing can be passed over.
	never := func(error) bool { return false }
	if err := inspection.Tables(ctx, c, newDialect(), found, never); err != nil {
		return unread(err)
	}
	if err := inspection.Record(ctx, c, found, never); err != nil {
		return unread(err)
	}
	queries := []inspection.Query{{Kind: soundness.NoNode, Text: noNodeSQL}}
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
