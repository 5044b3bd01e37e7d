package directory

import (
	"context"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"countersign/internal/directory"
	"countersign/internal/directory/database"
	"countersign/internal/fault"
	"countersign/internal/testkit/pgcluster"
)

// schemas are those that the page has queries for, by its headings: the columns that
// the queries touch, in words that both engines know, and rows. %BOOL is the
// engine's truth value.
var schemas = map[string]string{
	"Postfix and Dovecot": `
CREATE TABLE virtual_domains (id int PRIMARY KEY, name varchar(50) NOT NULL);
CREATE TABLE virtual_users (id int PRIMARY KEY, domain_id int NOT NULL, email varchar(100) NOT NULL UNIQUE, password varchar(150) NOT NULL);
CREATE TABLE virtual_aliases (id int PRIMARY KEY, domain_id int NOT NULL, source varchar(100) NOT NULL, destination varchar(100) NOT NULL);
INSERT INTO virtual_domains VALUES (1, 'example.org');
INSERT INTO virtual_users VALUES (1, 1, 'shop@example.org', '{BLF-CRYPT}$2y$10$shop'), (2, 1, 'other@example.org', '{BLF-CRYPT}$2y$10$other');
INSERT INTO virtual_aliases VALUES (1, 1, 'info@example.org', 'shop@example.org'), (2, 1, 'sales@example.org', 'shop@example.org'), (3, 1, 'a@example.org', 'other@example.org');
`,
	"PostfixAdmin": `
CREATE TABLE domain (domain varchar(255) PRIMARY KEY, active %BOOL NOT NULL);
CREATE TABLE mailbox (username varchar(255) PRIMARY KEY, password varchar(255) NOT NULL, local_part varchar(255) NOT NULL, domain varchar(255) NOT NULL, active %BOOL NOT NULL);
CREATE TABLE alias (address varchar(255) PRIMARY KEY, goto text NOT NULL, domain varchar(255) NOT NULL, active %BOOL NOT NULL);
INSERT INTO domain VALUES ('example.org', true), ('old.example', false);
INSERT INTO mailbox VALUES ('shop@example.org', '$1$salt$shop', 'shop', 'example.org', true), ('off@example.org', '$1$salt$off', 'off', 'example.org', false),
	('gone@old.example', '$1$salt$gone', 'gone', 'old.example', true);
INSERT INTO alias VALUES ('shop@example.org', 'shop@example.org', 'example.org', true), ('info@example.org', 'shop@example.org', 'example.org', true),
	('sales@example.org', 'shop@example.org', 'example.org', true), ('past@example.org', 'shop@example.org', 'example.org', false), ('@example.org', 'shop@example.org', 'example.org', true);
`,
	"iRedMail": `
CREATE TABLE domain (domain varchar(255) PRIMARY KEY, active smallint NOT NULL DEFAULT 1);
CREATE TABLE mailbox (username varchar(255) PRIMARY KEY, password varchar(255) NOT NULL, domain varchar(255) NOT NULL, enablesmtp smallint NOT NULL DEFAULT 1, active smallint NOT NULL DEFAULT 1, allow_nets text);
CREATE TABLE forwardings (id int PRIMARY KEY, address varchar(255) NOT NULL, forwarding varchar(255) NOT NULL, is_forwarding smallint NOT NULL DEFAULT 0, is_alias smallint NOT NULL DEFAULT 0, active smallint NOT NULL DEFAULT 1);
INSERT INTO domain VALUES ('example.org', 1), ('old.example', 0);
INSERT INTO mailbox VALUES ('shop@example.org', '{SSHA512}shop', 'example.org', 1, 1, '192.0.2.0/24,2001:db8::1'), ('off@example.org', '{SSHA512}off', 'example.org', 0, 1, NULL),
	('gone@old.example', '{SSHA512}gone', 'old.example', 1, 1, NULL);
INSERT INTO forwardings VALUES (1, 'info@example.org', 'shop@example.org', 0, 1, 1), (2, 'sales@example.org', 'shop@example.org', 0, 1, 1),
	(3, 'past@example.org', 'shop@example.org', 0, 1, 0), (4, 'else@example.org', 'shop@example.org', 1, 0, 1);
`,
}

// answers are what each schema has to answer: the hash of shop@example.org, and
// those that are disabled.
var answers = map[string]struct {
	hash     string
	networks []netip.Prefix
	disabled []string
}{
	"Postfix and Dovecot": {"{BLF-CRYPT}$2y$10$shop", nil, nil},
	"PostfixAdmin":        {"{CRYPT}$1$salt$shop", nil, []string{"off@example.org", "gone@old.example"}},
	"iRedMail": {
		"{SSHA512}shop", []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")},
		[]string{"off@example.org", "gone@old.example"},
	},
}

// opened opens a directory that ends with the test, with a guard before it.
func opened(t *testing.T, opt database.Options) (*database.Database, *directory.Guard) {
	t.Helper()
	opt.Name = "panel"
	if opt.Connections == 0 {
		opt.Connections = 2
	}
	if opt.Timeout == 0 {
		opt.Timeout = 20 * time.Second
	}
	d, err := database.Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	g, err := directory.NewGuard(d, directory.GuardOptions{Timeout: 30 * time.Second, Concurrent: 4, Failures: 3, Pause: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return d, g
}

// filled makes a database with a schema and returns its URL.
func filled(t *testing.T, c *pgcluster.Cluster, schema string) string {
	t.Helper()
	url := c.Database(t)
	executes(t, url, schema)
	return bare(t, c.OverTLS(url))
}

// executes runs statements in a database of PostgreSQL.
func executes(t *testing.T, url, statements string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
}

// testSchemas asks the queries of the page on their schemas, on both engines.
func testSchemas(t *testing.T, p *peers) {
	pg, maria := p.postgres(), p.mariaDB(t)
	password := write(t, maria.path("password"), gatePassword)
	for heading, both := range queries(t) {
		if len(both) != 2 {
			t.Fatalf("%s has %d queries, want one for each engine", heading, len(both))
		}
		schema := schemas[heading]
		name := strings.ToLower(strings.ReplaceAll(heading, " ", ""))
		urls := []string{
			filled(t, pg, strings.ReplaceAll(schema, "%BOOL", "boolean")),
			maria.database(name, strings.ReplaceAll(schema, "%BOOL", "tinyint(1)")),
		}
		for i, engine := range []string{"PostgreSQL", "MariaDB"} {
			t.Run(heading+" "+engine, func(t *testing.T) {
				d, g := opened(t, database.Options{URL: urls[i], PasswordFile: password, Query: both[i], Scheme: "CRYPT"})
				if err := d.Check(t.Context()); err != nil {
					t.Error(err)
				}
				askSchema(t, g, heading)
			})
		}
	}
}

// askSchema wants the right answers to all sorts of logins.
func askSchema(t *testing.T, g *directory.Guard, heading string) {
	t.Helper()
	want := answers[heading]
	for _, login := range []string{"shop@example.org", "SHOP@Example.ORG"} {
		got, err := g.Ask(t.Context(), directory.Question{Login: login, Password: "x"})
		expected := &directory.Answer{
			Login: "shop@example.org", Hash: want.hash, Networks: want.networks, Aliases: []string{"info@example.org", "sales@example.org"},
		}
		if err != nil || !reflect.DeepEqual(got, expected) {
			t.Errorf("%s: %+v, %v", login, got, err)
		}
	}
	for _, login := range want.disabled {
		if got, err := g.Ask(t.Context(), directory.Question{Login: login}); err != nil || !got.Disabled || got.Login != login {
			t.Errorf("%s: %+v, %v", login, got, err)
		}
	}
	for _, login := range []string{
		"nobody@example.org", "shop", "info@example.org", "' OR '1'='1", "shop@example.org' -- ", `shop@example.org\`, "%", "\\'; DROP TABLE mailbox; --",
		"\U0001d11e@example.org", "\u4e2d@example.org", "shop@example.org\u00a0", ":login", "?", "$1", strings.Repeat("a", directory.MaxLogin),
	} {
		if got, err := g.Ask(t.Context(), directory.Question{Login: login, Password: "x"}); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %+v, %v", login, got, err)
		}
	}
	if s := g.State(); s.Phase != directory.Well || s.Counts.Failed != 0 {
		t.Errorf("the directory is %+v", s)
	}
	if _, err := g.Ask(t.Context(), directory.Question{Login: "shop@example.org"}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
