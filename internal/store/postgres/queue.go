package postgres

import (
	"context"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/queue"
	"countersign/internal/store/postgres/bodies"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/holding"
	"countersign/internal/store/sqlkit/incoming"
	"countersign/internal/store/sqlkit/record"
)

// owned returns a large body that a submission may take, nil for any other.
func (s *Store) owned(b queue.LargeBody) incoming.Body {
	f, ok := b.(*bodies.File)
	if !ok || !f.Ready(s.bodies) {
		return nil
	}
	return f
}

// NewBody implements queue.Store.
func (s *Store) NewBody(ctx context.Context) (queue.BodyFile, error) {
	if err := ctx.Err(); err != nil {
		return nil, fault.Wrap("body.new", fault.Canceled, err)
	}
	return s.bodies.Create(ctx), nil
}

// Accept implements queue.Store.
func (s *Store) Accept(ctx context.Context, a *queue.Acceptance) error {
	p, err := incoming.Prepare(a, s.owned)
	if err != nil {
		return err
	}
	return s.writer.Accept(ctx, p)
}

// Report implements queue.Store.
func (s *Store) Report(ctx context.Context, r *queue.Report) error {
	p, err := incoming.PrepareReport(r, s.owned)
	if err != nil {
		return err
	}
	return s.writer.Report(ctx, p)
}

// Append implements audit.Store.
func (s *Store) Append(ctx context.Context, events []audit.Event) error {
	if len(events) == 0 {
		return nil
	}
	rows, err := record.Bind(events)
	if err != nil {
		return server.Failure("audit.append", err)
	}
	return s.writer.Append(ctx, rows)
}

// Search implements audit.Store.
func (s *Store) Search(ctx context.Context, q audit.Query) ([]audit.Event, error) {
	b := s.base()
	return record.Find(ctx, &b, s.dialect, &q)
}

// waitingSQL finds which deliveries are still to be attempted by a node.
func waitingSQL(d *sqlkit.Dialect) string {
	return `SELECT EXISTS (SELECT 1 FROM delivery d JOIN submission s ON s.id = d.submission
        WHERE d.submission = u.submission AND d.n = u.n AND d.node = $3 AND d.state < 3 AND ` + holding.Settled(d) + `)
    FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY u(submission, n, place) ORDER BY u.place`
}

// Waiting implements queue.Store.
func (s *Store) Waiting(ctx context.Context, keys []queue.Key) (waiting []bool, err error) {
	submissions, numbers := make([]string, len(keys)), make([]int64, len(keys))
	for i, k := range keys {
		submissions[i], numbers[i] = string(k.Submission), int64(k.N)
	}
	err = s.db.Read(ctx, "queue.waiting", func(c *server.Conn) error {
		waiting = make([]bool, 0, len(keys))
		return c.RawQuery(ctx, s.waiting, []any{submissions, numbers, s.opt.Node}, func(r *sqlkit.Row) error {
			waiting = append(waiting, r.Bool())
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return waiting, nil
}
