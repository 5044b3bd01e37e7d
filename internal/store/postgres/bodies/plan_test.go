package bodies

import (
	"os"
	"strings"
	"testing"

	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
	"countersign/internal/testkit/pgcluster"
)

var shared = pgcluster.Shared{Options: pgcluster.Options{NoSync: true}}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// TestUnusedBodiesAreFoundByIndex: what is swept is found without a look at the bodies
// that are in use, and its pieces without one at theirs.
func TestUnusedBodiesAreFoundByIndex(t *testing.T) {
	db, err := server.Open(t.Context(), server.Options{URL: shared.Cluster(t).Database(t), Migrations: os.DirFS("..")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	var steps []string
	err = db.Exclusive(t.Context(), "test", func(tx *server.Tx) error {
		steps = nil
		_, err := tx.Raw(`INSERT INTO body SELECT 'b' || n, 1, CASE WHEN n % 500 = 0 THEN 4 ELSE 3 END, n FROM generate_series(1, 50000) n;
INSERT INTO body_chunk SELECT 'b' || n, 0, 'x' FROM generate_series(1, 50000) n;
ANALYZE body, body_chunk;`)
		if err != nil {
			return err
		}
		return tx.RawQuery("EXPLAIN "+sweepSQL, []any{1, 1}, func(r *sqlkit.Row) error {
			steps = append(steps, r.Text())
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	plan := strings.Join(steps, "\n")
	for _, want := range []string{"body_unused", "body_chunk_pkey"} {
		if !strings.Contains(plan, want) {
			t.Errorf("the plan lacks %q:\n%s", want, plan)
		}
	}
	if strings.Contains(plan, "Seq Scan on body") {
		t.Errorf("the plan reads all bodies or pieces:\n%s", plan)
	}
}
