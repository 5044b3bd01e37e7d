package gates

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // the driver

	"countersign/internal/testkit"
	"countersign/test/harness"
)

// How many there are of what is filled in.
const (
	customers = 100
	domains   = 1_000
	accounts  = 100_000
	grantees  = accounts / 10
	bans      = 10_000
	denied    = 1_000
	allowed   = 10_000
)

// What an account of a number is, in the words of both engines. {id} is the number in 23 digits.
const (
	domainOf = "'d' || (i % 1000) || '.example'"
	loginOf  = "'u' || i || '@' || " + domainOf
)

// copies says that a table gets rows that are copies of those that the commands have made.
type copies struct {
	table string
	// of says which rows, n of each of them.
	of string
	n  int
	// with is what is different in copy i of a column.
	with map[string]string
}

// everybody are 100,000 accounts with one app password each, of 1,000 domains of 100 customers.
var everybody = []copies{
	{"customer", "name = '" + testkit.Customer + "'", customers, map[string]string{"name": "'customer' || (i - 1)"}},
	{"domain", "name = '" + string(testkit.Domain) + "'", domains, map[string]string{
		"name": "'d' || (i - 1) || '.example'", "customer": "'customer' || ((i - 1) % 100)",
	}},
	{"account", "login = '" + testkit.Login + "'", accounts, map[string]string{
		"login": loginOf, "address": loginOf, "id": "'01J' || {id}", "domain": domainOf,
	}},
	{"credential", "name = '" + appPassword + "'", accounts, map[string]string{"login": loginOf, "id": "'01J' || {id}"}},
	{"account_address", "login = '" + testkit.Login + "'", accounts, map[string]string{"key": loginOf, "login": loginOf, "address": loginOf}},
}

// inTheirPlace is what a name of the template becomes in copy i: of each column that has it.
func inTheirPlace(column string) string {
	return "replace(replace(" + column + ", '" + testkit.Login + "', " + loginOf + "), '" + string(testkit.Domain) + "', " + domainOf + ")"
}

// grants lets one of ten accounts send as an address that it was granted.
var grants = []copies{{"account_grant", "login = '" + testkit.Login + "'", grantees, map[string]string{
	"login": tenth(loginOf), "address": tenth(inTheirPlace("address")), "domain": tenth(inTheirPlace("domain")),
	"target": tenth(inTheirPlace("target")), "under": tenth(inTheirPlace("under")),
}}}

// tenth is an expression for account 10 * i in place of i.
func tenth(text string) string {
	return strings.NewReplacer("|| i ||", "|| (i * 10) ||", "(i % 1000)", "(i * 10 % 1000)").Replace(text)
}

// limits gives each account a limit of its own, as the command has set one.
var limits = []copies{{"limit_rule", "kind = 'account' AND name = '" + testkit.Login + "'", accounts, map[string]string{"id": "'01J' || {id}", "name": loginOf}}}

// networks are bans, what nobody may come from, and accounts with a list of their own.
var networks = []copies{
	{"ban", "network = '203.0.113.9/32'", bans, map[string]string{
		"id": "'01J' || {id}", "network": "'11.' || (i / 256) || '.' || (i % 256) || '.0/24'", "change": "change + i",
	}},
	{"access_entry", "what = '203.0.113.7/32'", denied, map[string]string{"id": "'01J' || {id}", "what": "'12.0.' || (i / 250) || '.' || (i % 250) || '/32'"}},
	{"access_entry", "kind = 'account' AND name = '" + testkit.Login + "'", allowed, map[string]string{"id": "'01K' || {id}", "name": loginOf}},
	{"access_entry", "kind = 'customer' AND name = '" + testkit.Customer + "'", customers, map[string]string{"id": "'01M' || {id}", "name": "'customer' || (i - 1)"}},
}

// engine is a database whose gate is stopped.
type engine interface {
	// columns are those of a table.
	columns(table string) ([]string, error)
	run(text string) error
	// words are the engine's own, for strings.NewReplacer: {id}, and {numbers} from 1 to {n}.
	words() []string
	close()
}

// fill makes copies in a database.
func fill(b *testing.B, db engine, list []copies) {
	b.Helper()
	for _, c := range list {
		columns, err := db.columns(c.table)
		if err != nil {
			b.Fatalf("%s: %v", c.table, err)
		}
		values := slices.Clone(columns)
		for i, name := range columns {
			if with, found := c.with[name]; found {
				values[i] = with
			}
		}
		text := fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s, {numbers} WHERE %s", c.table,
			strings.Join(columns, ", "), strings.Join(values, ", "), c.table, c.of)
		text = strings.ReplaceAll(strings.NewReplacer(db.words()...).Replace(text), "{n}", fmt.Sprint(c.n))
		if err := db.run(text); err != nil {
			b.Fatalf("%s: %v", text, err)
		}
	}
}

// onSQLite is the database of a gate.
type onSQLite struct{ *sql.DB }

func openSQLite(b *testing.B, g *harness.Gate) engine {
	b.Helper()
	db, err := sql.Open("sqlite", sqlitePath(g))
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	// One file then has everything, and nothing waits for the disk.
	for _, text := range []string{"PRAGMA journal_mode = DELETE", "PRAGMA synchronous = OFF", "PRAGMA cache_size = -200000"} {
		if _, err := db.Exec(text); err != nil {
			b.Fatal(err)
		}
	}
	return onSQLite{db}
}

func sqlitePath(g *harness.Gate) string { return filepath.Join(g.Dir, "data", "countersign.db") }

func (s onSQLite) columns(table string) ([]string, error) {
	rows, err := s.Query("SELECT * FROM " + table + " LIMIT 0")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return rows.Columns()
}

func (s onSQLite) run(text string) error {
	_, err := s.Exec(text)
	return err
}

func (s onSQLite) words() []string {
	return []string{"{id}", "printf('%023d', i)", "{numbers}", "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n}) SELECT i FROM n) n"}
}

func (s onSQLite) close() { s.Close() }

// onPostgres is a database by its URL.
type onPostgres struct{ *pgx.Conn }

func openPostgres(b *testing.B, url string) engine {
	b.Helper()
	c, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	return onPostgres{c}
}

func (p onPostgres) columns(table string) (list []string, err error) {
	rows, err := p.Query(context.Background(), "SELECT * FROM "+table+" LIMIT 0")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for _, f := range rows.FieldDescriptions() {
		list = append(list, f.Name)
	}
	return list, nil
}

func (p onPostgres) run(text string) error {
	_, err := p.Exec(context.Background(), text)
	return err
}

func (p onPostgres) words() []string {
	return []string{"{id}", "lpad(i::text, 23, '0')", "{numbers}", "generate_series(1, {n}::bigint) n(i)"}
}

func (p onPostgres) close() { p.Close(context.Background()) }
