package sqlite

import "countersign/internal/store/sqlkit"

// newDialect returns how SQLite says what package sqlkit asks for. CROSS JOIN keeps the
// order of the tables; the unary plus keeps it from walking an index: that of
// all due deliveries instead of those of one submission, or one that would not
// give the order. The tables are walked along the parts of their indexes, see
// the schema; a customer may have very many domains: for all of them the whole
// index is read.
func newDialect() *sqlkit.Dialect {
	return &sqlkit.Dialect{
		Position: "instr",
		Member:   func(name string) string { return "json_extract(data, '$." + name + "')" },
		Cross:    " CROSS JOIN ",
		Aside:    "+",
		ByTime:   " INDEXED BY event_at",
		Listed:   "json_each(?) j",
		Pairs:    "json_each(?) j",
		Lines: func(column string) string {
			return `json_each('["' || replace(replace(replace(` + column + `, '\', '\\'), '"', '\"'), char(10), '","') || '"]') l`
		},
		Parts:    "WITH RECURSIVE part (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM part WHERE n < ?2) ",
		OfDomain: "FROM part CROSS JOIN submission s ON s.content >> 9 = part.n AND s.domain <> '' WHERE s.domain = ?3",
		Relying:  "FROM part CROSS JOIN relied r ON r.content >> 9 = part.n AND r.domain = ?3 CROSS JOIN submission s ON s.id = r.submission",
		OfAll:    "FROM submission s INDEXED BY submission_owner CROSS JOIN domain o ON o.name = s.domain",
		InParts:  " WHERE s.domain <> '' AND s.content >> 9 BETWEEN ?1 AND ?2",
		AllParts: `WITH RECURSIVE part (n) AS (SELECT min(id) >> 9 FROM content
    UNION ALL SELECT n + 1 FROM part WHERE n < (SELECT max(id) >> 9 FROM content)) `,
		Owned:   "FROM part CROSS JOIN submission s ON s.content >> 9 = part.n AND s.domain <> '' AND s.domain = ?",
		Divided: true,
		Raise:   "UPDATE meta SET value = value + 1 WHERE name = 'generation'",
		Totals:  "SELECT queued, deferred, held FROM queue_total WHERE id = 1",
	}
}
