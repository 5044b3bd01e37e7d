package hot

import (
	"context"
	"os"
	"strings"
	"testing"

	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/incoming"
	"countersign/internal/store/sqlkit/objects"
	"countersign/internal/testkit/pgcluster"
)

// shared has databases with the engine's schema and 100,000 deliveries, and so much of
// the rest that reading all of it is never the shortest way.
var shared = pgcluster.Shared{Options: pgcluster.Options{NoSync: true, Prepare: fill}}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

func openDB(ctx context.Context, url string) (*server.DB, error) {
	return server.Open(ctx, server.Options{URL: url, Migrations: os.DirFS("..")})
}

func fill(ctx context.Context, url string) error {
	text, err := os.ReadFile("../testdata/fill.sql")
	if err != nil {
		return err
	}
	db, err := openDB(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Exclusive(ctx, "test", func(t *server.Tx) error {
		_, err := t.Raw(string(text) + restSQL)
		return err
	})
}

// restSQL fills the tables that testdata/fill.sql leaves short.
const restSQL = `
INSERT INTO node SELECT 'n' || n, '', '', 'drained', 0, 0, 0, n, 0, 1, '' FROM generate_series(1, 5000) n;
INSERT INTO domain SELECT 'x' || n || '.example', 'customer1', 'active', 1, 1 FROM generate_series(1, 20000) n;
INSERT INTO account SELECT 'x@x' || n || '.example', 'x' || n, '', 'x' || n || '.example', 'active', '', NULL, 0, 0, 0, 1, 1 FROM generate_series(1, 20000) n;
INSERT INTO body SELECT 'x' || n, 1, 3, 1 FROM generate_series(1, 20000) n;
INSERT INTO queue_total SELECT 'n' || n % 100, n % 100, n, 1, 0, 0 FROM generate_series(1, 25000) n;
ANALYZE node, domain, account, body, queue_total;`

// TestStatementsUseIndexes holds every statement of the writer to the plans that
// make it fast beside a long queue.
func TestStatementsUseIndexes(t *testing.T) {
	db, err := openDB(t.Context(), shared.Cluster(t).Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	ids, numbers, texts := []string{"S0000000000000000000000007"}, []int64{1}, []string{""}
	attempted := []any{numbers, numbers, texts, numbers, numbers, numbers, texts, texts, texts, ids, numbers, "1"}
	submission := []any{ids, texts, texts, texts, texts, texts, texts, texts, numbers, numbers, texts, numbers, texts, numbers, texts, texts, numbers, numbers, numbers, numbers, numbers, false}
	for name, c := range map[string]struct {
		text string
		args []any
		want []string
	}{
		"submission":  {insertSQL, submission, []string{"Conflict Arbiter Indexes: submission_id_key"}},
		"lock":        {lockSQL, []any{ids}, []string{"submission_id_key"}},
		"take out":    {takeOutSQL, []any{ids}, []string{"submission_id_key"}},
		"states":      {statesSQL, []any{ids, numbers, "1"}, []string{"delivery_pkey"}},
		"take":        {takeSQL, []any{ids}, []string{"Index Scan using body_"}},
		"attempted":   {attemptedSQL, attempted, []string{"delivery_pkey"}},
		"delete":      {deleteSQL, []any{ids, numbers, "1"}, []string{"delivery_pkey"}},
		"finish":      {FinishSQL, []any{ids}, []string{"submission_id_key", "delivery_pkey", "content_pkey", "relied_pkey", "body_pkey"}},
		"fold":        {foldSQL, []any{"n7", 7, 500}, []string{"queue_total_batch"}},
		"committed":   {committedSQL, []any{"n7", 7, 500}, []string{"queue_total_batch"}},
		"own":         {ownSQL + " FOR KEY SHARE", []any{"n1", 1}, []string{"node_pkey"}},
		"active":      {server.Placeholders(incoming.ActiveSQL), []any{"u1@d2.example", "id1"}, []string{"account_", "domain_pkey"}},
		"unchanged":   {server.Placeholders(incoming.UnchangedSQL), []any{"u1@d2.example", "id1", 1}, []string{"Index Scan using account_"}},
		"own domain":  {server.Placeholders(objects.OwnDomainSQL), []any{"u1@d2.example", "d1.example"}, []string{"using account_", "using domain_"}},
		"the content": {contentSQL, []any{numbers, [][]byte{nil}, [][]byte{nil}, texts, numbers}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var steps []string
			err := db.Exclusive(t.Context(), "test", func(tx *server.Tx) error {
				steps = nil
				return tx.RawQuery("EXPLAIN "+c.text, c.args, func(r *sqlkit.Row) error {
					steps = append(steps, r.Text())
					return nil
				})
			})
			if err != nil {
				t.Fatal(err)
			}
			plan := strings.Join(steps, "\n")
			for _, want := range c.want {
				if !strings.Contains(plan, want) {
					t.Errorf("the plan lacks %q:\n%s", want, plan)
				}
			}
			for _, table := range []string{"delivery", "submission", "content", "relied", "event", "body", "account", "domain", "node", "queue_total"} {
				if strings.Contains(plan, "Seq Scan on "+table+" ") {
					t.Errorf("the plan reads all of %s:\n%s", table, plan)
				}
			}
		})
	}
}
