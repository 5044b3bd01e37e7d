package holding

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/store/sqlite/database"
)

// none is what these tests keep for a transaction.
type none struct{}

// openSchema opens a database with the engine's schema.
func openSchema(t *testing.T) *database.DB[none] {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options[none]{
		Path: filepath.Join(t.TempDir(), "test.db"), Readers: 1, Migrations: os.DirFS(".."), Now: time.Now,
		Flush: func(*database.Tx, *none) error { return nil }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// TestQueriesUseIndexes holds the queries of tasks to the plans that make them
// fast with a million messages waiting.
func TestQueriesUseIndexes(t *testing.T) {
	db := openSchema(t)
	const byID = "SEARCH v USING PRIMARY KEY (submission=?)"
	const account = "SEARCH a USING PRIMARY KEY (login=?)"
	const extra = "SEARCH r USING PRIMARY KEY (submission=?)"
	for text, c := range map[string]struct {
		args []any
		want []string
	}{
		ofAccount:  {[]any{1, 2, "d", "l"}, []string{"SEARCH s USING INDEX submission_owner (<expr>=? AND domain=? AND login=?)", byID, account, extra}},
		ofDomain:   {[]any{1, 2, "d"}, []string{"SEARCH s USING INDEX submission_owner (<expr>=? AND domain=?)", "SEARCH r USING COVERING INDEX relied_domain (<expr>=? AND domain=?)", byID, account, extra}},
		ofCustomer: {[]any{1, 2, "c"}, []string{"SEARCH s USING INDEX submission_owner (<expr>>? AND <expr><?)", byID, account, extra}},
		ofPlan:     {[]any{1, 2, "p"}, []string{"SEARCH s USING INDEX submission_owner (<expr>>? AND <expr><?)", "SEARCH k USING COVERING INDEX customer_plan (plan=? AND name=?)", byID, account, extra}},
		standSQL:   {[]any{"[]"}, []string{"SEARCH s USING PRIMARY KEY (id=?)", byID, account, extra}},
		holdSQL:    {[]any{"[]"}, []string{"SEARCH delivery USING PRIMARY KEY (submission=?)"}},
		releaseSQL: {[]any{"[]"}, []string{"SEARCH delivery USING PRIMARY KEY (submission=?)"}},
		boundsSQL:  {nil, []string{"SEARCH content"}},
	} {
		plan := explain(t, db, text, c.args)
		for _, want := range c.want {
			if !strings.Contains(plan, want) {
				t.Errorf("%s\nthe plan lacks %q:\n%s", text, want, plan)
			}
		}
		if strings.Contains(plan, "SCAN s") || strings.Contains(plan, "SCAN delivery") || strings.Contains(plan, "SCAN v") {
			t.Errorf("%s\nthe plan reads a whole table:\n%s", text, plan)
		}
	}
}

// explain returns what SQLite says it does for a query, one step to a line.
func explain(t *testing.T, db *database.DB[none], text string, args []any) string {
	t.Helper()
	var steps []string
	err := db.Read(context.Background(), "test", func(c *database.Conn) error {
		return c.Query(t.Context(), "EXPLAIN QUERY PLAN "+text, database.Bind(args...), func(r *database.Row) error {
			_, _, _ = r.Int(), r.Int(), r.Int()
			steps = append(steps, r.Text())
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(steps, "\n")
}

// TestCut takes portions that are bounded but never empty.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		counts []int
		want   []int // how many targets each portion has
	}{
		{[]int{1}, []int{1}},
		{[]int{portion, 1}, []int{1, 1}},
		{[]int{portion - 1, 1, 1}, []int{2, 1}},
		{[]int{10 * portion, 10 * portion}, []int{1, 1}},
		{[]int{1, 10 * portion, 1}, []int{1, 1, 1}},
	} {
		var found, next []target
		for _, n := range c.counts {
			found = append(found, target{n: n})
		}
		var got []int
		for len(found) > 0 {
			next, found = cut(found)
			got = append(got, len(next))
		}
		if len(got) != len(c.want) {
			t.Errorf("%v is cut into %v, want %v", c.counts, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%v is cut into %v, want %v", c.counts, got, c.want)
			}
		}
	}
}
