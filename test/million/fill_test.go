package million

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // the driver

	"countersign/test/harness"
)

// waiting is how many deliveries are filled in.
const waiting = 1_000_000

// The queue that is filled: a message of 1 KB with one recipient for each delivery,
// of 500 accounts of 20 customers, taken one after the other in the last five days,
// with the event of its acceptance. Each has been tried as the default schedule
// says, until the gate stood still 144 minutes ago: six of ten have become due since
// then. One of ten is for example.com, which has a route, the others for 300,000
// domains whose DNS does not answer.
//
// {now} is the time in microseconds, i the number, {id} the number in 23 digits,
// {text} in 900, and {node} the node where there are several. age is how long before
// the stand-still a message was taken.
var filling = []string{
	`INSERT INTO submission (id, session, account, credential, login, domain, customer, cause, at, expires, sender, given_size, body_type, smtputf8, dsn_return, envelope_id, size, revision, others, content)
    SELECT '01J' || {id}, '01J' || {id}, '', '', 'u' || (i % 500) || '@d' || (i % 100) || '.example', 'd' || (i % 100) || '.example', 'customer' || (i % 20), '',
    {at}, {at} + 518400000000, 'u' || (i % 500) || '@d' || (i % 100) || '.example', 0, '8BITMIME', 0, '', '', 1000, 1, 0, 512 + i FROM {numbers}`,

	`INSERT INTO content (id, head, body, large, large_size)
    SELECT 512 + i, {octets}('From: <a@d1.example>` + "\r\nTo: <someone@example.com>\r\nSubject: one of a million\r\n\r\n" + `'{as}), {octets}({text} || '` + "\r\n" + `'{as}), '', 0 FROM {numbers}`,

	`INSERT INTO delivery ({nodecolumn}submission, n, state, next, attempts, local, destination, notify, original, hold_reason, delay_reported,
        last_at, last_code, last_enhanced, last_text, last_remote, content)
    SELECT {node}'01J' || {id}, 1, 2, {at} + 1000000 * CASE WHEN age < 300 THEN 300 WHEN age < 1200 THEN 1200 WHEN age < 3000 THEN 3000 WHEN age < 6600 THEN 6600
            WHEN age < 13800 THEN 13800 ELSE 28200 + (age - 28200 + 14400) / 14400 * 14400 END,
        5, 'someone', CASE WHEN i % 10 = 9 THEN 'example.com' ELSE 'r' || (i * 7919 % 300000) || '.example' END, 0, '', '', 1, {now} - 8640000000,
        451, '4.4.3', 'the name servers of the domain do not answer', '', 512 + i FROM (SELECT i, ({now} - 8640000000 - ({at})) / 1000000 AS age FROM {numbers}) x`,

	`INSERT INTO event (at, kind, session, submission, delivery, login, actor, client, object, code, enhanced, reason, text, data)
    SELECT {at}, 'message.accepted', '01J' || {id}, '01J' || {id}, 0, 'u' || (i % 500) || '@d' || (i % 100) || '.example', '', '192.0.2.1', '', 250, '2.0.0',
    '', '', '{"size":"1000","recipients":"1"}' FROM {numbers}`,
}

// statements are filling in an engine's words.
func statements(words ...string) (list []string) {
	now := time.Now().UnixMicro()
	const lifetime, away = 5 * 24 * time.Hour, 144 * time.Minute
	at := fmt.Sprintf("%d + i * %d", now-lifetime.Microseconds(), (lifetime-away).Microseconds()/waiting)
	words = append(words, "{now}", fmt.Sprint(now))
	for _, text := range filling {
		list = append(list, strings.NewReplacer(words...).Replace(strings.ReplaceAll(text, "{at}", at)))
	}
	return list
}

// fillSQLite fills the database of a gate that is stopped.
func fillSQLite(b *testing.B, g *harness.Gate) {
	b.Helper()
	db, err := sql.Open("sqlite", sqlitePath(g))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	list := []string{"PRAGMA journal_mode = DELETE", "PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", "PRAGMA cache_size = -1000000", "BEGIN"}
	list = append(list, statements(
		"{id}", "printf('%023d', i)", "{text}", "printf('%0900d', i)", "{octets}", "CAST", "{as}", " AS BLOB", "{node}", "", "{nodecolumn}", "",
		"{numbers}", fmt.Sprintf("(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n)", waiting))...)
	list = append(list, fmt.Sprintf("UPDATE queue_total SET deferred = %d", waiting), "COMMIT")
	for _, text := range list {
		if _, err := db.Exec(text); err != nil {
			b.Fatalf("%s: %v", text, err)
		}
	}
}

// fillPostgres fills a database whose gate is stopped.
func fillPostgres(b *testing.B, url string) {
	b.Helper()
	db, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close(b.Context())
	list := statements(
		"{id}", "lpad(i::text, 23, '0')", "{text}", "lpad(i::text, 900, '0')", "{octets}", "convert_to", "{as}", ", 'UTF8'", "{node}", "'"+nodeID+"', ", "{nodecolumn}", "node, ",
		"{numbers}", fmt.Sprintf("generate_series(1, %d::bigint) i", waiting))
	list = append(list,
		fmt.Sprintf("INSERT INTO queue_total (node, epoch, batch, queued, deferred, held) VALUES ('', 0, 0, 0, %d, 0)", waiting),
		"SELECT setval('content_number', (SELECT max(id) / 512 + 1 FROM content) * 512)",
		"VACUUM ANALYZE submission, content, delivery, event") // as the server does by itself within a minute
	for _, text := range list {
		if _, err := db.Exec(b.Context(), text); err != nil {
			b.Fatalf("%s: %v", text, err)
		}
	}
}

func sqlitePath(g *harness.Gate) string { return filepath.Join(g.Dir, "data", "countersign.db") }
