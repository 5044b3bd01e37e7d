package sqlite

import (
	"context"
	"crypto/rand"

	"countersign/internal/limit"
	"countersign/internal/store/sqlkit/incoming"
)

// newHolder names a process among those that have held connections: what one held that is gone
// counts no more.
func newHolder() string { return onlyNode + "#" + rand.Text() }

// nobody else is alive where one process serves.
func nobody(string) bool { return false }

// Connect implements limit.Doors.
func (s *Store) Connect(ctx context.Context, q *limit.Question) (limit.Decision, error) {
	d := incoming.Connecting(q)
	err := s.door(ctx, "limit.connect", d)
	return d.Decision, err
}

// Occupy implements limit.Doors.
func (s *Store) Occupy(ctx context.Context, held map[limit.Subject]int64) error {
	return s.door(ctx, "limit.occupy", incoming.Holding(held))
}

// Holder implements limit.Doors.
func (s *Store) Holder() (name string, gates int) { return s.connections, 1 }

// Present implements limit.Holders. Of a server that was killed it learns when the next one starts.
func (s *Store) Present(context.Context) (there func(holder string) bool, err error) {
	name := s.connections
	if !s.server {
		if name, err = s.db.Serving(); err != nil {
			return nil, err
		}
	}
	return func(holder string) bool { return holder == name }, nil
}

func (s *Store) door(ctx context.Context, op string, d *incoming.Door) error {
	return s.change(ctx, op, func(t *tx) error {
		if err := t.read(d.Subjects()); err != nil {
			return err
		}
		if d.Judge(&t.counted, s.connections, nobody, t.at) {
			t.count(d.Subjects(), func() { d.Count(&t.counted, s.connections, t.at) })
		}
		return nil
	})
}
