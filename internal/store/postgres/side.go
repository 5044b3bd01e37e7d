package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/postgres/bodies"
	"countersign/internal/store/postgres/nodes"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/copying"
	"countersign/internal/store/sqlkit/tables"
	"countersign/internal/store/transfer"
)

// Side is a database that is copied, or copied into. It implements
// transfer.Target. As long as it is open, no node joins.
type Side struct {
	origin transfer.Origin
	db     *server.DB
	bodies *bodies.Folder
	held   *server.Held
	now    func() time.Time
}

// OpenSide opens a database for a copy; as the target it may be empty. Errors are
// those of Open, fault.Conflict where a node is alive or where it is itself the
// target of an unfinished copy and not to be one, and fault.NotFound for a
// source without a store in it.
func OpenSide(ctx context.Context, o Options, target bool) (*Side, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	schema := sqlkit.UpgradeOnly
	if target {
		schema = sqlkit.MakeOnly
	}
	db, err := server.Open(ctx, server.Options{
		URL: o.URL, Password: o.Password, Name: "countersign store copy", Connections: 4, Patience: o.Patience,
		Schema: schema, Migrations: migrations, Beside: nodes.Beside(""), Now: o.Now, Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	s := &Side{db: db, bodies: bodies.New(db), now: o.Now}
	if err := s.take(ctx, target); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// take keeps nodes out, and looks which store this is.
func (s *Side) take(ctx context.Context, target bool) (err error) {
	s.held, err = nodes.KeepOut(ctx, s.db)
	if err == nil {
		s.origin.Name, err = s.db.Name(ctx)
	}
	if err != nil {
		return err
	}
	return s.read(ctx, func(c *server.Conn) error {
		if !target {
			if err := copying.Refuse(ctx, c, "postgres.open"); err != nil {
				return err
			}
		}
		s.origin.Born, err = copying.Born(ctx, c)
		return err
	})
}

// opCopy names the copy in errors.
const opCopy = "store.copy"

func (s *Side) read(ctx context.Context, fn func(*server.Conn) error) error {
	return s.db.Read(ctx, opCopy, fn)
}

// Origin implements transfer.Side.
func (s *Side) Origin() transfer.Origin { return s.origin }

// counted is up to how many rows are counted, and not estimated: no more than what
// takes a moment.
const counted = 1_000_000

// Count implements transfer.Side.
func (s *Side) Count(ctx context.Context, t *tables.Table) (n int64, err error) {
	const few, many = "SELECT count(*) FROM (SELECT 1 FROM %s LIMIT ?) counted", "SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(?)"
	err = s.read(ctx, func(c *server.Conn) error {
		n, _, err = c.Number(ctx, fmt.Sprintf(few, t.Name), sqlkit.Bind(counted))
		if err != nil || n < counted {
			return err
		}
		estimate, _, err := c.Number(ctx, many, sqlkit.Bind(t.Name))
		n = max(n, estimate)
		return err
	})
	return n, err
}

// Page implements transfer.Side.
func (s *Side) Page(ctx context.Context, t *tables.Table, behind tables.Row, limit tables.Limit) (rows []tables.Row, err error) {
	err = s.read(ctx, func(c *server.Conn) error {
		rows, err = t.Page(ctx, c, behind, limit)
		return err
	})
	return rows, err
}

// Body implements transfer.Side.
func (s *Side) Body(_ context.Context, id mail.ID, size int64) (io.ReadCloser, error) {
	return s.bodies.Stored(id, size).Open()
}

// Alone implements transfer.Side.
func (s *Side) Alone(ctx context.Context) error {
	if s.held.Alive(ctx) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fault.Wrap(opCopy, fault.Canceled, err)
	}
	return fault.New(opCopy, fault.Unavailable, "the connection that keeps gates away from %s has broken", s.origin.Name)
}

// Leave implements transfer.Side. It is alone with changes of accounts and queue,
// each of which is before it, and in the copy, or refused.
func (s *Side) Leave(ctx context.Context, m transfer.Moved) error {
	return s.db.Exclusive(ctx, opCopy, func(t *server.Tx) error { return copying.MarkMoved(t, m) })
}

// Reopen takes the marks of a store that was copied away, stores the event, and
// returns what they said. fault.Conflict where there is none.
func (s *Side) Reopen(ctx context.Context, e audit.Event) (moved []transfer.Moved, err error) {
	err = s.db.Exclusive(ctx, "store.reopen", func(t *server.Tx) error {
		moved, err = copying.Reopen(t, recordIn, e)
		return err
	})
	return moved, err
}

// Begin implements transfer.Target.
func (s *Side) Begin(ctx context.Context, from transfer.Origin, anew bool) (resumed bool, err error) {
	err = s.db.Exclusive(ctx, opCopy, func(t *server.Tx) error {
		resumed, err = copying.Claim(t, from, s.now(), anew, empty)
		return err
	})
	return resumed, err
}

// empty removes all rows, and the bodies.
func empty(t sqlkit.Writer) error {
	text := "TRUNCATE body, body_chunk"
	for _, table := range tables.Carried() {
		text += ", " + table.Name
	}
	return t.Exec(text, nil)
}

// Last implements transfer.Target.
func (s *Side) Last(ctx context.Context, t *tables.Table) (key tables.Row, err error) {
	err = s.read(ctx, func(c *server.Conn) error {
		key, err = t.Last(ctx, c)
		return err
	})
	return key, err
}

// Storable implements transfer.Target: neither NUL nor what is not UTF-8.
func (s *Side) Storable(text string) string { return server.Text(text) }

// Write implements transfer.Target.
func (s *Side) Write(ctx context.Context, t *tables.Table, rows []tables.Row) error {
	columns, values := t.Names(), make([][]any, len(rows))
	delivery := t.Name == "delivery"
	if delivery {
		columns = append(columns, "node")
	}
	for i, r := range rows {
		values[i] = t.Stored(r)
		if delivery {
			values[i] = append(values[i], nodes.Copied)
		}
	}
	return s.db.Change(ctx, opCopy, func(tx *server.Tx) error { return tx.Load(t.Name, columns, values) })
}

// WriteBody implements transfer.Target.
func (s *Side) WriteBody(ctx context.Context, id mail.ID, content io.Reader) error {
	return s.bodies.Import(ctx, id, content)
}

const (
	// nextEventSQL lets the next event have a number behind all others.
	nextEventSQL = "SELECT setval(pg_get_serial_sequence('event', 'seq'), coalesce((SELECT max(seq) FROM event), 0) + 1, false)"

	// nextContentSQL lets the next block of numbers begin behind all of them.
	nextContentSQL = "SELECT setval('content_number', (coalesce((SELECT max(id) FROM content), 0) / 512 + 1) * 512, false)"
)

// Finish implements transfer.Target.
func (s *Side) Finish(ctx context.Context, e audit.Event) error {
	for _, t := range tables.Carried() { // the plans of queries depend on it
		if err := s.db.Change(ctx, opCopy, func(tx *server.Tx) error { return tx.Exec("ANALYZE "+t.Name, nil) }); err != nil {
			return err
		}
	}
	return s.db.Exclusive(ctx, opCopy, func(t *server.Tx) error {
		queued, deferred, held, err := copying.Totals(t)
		if err != nil {
			return err
		}
		if queued+deferred+held > 0 {
			err = nodes.Disown(t, s.db.Known())
		}
		for _, text := range []string{nextEventSQL, nextContentSQL, "DELETE FROM queue_total"} {
			if err == nil {
				err = t.Exec(text, nil)
			}
		}
		if err == nil {
			err = count(t, queued, deferred, held)
		}
		if err == nil {
			err = copying.Release(t)
		}
		if err != nil {
			return err
		}
		return recordIn(t, []audit.Event{e})
	})
}

// Close ends it and lets nodes join again. A second call does nothing.
func (s *Side) Close() error {
	if s.held != nil {
		s.held.Release(context.Background())
		s.held = nil
	}
	s.db.Close()
	return nil
}
