package holding

import "countersign/internal/fault"

// ActiveFrom selects the accounts a that may send, with their domain d; see
// account.Sender.Active.
const ActiveFrom = ` FROM account a JOIN domain d ON d.name = a.domain JOIN customer c ON c.name = d.customer LEFT JOIN plan p ON p.name = c.plan
    WHERE a.state = 'active' AND d.state = 'active' AND c.state = 'active' AND (c.plan IS NULL OR p.state = 'active')`

// mayGo is the condition that mail of a submission s may go: its account may
// send, and each further domain that it relies on is an active one of the same
// customer. A report of our own has no account.
const mayGo = `(s.account = '' OR EXISTS (SELECT 1` + ActiveFrom + ` AND a.login = s.login AND a.id = s.account
    AND NOT EXISTS (SELECT 1 FROM relied r WHERE r.submission = s.id
        AND NOT EXISTS (SELECT 1 FROM domain x WHERE x.name = r.domain AND x.state = 'active' AND x.customer = d.customer))))`

// Settled is the condition that mail of a submission s need not be passed over:
// no task is left that would hold it.
const Settled = "(NOT EXISTS (SELECT 1 FROM following) OR " + mayGo + ")"

// The tables are walked along the parts of their indexes, see the schema: from
// part ?1 to part ?2. parts lists these where a domain is looked for in each.
const (
	boundsSQL = "SELECT coalesce((SELECT min(id) >> 9 FROM content), 0), coalesce((SELECT max(id) >> 9 FROM content), -1)"

	parts = "WITH RECURSIVE part (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM part WHERE n < ?2) "

	// wrong selects of submissions s how many deliveries stand as they should
	// not. The unary plus keeps SQLite from walking the index of all due
	// deliveries instead of those of the submission.
	wrong = `SELECT s.id, iif(` + mayGo + `,
    (SELECT count(*) FROM delivery v WHERE v.submission = s.id AND v.state = 3 AND v.hold_reason = 'suspended'),
    (SELECT count(*) FROM delivery v WHERE v.submission = s.id AND +v.state < 3)) `

	ownParts = "FROM part CROSS JOIN submission s ON s.content >> 9 = part.n AND s.domain <> '' AND s.domain = ?3"

	reliedParts = "FROM part CROSS JOIN relied r ON r.content >> 9 = part.n AND r.domain = ?3 CROSS JOIN submission s ON s.id = r.submission"

	// A customer may have very many domains: the whole index is read.
	allParts = "FROM submission s INDEXED BY submission_owner CROSS JOIN domain o ON o.name = s.domain"
	inParts  = " WHERE s.domain <> '' AND s.content >> 9 BETWEEN ?1 AND ?2"
)

// The submissions of an account, domain, customer and plan. A customer's are
// those of the domains that it has now, a plan's those of the customers; what
// relies on a domain of another customer is held for that already.
const (
	ofAccount  = parts + wrong + ownParts + " WHERE s.login = ?4"
	ofDomain   = parts + wrong + ownParts + " UNION ALL " + wrong + reliedParts
	ofCustomer = wrong + allParts + inParts + " AND o.customer = ?3"
	ofPlan     = wrong + allParts + " CROSS JOIN customer k ON k.name = o.customer" + inParts + " AND k.plan = ?3"
)

// query returns the query for an object's submissions in a range of parts, and
// the arguments that follow the range.
func (o Object) query() (string, []any, error) {
	switch o.Kind {
	case Account:
		return ofAccount, []any{o.domain(), o.Name}, nil
	case Domain:
		return ofDomain, []any{o.Name}, nil
	case Customer:
		return ofCustomer, []any{o.Name}, nil
	case Plan:
		return ofPlan, []any{o.Name}, nil
	}
	return "", nil, fault.New(op, fault.Invalid, "no mail hangs on a %q", string(o.Kind))
}

// What one portion does. The ids come as one argument, a JSON list: as many
// statements as submissions would take much longer.
const (
	standSQL = `SELECT s.id, s.login, ` + mayGo + `, sum(v.state = 1), sum(v.state = 2),
    sum(v.state = 3 AND v.hold_reason = 'suspended' AND v.attempts = 0), sum(v.state = 3 AND v.hold_reason = 'suspended' AND v.attempts > 0)
    FROM json_each(?) j CROSS JOIN submission s ON s.id = j.value CROSS JOIN delivery v ON v.submission = s.id GROUP BY s.id`

	holdSQL = `UPDATE delivery SET state = 3, hold_reason = 'suspended'
    WHERE +state < 3 AND submission IN (SELECT value FROM json_each(?))`

	releaseSQL = `UPDATE delivery SET state = iif(attempts > 0, 2, 1), hold_reason = ''
    WHERE state = 3 AND hold_reason = 'suspended' AND submission IN (SELECT value FROM json_each(?))`

	totalSQL = "UPDATE queue_total SET queued = queued + ?, deferred = deferred + ?, held = held + ? WHERE id = 1"
)

// The tasks.
const (
	beginSQL = "INSERT INTO following (kind, name, touched, actor, object, text) VALUES (?, ?, ?, ?, ?, ?)"

	touchSQL = "UPDATE following SET touched = ? WHERE id = ?"

	touchedSQL = "SELECT touched FROM following WHERE id = ?"

	// A clock that went back must not keep a task from being taken over.
	leftSQL = "SELECT id, kind, name, actor, object, text FROM following WHERE touched NOT BETWEEN ? AND ? ORDER BY id"

	endSQL = "DELETE FROM following WHERE id = ?"
)
