package objects

import (
	"context"

	"countersign/internal/fault"
)

// GetCertificate returns what PutCertificate stored under key, fault.NotFound
// where there is nothing.
func (s *Store) GetCertificate(ctx context.Context, key string) ([]byte, error) {
	var data []byte
	found := false
	err := s.base.Read(ctx, "certificate.get", func(c reader) error {
		return c.Query(ctx, "SELECT data FROM certificate WHERE key = ?", bind(key), func(r *row) error {
			data, found = r.Blob(), true
			return nil
		})
	})
	if err == nil && !found {
		err = fault.New("certificate.get", fault.NotFound, "no certificate data under %s", key)
	}
	return data, err
}

// PutCertificate stores data under key, in place of what was there.
func (s *Store) PutCertificate(ctx context.Context, key string, data []byte) error {
	args := bind(key, data)
	return s.base.Change(ctx, "certificate.put", func(t writer) error {
		return t.Exec("INSERT INTO certificate (key, data) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET data = excluded.data", args)
	})
}

// CountCertificates says how many keys something is stored under.
func (s *Store) CountCertificates(ctx context.Context) (n int, err error) {
	err = s.base.Read(ctx, "certificate.count", func(c reader) error {
		return c.Query(ctx, "SELECT count(*) FROM certificate", nil, func(r *row) error {
			n = int(r.Int())
			return nil
		})
	})
	return n, err
}

// DeleteCertificate removes what is stored under key; nothing there is no
// error.
func (s *Store) DeleteCertificate(ctx context.Context, key string) error {
	args := bind(key)
	return s.base.Change(ctx, "certificate.delete", func(t writer) error {
		return t.Exec("DELETE FROM certificate WHERE key = ?", args)
	})
}
