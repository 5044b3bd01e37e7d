package objects

import (
	"context"

	"countersign/internal/account"
	"countersign/internal/store/sqlkit"
)

// UnheldSQL finds what no key of a domain holds, at most so much.
const UnheldSQL = `SELECT z.domain, z.selector, z.text FROM zone_record z
    WHERE NOT EXISTS (SELECT 1 FROM domain_key k WHERE k.domain = z.domain AND k.selector = z.selector AND k.public = z.text)
    ORDER BY z.domain, z.selector, z.text LIMIT ?`

// NoteZoneRecord implements account.ZoneStore.
func (s *Store) NoteZoneRecord(ctx context.Context, r account.ZoneRecord) error {
	return s.base.Change(ctx, "zone.note", func(t writer) error {
		return t.Exec("INSERT INTO zone_record (domain, selector, text) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", bind(r.Domain, r.Selector, r.Text))
	})
}

// ForgetZoneRecord implements account.ZoneStore.
func (s *Store) ForgetZoneRecord(ctx context.Context, r account.ZoneRecord) error {
	return s.base.Change(ctx, "zone.forget", func(t writer) error {
		return t.Exec("DELETE FROM zone_record WHERE domain = ? AND selector = ? AND text = ?", bind(r.Domain, r.Selector, r.Text))
	})
}

// UnheldZoneRecords implements account.ZoneStore.
func (s *Store) UnheldZoneRecords(ctx context.Context, limit int) (list []account.ZoneRecord, err error) {
	err = s.base.Read(ctx, "zone.unheld", func(c reader) error {
		list, err = sqlkit.All(ctx, c, UnheldSQL, bind(limit), func(r *row) account.ZoneRecord {
			return account.ZoneRecord{Domain: r.Domain(), Selector: r.Text(), Text: r.Text()}
		})
		return err
	})
	return list, err
}
