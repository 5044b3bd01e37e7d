package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// prepared is the database that those of tests are copies of.
const prepared = "prepared"

// Database makes a database for the test, a copy of the prepared one that belongs
// to Role, and returns its URL through the socket. It is dropped when the test
// ends, whoever still uses it.
func (c *Cluster) Database(t testing.TB) string {
	t.Helper()
	must(t, c.prepared())
	return c.database(t, prepared, "")
}

// Copy makes a database for the test as Database does, but a copy of another one, by its
// URL, to which nobody may be connected.
func (c *Cluster) Copy(t testing.TB, url string) string {
	t.Helper()
	return c.database(t, strings.TrimPrefix(nameIn(url), "/"), "")
}

// database makes a copy of a database for the test, with further clauses.
func (c *Cluster) database(t testing.TB, from, clauses string) string {
	t.Helper()
	// A promoted standby has the databases of its former primary too.
	name := fmt.Sprintf("test_%s_%d", strings.TrimPrefix(c.name(), prefix), c.names.Add(1))
	must(t, c.copy(from, name, clauses))
	t.Cleanup(func() {
		if !c.isUp() {
			return // it goes with the cluster
		}
		if err := c.admin("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return c.url(name)
}

// copy makes a database that is a copy of another.
func (c *Cluster) copy(from, name, clauses string) error {
	// Copied files take two checkpoints, which are slow only where they sync; the
	// other way takes the whole copy through the log.
	strategy := "wal_log"
	if c.options.NoSync {
		strategy = "file_copy"
	}
	return c.admin(fmt.Sprintf("CREATE DATABASE %s OWNER %s TEMPLATE %s STRATEGY %s %s", name, Role, from, strategy, clauses))
}

// prepare makes the database that the others are copies of.
func (c *Cluster) prepare() error {
	var exists bool
	err := c.ask(&exists, "SELECT count(*) > 0 FROM pg_database WHERE datname = "+quote(prepared))
	if err != nil || exists { // a standby has its primary's
		return err
	}
	if err := c.copy("template1", prepared, ""); err != nil {
		return err
	}
	if c.options.Prepare == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.options.Prepare(ctx, c.url(prepared)); err != nil {
		return fmt.Errorf("cannot prepare the database that tests copy: %w", err)
	}
	return nil
}

// url returns how Role reaches a database through the socket.
func (c *Cluster) url(database string) string {
	return c.socket(c.role(), database)
}

// Admin returns the URL of the superuser, in the database postgres.
func (c *Cluster) Admin() string {
	return c.socket(url.User(systemUser), "postgres")
}

// On returns the URL of the same database on c: the URL that a standby gives to a
// database of its primary.
func (c *Cluster) On(database string) string {
	return c.url(nameIn(database))
}

// OverTLS returns the URL of the same database on c through TLS, which names the
// file of the authority to trust. The cluster must have Options.Authority.
func (c *Cluster) OverTLS(database string) string {
	u := url.URL{
		Scheme: "postgres", User: c.role(),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)), Path: nameIn(database),
		RawQuery: "sslmode=verify-full&sslrootcert=" + filepath.Join(c.data(), authorityFile),
	}
	return u.String()
}

// socket returns a URL through the socket.
func (c *Cluster) socket(as *url.Userinfo, database string) string {
	u := url.URL{
		Scheme: "postgres", User: as, Path: "/" + strings.TrimPrefix(database, "/"),
		RawQuery: fmt.Sprintf("host=%s&port=%d", c.folder.path, c.port),
	}
	return u.String()
}

// role returns what Role logs in with.
func (c *Cluster) role() *url.Userinfo {
	if c.options.Password == "" {
		return url.User(Role)
	}
	return url.UserPassword(Role, c.options.Password)
}

// nameIn returns the path of a URL that Database returned, "/name".
func nameIn(database string) string {
	u, err := url.Parse(database)
	if err != nil {
		return database // the connection says what is wrong
	}
	return u.Path
}

// admin runs statements as superuser, each in a transaction of its own.
func (c *Cluster) admin(statements ...string) error {
	return c.asAdmin(func(ctx context.Context, conn *pgx.Conn) error {
		for _, s := range statements {
			if _, err := conn.Exec(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return nil
	})
}

// ask reads the one value that a query answers.
func (c *Cluster) ask(value any, query string) error {
	return c.asAdmin(func(ctx context.Context, conn *pgx.Conn) error {
		if err := conn.QueryRow(ctx, query).Scan(value); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
		return nil
	})
}

// asAdmin calls f with a new connection of the superuser, who may write
// whatever SetReadOnly said.
func (c *Cluster) asAdmin(f func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.Admin()+"&default_transaction_read_only=off")
	if err != nil {
		return err
	}
	return errors.Join(f(ctx, conn), conn.Close(ctx))
}
