package sqlite

import (
	"path/filepath"
	"slices"
	"testing"

	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/inspection"
	"countersign/internal/store/sqlkit/tables"
)

// TestEveryTableIsCarried holds the list of what a copy carries against the
// schema.
func TestEveryTableIsCarried(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "test.db"), false)
	const text = `SELECT m.name, p.name, p.type, CASE WHEN p."notnull" = 0 AND p.pk = 0 THEN 1 ELSE 0 END, p.pk
    FROM sqlite_schema m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' ORDER BY m.name, p.pk = 0, p.pk, p.cid`
	kinds := map[string]tables.Kind{"INTEGER": tables.Integer, "TEXT": tables.Text, "BLOB": tables.Blob}
	schema, keys := tables.Schema{}, map[string]int{}
	err := s.db.Read(t.Context(), "test", func(c *conn) error {
		return c.Query(t.Context(), text, nil, func(r *row) error {
			table, name, kind := r.Text(), r.Text(), r.Text()
			if _, known := kinds[kind]; !known {
				t.Errorf("%s.%s is of type %s", table, name, kind)
			}
			schema[table] = append(schema[table], tables.Column{Name: name, Kind: kinds[kind], Optional: r.Bool()})
			if r.Int() > 0 {
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
	// What is missing, or not known, is found.
	schema["plan"] = slices.DeleteFunc(schema["plan"], func(c tables.Column) bool { return c.Name == "revision" })
	schema["delivery"] = append(schema["delivery"], tables.Column{Name: "priority"})
	schema["bounce"] = nil
	keys["relied"] = 1
	got := tables.Differences(schema, keys)
	want := []string{
		"column delivery.priority is neither carried nor left out for a reason, or both", "table bounce is neither carried nor left out for a reason",
		"the key of table relied is not (submission, domain)", "there is no column plan.revision",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestEveryTableIsInspected: "store check" looks at each table of the schema, or
// there is a reason why not.
func TestEveryTableIsInspected(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "test.db"), false)
	var names []string
	err := s.db.Read(t.Context(), "test", func(c *conn) (err error) {
		names, err = sqlkit.All(t.Context(), c, "SELECT name FROM sqlite_schema WHERE type = 'table'", nil, (*row).Text)
		return err
	})
	if err != nil || len(names) < 10 {
		t.Fatalf("%v, %v", names, err)
	}
	texts := append(inspection.Texts(newDialect()), namedSQL, isUsedSQL)
	for _, name := range inspection.Missed(names, texts) {
		t.Errorf("table %s is neither read by a query of the check nor left out for a reason, or both", name)
	}
	if got := inspection.Missed([]string{"delivery", "bounce", "meta"}, append(texts, "SELECT 1 FROM meta")); !slices.Equal(got, []string{"bounce", "meta"}) {
		t.Errorf("got %q", got)
	}
}
