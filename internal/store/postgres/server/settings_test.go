package server

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"countersign/internal/fault"
	"countersign/internal/store/sqlkit"
	"countersign/internal/testkit"
	"countersign/internal/testkit/pgcluster"
)

// onAll runs statements as the superuser.
func onAll(t *testing.T, c *pgcluster.Cluster, statements ...string) {
	t.Helper()
	admin, err := pgx.Connect(t.Context(), c.Admin())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	for _, text := range statements {
		if _, err := admin.Exec(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

// setting reads a setting of a session of ours.
func setting(t *testing.T, db *DB, name string) (value string) {
	t.Helper()
	err := db.Read(t.Context(), "test", func(c *Conn) error {
		return c.Query(t.Context(), "SELECT current_setting(?, true)", sqlkit.Bind(name), func(r *sqlkit.Row) error {
			value = r.Text()
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// TestSettingsOfARoleEndNothing gives the role what would end our sessions and
// statements, and lets the locks of a session outlive it.
func TestSettingsOfARoleEndNothing(t *testing.T) {
	c := shared.Cluster(t)
	db := openDB(t, c.Database(t))
	name := db.pool.Config().ConnConfig.Database
	onAll(t, c,
		"ALTER DATABASE "+name+" SET statement_timeout = '1ms'", "ALTER DATABASE "+name+" SET idle_session_timeout = '1ms'",
		"ALTER DATABASE "+name+" SET lock_timeout = '1ms'", "ALTER DATABASE "+name+" SET client_min_messages = 'error'",
		`DO $$ BEGIN IF current_setting('transaction_timeout', true) IS NOT NULL THEN
            ALTER DATABASE `+name+` SET transaction_timeout = '1ms'; END IF; END $$`)
	db = openDB(t, db.url())
	held, taken, err := db.Hold(t.Context(), "x")
	if err != nil || !taken {
		t.Fatal(taken, err)
	}
	defer held.Release(context.Background())
	for name, want := range map[string]string{
		"statement_timeout": "0", "idle_session_timeout": "0", "lock_timeout": "10s", "client_min_messages": "warning",
	} {
		if got := setting(t, db, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if got := setting(t, db, "transaction_timeout"); got != "0" && got != "" {
		t.Errorf("transaction_timeout is %s", got)
	}
	must(t, db, "SELECT pg_sleep(0.05)")
	if !held.Alive(t.Context()) {
		t.Error("a session that does nothing was ended, and its lock with it")
	}
}

// TestReadOnlyRole: a setting that keeps a primary from writing is not called a
// standby.
func TestReadOnlyRole(t *testing.T) {
	c := shared.Cluster(t)
	db := openDB(t, c.Database(t))
	onAll(t, c, "ALTER DATABASE "+db.pool.Config().ConnConfig.Database+" SET default_transaction_read_only = on")
	wantUnusable(t, Options{URL: db.url()}, fault.Unavailable, "default_transaction_read_only is on for this user, database or server")
}

// TestServerAsksForItsClient: over a network the server finds out within seconds that
// the machine of a gate is gone.
func TestServerAsksForItsClient(t *testing.T) {
	c := pgcluster.Start(t, pgcluster.Options{NoSync: true, Authority: testkit.NewAuthority(t)})
	db := openDB(t, c.OverTLS(c.Database(t)))
	for name, want := range map[string]string{
		"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3", "tcp_user_timeout": "11000",
	} {
		if got := setting(t, db, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// TestDurabilityIsLookedAtAlways changes the server under a gate: its connections
// keep synchronous_commit, and a new one is refused until the server keeps what it
// confirms.
func TestDurabilityIsLookedAtAlways(t *testing.T) {
	c := pgcluster.Start(t, pgcluster.Options{})
	db := openDB(t, c.Database(t))
	for name, weak := range map[string]string{"synchronous_commit": "off", "fsync": "off", "full_page_writes": "off"} {
		t.Run(name, func(t *testing.T) {
			db.pool.Reset()
			must(t, db, "SELECT 1") // there is a connection, made while all was well
			onAll(t, c, "ALTER SYSTEM SET "+name+" = "+weak, "SELECT pg_reload_conf()")
			own, err := pgx.Connect(t.Context(), c.Admin())
			if err != nil {
				t.Fatal(err)
			}
			defer own.Close(context.Background())
			for got := ""; got != weak; {
				if err := own.QueryRow(t.Context(), "SHOW "+name).Scan(&got); err != nil {
					t.Fatal(err)
				}
			}
			if name == "synchronous_commit" {
				if got := setting(t, db, name); got != "on" {
					t.Errorf("a connection that was there has %s", got)
				}
			}
			db.pool.Reset()
			began := time.Now()
			err = db.Change(t.Context(), "test", func(*Tx) error { return nil })
			if !fault.Is(err, fault.Unavailable) || !errors.Is(err, errNotDurable) || !strings.Contains(err.Error(), name+" is off") {
				t.Errorf("a change: %v (%v)", err, fault.KindOf(err))
			}
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("it waited %v for what does not pass by itself", took)
			}
			wantUnusable(t, Options{URL: db.url()}, fault.Conflict, name+" is off")
			look, err := Open(t.Context(), Options{URL: db.url(), Migrations: steps(1), LookOnly: true})
			if err != nil {
				t.Errorf("only to look: %v", err)
			} else {
				look.Close()
			}
			onAll(t, c, "ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")
			for got := ""; got != "on"; {
				if err := own.QueryRow(t.Context(), "SHOW "+name).Scan(&got); err != nil {
					t.Fatal(err)
				}
			}
			if err := db.Change(t.Context(), "test", func(*Tx) error { return nil }); err != nil {
				t.Errorf("when it is mended: %v", err)
			}
		})
	}
}

// TestOldPrimaryIsPassedOver names a standby before the primary, as an old primary is
// that came back: changes go to the primary without being told so.
func TestOldPrimaryIsPassedOver(t *testing.T) {
	primary := pgcluster.Start(t, pgcluster.Options{NoSync: true})
	first := primary.Database(t)
	standby := primary.Standby(t)
	one, err := url.Parse(standby.On(first))
	if err != nil {
		t.Fatal(err)
	}
	other, err := url.Parse(first)
	if err != nil {
		t.Fatal(err)
	}
	both := one.Query()
	both.Set("host", one.Query().Get("host")+","+other.Query().Get("host"))
	both.Set("port", one.Query().Get("port")+","+other.Query().Get("port"))
	one.RawQuery = both.Encode()
	db := openDB(t, one.String())
	must(t, db, "INSERT INTO t1 (id, n) VALUES ('a', 1)")
	held, taken, err := db.Hold(t.Context(), "x")
	if err != nil || !taken {
		t.Fatal(taken, err)
	}
	defer held.Release(context.Background())
	if _, again, err := openDB(t, first).Hold(t.Context(), "x"); err != nil || again {
		t.Errorf("the lock is on another server than the primary: %v", err)
	}
}
