package server

import (
	"context"
	"errors"
	"maps"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"countersign/internal/fault"
)

// settings are those of each session of ours, whatever the role, the database and
// the server have: each of them would break a promise or end what runs.
var settings = map[string]string{
	// What a transaction of ours may wait for a lock, and hold one while we are
	// stopped or gone.
	"lock_timeout":                        "10s",
	"idle_in_transaction_session_timeout": "5s",
	// A machine that is gone says nothing: the server asks after five seconds, and
	// believes it after eleven. Its own system would after two hours, and until then
	// our last transaction would keep its locks. Of a local socket it knows anyway.
	"tcp_keepalives_idle":     "5",
	"tcp_keepalives_interval": "2",
	"tcp_keepalives_count":    "3",
	"tcp_user_timeout":        "11000",
	// We bound what we do ourselves; and connections that hold locks do nothing for
	// long.
	"statement_timeout":    "0",
	"idle_session_timeout": "0",
	// Another one would let a message of an account pass that is being suspended:
	// each statement has to see what was committed before it.
	"default_transaction_isolation": "read committed",
	// No query of ours does so much that compiling it would pay, yet an estimate of a
	// long queue asks for that, at seconds for each look.
	"jit": "off",
	// Nor so much that other processes should be started for it.
	"max_parallel_workers_per_gather": "0",
	// That a commit does not wait for its standby any more is said in a warning.
	"client_min_messages": "warning",
}

// configure sets how each connection is made: its settings, to which of several
// servers it may go, and what is looked at before it is used.
func configure(c *pgx.ConnConfig, o Options) {
	maps.Copy(c.RuntimeParams, settings)
	c.RuntimeParams["application_name"] = o.Name
	c.OnNotice = noteWarning
	within := c.ConnectTimeout
	c.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		return begin(ctx, conn, o.LookOnly)
	}
	if c.ValidateConnect == nil && len(hostsOf(c)) > 1 && !o.LookOnly {
		// An old primary that is back as a standby answers too.
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
}

const (
	// endlessSQL takes away what older servers do not know and would refuse.
	endlessSQL = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'"

	// durableSQL fixes synchronous_commit for the session as it is now, so that what
	// is set later reaches new connections alone, which are looked at; and tells of
	// what an answered commit depends on.
	durableSQL = `SELECT set_config('synchronous_commit', current_setting('synchronous_commit'), false),
    current_setting('fsync'), current_setting('full_page_writes'), coalesce(current_setting('countersign.disposable', true), '')`
)

// errNotDurable is in the chain of the error where the server would answer a commit
// before it is on the disk: so would we.
var errNotDurable = errors.New("the database does not keep what it has confirmed")

// begin prepares a new connection, and refuses one whose commits do not last:
// fault.Unavailable. A server that says itself that all it has may be lost, by
// countersign.disposable, only has to answer in order.
func begin(ctx context.Context, conn *pgconn.PgConn, lookOnly bool) error {
	results, err := conn.Exec(ctx, endlessSQL+";"+durableSQL).ReadAll()
	if err != nil || lookOnly {
		return err
	}
	row := results[len(results)-1].Rows[0]
	commit, disposable := string(row[0]), string(row[3]) == "on"
	switch {
	case commit == "off":
		return notDurable("synchronous_commit is off for this user, database or server: what is answered with 250 would not be on the disk; switch it on (ALTER ROLE … RESET synchronous_commit)")
	case disposable:
		return nil
	case string(row[1]) == "off":
		return notDurable("fsync is off on the database server: what is answered with 250 would be lost when its machine fails; switch it on")
	case string(row[2]) == "off":
		return notDurable("full_page_writes is off on the database server: a crash of its machine may damage what was answered with 250; switch it on")
	}
	return nil
}

func notDurable(text string) error {
	return &fault.Error{Op: "postgres.connect", Kind: fault.Unavailable, Detail: text, Err: errNotDurable}
}

// errWarned is in the chain of the error of a commit behind which the server gave a
// warning. It knows one: "canceling wait for synchronous replication", with which
// it confirms what the standby may not have.
var errWarned = errors.New("the server did not wait for its standby")

// stateWarning is the SQLSTATE of warnings without one of their own. The texts are
// in the server's language.
const stateWarning = "01000"

// warned is the key under which a connection remembers a warning.
const warned = "countersign warned"

func noteWarning(conn *pgconn.PgConn, notice *pgconn.Notice) {
	if notice.Code == stateWarning {
		conn.CustomData()[warned] = true
	}
}

// clearWarning forgets what the server warned of before.
func clearWarning(conn *pgconn.PgConn) { delete(conn.CustomData(), warned) }

// warning returns errWarned where the server gave a warning since then.
func warning(conn *pgconn.PgConn) error {
	if conn.CustomData()[warned] == nil {
		return nil
	}
	return errWarned
}
