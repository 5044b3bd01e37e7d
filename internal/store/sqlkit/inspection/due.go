package inspection

import (
	"context"
	"time"

	"countersign/internal/soundness"
	"countersign/internal/store/sqlkit"
)

// NeverDueSQL finds deliveries whose next attempt is more than a day ahead, and a day
// behind their end: that of the submission, or where it has none that of the longest
// lifetime, 60 days. An end that is itself further ahead than that is none.
const NeverDueSQL = `SELECT d.submission || '/' || CAST(d.n AS text) FROM delivery d JOIN submission s ON s.id = d.submission
    WHERE d.state < 3 AND d.next - 86400000000 > ?
    AND (d.next - 86400000000 > CASE WHEN s.expires = 0 THEN s.at + 5184000000000 ELSE s.expires END OR d.next - 5270400000000 > ?)`

// Due looks for deliveries that wait, but for a time at which they are over. damaged is
// as for Tables.
func Due(ctx context.Context, c sqlkit.Reader, now time.Time, f *soundness.Findings, damaged func(error) bool) error {
	err := c.Query(ctx, NeverDueSQL, sqlkit.Bind(now, now), func(r *sqlkit.Row) error {
		f.Add(soundness.NeverDue, r.Text())
		return nil
	})
	return tolerate(err, "when deliveries are due", f, damaged)
}
