package postgres

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// manySQL makes a store with a million deliveries that wait and five million
// events.
const manySQL = `
INSERT INTO node (id, address, version, state, started, heartbeat, lease_until, epoch, skew, schema, keys) VALUES ('1', '', '', 'active', 1, 1, 0, 1, 0, 1, '') ON CONFLICT DO NOTHING;
INSERT INTO content (id, head, body, large, large_size) SELECT i, 'head', decode(repeat('00', 500), 'hex'), '', 0 FROM generate_series(1, 1000000) i;
INSERT INTO submission (id, session, account, credential, login, domain, customer, cause, at, expires, sender, given_size, body_type, smtputf8, dsn_return, envelope_id, size, revision, others, content)
    SELECT '01K1' || lpad(i::text, 22, '0'), '01K0' || lpad(i::text, 22, '0'), 'x', '', 'a@example.org', 'example.org', 'acme', '', 1700000000000000 + i, 2700000000000000, 'a@example.org', 0, '8BITMIME', 0, '', '', 504, 1, 0, i
    FROM generate_series(1, 1000000) i;
INSERT INTO delivery (submission, n, node, state, next, attempts, local, destination, notify, original, hold_reason, delay_reported, last_at, last_code, last_enhanced, last_text, last_remote, content)
    SELECT id, 1, '1', 1, at, 0, 'someone', 'recipient.example', 0, '', '', 0, 0, 0, '', '', '', content FROM submission;
INSERT INTO queue_total (node, epoch, batch, queued, deferred, held) VALUES ('', 0, 0, 1000000, 0, 0);
INSERT INTO event (at, kind, session, submission, delivery, login, actor, client, object, code, enhanced, reason, text, data)
    SELECT 1700000000000000 + i, CASE k WHEN 0 THEN 'submission.accepted' ELSE 'delivery.delivered' END, '01J0' || lpad(i::text, 22, '0'), '01J1' || lpad(i::text, 22, '0'), k,
    'a@example.org', '', '192.0.2.1', '', 250, '2.0.0', '', 'ok', CASE k WHEN 0 THEN '{"from":"a@example.org","recipients":"1"}' ELSE '{"to":"someone@recipient.example"}' END
    FROM generate_series(1, 2000000) i, generate_series(0, 1) k;
INSERT INTO event (at, kind, session, submission, delivery, login, actor, client, object, code, enhanced, reason, text, data)
    SELECT at, 'submission.accepted', session, id, 0, login, '', '192.0.2.1', '', 250, '2.0.0', '', '', '{"from":"a@example.org","recipients":"1"}' FROM submission;
ANALYZE`

// BenchmarkCheck checks a large store.
func BenchmarkCheck(b *testing.B) {
	url := shared.Cluster(b).Database(b)
	c, err := pgx.Connect(b.Context(), url)
	if err == nil {
		_, err = c.Exec(b.Context(), manySQL)
	}
	if err != nil {
		b.Fatal(err)
	}
	c.Close(context.Background())
	for b.Loop() {
		r, err := Check(b.Context(), Options{URL: url})
		if err != nil || len(r.Findings) > 0 || r.Deliveries != 1_000_000 || r.Events != 5_000_000 {
			b.Fatalf("%+v, %v", r, err)
		}
	}
}
