package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"countersign/internal/fault"
	"countersign/internal/store/sqlkit"
	"countersign/internal/testkit"
	"countersign/internal/testkit/pgcluster"
)

var shared = pgcluster.Shared{Options: pgcluster.Options{NoSync: true, Password: "right"}}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// steps is a schema of that many steps, each of which no earlier program may work on.
func steps(n int) fstest.MapFS {
	files := fstest.MapFS{}
	for i := range n {
		files[fmt.Sprintf("migrations/%04d_step.sql", i+1)] = &fstest.MapFile{
			Data: fmt.Appendf(nil, "-- compatible: %[1]d\nCREATE TABLE t%[1]d (id text PRIMARY KEY, n bigint NOT NULL);", i+1)}
	}
	return files
}

func openDB(t *testing.T, url string) *DB {
	t.Helper()
	db, err := Open(t.Context(), Options{URL: url, Migrations: steps(1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// must runs a change.
func must(t *testing.T, db *DB, text string, args ...any) {
	t.Helper()
	err := db.Exclusive(t.Context(), "test", func(tx *Tx) error {
		_, err := tx.Raw(text, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wantUnusable opens a database that cannot be used.
func wantUnusable(t *testing.T, o Options, kind fault.Kind, want string) {
	t.Helper()
	if o.Migrations == nil {
		o.Migrations = steps(1)
	}
	o.Patience = time.Millisecond
	db, err := Open(t.Context(), o)
	if err == nil {
		db.Close()
		t.Fatal("it was opened")
	}
	if fault.KindOf(err) != kind || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v (%v), want %v with %q", err, fault.KindOf(err), kind, want)
	}
	if strings.Contains(err.Error(), "right") || strings.Contains(err.Error(), "wrong-one") {
		t.Errorf("a password is shown: %v", err)
	}
}

func TestWhatCannotBeUsedSaysWhy(t *testing.T) {
	c := shared.Cluster(t)
	url := c.Database(t)
	in := func(user, password, database string) string {
		before, after, _ := strings.Cut(url, "@")
		_, query, _ := strings.Cut(after, "?")
		if before == "" || query == "" {
			t.Fatalf("the URL is %s", url)
		}
		return "postgres://" + user + ":" + password + "@/" + database + "?" + query
	}
	name := func(url string) string {
		_, after, _ := strings.Cut(url, "@/")
		database, _, _ := strings.Cut(after, "?")
		return database
	}
	t.Run("no URL", func(t *testing.T) {
		wantUnusable(t, Options{URL: "postgres://gate:right@%zz/x"}, fault.Invalid, "cannot be read")
	})
	t.Run("options of the URL", func(t *testing.T) {
		for option, want := range map[string]string{
			"sslmode=requir":                   "sslmode is invalid",
			"sslrootcert=/nowhere/ca.pem":      "/nowhere/ca.pem: no such file",
			"target_session_attrs=readwrite":   "unknown target_session_attrs value: readwrite",
			"connect_timeout=soon":             "invalid connect_timeout",
			"password=right&sslpassword=right": "",
			"right":                            "",
		} {
			o := Options{URL: "postgres://gate:right@127.0.0.1:1/x?sslmode=verify-full&" + option}
			if want == "" {
				o.URL = "postgres://gate:right@127.0.0.1:wrong-one/x?" + option
				want = "special characters are written as"
			}
			wantUnusable(t, o, fault.Invalid, "store.url")
			wantUnusable(t, o, fault.Invalid, want)
		}
	})
	t.Run("a setting that does not exist", func(t *testing.T) {
		wantUnusable(t, Options{URL: url + "&sslmoed=require"}, fault.Invalid, `stands in store.url (unrecognized configuration parameter "sslmoed")`)
	})
	t.Run("a setting with another value", func(t *testing.T) {
		wantUnusable(t, Options{URL: url + "&work_mem=loud"}, fault.Invalid, "store.url (invalid value for parameter")
	})
	t.Run("no schema", func(t *testing.T) {
		wantUnusable(t, Options{URL: url + "&search_path=nowhere"}, fault.Unavailable, "make one with CREATE SCHEMA, or change search_path in store.url")
	})
	t.Run("nobody there", func(t *testing.T) {
		wantUnusable(t, Options{URL: "postgres://gate:right@127.0.0.1:1,127.0.0.1:2/x"}, fault.Unavailable, "no server of 127.0.0.1:1, 127.0.0.1:2 answers")
	})
	t.Run("wrong password", func(t *testing.T) {
		wantUnusable(t, Options{URL: url, Password: "wrong-one"}, fault.Denied, "look at the password file")
	})
	t.Run("no database", func(t *testing.T) {
		wantUnusable(t, Options{URL: in(pgcluster.Role, "right", "nowhere")}, fault.Unavailable, "createdb --owner=gate nowhere")
	})
	t.Run("missing rights", func(t *testing.T) {
		admin := openAdmin(t, c)
		must(t, admin, "CREATE ROLE guest LOGIN PASSWORD 'right'")
		unchanged(t, url, func() {
			wantUnusable(t, Options{URL: in("guest", "right", name(url))}, fault.Denied, "make it the owner")
		})
	})
	t.Run("not durable", func(t *testing.T) {
		lax := openDB(t, c.Database(t))
		must(t, lax, "ALTER ROLE "+pgcluster.Role+" IN DATABASE "+name(lax.url())+" SET synchronous_commit = off")
		unchanged(t, lax.url(), func() {
			wantUnusable(t, Options{URL: lax.url(), Migrations: steps(2)}, fault.Conflict, "synchronous_commit is off")
		})
	})
	t.Run("tables of others", func(t *testing.T) {
		other := openDB(t, c.Database(t))
		must(t, other, "ALTER TABLE schema_migration RENAME TO theirs")
		unchanged(t, other.url(), func() {
			wantUnusable(t, Options{URL: other.url()}, fault.Conflict, "tables of another program")
		})
	})
	for what, text := range map[string]string{
		"a view of others":                           "CREATE VIEW t1 AS SELECT 1",
		"a sequence of others":                       "CREATE SEQUENCE t1",
		"a table of others with the name of ours":    "CREATE TABLE schema_migration (version bigint PRIMARY KEY, dirty boolean)",
		"a table of others with some of our columns": "CREATE TABLE schema_migration (version bigint PRIMARY KEY, name text, applied bigint)",
	} {
		t.Run(what, func(t *testing.T) {
			url := c.Database(t)
			must(t, openRaw(t, url), text)
			unchanged(t, url, func() {
				wantUnusable(t, Options{URL: url}, fault.Conflict, "tables of another program")
				if strings.Contains(text, "schema_migration") {
					wantUnusable(t, Options{URL: url, LookOnly: true}, fault.Conflict, "tables of another program")
				}
			})
		})
	}
	t.Run("what an extension has brought", func(t *testing.T) {
		url := c.Database(t)
		must(t, openRaw(t, url), "CREATE VIEW theirs AS SELECT 1")
		must(t, openRaw(t, strings.Replace(c.Admin(), "/postgres?", "/"+name(url)+"?", 1)), "ALTER EXTENSION plpgsql ADD VIEW theirs")
		openDB(t, url)
	})
	t.Run("newer", func(t *testing.T) {
		url := c.Database(t)
		db, err := Open(t.Context(), Options{URL: url, Migrations: steps(3)})
		if err != nil {
			t.Fatal(err)
		}
		db.Close()
		unchanged(t, url, func() {
			wantUnusable(t, Options{URL: url, Migrations: steps(2)}, fault.Conflict, "has schema version 3, this program knows up to 2")
		})
	})
	t.Run("a step that somebody cannot follow", func(t *testing.T) {
		url := c.Database(t)
		openDB(t, url)
		asked := ""
		beside := func(_ *Tx, m *sqlkit.Migration) error {
			asked = fmt.Sprint(m.Name, " ", m.Compatible)
			return fault.New("test", fault.Conflict, "somebody is in the way")
		}
		unchanged(t, url, func() {
			wantUnusable(t, Options{URL: url, Migrations: steps(3), Beside: beside}, fault.Conflict, "somebody is in the way")
		})
		if asked != "0003_step.sql 3" {
			t.Errorf("asked about %s, the hardest is step 3", asked)
		}
		openDB(t, url) // is as it was
	})
	t.Run("another step", func(t *testing.T) {
		db := openDB(t, c.Database(t))
		must(t, db, "UPDATE schema_migration SET checksum = 'x'")
		unchanged(t, db.url(), func() {
			wantUnusable(t, Options{URL: db.url(), Migrations: steps(2)}, fault.Conflict, "schema step 1")
		})
	})
	t.Run("too old", func(t *testing.T) {
		db := openDB(t, c.Database(t))
		unchanged(t, db.url(), func() {
			wantUnusable(t, Options{URL: db.url(), Migrations: steps(2), oldest: 990000}, fault.Unavailable, "99 or later is needed")
		})
	})
	t.Run("no TLS", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go refuseTLS(listener)
		wantUnusable(t, Options{URL: "postgres://gate:right@" + listener.Addr().String() + "/x?sslmode=verify-full"}, fault.Unavailable, "takes no TLS, which sslmode in store.url asks for")
	})
	t.Run("an authority that nobody knows", func(t *testing.T) {
		own := pgcluster.Start(t, pgcluster.Options{NoSync: true, Authority: testkit.NewAuthority(t)})
		url, _, _ := strings.Cut(own.OverTLS(own.Database(t)), "&sslrootcert=")
		wantUnusable(t, Options{URL: url}, fault.Unavailable, "name the file of its authority with sslrootcert")
	})
	t.Run("standby", func(t *testing.T) {
		own := pgcluster.Start(t, pgcluster.Options{NoSync: true})
		url := own.Database(t)
		wantUnusable(t, Options{URL: own.Standby(t).On(url)}, fault.Unavailable, "target_session_attrs=read-write")
	})
}

// refuseTLS answers each request for TLS as a PostgreSQL server does that has none:
// with the letter N, see "SSL Session Encryption" in its manual.
func refuseTLS(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if _, err := io.ReadFull(c, make([]byte, 8)); err == nil {
			_, _ = c.Write([]byte("N")) // whoever asked may be gone
		}
		c.Close()
	}
}

// TestFailureSaysWhoseFault: the two kinds that people would look for on their own
// machine say that it is the database's.
func TestFailureSaysWhoseFault(t *testing.T) {
	for state, want := range map[string]string{stateDiskFull: "the disk of the database's server is full", "57P01": "the database is away", stateUndefined: ""} {
		var e *fault.Error
		err := Failure("test", &pgconn.PgError{Code: state})
		if !errors.As(err, &e) || !strings.HasPrefix(e.Detail, want) || want == "" && e.Detail != "" {
			t.Errorf("%s: %v", state, err)
		}
	}
}

// url is where the database is, with the password.
func (db *DB) url() string { return db.pool.Config().ConnString() }

// openAdmin opens the superuser's database.
func openAdmin(t *testing.T, c *pgcluster.Cluster) *DB {
	t.Helper()
	return openRaw(t, c.Admin())
}

// openRaw opens a database as it is.
func openRaw(t *testing.T, url string) *DB {
	t.Helper()
	config, err := poolConfig(Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.AfterConnect = nil // whatever the server's settings
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &DB{pool: pool, log: slog.New(slog.DiscardHandler)}
}

// unchanged wants the database to be the same after fn: what is in it, and which
// steps it says were applied.
func unchanged(t *testing.T, url string, fn func()) {
	t.Helper()
	db := openRaw(t, url)
	look := func() string {
		found := ""
		err := db.Read(t.Context(), "test", func(c *Conn) error {
			found = ""
			each := func(r *sqlkit.Row) error {
				found += r.Text() + "\n"
				return nil
			}
			const relations = `SELECT c.oid::text || ' ' || relname || ' ' || relfilenode || ' ' || coalesce(string_agg(attname, ' ' ORDER BY attnum), '')
				FROM pg_class c LEFT JOIN pg_attribute ON attrelid = c.oid WHERE relnamespace = 'public'::regnamespace GROUP BY c.oid ORDER BY 1`
			if err := c.Query(t.Context(), relations, nil, each); err != nil || !strings.Contains(found, " schema_migration ") {
				return err
			}
			return c.Query(t.Context(), "SELECT m::text FROM schema_migration m ORDER BY 1", nil, each)
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	before := look()
	fn()
	if after := look(); after != before {
		t.Errorf("what was refused has changed the database from\n%sto\n%s", before, after)
	}
}

// TestMissingRights: a role that may look at the schema, but not use a table or a
// sequence, is told what it lacks, and nobody's message is refused for good.
func TestMissingRights(t *testing.T) {
	c := shared.Cluster(t)
	db := openDB(t, c.Database(t))
	must(t, db, "CREATE SEQUENCE s1")
	must(t, openAdmin(t, c), "CREATE ROLE reader LOGIN PASSWORD 'right'")
	must(t, db, "GRANT SELECT ON schema_migration TO reader")
	url := strings.Replace(db.url(), pgcluster.Role+":", "reader:", 1)
	reader, err := Open(t.Context(), Options{URL: url, Migrations: steps(1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	for text, want := range map[string]string{
		"INSERT INTO t1 VALUES ('a', 1)": "permission denied for table t1",
		"SELECT nextval('s1')":           "permission denied for sequence s1",
	} {
		err := reader.Change(t.Context(), "node.join", func(tx *Tx) error {
			_, err := tx.Raw(text)
			return err
		})
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "make it the owner of the database and of all tables") {
			t.Errorf("%s: %v (%v)", text, err, fault.KindOf(err))
		}
	}
}

// TestOneProcessAppliesSteps opens an empty database many times at once.
func TestOneProcessAppliesSteps(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	results := make(chan error)
	for range 4 {
		go func() {
			db, err := Open(context.Background(), Options{URL: url, Migrations: steps(3)})
			if err == nil {
				db.Close()
			}
			results <- err
		}()
	}
	for range 4 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

// TestOlderProgramBesideNewerSchema: a program whose schema a newer one has added to
// opens it, says so once, and changes nothing about it.
func TestOlderProgramBesideNewerSchema(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	files := steps(2)
	files["migrations/0002_step.sql"].Data = []byte("-- compatible: 1\nALTER TABLE t1 ADD COLUMN more text NOT NULL DEFAULT 'none';")
	newer, err := Open(t.Context(), Options{URL: url, Migrations: files})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(newer.Close)
	var said strings.Builder
	older, err := Open(t.Context(), Options{URL: url, Migrations: steps(1), Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(older.Close)
	must(t, older, "INSERT INTO t1 (id, n) VALUES ('a', 1)")
	if n := strings.Count(said.String(), "schema version 2, which a newer release made; this program knows up to 1"); n != 1 || strings.Count(said.String(), "\n") != 1 {
		t.Errorf("the log says %s", said.String())
	}
	keep := func(db *DB) error {
		return db.Change(t.Context(), "test", func(tx *Tx) error { return db.KeepSchema(tx, "test") })
	}
	if err := keep(older); err != nil {
		t.Error(err)
	}
	must(t, newer, "INSERT INTO schema_migration (version, name, checksum, compatible, applied) VALUES (3, 'later', '', 2, 0)")
	if err := keep(older); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "schema version 3, this program knows up to 1") {
		t.Errorf("the schema has become too new: %v", err)
	}
	if err := keep(newer); err != nil {
		t.Error(err)
	}
}

// TestOthersInTheWay makes two transactions that wait for each other: both pass,
// as one is made again.
func TestOthersInTheWay(t *testing.T) {
	db := openDB(t, shared.Cluster(t).Database(t))
	must(t, db, "INSERT INTO t1 VALUES ('a', 0), ('b', 0)")
	var met sync.WaitGroup // both have changed their first row
	met.Add(2)
	run := func(first, second string) error {
		tried := false
		return repeat(func() error {
			return db.Session(t.Context(), func(s *Session) error {
				var p Pipe
				p.Exec("BEGIN")
				p.Exec("UPDATE t1 SET n = n + 1 WHERE id = $1", first)
				if err := s.Send(&p); err != nil {
					return err
				}
				if !tried {
					tried = true
					met.Done()
					met.Wait()
				}
				var rest Pipe
				rest.Exec("UPDATE t1 SET n = n + 1 WHERE id = $1", second)
				rest.Exec("COMMIT")
				return s.Send(&rest)
			})
		})
	}
	results := make(chan error)
	go func() { results <- run("a", "b") }()
	go func() { results <- run("b", "a") }()
	if err := errors.Join(<-results, <-results); err != nil {
		t.Error(err)
	}
	if n := sum(t, db); n != 4 {
		t.Errorf("the sum is %d, want each change once", n)
	}
}

// TestSerializationFailure makes a transaction that reads what another changes before
// it writes: the server refuses it, SQLSTATE 40001, and it is made again. What never
// passes is given up as Busy.
func TestSerializationFailure(t *testing.T) {
	db := openDB(t, shared.Cluster(t).Database(t))
	must(t, db, "INSERT INTO t1 VALUES ('a', 1)")
	tries := 0
	add := func(disturb func() bool) error {
		tries = 0
		return db.Change(t.Context(), "test.add", func(tx *Tx) error {
			tries++
			if _, err := tx.Raw("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"); err != nil {
				return err
			}
			if _, err := tx.Exists("SELECT 1 FROM t1", nil); err != nil {
				return err
			}
			if disturb() {
				must(t, db, "UPDATE t1 SET n = n + 10")
			}
			_, err := tx.Raw("UPDATE t1 SET n = n + 1")
			if disturb() && stateOf(err) != stateSerialization {
				t.Errorf("the server says %v", err)
			}
			return err
		})
	}
	if err := add(func() bool { return tries == 1 }); err != nil || tries != 2 {
		t.Errorf("after one disturbance: %v, %d tries", err, tries)
	}
	if n := sum(t, db); n != 12 {
		t.Errorf("the sum is %d, want 12: each change once", n)
	}
	if err := add(func() bool { return true }); !fault.Is(err, fault.Busy) || tries != maxRepeats {
		t.Errorf("disturbed each time: %v, %d tries", err, tries)
	}
}

// repeat runs fn again where others were in its way.
func repeat(fn func() error) error {
	for {
		if err := fn(); !Repeatable(err) {
			return err
		}
	}
}

func sum(t *testing.T, db *DB) (n int64) {
	t.Helper()
	err := db.Read(t.Context(), "test", func(c *Conn) (err error) {
		n, _, err = c.Number(t.Context(), "SELECT coalesce(sum(n), 0)::bigint FROM t1", nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestWaitsForARestart reads and writes while the server restarts.
func TestWaitsForARestart(t *testing.T) {
	own := pgcluster.Start(t, pgcluster.Options{NoSync: true})
	db, err := Open(t.Context(), Options{URL: own.Database(t), Migrations: steps(1), Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	must(t, db, "INSERT INTO t1 VALUES ('a', 1)")
	own.Stop(t, pgcluster.Immediate)
	results := make(chan error, 2)
	go func() {
		results <- db.Exclusive(context.Background(), "test", func(tx *Tx) error {
			return tx.Exec("UPDATE t1 SET n = n + ?", sqlkit.Bind(1))
		})
	}()
	go func() { results <- db.Send(context.Background(), "test", func(p *Pipe) { p.Exec("SELECT n FROM t1") }) }()
	own.Start(t)
	if err := errors.Join(<-results, <-results); err != nil {
		t.Error(err)
	}
	if n := sum(t, db); n != 2 {
		t.Errorf("the sum is %d", n)
	}
	// Patience ends, and so does a caller's.
	own.Stop(t, pgcluster.Immediate)
	db.patience = time.Millisecond
	if err := db.Read(t.Context(), "test", func(c *Conn) error { return readOne(t.Context(), c) }); !fault.Is(err, fault.Unavailable) {
		t.Errorf("without a server: %v", err)
	}
	db.patience = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := db.Read(ctx, "test", func(c *Conn) error { return readOne(ctx, c) }); err == nil {
		t.Error("a read without a server passed")
	}
}

func readOne(ctx context.Context, c *Conn) error {
	_, _, err := c.Number(ctx, "SELECT 1", nil)
	return err
}

// TestKinds looks at what errors of a real server become.
func TestKinds(t *testing.T) {
	db := openDB(t, shared.Cluster(t).Database(t))
	must(t, db, "INSERT INTO t1 VALUES ('a', 1)")
	for text, want := range map[string]fault.Kind{
		"INSERT INTO t1 VALUES ('a', 1)":                        fault.Conflict,
		"SELECT nothing":                                        fault.Internal,
		"DO $$BEGIN RAISE SQLSTATE '53100'; END$$":              fault.Full,
		"DO $$BEGIN RAISE SQLSTATE '55P03'; END$$":              fault.Busy,
		"DO $$BEGIN RAISE SQLSTATE 'XX001'; END$$":              fault.Corrupt,
		"DO $$BEGIN RAISE SQLSTATE 'XX002'; END$$":              fault.Corrupt,
		"DO $$BEGIN RAISE SQLSTATE 'XX000'; END$$":              fault.Internal, // "tuple concurrently updated", for one
		"SELECT * FROM pg_authid":                               fault.Unavailable,
		"DO $$BEGIN RAISE SQLSTATE '57014'; END$$":              fault.Canceled,
		"SET LOCAL statement_timeout = 1; SELECT pg_sleep(100)": fault.Canceled,
	} {
		err := db.Exclusive(t.Context(), "test", func(tx *Tx) error {
			_, err := tx.Raw(text)
			return err
		})
		if fault.KindOf(err) != want {
			t.Errorf("%s: got %v (%v), want %v", text, err, fault.KindOf(err), want)
		}
	}
}

// TestHoldIsOfOne takes a lock twice.
func TestHoldIsOfOne(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	one, two := openDB(t, url), openDB(t, url)
	held, taken, err := one.Hold(t.Context(), "x")
	if err != nil || !taken {
		t.Fatal(taken, err)
	}
	if _, taken, err := two.Hold(t.Context(), "x"); err != nil || taken {
		t.Errorf("it was taken twice: %v", err)
	}
	other, taken, err := two.Hold(t.Context(), "y")
	if err != nil || !taken {
		t.Error("another was not to be had", err)
	}
	held.Release(t.Context())
	other.Release(t.Context())
	again, taken, err := two.Hold(t.Context(), "x")
	if err != nil || !taken {
		t.Fatal("what was given back is not to be had", err)
	}
	again.Release(t.Context())
}

// TestSendIsOneTransaction looks at what its statements see, and stores nothing of
// those before a failure.
func TestSendIsOneTransaction(t *testing.T) {
	db := openDB(t, shared.Cluster(t).Database(t))
	var lax string
	err := db.Send(t.Context(), "test", func(p *Pipe) {
		p.Exec("SELECT set_config('synchronous_commit', 'off', true)")
		p.Exec("INSERT INTO t1 VALUES ('a', 1)")
		p.Query("SHOW synchronous_commit", nil, func(r *sqlkit.Row) error {
			lax = r.Text()
			return nil
		})
	})
	if err != nil || lax != "off" {
		t.Errorf("within it, synchronous_commit is %q, %v", lax, err)
	}
	err = db.Send(t.Context(), "test", func(p *Pipe) {
		p.Exec("INSERT INTO t1 VALUES ('b', 1)")
		p.Exec("INSERT INTO t1 VALUES ('a', 1)")
		p.Query("SHOW synchronous_commit", nil, func(*sqlkit.Row) error { return nil })
	})
	if !fault.Is(err, fault.Conflict) || sum(t, db) != 1 {
		t.Errorf("a key that is taken: %v, the sum is %d", err, sum(t, db))
	}
	err = db.Send(t.Context(), "test", func(p *Pipe) {
		p.Query("SHOW synchronous_commit", nil, func(r *sqlkit.Row) error {
			lax = r.Text()
			return nil
		})
	})
	if err != nil || lax != "on" {
		t.Errorf("afterwards, synchronous_commit is %q, %v", lax, err)
	}
}

func TestPlaceholders(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT 1":                   "SELECT 1",
		"a = ? AND b = ?":            "a = $1 AND b = $2",
		"a = ?2 OR b = ?1 OR c = ?2": "a = $2 OR b = $1 OR c = $2",
		"?":                          "$1",
	} {
		if got := Placeholders(text); got != want {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}

func TestTextCanBeStored(t *testing.T) {
	for text, want := range map[string]string{"ünï": "ünï", "a\x00b": "a\ufffdb", "a\xff": "a\ufffd", "": ""} {
		if got := Text(text); got != want {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}
