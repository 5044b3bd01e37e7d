package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlkit/bans"
	"countersign/internal/store/sqlkit/guarded"
	"countersign/internal/store/sqlkit/holding"
	"countersign/internal/store/sqlkit/incoming"
	"countersign/internal/store/sqlkit/limits"
	"countersign/internal/store/sqlkit/lists"
	"countersign/internal/store/sqlkit/numbered"
	"countersign/internal/store/sqlkit/objects"
	"countersign/internal/store/sqlkit/rounds"
	"countersign/internal/store/sqlkit/shapes"
	"countersign/internal/store/sqlkit/waiting"
)

func planOf(name string) account.Plan { return account.Plan{Name: name, State: account.Active} }

// explain returns what SQLite says it does for a query, one step to a line.
func explain(t *testing.T, s *Store, text string, args values) string {
	t.Helper()
	var steps []string
	err := s.db.Read(t.Context(), "test", func(c *conn) error {
		return c.Query(t.Context(), "EXPLAIN QUERY PLAN "+text, args, func(r *row) error {
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

// TestHotQueriesUseIndexes holds the queries that run while mail flows, and
// those of administration on a large queue, to their indexes.
func TestHotQueriesUseIndexes(t *testing.T) {
	s := openNew(t)
	now := time.Now()
	id := mail.ID("x")
	list := func(f queue.Filter) string {
		text, args := waiting.ListSQL(newDialect(), f)
		return explain(t, s, text, args)
	}
	banned, limited, listed := bans.Table(bans.Options{}), limits.Table(limits.Options{}), lists.Table(lists.Options{})
	grantees, granteesArgs := objects.GranteesOf(account.GranteeQuery{Customers: []string{"a"}, After: "x", Limit: 10})
	for name, c := range map[string]struct {
		plan string
		want []string // must stand in it
	}{
		"due":                  {explain(t, s, waiting.DueSQL(newDialect(), ""), bind(now, now, id, 1, 10)), []string{"SEARCH d USING INDEX delivery_due ((next,submission,n)>(?,?,?) AND next<?)", "SEARCH s USING INTEGER PRIMARY KEY (rowid=?)", "SEARCH y USING INDEX sqlite_autoindex_credential_1 (id=?)"}},
		"totals":               {explain(t, s, newDialect().Totals, nil), []string{"SEARCH queue_total USING INTEGER PRIMARY KEY"}},
		"oldest":               {explain(t, s, waiting.OldestSQL, nil), []string{"SCAN submission"}},
		"generation":           {explain(t, s, objects.GenerationSQL, nil), []string{"SEARCH meta USING PRIMARY KEY"}},
		"active":               {explain(t, s, incoming.ActiveSQL, bind("l", id)), []string{"SEARCH a USING PRIMARY KEY (login=?)", "SEARCH d USING PRIMARY KEY", "SEARCH c USING PRIMARY KEY", "SEARCH p USING PRIMARY KEY", "SEARCH q USING PRIMARY KEY"}},
		"proofs":               {explain(t, s, objects.ProofsSQL, bind("l")), []string{"SEARCH a USING PRIMARY KEY (login=?)", "SEARCH d USING PRIMARY KEY (name=?)", "SEARCH c USING PRIMARY KEY (name=?)", "SEARCH p USING PRIMARY KEY (name=?)", "SEARCH q USING PRIMARY KEY (name=?)", "SEARCH k USING PRIMARY KEY (login=?)"}},
		"on a plan":            {explain(t, s, objects.OnPlanSQL, bind("p", "l", 10)), []string{"SEARCH account USING COVERING INDEX account_plan (plan=? AND login>?)"}},
		"owner":                {explain(t, s, objects.OwnerSQL, bind("a@b")), []string{"SEARCH account_address USING PRIMARY KEY (key=?)"}},
		"holder":               {explain(t, s, objects.HolderSQL, bind("certificate", "cn:x")), []string{"SEARCH credential USING INDEX credential_subject (kind=? AND subject=?)"}},
		"bans since":           {explain(t, s, banned.SinceSQL(), bind(1)), []string{"SEARCH ban USING INDEX ban_change (change>?)"}},
		"ban number":           {explain(t, s, banned.NumberSQL(), nil), []string{"SEARCH ban USING COVERING INDEX ban_change"}},
		"same ban":             {explain(t, s, banned.SelectSQL()+bans.Same, bind("10.0.0.0/8", "", 0, now)), []string{"SEARCH ban USING INDEX ban_network (network=?)"}},
		"ended bans":           {explain(t, s, banned.PruneSQL(), bind(now, 1, 10)), []string{"SEARCH ban USING INDEX ban_ends (ends>? AND ends<?)", "SEARCH ban USING PRIMARY KEY (id=?)"}},
		"rules since":          {explain(t, s, limited.SinceSQL(), bind(1)), []string{"SEARCH limit_rule USING INDEX limit_rule_change (change>?)"}},
		"rule number":          {explain(t, s, limited.NumberSQL(), nil), []string{"SEARCH limit_rule USING COVERING INDEX limit_rule_change"}},
		"rules of one":         {explain(t, s, limited.SelectSQL()+numbered.HoldingOf, bind("account", "a@b", now)), []string{"SEARCH limit_rule USING INDEX limit_rule_name (kind=? AND name=?)"}},
		"rules of credentials": {explain(t, s, limited.OfCredentialsSQL(), bind("l")), []string{"SEARCH k USING PRIMARY KEY (login=?)", "SEARCH r EXISTS USING COVERING INDEX limit_rule_name (kind=? AND name=?)"}},
		"ended rules":          {explain(t, s, limited.PruneSQL(), bind(now, 1, 10)), []string{"SEARCH limit_rule USING INDEX limit_rule_ends (ends>? AND ends<?)", "SEARCH limit_rule USING PRIMARY KEY (id=?)"}},
		"entries since":        {explain(t, s, listed.SinceSQL(), bind(1)), []string{"SEARCH access_entry USING INDEX access_entry_change (change>?)"}},
		"entry number":         {explain(t, s, listed.NumberSQL(), nil), []string{"SEARCH access_entry USING COVERING INDEX access_entry_change"}},
		"entries of one":       {explain(t, s, listed.SelectSQL()+numbered.HoldingOf, bind("account", "a@b", now)), []string{"SEARCH access_entry USING INDEX access_entry_name (kind=? AND name=?)"}},
		"entries of many":      {explain(t, s, listed.OfCredentialsSQL(), bind("l")), []string{"SEARCH k USING PRIMARY KEY (login=?)", "SEARCH r EXISTS USING COVERING INDEX access_entry_name (kind=? AND name=?)"}},
		"ended entries":        {explain(t, s, listed.PruneSQL(), bind(now, 1, 10)), []string{"SEARCH access_entry USING INDEX access_entry_ends (ends>? AND ends<?)", "SEARCH access_entry USING PRIMARY KEY (id=?)"}},
		"rules of a customer":  {explain(t, s, limited.SelectSQL()+" WHERE id IN ("+limited.OfSQL(2, false)+") AND id > ? ORDER BY id LIMIT ?", bind("a", "b", "a", "b", "a", "b", "a", "b", "x", 10)), []string{"SEARCH limit_rule USING PRIMARY KEY (id=?)", "SEARCH d USING COVERING INDEX domain_customer (customer=?)", "SEARCH a USING COVERING INDEX account_domain (domain=?)", "SEARCH k USING PRIMARY KEY (login=?)", "SEARCH r USING COVERING INDEX limit_rule_name (kind=? AND name=?)"}},
		"rules for a bound":    {explain(t, s, limited.ChangedSQL(limited.Whose(), 1), bind(now, "a", 5)), []string{"SEARCH r USING INDEX limit_rule_change (change>?)", "SEARCH a USING PRIMARY KEY (login=?)", "SEARCH d USING PRIMARY KEY (name=?)", "SEARCH k USING INDEX sqlite_autoindex_credential_1 (id=?)"}},
		"bans for a bound":     {explain(t, s, banned.ChangedSQL(numbered.Whose{SQL: numbered.WhoseLoginSQL()}, 1), bind(now, "a", 5)), []string{"SEARCH r USING INDEX ban_change (change>?)", "SEARCH d USING PRIMARY KEY (name=?)"}},
		"entries for a bound":  {explain(t, s, listed.ChangedSQL(listed.Whose(), 1), bind(now, "a", 5)), []string{"SEARCH r USING INDEX access_entry_change (change>?)", "SEARCH d USING PRIMARY KEY (name=?)"}},
		"bans of customers":    {explain(t, s, banned.SelectSQL()+" WHERE "+numbered.LoginOfSQL("ban", "id", 2)+" AND id > ? ORDER BY id LIMIT ?", bind("a", "b", "x", 10)), []string{"SEARCH ban USING PRIMARY KEY (id=?)", "SEARCH d USING COVERING INDEX domain_customer (customer=?)", "SEARCH r USING INDEX ban_domain (<expr>=?)"}},
		"guard of customers":   {explain(t, s, guarded.OfSQL(1), bind("a", 10)), []string{"SEARCH guard_record USING PRIMARY KEY (network=? AND login=?)", "SEARCH r USING COVERING INDEX guard_record_domain (<expr>=?)"}},
		"page of rules":        {explain(t, s, limited.SelectSQL()+" WHERE id > ? ORDER BY id LIMIT ?", bind("x", 10)), []string{"SEARCH limit_rule USING PRIMARY KEY (id>?)"}},
		"entries of customers": {explain(t, s, listed.SelectSQL()+" WHERE id IN ("+listed.OfSQL(1, true)+") AND id > ? ORDER BY id LIMIT ?", bind("a", "a", "a", "a", "a", "x", 10)), []string{"SEARCH access_entry USING PRIMARY KEY (id=?)", "SEARCH r USING COVERING INDEX access_entry_name (kind=? AND name=?)", "SEARCH r USING INDEX access_entry_ends (ends>?)"}},
		"grantees of one":      {explain(t, s, grantees, granteesArgs), []string{"SEARCH account_grant USING PRIMARY KEY (login=?)", "SEARCH a USING COVERING INDEX account_domain (domain=?)", "SEARCH d USING COVERING INDEX domain_customer (customer=?)"}},
		"unheld":               {explain(t, s, objects.UnheldSQL, bind(10)), []string{"SCAN z", "SEARCH k USING PRIMARY KEY (domain=?)"}},
		"costs":                {explain(t, s, objects.CostsSQL, nil), []string{"SEARCH credential USING COVERING INDEX credential_cost (cost>?)"}},
		"uses":                 {explain(t, s, objects.UsesSQL, bind("l", 10)), []string{"SEARCH credential_use USING INDEX credential_use_login (login=?)"}},
		"used":                 {explain(t, s, objects.UsedSQL(2), bind("a", now, "", "", "", "", "b", now, "", "", "", "", now)), []string{"SEARCH k USING INDEX sqlite_autoindex_credential_1 (id=?)"}},
		"last uses":            {explain(t, s, objects.LatestUsesSQL, bind(10)), []string{"SCAN credential_use USING INDEX credential_use_at"}},
		"own domain":           {explain(t, s, objects.OwnDomainSQL, bind("l", "d")), []string{"SEARCH a USING PRIMARY KEY (login=?)", "SEARCH d USING COVERING INDEX domain_customer (customer=? AND name=?)", "SEARCH x USING PRIMARY KEY (name=?)"}},
		"state":                {explain(t, s, stateSQL, bind(id, 1)), []string{"SEARCH delivery USING INDEX sqlite_autoindex_delivery_1 (submission=? AND n=?)"}},
		"waiting":              {explain(t, s, s.waiting, bind(id, 1)), []string{"SEARCH d USING INDEX sqlite_autoindex_delivery_1 (submission=? AND n=?)", "SEARCH y USING INDEX sqlite_autoindex_credential_1 (id=?)"}},
		"any":                  {explain(t, s, anyDeliverySQL, bind(id)), []string{"SEARCH delivery USING COVERING INDEX sqlite_autoindex_delivery_1 (submission=?)"}},
		"bodies":               {explain(t, s, usedBodiesSQL, nil), []string{"SCAN content USING COVERING INDEX content_large"}},
		"stand":                {explain(t, s, waiting.StandSQL(newDialect(), "+d.state < 3"), bind("[]")), []string{"SCAN j", "SEARCH d USING INDEX sqlite_autoindex_delivery_1 (submission=? AND n=?)"}},
		"hold":                 {explain(t, s, "UPDATE delivery SET state = 3, hold_reason = ?"+waiting.ChosenSQL(newDialect()), bind("x", "[]")), []string{"SEARCH delivery USING COVERING INDEX sqlite_autoindex_delivery_1 (submission=? AND n=?)"}},
		"drop":                 {explain(t, s, "DELETE FROM delivery"+waiting.ChosenSQL(newDialect()), bind("[]")), []string{"SEARCH delivery USING COVERING INDEX sqlite_autoindex_delivery_1 (submission=? AND n=?)"}},
		"list":                 {list(queue.Filter{}), []string{"SCAN d", "SEARCH s USING INDEX sqlite_autoindex_submission_1 (id=?)"}},
		"list after":           {list(queue.Filter{After: queue.Position{Submission: id}}), []string{"SEARCH d USING INDEX sqlite_autoindex_delivery_1 ((submission,n)>(?,?))"}},
		"list one":             {list(queue.Filter{Submission: id}), []string{"SEARCH d USING INDEX sqlite_autoindex_delivery_1 (submission=?)"}},
		"list login":           {list(queue.Filter{Login: "a@b"}), []string{"SEARCH s USING INDEX submission_owner (<expr>=? AND domain=? AND login=?)", "SEARCH d USING INDEX sqlite_autoindex_delivery_1 (submission=?)"}},
		"list login why":       {list(queue.Filter{Login: "a@b", Credential: id, Why: queue.HoldPassword}), []string{"SEARCH s USING INDEX submission_owner (<expr>=? AND domain=? AND login=?)", "SEARCH d USING INDEX sqlite_autoindex_delivery_1 (submission=?)"}},
		"certified":            {explain(t, s, waiting.CertifiedSQL(newDialect(), 1), bind(500, "certificate", 1000)), []string{"SEARCH s USING INTEGER PRIMARY KEY (rowid>?)", "SEARCH e USING INDEX event_submission (submission=?)", "SEARCH h USING INDEX event_submission (submission=?)", "SEARCH v USING"}},
		"coming":               {explain(t, s, waiting.ComingSQL(newDialect()), bind("[]")), []string{"SCAN j", "SEARCH s USING INDEX sqlite_autoindex_submission_1 (id=?)", "SEARCH v USING", "SEARCH h USING INDEX event_submission (submission=?)"}},
		"guard since":          {explain(t, s, guarded.SinceSQL, bind(1, 10)), []string{"SEARCH guard_record USING INDEX guard_record_change (change>?)"}},
		"guard found":          {explain(t, s, guarded.FoundSQL(2), bind("10.0.0.1/32", "l", "", "l")), []string{"SEARCH guard_record USING PRIMARY KEY (network=? AND login=?)"}},
		"guard known":          {explain(t, s, guarded.KnownSQL(2), bind("a", "b")), []string{"SEARCH guard_record USING INDEX guard_record_login (login=?)"}},
		"guard stale":          {explain(t, s, guarded.StaleSQL, bind("a", now, 1, 10)), []string{"SEARCH guard_record USING INDEX guard_record_login (login=?)", "USE TEMP B-TREE FOR ORDER BY"}},
		"guard ended":          {explain(t, s, guarded.EndedSQL, bind(now, 1, 10)), []string{"SEARCH guard_record USING INDEX guard_record_ends (ends<?)"}},
		"guard failed":         {explain(t, s, guarded.FailedSQL, nil), []string{"USING COVERING INDEX guard_record_failed"}},
		"shapes":               {explain(t, s, shapes.ListSQL, bind("d", "m")), []string{"SEARCH challenge_shape USING PRIMARY KEY (directory=? AND mechanism=?)"}},
		"looks of a page":      {explain(t, s, rounds.OfSQL(2), bind("d", "e")), []string{"SEARCH domain_look USING PRIMARY KEY (domain=?)"}},
		"looks":                {explain(t, s, rounds.TakenSQL, bind("d", "n", 1)), []string{"SEARCH domain_look USING PRIMARY KEY (domain=?)"}},
		"guard surplus":        {explain(t, s, guarded.SurplusSQL, bind(1, 10)), []string{"SEARCH guard_record USING COVERING INDEX guard_record_failed (change<?)"}},
		"list login, and why":  {list(queue.Filter{Login: "a@b", Credential: id, Why: queue.HoldPassword}), []string{"SEARCH s USING INDEX submission_owner (<expr>=? AND domain=? AND login=?)", "SEARCH d USING INDEX sqlite_autoindex_delivery_1 (submission=?)"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, want := range c.want {
				if !strings.Contains(c.plan, want) {
					t.Errorf("the plan lacks %q:\n%s", want, c.plan)
				}
			}
			// A listing of one login sorts recipients at most, and of what the guard knows of one
			// there are few rows; nothing else may gather rows before it answers.
			if strings.Contains(c.plan, "TEMP B-TREE FOR ORDER BY") && !strings.HasPrefix(name, "list login") && name != "guard stale" && name != "guard of customers" {
				t.Errorf("the plan sorts:\n%s", c.plan)
			}
		})
	}
}

// TestTasksUseIndexes holds the queries of tasks to the plans that make them
// fast with a million messages waiting.
func TestTasksUseIndexes(t *testing.T) {
	s, sql := openNew(t), holding.StatementsOf(newDialect())
	const byID = "SEARCH v USING INDEX sqlite_autoindex_delivery_1 (submission=?)"
	const account = "SEARCH a USING PRIMARY KEY (login=?)"
	const extra = "SEARCH r USING PRIMARY KEY (submission=?)"
	const came = "SEARCH y USING INDEX sqlite_autoindex_credential_1 (id=?)"
	for text, c := range map[string]struct {
		args []any
		want []string
	}{
		sql.OfAccount:     {[]any{1, 2, "d", "l"}, []string{"SEARCH s USING INDEX submission_owner (<expr>=? AND domain=? AND login=?)", byID, account, extra, came}},
		sql.OfDomain:      {[]any{1, 2, "d"}, []string{"SEARCH s USING INDEX submission_owner (<expr>=? AND domain=?)", "SEARCH r USING COVERING INDEX relied_domain (<expr>=? AND domain=?)", byID, account, extra, came}},
		sql.OfCustomer:    {[]any{1, 2, "c"}, []string{"SEARCH s USING INDEX submission_owner (<expr>>? AND <expr><?)", byID, account, extra, came}},
		sql.OfPlan:        {[]any{1, 2, "p"}, []string{"SEARCH s USING INDEX submission_owner (<expr>>? AND <expr><?)", "SEARCH k USING PRIMARY KEY (name=?)", "SEARCH z USING PRIMARY KEY (login=?)", byID, account, extra, came}},
		sql.Stand:         {[]any{"[]"}, []string{"SEARCH s USING INDEX sqlite_autoindex_submission_1 (id=?)", byID, account, extra, came}},
		sql.Hold:          {[]any{"[]"}, []string{"SEARCH delivery USING INDEX sqlite_autoindex_delivery_1 (submission=?)"}},
		sql.Release:       {[]any{"[]"}, []string{"SEARCH delivery USING INDEX sqlite_autoindex_delivery_1 (submission=?)"}},
		holding.BoundsSQL: {nil, []string{"SEARCH content"}},
	} {
		plan := explain(t, s, text, bind(c.args...))
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

// TestTheLogStaysSmall accepts far more than the log should hold.
func TestTheLogStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openAt(t, path, true)
	var ids mail.IDSource
	body := make([]byte, 32<<10)
	var sizes []int64
	for range 1500 { // 48 MB in all
		if err := s.Accept(t.Context(), benchMessage(ids.New(), "", body, 1)); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, fileSize(t, path+"-wal"))
	}
	if largest := slices.Max(sizes); largest > 12<<20 {
		t.Errorf("the log grew to %d octets", largest)
	}
}

// TestTotalsAgree checks the totals that are kept against those that are
// counted, after a bit of everything.
func TestTotalsAgree(t *testing.T) {
	s := openNew(t)
	var ids mail.IDSource
	for n := range 50 {
		m := benchMessage(ids.New(), "", []byte("x"), n)
		m.Deliveries = nil
		for r := range 4 {
			m.Deliveries = append(m.Deliveries, queue.Delivery{Submission: m.Submission.ID, N: r + 1, State: []queue.State{queue.Queued, queue.Deferred, queue.Held}[r%3]})
		}
		if err := s.Accept(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if err := s.Report(t.Context(), delivered(m.Submission.ID)); err != nil {
			t.Fatal(err)
		}
	}
	var counted [waiting.States]int
	err := s.db.Read(t.Context(), "test", func(c *conn) error {
		return c.Query(t.Context(), "SELECT state, count(*) FROM delivery GROUP BY state", nil, func(r *row) error {
			counted[r.Int()] = r.Int()
			return nil
		})
	})
	stats, failed := s.Stats(t.Context())
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	if got := [waiting.States]int{0, stats.Queued, stats.Deferred, stats.Held}; got != counted {
		t.Errorf("kept %v, counted %v", got, counted)
	}
	if fmt.Sprint(counted) != "[0 50 50 50]" {
		t.Errorf("counted %v", counted)
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
