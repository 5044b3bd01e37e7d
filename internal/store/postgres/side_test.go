package postgres

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/store/postgres/bodies"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/inspection"
	"countersign/internal/store/sqlkit/tables"
)

// TestEveryTableIsCarried holds the list of what a copy carries against the
// schema.
func TestEveryTableIsCarried(t *testing.T) {
	s := openAt(t, shared.Cluster(t).Database(t), false)
	const text = `SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL), NOT a.attnotnull, coalesce(array_position(i.indkey::smallint[], a.attnum), -1) >= 0
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
    WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
    ORDER BY c.relname, array_position(i.indkey::smallint[], a.attnum), a.attnum`
	kinds := map[string]tables.Kind{
		"bigint": tables.Integer, "integer": tables.Integer, "smallint": tables.Integer, "text": tables.Text, "bytea": tables.Blob,
	}
	schema, keys := tables.Schema{}, map[string]int{}
	err := s.db.Read(t.Context(), "test", func(c *server.Conn) error {
		return c.Query(t.Context(), text, nil, func(r *sqlkit.Row) error {
			table, name, kind := r.Text(), r.Text(), r.Text()
			if _, known := kinds[kind]; !known {
				t.Errorf("%s.%s is of type %s", table, name, kind)
			}
			schema[table] = append(schema[table], tables.Column{Name: name, Kind: kinds[kind], Optional: r.Bool()})
			if r.Bool() {
				keys[table]++
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range tables.Differences(schema, keys) {
		t.Error(d)
	}
	for name := range tables.LeftOut() {
		if _, table := schema[name]; !table && name != "delivery.node" && name != "counter_log" { // which the embedded engine has
			t.Errorf("%s is left out and does not exist", name)
		}
	}
}

// TestEveryTableIsInspected: "store check" looks at each table of the schema, or
// there is a reason why not.
func TestEveryTableIsInspected(t *testing.T) {
	s := openAt(t, shared.Cluster(t).Database(t), false)
	var names []string
	err := s.db.Read(t.Context(), "test", func(c *server.Conn) (err error) {
		names, err = sqlkit.All(t.Context(), c, "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()", nil, (*sqlkit.Row).Text)
		return err
	})
	if err != nil || len(names) < 10 {
		t.Fatalf("%v, %v", names, err)
	}
	texts := append(inspection.Texts(newDialect()), noNodeSQL)
	for _, q := range bodies.Checks() {
		texts = append(texts, q.Text)
	}
	for _, name := range inspection.Missed(names, texts) {
		t.Errorf("table %s is neither read by a query of the check nor left out for a reason, or both", name)
	}
	if got := inspection.Missed([]string{"delivery", "bounce", "meta"}, append(texts, "SELECT 1 FROM meta")); !slices.Equal(got, []string{"bounce", "meta"}) {
		t.Errorf("got %q", got)
	}
}

// TestSearchPathDoesNotGetRoundTheCopy reaches the same tables by another search_path
// while they are copied.
func TestSearchPathDoesNotGetRoundTheCopy(t *testing.T) {
	at := shared.Cluster(t).Database(t)
	execAt(t, at, "CREATE SCHEMA other")
	by := func(path string) string {
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set("search_path", path)
		u.RawQuery = q.Encode()
		return u.String()
	}
	side, err := OpenSide(t.Context(), Options{URL: at}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer side.Close()
	for path, want := range map[string]string{
		"other,public": "the tables are in schema \"public\"", "public,other": "being copied", "nowhere,public": "being copied",
	} {
		if two, err := OpenSide(t.Context(), Options{URL: by(path)}, false); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), want) {
			t.Errorf("a second copy by %s: %v", path, err)
			if err == nil {
				two.Close()
			}
		}
		if s, err := Open(t.Context(), Options{URL: by(path), Server: true, Node: "b"}); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), want) {
			t.Errorf("a gate by %s: %v", path, err)
			if err == nil {
				s.Close()
			}
		}
	}
}

// TestNoUpgradeUnderACopy starts a gate of a newer release while the store is copied:
// it changes nothing about the tables.
func TestNoUpgradeUnderACopy(t *testing.T) {
	at := shared.Cluster(t).Database(t)
	before := number(t, openAt(t, at, false), "SELECT max(version) FROM schema_migration")
	side, err := OpenSide(t.Context(), Options{URL: at}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer side.Close()
	if s, err := upgradeTo(t, at, "new", breakingStep(t)); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "being copied") {
		t.Errorf("a gate of a newer release: %v", err)
		if err == nil {
			s.Close()
		}
	}
	if after := number(t, openAt(t, at, false), "SELECT max(version) FROM schema_migration"); after != before {
		t.Errorf("the schema is at step %d, it was at %d", after, before)
	}
}
