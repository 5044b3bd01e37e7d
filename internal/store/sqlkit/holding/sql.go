package holding

import (
	"strings"

	"countersign/internal/fault"
	"countersign/internal/queue"
	"countersign/internal/store/sqlkit"
)

// Above joins what stands above account a: domain d, customer c, the plans p of the customer
// and q of the account.
const Above = ` JOIN domain d ON d.name = a.domain JOIN customer c ON c.name = d.customer
    LEFT JOIN plan p ON p.name = c.plan LEFT JOIN plan q ON q.name = a.plan`

// ActiveFrom selects the accounts a that may send, with their domain d; see
// account.Sender.Active.
const ActiveFrom = " FROM account a" + Above + `
    WHERE a.state = 'active' AND d.state = 'active' AND c.state = 'active' AND (c.plan IS NULL OR p.state = 'active') AND (a.plan IS NULL OR q.state = 'active')`

// Lent is the condition that a grant of account a reaches domain x across customers, and that
// the customer whose domain that is may be used.
const Lent = `EXISTS (SELECT 1 FROM account_grant g JOIN customer k ON k.name = x.customer LEFT JOIN plan w ON w.name = k.plan
    WHERE g.login = a.login AND g.across = 1 AND g.under = x.name AND k.state = 'active' AND (k.plan IS NULL OR w.state = 'active'))`

// Stands is the condition that the account of a submission s may send: it is there, it and
// all above it are active, and each further domain that the submission relies on is an
// active one of the same customer, or one that a grant reaches. A report of our own has neither.
const Stands = `(s.account = '' OR EXISTS (SELECT 1` + ActiveFrom + ` AND a.login = s.login AND a.id = s.account
    AND NOT EXISTS (SELECT 1 FROM relied r WHERE r.submission = s.id
        AND NOT EXISTS (SELECT 1 FROM domain x WHERE x.name = r.domain AND x.state = 'active' AND (x.customer = d.customer OR ` + Lent + `)))))`

// excused is the revision of submissions that need no credential: an administrator
// released them when that which they came under was no more. No account comes that far.
const excused = "9223372036854775807"

// Proven is the condition that a submission s came under a credential that is there and
// does not recall it, or needs none.
func Proven(d *sqlkit.Dialect) string {
	return "(s.credential = '' OR s.revision = " + excused + " OR EXISTS (SELECT 1 FROM credential y WHERE y.id = s.credential AND " + kept(d) + "))"
}

// mayGo is the condition that mail of a submission s may go.
func mayGo(d *sqlkit.Dialect) string { return "(" + Stands + " AND " + Proven(d) + ")" }

// kept is the condition that credential y does not recall the mail of a submission s;
// see account.Recall. What was sent under a domain ends in "@" and its name, as there
// is no "@" in a domain.
func kept(d *sqlkit.Dialect) string {
	return `y.recall_all <= s.revision AND (y.recall_some <= s.revision OR s.others = 0 AND s.sender <> ''
        AND EXISTS (SELECT 1 FROM ` + d.Lines("y.spared") + ` WHERE lower(l.value) = lower(s.sender)
            OR substr(l.value, 1, 1) = '@' AND substr(s.sender, length(s.sender) - length(l.value) + 1) = l.value))`
}

// cause is the hold reason of mail of a submission s, empty where it may go. That a password
// was changed shows by when: a later change of its envelope alone leaves that time.
func cause(d *sqlkit.Dialect) string {
	return `CASE WHEN ` + mayGo(d) + ` THEN ''
    WHEN NOT EXISTS (SELECT 1 FROM account a WHERE a.login = s.login AND a.id = s.account) THEN '` + queue.HoldRemoved + `'
    WHEN NOT ` + Stands + ` THEN '` + queue.HoldSuspended + `'
    WHEN NOT EXISTS (SELECT 1 FROM credential y WHERE y.id = s.credential) THEN '` + queue.HoldRevoked + `'
    WHEN EXISTS (SELECT 1 FROM credential y WHERE y.id = s.credential AND y.kind = 'password' AND y.recall_all > s.revision AND y.changed > s.at) THEN '` + queue.HoldPassword + `'
    ELSE '` + queue.HoldEnvelope + `' END`
}

// byChange is the condition that a hold reason is one of queue.HoldsByChange.
func byChange(column string) string {
	return column + " IN ('" + strings.Join(queue.HoldsByChange(), "', '") + "')"
}

// Settled is the condition that mail of a submission s need not be passed over:
// no task is left that would hold it.
func Settled(d *sqlkit.Dialect) string {
	return "(NOT EXISTS (SELECT 1 FROM following) OR " + mayGo(d) + ")"
}

// BoundsSQL finds the parts that there are; see sqlkit.Dialect.
const BoundsSQL = "SELECT coalesce((SELECT min(id) >> 9 FROM content), 0), coalesce((SELECT max(id) >> 9 FROM content), -1)"

// Statements are the texts of a dialect.
type Statements struct {
	// The submissions of an account, domain, customer and plan in a range of
	// parts. A customer's are those of the domains that it has now, a plan's those
	// of the customers, and of the accounts that have it themselves; and all of accounts with
	// grants that reach one of those domains.
	OfAccount, OfDomain, OfCustomer, OfPlan string
	// What one portion does: it looks, gives what is held the reason that it has now,
	// holds and releases. The ids come as one argument, a JSON list: as many
	// statements as submissions would take much longer.
	Stand, Rename, Hold, Release string
}

// borrowers selects the logins whose grants reach domains x across customers.
const borrowers = "SELECT g.login FROM account_grant g JOIN domain x ON x.name = g.under WHERE g.across = 1 AND "

// StatementsOf makes the statements of a dialect.
func StatementsOf(d *sqlkit.Dialect) Statements {
	// wrong selects of submissions s how many deliveries stand as they should
	// not.
	held := "v.state = 3 AND " + byChange("v.hold_reason")
	wrong := `SELECT s.id, CASE WHEN ` + mayGo(d) + `
    THEN (SELECT count(*) FROM delivery v WHERE v.submission = s.id AND ` + held + `)
    ELSE (SELECT count(*) FROM delivery v WHERE v.submission = s.id AND (` + d.Aside + `v.state < 3 OR ` + held + ` AND v.hold_reason <> ` + cause(d) + `)) END `
	listed := "submission IN (SELECT value FROM " + d.Listed + ")"
	now := "(SELECT " + cause(d) + " FROM submission s WHERE s.id = delivery.submission)"
	return Statements{
		OfAccount:  d.Parts + wrong + d.OfDomain + " AND s.login = ?4",
		OfDomain:   d.Parts + wrong + d.OfDomain + " UNION ALL " + wrong + d.Relying,
		OfCustomer: wrong + d.OfAll + d.InParts + " AND (o.customer = ?3 OR s.login IN (" + borrowers + "x.customer = ?3))",
		OfPlan: wrong + d.OfAll + d.Cross + "customer k ON k.name = o.customer" + d.InParts +
			" AND (k.plan = ?3 OR EXISTS (SELECT 1 FROM account z WHERE z.login = s.login AND z.plan = ?3)" +
			" OR s.login IN (" + borrowers + "x.customer IN (SELECT y.name FROM customer y WHERE y.plan = ?3)))",
		Stand: `SELECT s.id, s.login, ` + cause(d) + `, coalesce(min(CASE WHEN ` + held + ` THEN v.hold_reason END), ''),
    count(CASE WHEN v.state = 1 THEN 1 END), count(CASE WHEN v.state = 2 THEN 1 END),
    count(CASE WHEN ` + held + ` AND v.attempts = 0 THEN 1 END), count(CASE WHEN ` + held + ` AND v.attempts > 0 THEN 1 END)
    FROM ` + d.Listed + d.Cross + `submission s ON s.id = j.value` + d.Cross + `delivery v ON v.submission = s.id GROUP BY s.content`,
		Rename: "UPDATE delivery SET hold_reason = " + now + " WHERE " + d.Aside + "state = 3 AND " + byChange("hold_reason") + " AND " + listed,
		Hold:   "UPDATE delivery SET state = 3, hold_reason = " + now + " WHERE " + d.Aside + "state < 3 AND " + listed,
		Release: `UPDATE delivery SET state = CASE WHEN attempts > 0 THEN 2 ELSE 1 END, hold_reason = ''
    WHERE ` + d.Aside + `state = 3 AND ` + byChange("hold_reason") + ` AND ` + listed,
	}
}

// query returns the query for an object's submissions in a range of parts, and
// the arguments that follow the range.
func (o Object) query(sql *Statements) (string, []any, error) {
	switch o.Kind {
	case Account:
		return sql.OfAccount, []any{o.domain(), o.Name}, nil
	case Domain:
		return sql.OfDomain, []any{o.Name}, nil
	case Customer:
		return sql.OfCustomer, []any{o.Name}, nil
	case Plan:
		return sql.OfPlan, []any{o.Name}, nil
	}
	return "", nil, fault.New(op, fault.Invalid, "no mail hangs on a %q", string(o.Kind))
}

// The tasks.
const (
	beginSQL = "INSERT INTO following (id, kind, name, touched, actor, object, text) VALUES (?, ?, ?, ?, ?, ?, ?)"

	touchSQL = "UPDATE following SET touched = ? WHERE id = ?"

	touchedSQL = "SELECT touched FROM following WHERE id = ?"

	// A clock that went back must not keep a task from being taken over.
	leftSQL = "SELECT id, kind, name, actor, object, text FROM following WHERE touched NOT BETWEEN ? AND ? ORDER BY id"

	endSQL = "DELETE FROM following WHERE id = ?"
)
