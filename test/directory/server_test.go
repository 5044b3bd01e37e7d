package directory

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/directory"
	"countersign/internal/directory/database"
	"countersign/internal/fault"
	"countersign/internal/testkit"
	"countersign/internal/testkit/pgcluster"
)

// bare takes the password out of a URL, which belongs into a file.
func bare(t testing.TB, text string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(u.User.Username())
	return u.String()
}

// server is what a test needs of a server of either engine.
type server struct {
	url          string
	passwordFile string
	stop, start  func()
	// authority is the file of the authority that signed for 127.0.0.1.
	authority string
	// slow is an expression that takes a minute; writes one that writes a row into
	// the table written.
	slow, writes string
	// compares is a condition that not every login can be compared by, and says what
	// the server says then; never one that none can.
	compares, says, never string
}

const accounts = `
CREATE TABLE account (login varchar(100), password varchar(100), n int);
CREATE TABLE written (n int);
INSERT INTO account VALUES ('a@example.org', '{SSHA}a', 1), ('twice@example.org', '{SSHA}b', 1), ('twice@example.org', '{SSHA}c', 1),
	('none@example.org', NULL, 1), ('empty@example.org', '', 1), ('odd@example.org', '{SSHA}d', 7), ('plain@example.org', 'e', 1);
`

// testDatabases runs every test on both engines, one after the other on one server of
// each: one of them stops it.
func testDatabases(t *testing.T, p *peers) {
	pg, maria := p.postgres(), p.mariaDB(t)
	servers := map[string]func(t *testing.T, n int) server{
		"PostgreSQL": func(t *testing.T, _ int) server { return onPostgres(t, pg) },
		"MariaDB":    func(t *testing.T, n int) server { return onMariaDB(t, maria, n) },
	}
	for n, each := range []struct {
		name string
		test func(t *testing.T, s server)
	}{
		{"rows", testRows},
		{"check", testCheck},
		{"nobody", testNobody},
		{"how accounts stand", testSQLStanding},
		{"a query only reads", testQueryOnlyReads},
		{"slow queries are ended", testSlowQueries},
		{"outage", testOutage},
		{"the password is read anew", testPassword},
		{"TLS", testTLS},
		{"many at once", testManyAtOnce},
	} {
		for engine, begin := range servers {
			t.Run(each.name+"/"+engine, func(t *testing.T) { each.test(t, begin(t, n)) })
		}
	}
}

func onPostgres(t *testing.T, c *pgcluster.Cluster) server {
	s := server{
		url:   filled(t, c, accounts+"CREATE FUNCTION writes() RETURNS text LANGUAGE sql VOLATILE AS 'INSERT INTO written VALUES (1) RETURNING ''x'''"),
		start: func() { c.Start(t) }, stop: func() { c.Stop(t, pgcluster.Fast) },
		slow: "(SELECT 'x' FROM pg_sleep(60))", writes: "writes()",
		compares: "n = :login::int", says: "22P02", never: "n = :login::int",
	}
	s.passwordFile = write(t, t.TempDir()+"/password", gatePassword)
	s.authority = option(t, s.url, "sslrootcert")
	return s
}

func onMariaDB(t *testing.T, m *mariadb, n int) server {
	return server{
		url:   m.database(fmt.Sprintf("panel%d", n), accounts+"CREATE FUNCTION writes() RETURNS text MODIFIES SQL DATA BEGIN INSERT INTO written VALUES (1); RETURN 'x'; END"),
		start: m.start, stop: m.stop, authority: m.path("ca.pem"),
		slow: "SLEEP(60)", writes: "writes()",
		compares: "login = :login", says: "1267", never: "login = CONCAT(:login, _utf8mb4 X'E4B8AD')",
		passwordFile: write(t, t.TempDir()+"/password", gatePassword),
	}
}

// option reads an option of a URL.
func option(t *testing.T, text, name string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get(name)
}

// written counts the rows that a query has written, by another query.
func (s server) written(t *testing.T) string {
	t.Helper()
	_, g := opened(t, s.with("SELECT login, '{X}y' AS password, (SELECT count(*) FROM written) AS plan FROM account WHERE login = :login"))
	a, err := asks(t, g, "a@example.org")
	if err != nil {
		t.Fatal(err)
	}
	return a.Plan
}

const simple = "SELECT login, password FROM account WHERE login = :login"

// with returns options for a query.
func (s server) with(query string) database.Options {
	return database.Options{URL: s.url, PasswordFile: s.passwordFile, Query: query}
}

// asks asks about a login.
func asks(t *testing.T, source directory.Source, login string) (*directory.Answer, error) {
	t.Helper()
	return source.Ask(t.Context(), directory.Question{Login: login, Password: "secret"})
}

// wants wants an error of a kind that holds no hash.
func wants(t *testing.T, source directory.Source, login string, kind fault.Kind, part string) {
	t.Helper()
	a, err := asks(t, source, login)
	if !fault.Is(err, kind) || a != nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "SSHA") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%s: %+v, %v; want %v with %q", login, a, err, kind, part)
	}
}

// testRows: what is no answer about an account lets nobody in, and is no failure of
// the directory.
func testRows(t *testing.T, s server) {
	_, g := opened(t, s.with("SELECT login, password, n AS disabled FROM account WHERE login = :login AND (n <> 1 OR :local <> 'x') AND :domain = 'example.org'"))
	if a, err := asks(t, g, "A@example.org"); err != nil || a.Hash != "{SSHA}a" || !a.Disabled {
		t.Errorf("%+v, %v", a, err)
	}
	for login, kind := range map[string]fault.Kind{
		"twice@example.org": fault.Corrupt, "odd@example.org": fault.Corrupt, "plain@example.org": fault.Corrupt,
		"none@example.org": fault.NotFound, "empty@example.org": fault.NotFound, "x@example.org": fault.NotFound,
	} {
		wants(t, g, login, kind, "")
	}
	if state := g.State(); state.Phase != directory.Well {
		t.Errorf("it is %+v", state)
	}
}

// testCheck finds what is wrong with a query before anybody logs in.
func testCheck(t *testing.T, s server) {
	for query, want := range map[string]fault.Kind{
		"SELECT login, password FROM nothing WHERE login = :login":                       fault.Unavailable,
		"SELECT login, pass AS password FROM account WHERE login = :login":               fault.Unavailable,
		"SELECT password FROM account WHERE login = :login":                              fault.Unavailable,
		"SELECT login FROM account WHERE login = :login":                                 fault.Unavailable,
		"SELECT login, password, n AS disable FROM account WHERE login = :login":         fault.Unavailable,
		"SELECT login, password, password FROM account WHERE login = :login":             fault.Unavailable,
		"SELECT login, password FROM account WHERE login = :login OR n = 7":              fault.Invalid,
		"SELECT login, password FROM account WHERE login = :login OR login = 'x' OR 1=1": fault.Corrupt,
	} {
		d, _ := opened(t, s.with(query))
		if err := d.Check(t.Context()); !fault.Is(err, want) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// testNobody: a login that cannot even be compared is nobody's, and no failure of the
// database. That a query can compare none shows at the check.
func testNobody(t *testing.T, s server) {
	_, g := opened(t, s.with("SELECT login, password FROM account WHERE "+s.compares))
	wants(t, g, "\u4e2d@example.org", fault.NotFound, s.says)
	if state := g.State(); state.Phase != directory.Well || state.Counts.Failed != 0 {
		t.Errorf("it is %+v", state)
	}
	d, _ := opened(t, s.with("SELECT login, password FROM account WHERE "+s.never))
	if err := d.Check(t.Context()); !fault.Is(err, fault.Invalid) {
		t.Errorf("the check: %v", err)
	}
}

// testQueryOnlyReads: a query that writes, by a function, writes nothing.
func testQueryOnlyReads(t *testing.T, s server) {
	_, g := opened(t, s.with("SELECT login, password, "+s.writes+" AS plan FROM account WHERE login = :login"))
	wants(t, g, "a@example.org", fault.Unavailable, "")
	if n := s.written(t); n != "0" {
		t.Errorf("%s rows were written", n)
	}
}

// testSlowQueries: the server ends them, so that they do not pile up there; and a
// question that is given up or has no time left ends at once.
func testSlowQueries(t *testing.T, s server) {
	opt := s.with("SELECT login, password, " + s.slow + " AS plan FROM account WHERE login = :login")
	opt.Timeout = 300 * time.Millisecond
	d, _ := opened(t, opt)
	began := time.Now()
	wants(t, d, "a@example.org", fault.Unavailable, "")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	opt.Timeout = time.Minute
	d, _ = opened(t, opt)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := d.Ask(ctx, directory.Question{Login: "a@example.org"}); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "in time") {
		t.Errorf("without time: %v", err)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, giveUp)
	if _, err := d.Ask(ctx, directory.Question{Login: "a@example.org"}); !fault.Is(err, fault.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if took := time.Since(began); took > 40*time.Second {
		t.Errorf("all took %v", took)
	}
}

// testOutage: a server that goes away and comes back, with the breaker's clock in
// the test's hands.
func testOutage(t *testing.T, s server) {
	d, _ := opened(t, s.with(simple))
	clock := testkit.NewClock(time.Now())
	g, err := directory.NewGuard(d, directory.GuardOptions{Timeout: 20 * time.Second, Concurrent: 1, Failures: 2, Pause: time.Minute, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	wantsHash(t, g)
	s.stop()
	wants(t, g, "a@example.org", fault.Unavailable, "")
	wants(t, g, "a@example.org", fault.Unavailable, "")
	s.start()
	wants(t, g, "a@example.org", fault.Unavailable, "left alone")
	clock.Move(time.Minute)
	wantsHash(t, g)
	if state := g.State(); state.Phase != directory.Well {
		t.Errorf("it is %+v", state)
	}
}

func wantsHash(t *testing.T, source directory.Source) {
	t.Helper()
	if a, err := asks(t, source, "a@example.org"); err != nil || a.Hash != "{SSHA}a" {
		t.Errorf("%+v, %v", a, err)
	}
}

// testPassword: a wrong password is a directory that is down, and the right
// one counts without a restart.
func testPassword(t *testing.T, s server) {
	d, _ := opened(t, s.with(simple))
	write(t, s.passwordFile, "topsecret")
	_, err := asks(t, d, "a@example.org")
	if !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("%v", err)
	}
	write(t, s.passwordFile, gatePassword+"\nmore")
	wantsHash(t, d)
}

// testTLS: the certificate must be of the authority, and for the address.
func testTLS(t *testing.T, s server) {
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	over := func(authority string) directory.Source {
		verified := *u
		verified.RawQuery = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {authority}}.Encode()
		d, _ := opened(t, database.Options{
			URL: verified.String(), PasswordFile: s.passwordFile, Query: simple,
		})
		return d
	}
	wantsHash(t, over(s.authority))
	foreign := write(t, t.TempDir()+"/foreign.pem", foreignCertificate(t))
	wants(t, over(foreign), "a@example.org", fault.Unavailable, "certificate")
	u.Host = strings.Replace(u.Host, "127.0.0.1", "127.0.0.2", 1) // nobody there, or under the wrong name
	wants(t, over(s.authority), "a@example.org", fault.Unavailable, "")
}

// testManyAtOnce: more questions than connections wait for their turn.
func testManyAtOnce(t *testing.T, s server) {
	d, _ := opened(t, s.with(simple))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 25 {
				wantsHash(t, d)
				wants(t, d, "x@example.org", fault.NotFound, "")
			}
		})
	}
	all.Wait()
}
