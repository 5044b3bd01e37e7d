package server

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"countersign/internal/fault"
	"countersign/internal/store/sqlkit"
)

// Options say which database to use and how. All but URL and Migrations have a
// default.
type Options struct {
	// URL is "postgres://user@host1,host2/database?options", as libpq takes it.
	URL string
	// Password is used in place of one in URL where it is not "".
	Password string
	// Name is what the server shows for our connections: "countersign".
	Name string
	// Connections is the most that are open at the same time; 0 means 8.
	Connections int
	// Patience is how long an operation waits for a server that is away; 0
	// means 5 seconds.
	Patience time.Duration
	// Migrations has the schema's steps in its folder "migrations".
	Migrations fs.FS
	// Schema says what may be done about the schema.
	Schema sqlkit.Schema
	// Before is asked before anything is looked at or changed, in the transaction of
	// the migration: an error leaves all as it is. nil means that nothing is asked.
	Before func(*Tx) error
	// Beside is asked before a step is applied, in its transaction: an error keeps
	// it back for the sake of who works on the database at the moment. nil means
	// that there is nobody.
	Beside func(*Tx, *sqlkit.Migration) error
	// LookOnly opens for looking alone: the schema is not brought up to date, but
	// must be. Transactions of Inspect are all there is to do then.
	LookOnly bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger gets what no caller is told; nil means none.
	Logger *slog.Logger

	// oldest is the oldest server that is used; 0 means minVersion.
	oldest int64
}

// DB is a database in use. Its methods are safe for concurrent use.
type DB struct {
	pool     *pgxpool.Pool
	patience time.Duration
	log      *slog.Logger
	// steps are those of the schema that this program has.
	steps []sqlkit.Migration
}

// lockAccounts is the advisory lock between changes of accounts, which take it
// exclusively, and transactions that rely on accounts as they are, which share
// it. lockSchema is that of migrations, which who joins shares. The numbers are ours alone: "CSGN" and a
// count.
const (
	lockAccounts = 0x4353474e_0001
	lockSchema   = 0x4353474e_0002
)

const (
	// LockRecordSQL makes the events of one transaction visible after those of all
	// that drew their numbers before: it stands before the first event is stored,
	// which comes last, and is held until the commit. Its number is one above
	// lockSchema.
	LockRecordSQL = "SELECT pg_advisory_xact_lock(x'4353474e0003'::bigint)"

	// ShareAccountsSQL takes lockAccounts for many: it keeps accounts as they are
	// until the commit.
	ShareAccountsSQL = "SELECT pg_advisory_xact_lock_shared(x'4353474e0001'::bigint)"

	// ClockSQL is the server's clock in microseconds.
	ClockSQL = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

	// LockNodesSQL keeps nodes from joining, leaving, draining and being removed,
	// and deliveries from being shared out, until the commit.
	LockNodesSQL = "SELECT pg_advisory_xact_lock(x'4353474e0004'::bigint)"

	// LockBansSQL is alone with bans until the commit, so that their changes are
	// numbered in the order in which they are seen.
	LockBansSQL = "SELECT pg_advisory_xact_lock(x'4353474e0005'::bigint)"

	// LockGuardSQL is alone with what the guard has counted until the commit, as
	// LockBansSQL is with bans, and with what challenges look like.
	LockGuardSQL = "SELECT pg_advisory_xact_lock(x'4353474e0006'::bigint)"

	// LockLimitsSQL is alone with the rules of limits and with the entries of access lists, likewise. Who changes them shares
	// accounts before (ShareAccountsSQL), so that a change of accounts is alone with them
	// without it.
	LockLimitsSQL = "SELECT pg_advisory_xact_lock(x'4353474e0007'::bigint)"

	// EndSilentSQL ends the sessions of this user and database that have one of our
	// locks until their commit and have waited for their process for longer than it
	// may be silent, and finds each. Between two statements the server does so itself,
	// but not where more was announced: in the middle of what was sent together.
	EndSilentSQL = `WITH silent AS MATERIALIZED (SELECT a.pid FROM pg_stat_activity a WHERE a.usename = current_user AND a.datname = current_database()
        AND a.wait_event = 'ClientRead' AND a.state_change < clock_timestamp() - interval '5 seconds'
        AND EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = a.pid AND l.granted AND l.locktype = 'advisory' AND l.objsubid = 1
            AND l.classid::bigint = x'4353'::bigint AND l.objid::bigint BETWEEN x'474e0001'::bigint AND x'474e0007'::bigint))
    SELECT pid FROM silent WHERE pg_terminate_backend(pid)`

	// TryLockNodesSQL is LockNodesSQL for who need not: false where somebody has
	// the lock, or waits for it.
	TryLockNodesSQL = "SELECT pg_try_advisory_xact_lock(x'4353474e0004'::bigint)"
)

// Open connects, and brings the schema up to date. A newer schema is used as it is
// where its steps allow that to this program, which is said in the log. Errors:
// fault.Invalid for a URL that is none, fault.Denied where user, password or rights
// are refused, fault.Conflict where the database belongs to somebody else or is too
// new for this program, and those of Options.Before and Beside, fault.Unavailable where no server answers, or one that is too
// old.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Patience <= 0 {
		o.Patience = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Before == nil {
		o.Before = func(*Tx) error { return nil }
	}
	if o.Beside == nil {
		o.Beside = func(*Tx, *sqlkit.Migration) error { return nil }
	}
	if o.oldest == 0 {
		o.oldest = minVersion
	}
	steps, err := sqlkit.Migrations(o.Migrations)
	if err != nil {
		return nil, fault.Wrap("postgres.open", fault.Internal, err)
	}
	config, err := poolConfig(o)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, unusable(config, err)
	}
	db := &DB{pool: pool, patience: o.Patience, log: o.Logger, steps: steps}
	prepare := db.prepare
	if o.LookOnly {
		prepare = db.compare
	}
	if err := prepare(ctx, &o); err != nil {
		pool.Close()
		return nil, unusable(config, err)
	}
	return db, nil
}

// poolConfig reads the URL. It never shows it, as it may hold a password.
func poolConfig(o Options) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, unreadable(err)
	}
	if o.Password != "" {
		config.ConnConfig.Password = o.Password
	}
	if o.Connections <= 0 {
		o.Connections = 8
	}
	if o.Name == "" {
		o.Name = "countersign"
	}
	config.MaxConns = int32(o.Connections)
	config.MaxConnIdleTime = time.Minute
	config.MaxConnLifetime = 10 * time.Minute // what is looked at when one is made may change
	config.HealthCheckPeriod = 5 * time.Second
	config.AfterConnect = encodeArrays
	config.ConnConfig.ConnectTimeout = min(cmpZero(config.ConnConfig.ConnectTimeout, 5*time.Second), 5*time.Second)
	configure(config.ConnConfig, o)
	return config, nil
}

// cmpZero returns d, or instead where d is not set.
func cmpZero(d, instead time.Duration) time.Duration {
	if d <= 0 {
		return instead
	}
	return d
}

// Close waits for what runs and closes all connections.
func (db *DB) Close() { db.pool.Close() }

// minVersion is the oldest server that is used, as its server_version_num.
const minVersion = 150000

// prepare looks at the server and brings the schema up to date.
func (db *DB) prepare(ctx context.Context, o *Options) error {
	var standing sqlkit.Standing
	err := db.patiently(ctx, func() error {
		return pgx.BeginFunc(ctx, db.pool, func(raw pgx.Tx) (err error) {
			standing, err = db.migrate(&Tx{ctx, raw}, o)
			return err
		})
	})
	if notice := standing.Notice(); err == nil && notice != "" {
		db.log.Warn(notice)
	}
	return err
}

// compare refuses a server that has another schema.
func (db *DB) compare(ctx context.Context, _ *Options) error {
	return db.patiently(ctx, func() error {
		return pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(raw pgx.Tx) error {
			return db.upToDate(&Tx{ctx, raw})
		})
	})
}

// Inspect is Snapshot for what may take as long as it does. It is not made again
// where the server goes away meanwhile.
func (db *DB) Inspect(ctx context.Context, op string, fn func(*Conn) error) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return Failure(op, pgx.BeginTxFunc(ctx, db.pool, options, func(raw pgx.Tx) error { return fn(&Conn{ctx, raw}) }))
}

// Read runs fn with a connection, again where the server was away for a moment: fn
// sets its results anew each time.
func (db *DB) Read(ctx context.Context, op string, fn func(*Conn) error) error {
	err := db.patiently(ctx, func() error {
		return answered(ctx, func(ctx context.Context) error {
			return db.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error { return fn(&Conn{ctx, c}) })
		})
	})
	return Failure(op, err)
}

// Soon is Read for whoever a client waits for: also where the server takes a question
// and does not answer, no longer than patience.
func (db *DB) Soon(ctx context.Context, op string, fn func(*Conn) error) error {
	err := db.patiently(ctx, func() error {
		return answeredWithin(ctx, db.patience, func(ctx context.Context) error {
			return db.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error { return fn(&Conn{ctx, c}) })
		})
	})
	return Failure(op, err)
}

// Snapshot is Read with all queries of fn seeing one state of the database.
func (db *DB) Snapshot(ctx context.Context, op string, fn func(*Conn) error) error {
	return db.snapshot(ctx, op, answerLimit, fn)
}

// SoonSnapshot is Snapshot for whoever a client waits for: see Soon.
func (db *DB) SoonSnapshot(ctx context.Context, op string, fn func(*Conn) error) error {
	return db.snapshot(ctx, op, db.patience, fn)
}

func (db *DB) snapshot(ctx context.Context, op string, limit time.Duration, fn func(*Conn) error) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := db.patiently(ctx, func() error {
		return answeredWithin(ctx, limit, func(ctx context.Context) error {
			return pgx.BeginTxFunc(ctx, db.pool, options, func(raw pgx.Tx) error { return fn(&Conn{ctx, raw}) })
		})
	})
	return Failure(op, err)
}

// PlannedSQL begins a transaction whose queries have one plan for all arguments.
const PlannedSQL = "BEGIN READ ONLY; SET LOCAL plan_cache_mode = force_generic_plan"

// Planned is Read for queries that are asked again and again and whose plan does
// not depend on their arguments: the server makes it once for each connection. It
// would plan anew each time where that promises the least gain, and for a large
// query over large tables planning takes longer than the work.
func (db *DB) Planned(ctx context.Context, op string, fn func(*Conn) error) error {
	options := pgx.TxOptions{BeginQuery: PlannedSQL}
	err := db.patiently(ctx, func() error {
		return answered(ctx, func(ctx context.Context) error {
			return pgx.BeginTxFunc(ctx, db.pool, options, func(raw pgx.Tx) error { return fn(&Conn{ctx, raw}) })
		})
	})
	return Failure(op, err)
}

// answerLimit is how long a server may take that has taken the connection: far
// more than anything of ours lasts.
const answerLimit = 30 * time.Second

// answered runs fn, but not for longer than answerLimit.
func answered(ctx context.Context, fn func(context.Context) error) error {
	return answeredWithin(ctx, answerLimit, fn)
}

// answeredWithin runs fn, but not for longer than limit.
func answeredWithin(ctx context.Context, limit time.Duration, fn func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := fn(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return Silent(err)
	}
	return err
}

// Silent is the error where the server did not answer in time, which ended with err.
func Silent(err error) error {
	return &fault.Error{Op: "postgres", Kind: fault.Unavailable, Detail: "the database does not answer", Err: err}
}

// Exclusive runs a change of accounts, or one that has to be alone with them and
// the queue, in a transaction of its own. It is made again where others were in
// its way. Where the connection breaks at the commit it is not known whether it
// was made: fault.Unavailable, whose text says so.
func (db *DB) Exclusive(ctx context.Context, op string, fn func(*Tx) error) error {
	return db.Change(ctx, op, func(t *Tx) error {
		if _, err := t.Raw("SELECT pg_advisory_xact_lock($1)", int64(lockAccounts)); err != nil {
			return err
		}
		return fn(t)
	})
}

// Change is Exclusive for what neither changes accounts nor relies on them: it
// holds nobody up.
func (db *DB) Change(ctx context.Context, op string, fn func(*Tx) error) error {
	var err error
	for range maxRepeats {
		err = db.patiently(ctx, func() error {
			return answered(ctx, func(ctx context.Context) error { return db.once(ctx, op, fn) })
		})
		if !repeatable(err) {
			break
		}
	}
	return Failure(op, err)
}

// maxRepeats bounds how often a transaction is made again for others' sake.
const maxRepeats = 10

// once runs one transaction.
func (db *DB) once(ctx context.Context, op string, fn func(*Tx) error) error {
	c, err := db.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release() // not before its warning was looked at
	raw, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	// After a commit it does nothing; without one there is nobody to tell.
	defer func() { _ = raw.Rollback(context.WithoutCancel(ctx)) }()
	if err := fn(&Tx{ctx, raw}); err != nil {
		return err
	}
	clearWarning(c.Conn().PgConn())
	err = raw.Commit(ctx)
	if err == nil {
		err = warning(c.Conn().PgConn())
	}
	if Broken(err) {
		return &fault.Error{
			Op: op, Kind: fault.Unavailable, Err: err,
			Detail: "the connection to the database, or the wait for its standby, broke while the change was being made; look whether it was",
		}
	}
	return err
}

// Waits between tries to reach a server that is away.
const (
	firstWait = 20 * time.Millisecond
	lastWait  = 500 * time.Millisecond
)

// patiently runs fn again while the server is away, as long as patience and ctx
// last.
func (db *DB) patiently(ctx context.Context, fn func() error) error {
	deadline := time.Now().Add(db.patience)
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		err := fn()
		if errors.Is(err, context.DeadlineExceeded) {
			// One connection did not answer: where its way is cut, no other one will that
			// was made before.
			db.pool.Reset()
		}
		var known *fault.Error
		if err == nil || errors.As(err, &known) || !away(err) || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		db.log.Debug("the database is away", "error", err)
		if stateOf(err) == stateReadOnly {
			db.pool.Reset() // the connections are to a primary that is none any more
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}
