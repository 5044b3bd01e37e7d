package holding

import (
	"countersign/internal/queue"
	"countersign/internal/store/sqlkit"
)

// Excusing are the statements by which what an administrator releases stays released.
// Both concern those of a list of deliveries, as one argument (sqlkit.Dialect.Pairs),
// whose submission has no credential, or one that recalls it; they follow each other in
// the transaction that releases.
type Excusing struct {
	// Leave keeps what is still held of these submissions from being let go with the
	// rest: their administrator chose among the recipients.
	Leave string
	// Excuse frees the submissions from all that has been recalled until now; not from
	// a later recall, nor from a suspension.
	Excuse string
}

// ExcusingOf makes the statements of a dialect.
func ExcusingOf(d *sqlkit.Dialect) Excusing {
	unproven := "s.id IN (SELECT j.value ->> 0 FROM " + d.Pairs + ") AND NOT " + Proven(d)
	return Excusing{
		Leave: "UPDATE delivery SET hold_reason = '" + queue.HoldLeft + "' WHERE " + d.Aside + "state = 3 AND " + byChange("hold_reason") +
			" AND submission IN (SELECT s.id FROM submission s WHERE " + unproven + ")",
		Excuse: `UPDATE submission AS s SET revision = CASE WHEN EXISTS (SELECT 1 FROM credential y WHERE y.id = s.credential)
    THEN coalesce((SELECT a.revision FROM account a WHERE a.login = s.login AND a.id = s.account), s.revision) ELSE ` + excused + ` END WHERE ` + unproven,
	}
}
