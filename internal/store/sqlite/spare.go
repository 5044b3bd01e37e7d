package sqlite

import "context"

// Spare returns the octets within the database file that nothing uses: what
// has been deleted leaves room that the file keeps and that is written to
// before the file grows.
func (s *Store) Spare(ctx context.Context) (int64, error) {
	var octets int64
	err := s.db.Snapshot(ctx, "store.spare", func(c *conn) error {
		return c.Query(ctx, "SELECT f.freelist_count * p.page_size FROM pragma_freelist_count f, pragma_page_size p", nil, func(r *row) error {
			octets = r.Int64()
			return nil
		})
	})
	return octets, err
}
