// Package shapes keeps what the challenges of directories look like, and what their hashes cost: it
// is shape.Store in the SQL that the engines share.
//
// There are a few rows for each directory. They are read at each login by SCRAM before a
// directory that runs such exchanges, and every few seconds where logins fail, by their key.
//
// Main types: Looks.
package shapes

import (
	"context"
	"time"

	"countersign/internal/login/shape"
	"countersign/internal/store/sqlkit"
)

// Looks implements shape.Store. It is safe for concurrent use.
type Looks struct{ base sqlkit.Base }

// New returns the shapes of a database. b has a Change that is alone with them.
func New(b sqlkit.Base) *Looks { return &Looks{b} }

// Statements; ListSQL is exported for the test that reads the plans of queries.
const (
	// ListSQL finds those of a place.
	ListSQL = "SELECT kind, salt, iterations, seen FROM challenge_shape WHERE directory = ? AND mechanism = ? ORDER BY kind, salt, iterations"

	putSQL = `INSERT INTO challenge_shape (directory, mechanism, kind, salt, iterations, seen) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (directory, mechanism, kind, salt, iterations) DO UPDATE SET seen = excluded.seen WHERE excluded.seen > challenge_shape.seen`

	removeSQL = "DELETE FROM challenge_shape WHERE directory = ? AND mechanism = ? AND kind = ? AND salt = ? AND iterations = ?"
)

// Shapes implements shape.Store.
func (s *Looks) Shapes(ctx context.Context, p shape.Place) (list []shape.Shape, err error) {
	err = s.base.Read(ctx, "shape.list", func(c sqlkit.Reader) error {
		list, err = sqlkit.All(ctx, c, ListSQL, sqlkit.Bind(p.Directory, p.Mechanism), func(r *sqlkit.Row) shape.Shape { return scan(r).Shape })
		return err
	})
	return list, err
}

// KeepShape implements shape.Store.
func (s *Looks) KeepShape(ctx context.Context, p shape.Place, seen shape.Shape, at time.Time) error {
	if err := shape.Check(p, seen); err != nil {
		return err
	}
	return s.base.Change(ctx, "shape.keep", func(t sqlkit.Writer) error {
		var have []shape.Seen
		err := t.Query(ListSQL, sqlkit.Bind(p.Directory, p.Mechanism), func(r *sqlkit.Row) error {
			have = append(have, scan(r))
			return nil
		})
		if err != nil {
			return err
		}
		gone, keep := shape.Judge(have, seen, at)
		for _, o := range gone {
			if err := t.Exec(removeSQL, sqlkit.Bind(p.Directory, p.Mechanism, string(o.Kind), o.Salt, o.Iterations)); err != nil {
				return err
			}
		}
		if !keep {
			return nil
		}
		return t.Exec(putSQL, sqlkit.Bind(p.Directory, p.Mechanism, string(seen.Kind), seen.Salt, seen.Iterations, at))
	})
}

func scan(r *sqlkit.Row) (s shape.Seen) {
	s.Kind, s.Salt, s.Iterations, s.At = shape.Kind(r.Text()), r.Int(), r.Int(), r.Time()
	return s
}
