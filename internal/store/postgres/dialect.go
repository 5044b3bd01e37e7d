package postgres

import (
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
)

// newDialect returns how PostgreSQL says what package sqlkit asks for. Its indexes of owners
// begin with the domain, so that parts are ranges of content numbers.
func newDialect() *sqlkit.Dialect {
	return &sqlkit.Dialect{
		Position: "strpos",
		Member:   func(name string) string { return "(data::json ->> '" + name + "')" },
		Cross:    " JOIN ",
		Listed:   "json_array_elements_text(?::json) j(value)",
		Pairs:    "json_array_elements(?::json) j(value)",
		Lines:    func(column string) string { return "unnest(string_to_array(" + column + ", chr(10))) l(value)" },
		OfDomain: "FROM submission s WHERE s.domain <> '' AND s.domain = ?3 AND" + inParts,
		Relying:  "FROM relied r JOIN submission s ON s.id = r.submission WHERE r.domain = ?3 AND r.content BETWEEN ?1::bigint << 9 AND (?2::bigint << 9) + 511",
		OfAll:    "FROM submission s JOIN domain o ON o.name = s.domain",
		InParts:  " WHERE s.domain <> '' AND" + inParts,
		Owned:    "FROM submission s JOIN (SELECT ?::text AS name) o ON s.domain = o.name AND s.domain <> ''",
		Raise: "WITH raised AS (UPDATE meta SET value = value + 1 WHERE name = 'generation' RETURNING value) " +
			"SELECT pg_notify('" + changesChannel + "', value::text) FROM raised",
		Clock:  "SELECT " + server.ClockSQL,
		Totals: "SELECT coalesce(sum(queued), 0)::bigint, coalesce(sum(deferred), 0)::bigint, coalesce(sum(held), 0)::bigint FROM queue_total",
	}
}

// changesChannel is where the server tells of each change that raised the account
// generation. A commit that notifies waits for all others that do, so what comes in
// while mail flows never does.
const changesChannel = "countersign_generation"

// bansChannel is where it tells of each change of bans. They come one by one, in
// transactions of their own.
const bansChannel = "countersign_bans"

// limitsChannel is where it tells of each change of the rules of limits, which come likewise,
// or with what they were for.
const limitsChannel = "countersign_limits"

// listsChannel is where it tells of each change of the entries of access lists, likewise.
const listsChannel = "countersign_lists"

const inParts = " s.content BETWEEN ?1::bigint << 9 AND (?2::bigint << 9) + 511"
