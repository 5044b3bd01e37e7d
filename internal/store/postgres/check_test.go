package postgres

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"countersign/internal/fault"
	"countersign/internal/soundness"
	"countersign/internal/store/storetest/unsound"
)

// openDamageable opens a store that SQL may damage, and which knows the node that
// its deliveries are of.
func openDamageable(t *testing.T) (unsound.Opened, string) {
	t.Helper()
	url := shared.Cluster(t).Database(t)
	o := damageableAt(url)
	o.Store = openAt(t, url, true)
	var text strings.Builder
	for _, table := range []string{"customer_plan", "domain_customer", "domain_key_domain", "account_domain", "account_plan", "account_address_login", "account_grant_login", "credential_login", "credential_use_login"} {
		name := regexp.MustCompile(`_[a-z]+$`).ReplaceAllString(table, "")
		text.WriteString("ALTER TABLE " + name + " DROP CONSTRAINT " + table + "_fkey;\n")
	}
	execAt(t, url, text.String())
	return o, url
}

// damageableAt is a store that SQL may damage, which nobody has opened.
func damageableAt(url string) unsound.Opened {
	return unsound.Opened{
		Exec: func(t *testing.T, text string) { t.Helper(); execAt(t, url, text) },
		Check: func(t *testing.T) *soundness.Report {
			t.Helper()
			r, err := Check(t.Context(), Options{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			return r
		},
	}
}

// filledOnce fills a store that SQL may damage, and returns what makes copies of it.
func filledOnce(t *testing.T) unsound.Opener {
	t.Helper()
	o, url := openDamageable(t)
	unsound.Fill(t, o.Store)
	if err := o.Store.Close(); err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T) unsound.Opened {
		t.Helper()
		return damageableAt(shared.Cluster(t).Copy(t, url))
	}
}

// execAt runs a statement beside the store.
func execAt(t *testing.T, url, text string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(t.Context(), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func TestSoundness(t *testing.T) {
	unsound.Run(t, func(t *testing.T) unsound.Opened {
		o, _ := openDamageable(t)
		return o
	}, filledOnce(t))
}

// TestDamagedRows damages what only this engine has in rows.
func TestDamagedRows(t *testing.T) {
	filled := filledOnce(t)
	for name, c := range map[string]struct {
		text string
		kind soundness.Kind
	}{
		"a node is gone":             {"DELETE FROM node", soundness.NoNode},
		"a lease without an end":     {"UPDATE node SET lease_until = 9000000000000000000", soundness.EndlessLease},
		"a piece is gone":            {"DELETE FROM body_chunk WHERE n = 1", soundness.BodySize},
		"a piece is short":           {"UPDATE body_chunk SET data = substr(data, 2) WHERE n = 0", soundness.BodySize},
		"pieces of the wrong length": {"UPDATE body_chunk SET n = -n - 1; UPDATE body_chunk SET n = 3 + n", soundness.BodySize},
		"the end is gone":            {"DELETE FROM body_chunk WHERE n = 2", soundness.BodySize},
		"a body is finished":         {"UPDATE body SET state = 4", soundness.BodyMissing},
		"a body is left":             {"INSERT INTO body (id, size, state, changed) VALUES ('x', 0, 3, 1)", soundness.UnusedBody},
		"pieces are left":            {"INSERT INTO body_chunk (body, n, data) VALUES ('x', 0, ''), ('x', 1, '')", soundness.UnusedBody},
	} {
		t.Run(name, func(t *testing.T) {
			o := filled(t)
			o.Exec(t, c.text)
			r := o.Check(t)
			want := int64(1)
			if c.kind == soundness.NoNode {
				want = 4 // all that waits
			}
			unsound.Want(t, r, map[soundness.Kind]int64{c.kind: want})
			for _, f := range r.Findings {
				body := f.Kind == soundness.BodySize || f.Kind == soundness.BodyMissing
				if body && !strings.HasPrefix(f.Where[0], "submission "+string(unsound.Large)+" (body 01") || strings.Contains(f.Do, "file") {
					t.Errorf("%s: %s", f.Where, f.Do)
				}
			}
			if r.Sound() != (c.kind == soundness.UnusedBody) {
				t.Errorf("sound is %v", r.Sound())
			}
		})
	}
}

// TestCheckChangesNothing: it makes no tables, and brings none up to date.
func TestCheckChangesNothing(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	execAt(t, url, "CREATE SCHEMA empty; ALTER DATABASE "+pathOf(t, url)+" SET search_path = empty")
	if _, err := Check(t.Context(), Options{URL: url}); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	execAt(t, url, "ALTER DATABASE "+pathOf(t, url)+" RESET search_path")
	execAt(t, url, "DELETE FROM schema_migration")
	if _, err := Check(t.Context(), Options{URL: url}); !fault.Is(err, fault.Conflict) {
		t.Errorf("an older schema: %v", err)
	}
}

// pathOf returns the name of the database of a URL.
func pathOf(t *testing.T, url string) string {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return pgx.Identifier{config.Database}.Sanitize()
}

// TestDocumentedHold runs the statements that docs/ops/backup.md gives for a
// restored database.
func TestDocumentedHold(t *testing.T) {
	page, err := os.ReadFile("../../../docs/ops/backup.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begins := strings.Cut(string(page), "    BEGIN;")
	text, _, ends := strings.Cut(rest, "    COMMIT;")
	if !begins || !ends {
		t.Fatal("the page has no such statements")
	}
	o, url := openDamageable(t)
	unsound.Fill(t, o.Store)
	execAt(t, url, "BEGIN;"+text+"COMMIT;")
	unsound.Want(t, o.Check(t), nil)
	stats, err := o.Store.Stats(t.Context())
	if err != nil || stats.Held != 4 || stats.Queued+stats.Deferred != 0 {
		t.Errorf("got %+v, %v", stats, err)
	}
}
