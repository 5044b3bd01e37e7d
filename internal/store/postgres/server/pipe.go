package server

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"countersign/internal/store/sqlkit"
)

// Pipe gathers statements, in the server's own words, that go to it together:
// the first that fails ends the rest.
type Pipe struct{ batch pgx.Batch }

// Exec adds a statement whose rows nobody reads.
func (p *Pipe) Exec(text string, args ...any) { p.batch.Queue(text, args...) }

// Query adds a query; each is called for its rows when the pipe is sent.
func (p *Pipe) Query(text string, args []any, each func(*sqlkit.Row) error) {
	p.batch.Queue(text, args...).Query(func(rows pgx.Rows) error { return eachRow(rows, each) })
}

// Count adds a statement and sets n to the number of rows that it changed.
func (p *Pipe) Count(n *int64, text string, args ...any) {
	p.batch.Queue(text, args...).Exec(func(tag pgconn.CommandTag) error {
		*n = tag.RowsAffected()
		return nil
	})
}

// Then adds a statement whose rows nobody reads, and calls passed when it has passed: what fails
// behind it has come as far as that.
func (p *Pipe) Then(text string, passed func()) {
	p.batch.Queue(text).Exec(func(pgconn.CommandTag) error {
		passed()
		return nil
	})
}

// Session is one connection, on which whoever uses it begins and ends
// transactions in its pipes. It is used by one goroutine.
type Session struct {
	ctx context.Context
	raw *pgxpool.Conn
}

// Session runs fn with a connection of its own. A transaction that fn leaves open
// is rolled back. The error is the driver's: see Failure, Away and Repeatable.
func (db *DB) Session(ctx context.Context, fn func(*Session) error) error {
	raw, err := db.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer raw.Release() // closes a connection that is not idle
	s := &Session{ctx, raw}
	err = fn(s)
	if err != nil && raw.Conn().PgConn().TxStatus() != 'I' {
		_, rolled := raw.Exec(ctx, "ROLLBACK")
		if rolled != nil && !raw.Conn().IsClosed() {
			err = errors.Join(err, rolled)
		}
	}
	return err
}

// Send sends the statements of p and waits for all their results.
func (s *Session) Send(p *Pipe) error { return s.raw.SendBatch(s.ctx, &p.batch).Close() }

// Commit sends the statements of p, the last of which is COMMIT. It fails, so that
// Broken is true, where the server has committed but warns: it says so where the wait
// for a synchronous standby was ended.
func (s *Session) Commit(p *Pipe) error {
	clearWarning(s.raw.Conn().PgConn())
	if err := s.Send(p); err != nil {
		return err
	}
	return warning(s.raw.Conn().PgConn())
}

// Send sends the statements of p within the transaction.
func (t *Tx) Send(p *Pipe) error { return t.q.SendBatch(t.ctx, &p.batch).Close() }

// Send sends the statements of p as one transaction of their own; they must not
// begin or end one. It is made again while the server is away: p must be fit for
// that.
func (db *DB) Send(ctx context.Context, op string, fill func(*Pipe)) error {
	return Failure(op, db.patiently(ctx, func() error {
		return answered(ctx, func(ctx context.Context) error {
			var p Pipe
			fill(&p)
			return db.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
				clearWarning(c.Conn().PgConn())
				if err := c.SendBatch(ctx, &p.batch).Close(); err != nil {
					return err
				}
				return warning(c.Conn().PgConn())
			})
		})
	}))
}

// LookSQL begins a transaction whose queries see one state of the database.
const LookSQL = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

// Look asks queries of one state of the database in one round trip, again where the server was
// away for a moment: fill is called each time.
func (db *DB) Look(ctx context.Context, op string, fill func() []sqlkit.Ask) error {
	return db.look(ctx, op, answerLimit, fill)
}

// SoonLook is Look for whoever a client waits for: see Soon.
func (db *DB) SoonLook(ctx context.Context, op string, fill func() []sqlkit.Ask) error {
	return db.look(ctx, op, db.patience, fill)
}

func (db *DB) look(ctx context.Context, op string, limit time.Duration, fill func() []sqlkit.Ask) error {
	return Failure(op, db.patiently(ctx, func() error {
		return answeredWithin(ctx, limit, func(ctx context.Context) error {
			var p Pipe
			p.Exec(LookSQL)
			for _, a := range fill() {
				p.Query(Placeholders(a.Text), plain(a.Args), a.Each)
			}
			p.Exec("COMMIT")
			return db.Session(ctx, func(s *Session) error { return s.Send(&p) })
		})
	}))
}

// Patiently runs fn again while the server is away, as long as the patience of
// the database and ctx last. The error is fn's.
func (db *DB) Patiently(ctx context.Context, fn func() error) error { return db.patiently(ctx, fn) }

// Broken reports whether err says nothing about what became of a COMMIT that was
// sent: the connection ended before the answer, or the server ended it, which it
// may tell of behind a commit that it has made.
func Broken(err error) bool {
	state := stateOf(err)
	return err != nil && (state == "" || strings.HasPrefix(state, classConnection) || strings.HasPrefix(state, classOperator))
}

// Repeatable reports whether a transaction that failed with err has certainly not
// been committed and may pass when it is tried again at once.
func Repeatable(err error) bool { return repeatable(err) }

// Hold takes the lock of that name for as long as the connection lives, which
// Release ends. taken is false where somebody else has it.
func (db *DB) Hold(ctx context.Context, name string) (h *Held, taken bool, err error) {
	h, err = db.Apart(ctx)
	if err != nil {
		return nil, false, err
	}
	taken, err = h.Take(ctx, name)
	if err != nil || !taken {
		h.Release(ctx)
		return nil, false, err
	}
	return h, true, nil
}

// Apart opens a connection beside the pool, for locks that last as long as it
// lives, which Release ends.
func (db *DB) Apart(ctx context.Context) (h *Held, err error) {
	err = db.patiently(ctx, func() error {
		raw, err := pgx.ConnectConfig(ctx, db.pool.Config().ConnConfig)
		h = &Held{raw}
		return err
	})
	if err != nil {
		return nil, Failure("postgres.open", err)
	}
	return h, nil
}

// Held is a connection that holds locks. It is used by one goroutine at a time.
type Held struct{ raw *pgx.Conn }

// Take takes the lock of that name too, and reports whether it has it: somebody
// else may. It does not wait.
func (h *Held) Take(ctx context.Context, name string) (taken bool, err error) {
	err = h.raw.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", name).Scan(&taken)
	return taken, Failure("postgres.lock", err)
}

// Give gives one lock back.
func (h *Held) Give(ctx context.Context, name string) error {
	_, err := h.raw.Exec(ctx, "SELECT pg_advisory_unlock(hashtextextended($1, 0))", name)
	return Failure("postgres.lock", err)
}

// Alive reports whether the locks still are held: they are lost when the server
// restarts.
func (h *Held) Alive(ctx context.Context) bool { return !h.raw.IsClosed() && h.raw.Ping(ctx) == nil }

// Release gives all back and closes the connection. Where that has broken, they are
// already. The server notices an end a moment later: so they are given back first.
func (h *Held) Release(ctx context.Context) {
	_, _ = h.raw.Exec(ctx, "SELECT pg_advisory_unlock_all()")
	_ = h.raw.Close(ctx)
}
