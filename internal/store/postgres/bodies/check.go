package bodies

import (
	"strconv"

	"countersign/internal/soundness"
	"countersign/internal/store/sqlkit/inspection"
)

// Checks returns the queries that find what is wrong with bodies. The octets of
// pieces are known without reading them.
func Checks() []inspection.Query {
	chunk := strconv.Itoa(chunkSize)
	return []inspection.Query{
		{Kind: soundness.BodyMissing, Text: `SELECT 'submission ' || s.id || ' (body ' || c.large || ')' || CASE WHEN b.id IS NULL THEN '' ELSE ', which is in state ' || b.state END
    FROM submission s JOIN content c ON c.id = s.content LEFT JOIN body b ON b.id = c.large WHERE c.large <> '' AND (b.id IS NULL OR b.state <> 3)`},
		{Kind: soundness.BodySize, Text: `SELECT 'submission ' || s.id || ' (body ' || c.large || ') has ' || coalesce(k.octets, 0) || ' octets in ' || coalesce(k.n, 0) || ' pieces instead of ' || c.large_size
    FROM submission s JOIN content c ON c.id = s.content JOIN body b ON b.id = c.large AND b.state = 3
    LEFT JOIN (SELECT body, count(*) AS n, max(n) AS last, sum(octet_length(data)) AS octets,
            min(n) FILTER (WHERE octet_length(data) <> ` + chunk + `) AS short FROM body_chunk GROUP BY body) k ON k.body = b.id
    WHERE c.large <> '' AND (b.size <> c.large_size OR coalesce(k.octets, 0) <> c.large_size
        OR coalesce(k.n, 0) <> (c.large_size + ` + chunk + ` - 1) / ` + chunk + `
        OR coalesce(k.last, -1) <> coalesce(k.n, 0) - 1 OR k.short < k.last)`},
		{Kind: soundness.UnusedBody, Text: `SELECT 'body ' || b.id FROM body b LEFT JOIN content c ON c.large = b.id AND c.large <> '' WHERE b.state = 3 AND c.id IS NULL`},
		{Kind: soundness.UnusedBody, Text: `SELECT DISTINCT 'pieces of body ' || k.body FROM body_chunk k LEFT JOIN body b ON b.id = k.body WHERE b.id IS NULL`},
	}
}
