package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/queue"
	"countersign/internal/store/postgres/nodes"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/bans"
	"countersign/internal/store/sqlkit/guarded"
	"countersign/internal/store/sqlkit/holding"
	"countersign/internal/store/sqlkit/limits"
	"countersign/internal/store/sqlkit/lists"
	"countersign/internal/store/sqlkit/numbered"
	"countersign/internal/store/sqlkit/objects"
	"countersign/internal/store/sqlkit/record"
	"countersign/internal/store/sqlkit/waiting"
)

// fillPortion is how many rows of a table are made in one transaction: one that
// takes half a minute is given up.
const fillPortion = 100_000

// fill fills a database with that many deliveries, full portions.
func fill(t testing.TB, s *Store, deliveries int) {
	t.Helper()
	text, err := os.ReadFile("testdata/fill.sql")
	if err != nil {
		t.Fatal(err)
	}
	for statement := range strings.SplitSeq(string(text), ";\n") {
		last := deliveries
		if !strings.Contains(statement, "(1, 100000)") {
			last = fillPortion // once
		}
		for n := 0; n < last; n += fillPortion {
			portion := strings.ReplaceAll(statement, "(1, 100000)", fmt.Sprintf("(%d, %d)", n+1, n+fillPortion))
			err = s.db.Exclusive(context.Background(), "test", func(tx *server.Tx) error {
				_, err := tx.Raw(portion)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// explainPlanned is explain for a query of Planned: with one plan for all arguments,
// which stand in args as they do in SQL.
func explainPlanned(t testing.TB, s *Store, text, types, args string) string {
	t.Helper()
	var steps []string
	err := s.db.Planned(context.Background(), "test", func(c *server.Conn) error {
		steps = nil
		for _, statement := range []string{
			"PREPARE planned (" + types + ") AS " + server.Placeholders(text), "EXPLAIN EXECUTE planned (" + args + ")", "DEALLOCATE planned",
		} {
			err := c.RawQuery(context.Background(), statement, nil, func(r *sqlkit.Row) error {
				steps = append(steps, r.Text())
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return strings.Join(steps, "\n")
}

// explain returns what the server says it does for a query.
func explain(t testing.TB, s *Store, text string, args ...any) string {
	t.Helper()
	return explainRaw(t, s, server.Placeholders(text), args...)
}

func explainRaw(t testing.TB, s *Store, text string, args ...any) string {
	t.Helper()
	var steps []string
	err := s.db.Read(context.Background(), "test", func(c *server.Conn) error {
		steps = nil
		return c.RawQuery(context.Background(), "EXPLAIN "+text, args, func(r *sqlkit.Row) error {
			steps = append(steps, r.Text())
			return nil
		})
	})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return strings.Join(steps, "\n")
}

// TestQueriesUseIndexes holds the queries that run while mail flows, and those of
// administration on a long queue, to their indexes: on so many rows that the
// server chooses as it does on a million, and otherwise than on few. The submissions
// of a domain in a range may come by the domain or by the range, which are both short.
func TestQueriesUseIndexes(t *testing.T) {
	s := openNew(t)
	fill(t, s, 200_000)
	checkPlans(t, s)
	err := s.db.Planned(t.Context(), "test", func(c *server.Conn) error {
		return c.RawQuery(t.Context(), "SELECT current_setting('jit'), current_setting('plan_cache_mode'), current_setting('transaction_read_only')", nil, func(r *sqlkit.Row) error {
			if jit, mode, readOnly := r.Text(), r.Text(), r.Text(); jit != "off" || mode != "force_generic_plan" || readOnly != "on" {
				t.Errorf("queries that are planned once run with jit %s, plans %s, read only %s", jit, mode, readOnly)
			}
			return nil
		})
	})
	if err != nil {
		t.Error(err)
	}
}

func checkPlans(t testing.TB, s *Store) {
	t.Helper()
	d, id, login := s.dialect, "S0000000000000000000000007", "u1@d2.example"
	sql := holding.StatementsOf(d)
	list := func(f queue.Filter) string {
		text, args := waiting.ListSQL(d, f)
		return explain(t, s, text, plainArgs(args)...)
	}
	search := func(q audit.Query, within *record.Span) string {
		q.Limit = 1000
		text, args := record.SQL(d, &q, within)
		return explain(t, s, text, plainArgs(args)...)
	}
	banned, limited, listed := bans.Table(bans.Options{}), limits.Table(limits.Options{}), lists.Table(lists.Options{})
	ids, keys := `["`+id+`"]`, `[["`+id+`", 1]]`
	for name, c := range map[string]struct {
		plan string
		want []string
	}{
		"due": {explainPlanned(t, s, waiting.DueSQL(d, "d.node = ? AND "), "text, bigint, bigint, text, int, bigint", "'1', 50000, 100, '"+id+"', 1, 100"),
			[]string{"Index Scan using delivery_due", "(next <= $2)", "ROW(next, submission, n) > ROW", "submission_pkey", "credential_id_key"}},
		"share due":            {explainRaw(t, s, nodes.ShareDueSQL, "1", 500, []string{"1", "2"}), []string{"Index Scan using delivery_due", "delivery_pkey"}},
		"share held":           {explainRaw(t, s, nodes.ShareHeldSQL, "1", 500, []string{"1", "2"}), []string{"delivery_held", "delivery_pkey"}},
		"waiting":              {explainRaw(t, s, s.waiting, []string{id}, []int64{1}, "1"), []string{"delivery_pkey", "submission_id_key", "credential_id_key"}},
		"content":              {explain(t, s, waiting.ContentSQL, id), []string{"submission_id_key", "content_pkey"}},
		"oldest":               {explain(t, s, waiting.OldestSQL), []string{"submission_id_key"}},
		"proofs":               {explain(t, s, objects.ProofsSQL, login), []string{"account_pkey", "credential_pkey"}},
		"on a plan":            {explain(t, s, objects.OnPlanSQL, "plan1", "", 10), []string{"account_plan"}},
		"owner":                {explain(t, s, objects.OwnerSQL, login), []string{"account_address_pkey"}},
		"holder":               {explain(t, s, objects.HolderSQL, "certificate", "cn:50 of "+login), []string{"credential_subject"}},
		"bans since":           {explain(t, s, banned.SinceSQL(), 9990), []string{"ban_change"}},
		"bans number":          {explain(t, s, banned.NumberSQL()), []string{"Scan Backward using ban_change"}},
		"same ban":             {explain(t, s, banned.SelectSQL()+bans.Same, "10.0.1.0/24", "", 0, 5), []string{"ban_network"}},
		"ended bans":           {explain(t, s, banned.PrunedSQL(), 100, 10000, 500), []string{"ban_ends"}},
		"rules since":          {explain(t, s, limited.SinceSQL(), 9990), []string{"limit_rule_change"}},
		"rules number":         {explain(t, s, limited.NumberSQL()), []string{"Scan Backward using limit_rule_change"}},
		"rules of one":         {explain(t, s, limited.SelectSQL()+numbered.HoldingOf, "account", "u7@d2.example", 5), []string{"limit_rule_name"}},
		"rules of credentials": {explain(t, s, limited.OfCredentialsSQL(), login), []string{"credential_pkey", "limit_rule_name"}},
		"ended rules":          {explain(t, s, limited.PrunedSQL(), 100, 10000, 500), []string{"limit_rule_ends"}},
		"entries since":        {explain(t, s, listed.SinceSQL(), 9990), []string{"access_entry_change"}},
		"entries number":       {explain(t, s, listed.NumberSQL()), []string{"Scan Backward using access_entry_change"}},
		"entries of one":       {explain(t, s, listed.SelectSQL()+numbered.HoldingOf, "account", "u7@d2.example", 5), []string{"access_entry_name"}},
		"entries of many":      {explain(t, s, listed.OfCredentialsSQL(), login), []string{"credential_pkey", "access_entry_name"}},
		"ended entries":        {explain(t, s, listed.PrunedSQL(), 100, 10000, 500), []string{"access_entry_ends"}},
		"rules of customers":   {explain(t, s, limited.SelectSQL()+" WHERE id IN ("+limited.OfSQL(1, false)+") AND id > ? ORDER BY id LIMIT ?", "c1", "c1", "c1", "c1", "", 100), []string{"limit_rule_name"}},
		"rules for a bound":    {explain(t, s, limited.ChangedSQL(limited.Whose(), 1), 5, "c1", 9990), []string{"limit_rule_change", "domain_pkey", "account_pkey", "credential_id_key"}},
		"bans of customers":    {explain(t, s, banned.SelectSQL()+" WHERE "+numbered.LoginOfSQL("ban", "id", 1)+" AND id > ? ORDER BY id LIMIT ?", "c1", "", 100), []string{"ban_domain"}},
		"page of rules":        {explain(t, s, limited.SelectSQL()+" WHERE id > ? ORDER BY id LIMIT ?", "R5", 100), []string{"limit_rule_pkey"}},
		"entries of customers": {explain(t, s, listed.SelectSQL()+" WHERE id IN ("+listed.OfSQL(1, false)+") AND id > ? ORDER BY id LIMIT ?", "c1", "c1", "c1", "c1", "", 100), []string{"access_entry_name"}},
		"costs":                {explain(t, s, objects.CostsSQL), []string{"Index Only Scan using credential_cost"}},
		"uses":                 {explain(t, s, objects.UsesSQL, login, 10), []string{"credential_use_login"}},
		"used":                 {explainRaw(t, s, server.Placeholders(objects.UsedSQL(2)), "K1id1", 5, "", "", "", "", "K2id1", 5, "", "", "", "", 9), []string{"credential_id_key"}},
		"last uses":            {explain(t, s, objects.LatestUsesSQL, 10), []string{"Scan Backward using credential_use_at"}},
		"list":                 {list(queue.Filter{}), []string{"delivery_pkey", "submission_id_key"}},
		"list after":           {list(queue.Filter{After: queue.Position{Submission: "S0000000000000000000000007"}}), []string{"delivery_pkey", "submission_id_key"}},
		"list one":             {list(queue.Filter{Submission: "S0000000000000000000000007"}), []string{"delivery_pkey"}},
		"list login":           {list(queue.Filter{Login: login}), []string{"submission_owner"}},
		"list login why":       {list(queue.Filter{Login: login, Credential: "C0000000000000000000000007", Why: queue.HoldPassword}), []string{"submission_owner"}},
		"of account":           {explain(t, s, sql.OfAccount, 1, 64, "d2.example", login), []string{"submission_owner", "delivery_pkey", "credential_id_key"}},
		"of domain":            {explain(t, s, sql.OfDomain, 1, 64, "d2.example"), []string{"Index Scan using submission_", "relied_domain", "credential_id_key"}},
		"of customer":          {explain(t, s, sql.OfCustomer, 1, 64, "customer1"), []string{"Index Scan using submission_", "delivery_pkey", "credential_id_key"}},
		"of plan":              {explain(t, s, sql.OfPlan, 1, 64, "plan1"), []string{"submission_pkey", "delivery_pkey", "credential_id_key"}},
		"stand":                {explain(t, s, sql.Stand, ids), []string{"submission_id_key", "delivery_pkey", "credential_id_key"}},
		"chosen stand":         {explain(t, s, waiting.StandSQL(d, "d.state < 3"), keys), []string{"delivery_pkey"}},
		"chosen hold":          {explain(t, s, "UPDATE delivery SET state = 3, hold_reason = ?"+waiting.ChosenSQL(d), "x", keys), []string{"delivery_pkey"}},
		"chosen drop":          {explain(t, s, "DELETE FROM delivery"+waiting.ChosenSQL(d), keys), []string{"delivery_pkey"}},
		"bounds":               {explain(t, s, holding.BoundsSQL), []string{"content_pkey"}},
		"times":                {explain(t, s, record.TimesSQL(d), 1000, 2000), []string{"Index Only Scan using event_at"}},
		"last":                 {explain(t, s, record.LastSeqSQL), []string{"event_pkey"}},
		"by session":           {search(audit.Query{Session: "X0000000000000000000000007"}, nil), []string{"event_session"}},
		"by submission":        {search(audit.Query{Submission: "S0000000000000000000000007"}, nil), []string{"event_submission"}},
		"by login":             {search(audit.Query{Login: login}, &record.Span{First: 1, Last: 60000}), []string{"event_login"}},
		"by times":             {search(audit.Query{Since: time.UnixMicro(10), Until: time.UnixMicro(500)}, &record.Span{First: 100, Last: 65536}), []string{"using event_"}},
		"certified":            {explain(t, s, waiting.CertifiedSQL(d, 1), 500, "certificate", 1000), []string{"submission_pkey", "event_submission", "delivery_pkey"}},
		"coming":               {explain(t, s, waiting.ComingSQL(d), ids), []string{"submission_id_key", "event_submission", "delivery_pkey"}},
		"guard since":          {explain(t, s, guarded.SinceSQL, 49990, 500), []string{"guard_record_change"}},
		"guard found":          {explain(t, s, guarded.FoundSQL(2), "10.0.1.1/32", login, "", login), []string{"guard_record_"}},
		"guard known":          {explain(t, s, guarded.KnownSQL(2), login, "b"), []string{"guard_record_login"}},
		"guard stale":          {explain(t, s, guarded.StaleSQL, login, 100, 50000, 5), []string{"guard_record_login"}},
		"guard ended":          {explain(t, s, guarded.EndedSQL, 100, 50000, 500), []string{"guard_record_ends"}},
		"guard surplus":        {explain(t, s, guarded.SurplusSQL, 50000, 500), []string{"guard_record_failed"}},
		"list under":           {list(queue.Filter{Login: login, Credential: "C0000000000000000000000007", Why: queue.HoldPassword}), []string{"submission_owner"}},
	} {
		for _, want := range c.want {
			if !strings.Contains(c.plan, want) {
				t.Errorf("%s: the plan lacks %q:\n%s", name, want, c.plan)
			}
		}
		for _, table := range []string{"delivery", "submission", "content", "relied", "event", "credential", "credential_use"} {
			if strings.Contains(c.plan, "Seq Scan on "+table+" ") {
				t.Errorf("%s: the plan reads all of %s:\n%s", name, table, c.plan)
			}
		}
	}
}

func plainArgs(args sqlkit.Values) []any {
	var list []any
	for _, a := range args {
		list = append(list, a.Value)
	}
	return list
}

// TestSchemasAgree compares tables and columns with those of the other engine.
func TestSchemasAgree(t *testing.T) {
	ours, theirs := schemaIn(t, "migrations"), schemaIn(t, "../sqlite/migrations")
	// What is different on purpose.
	delete(ours, "node")       // SQLite has but one
	delete(ours, "body")       // files
	delete(ours, "body_chunk") // files
	ours["delivery"] = slices.DeleteFunc(ours["delivery"], func(c string) bool { return c == "node" })
	delete(ours, "queue_total") // rows to add up
	delete(theirs, "queue_total")
	delete(theirs, "counter_log") // its counters are in the writer's memory
	for table, columns := range theirs {
		if !slices.Equal(ours[table], columns) {
			t.Errorf("%s has %v here, %v in SQLite", table, ours[table], columns)
		}
		delete(ours, table)
	}
	if len(theirs) < 15 || len(ours) > 0 {
		t.Errorf("SQLite has %d tables, and not %v", len(theirs), ours)
	}
}

// schemaIn reads the names of tables and columns from all steps in a folder.
func schemaIn(t *testing.T, folder string) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.sql"))
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	for _, file := range files {
		step, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, step...)
	}
	all := map[string][]string{}
	table := ""
	for line := range strings.Lines(string(text)) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case strings.HasPrefix(line, "CREATE TABLE "):
			table = strings.Fields(line)[2]
		case strings.HasPrefix(line, ")"):
			table = ""
		case table != "" && word != "" && word != "--" && strings.ToUpper(word) != word:
			all[table] = append(all[table], word)
		}
	}
	return all
}
