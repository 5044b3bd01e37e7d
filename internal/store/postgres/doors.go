package postgres

import (
	"context"

	"countersign/internal/limit"
	"countersign/internal/store/postgres/hot"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit/incoming"
)

// Connect implements limit.Doors.
func (s *Store) Connect(ctx context.Context, q *limit.Question) (limit.Decision, error) {
	d := incoming.Connecting(q)
	err := s.writer.Door(ctx, "limit.connect", d)
	return d.Decision, err
}

// Occupy implements limit.Doors.
func (s *Store) Occupy(ctx context.Context, held map[limit.Subject]int64) error {
	return s.writer.Door(ctx, "limit.occupy", incoming.Holding(held))
}

// Present implements limit.Holders.
func (s *Store) Present(ctx context.Context) (there func(holder string) bool, err error) {
	err = s.db.Read(ctx, "limit.present", func(c *server.Conn) error {
		there, err = hot.Present(ctx, c)
		return err
	})
	return there, err
}

// Holder implements limit.Doors.
func (s *Store) Holder() (name string, gates int) { return s.writer.Holder() }
