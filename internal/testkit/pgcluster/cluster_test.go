package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// asChild makes the test binary the process that is killed.
const asChild = "COUNTERSIGN_TEST_PGCLUSTER_CHILD"

// prepareNotes is a schema of one table.
func prepareNotes(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE TABLE note (text text NOT NULL)")
	return errors.Join(err, conn.Close(ctx))
}

var shared = Shared{Options: Options{NoSync: true, Prepare: prepareNotes}}

func TestMain(m *testing.M) {
	if os.Getenv(asChild) != "" {
		fmt.Fprintln(os.Stderr, waitToBeKilled())
		os.Exit(1)
	}
	os.Exit(shared.Main(m))
}

// connect opens a connection that the test closes.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// note commits a row.
func note(t *testing.T, url, text string) {
	t.Helper()
	if err := tryNote(t, url, text); err != nil {
		t.Fatal(err)
	}
}

func tryNote(t *testing.T, url, text string) error {
	t.Helper()
	_, err := connect(t, url).Exec(t.Context(), "INSERT INTO note VALUES ($1)", text)
	return err
}

// notes returns the committed rows, sorted and joined.
func notes(t *testing.T, url string) string {
	t.Helper()
	var all string
	row := connect(t, url).QueryRow(t.Context(), "SELECT coalesce(string_agg(text, ' ' ORDER BY text), '') FROM note")
	if err := row.Scan(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

func wantNotes(t *testing.T, url, want string) {
	t.Helper()
	if got := notes(t, url); got != want {
		t.Errorf("the database holds %q, want %q", got, want)
	}
}

// wantCode wants an error with an SQLSTATE.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != code {
		t.Errorf("got %v, want SQLSTATE %s", err, code)
	}
}

// wantSettings wants fsync, full_page_writes and synchronous_commit.
func wantSettings(t *testing.T, c *Cluster, want string) {
	t.Helper()
	var got string
	must(t, c.ask(&got, `SELECT concat_ws(' ', current_setting('fsync'), current_setting('full_page_writes'),
		current_setting('synchronous_commit'))`))
	if got != want {
		t.Errorf("fsync, full_page_writes and synchronous_commit are %q, want %q", got, want)
	}
}

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	c := shared.Cluster(t)
	wantSettings(t, c, "off off on")
	var first string
	t.Run("used", func(t *testing.T) {
		first = c.Database(t)
		second := c.Database(t)
		note(t, first, "one")
		wantNotes(t, first, "one")
		wantNotes(t, second, "")
	})
	_, err := pgx.Connect(t.Context(), first)
	wantCode(t, err, "3D000") // invalid_catalog_name: it was dropped, with a session in it
}

func TestTheRoleIsNoSuperuser(t *testing.T) {
	conn := connect(t, shared.Cluster(t).Database(t))
	_, err := conn.Exec(t.Context(), "CREATE DATABASE mine")
	wantCode(t, err, "42501") // insufficient_privilege
	_, err = conn.Exec(t.Context(), "CREATE TABLE own (n int)")
	if err != nil {
		t.Errorf("the role cannot make tables in its own database: %v", err)
	}
}
