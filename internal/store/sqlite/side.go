package sqlite

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/sqlite/bodies"
	"countersign/internal/store/sqlite/counters"
	"countersign/internal/store/sqlite/database"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/copying"
	"countersign/internal/store/sqlkit/tables"
	"countersign/internal/store/transfer"
)

// Side is a database that is copied, or copied into. It implements
// transfer.Target. As long as it is open, it has the lock of a server.
type Side struct {
	origin transfer.Origin
	db     *database.DB[struct{}]
	bodies *bodies.Folder
	now    func() time.Time
}

// OpenSide opens a database for a copy: one that there is, or as the target one that
// may not be there yet. Nothing is cleaned up. Errors are those of Open,
// fault.Conflict where a server uses it, or where it is itself the target of an
// unfinished copy and not to be one, and fault.NotFound for a source that there
// is not.
func OpenSide(ctx context.Context, o Options, target bool) (*Side, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	path, large, err := place(o.Path)
	if err != nil {
		return nil, err
	}
	if err := refuseUnfinished(path); err != nil {
		return nil, err
	}
	schema := sqlkit.UpgradeOnly
	if target {
		schema = sqlkit.MakeOnly
	}
	s := &Side{now: o.Now, bodies: large}
	s.db, err = database.Open(ctx, database.Options[struct{}]{
		Path: path, Server: true, Readers: 3, Schema: schema, Migrations: migrations, Now: o.Now, Logger: o.Logger,
		Flush: func(*database.Tx, *struct{}) error { return nil },
	})
	if err != nil {
		return nil, err
	}
	err = s.read(ctx, func(c *conn) error {
		if !target {
			if err := copying.Refuse(ctx, c, "sqlite.open"); err != nil {
				return err
			}
		}
		s.origin.Born, err = copying.Born(ctx, c)
		return err
	})
	if err == nil && target {
		err = s.bodies.Claim(filepath.Base(path))
	}
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.origin.Name = "sqlite:" + path
	if !target {
		// The log of counters is not carried.
		memory := counters.New(counters.Usual)
		err = s.change(ctx, func(t *database.Tx) error { return memory.Settle(t) })
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// opCopy names the copy in errors.
const opCopy = "store.copy"

func (s *Side) read(ctx context.Context, fn func(*conn) error) error {
	return s.db.Read(ctx, opCopy, fn)
}

func (s *Side) change(ctx context.Context, fn func(*database.Tx) error) error {
	return s.db.Change(ctx, opCopy, func(t *database.Tx, _ *struct{}) error { return fn(t) })
}

// Origin implements transfer.Side.
func (s *Side) Origin() transfer.Origin { return s.origin }

// Count implements transfer.Side.
func (s *Side) Count(ctx context.Context, t *tables.Table) (n int64, err error) {
	err = s.read(ctx, func(c *conn) error {
		n, err = t.Count(ctx, c)
		return err
	})
	return n, err
}

// Page implements transfer.Side.
func (s *Side) Page(ctx context.Context, t *tables.Table, behind tables.Row, limit tables.Limit) (rows []tables.Row, err error) {
	err = s.read(ctx, func(c *conn) error {
		rows, err = t.Page(ctx, c, behind, limit)
		return err
	})
	return rows, err
}

// Body implements transfer.Side.
func (s *Side) Body(_ context.Context, id mail.ID, size int64) (io.ReadCloser, error) {
	return s.bodies.Stored(id, size).Open()
}

// Alone implements transfer.Side: the lock lasts as long as the process.
func (s *Side) Alone(context.Context) error { return nil }

// Leave implements transfer.Side.
func (s *Side) Leave(ctx context.Context, m transfer.Moved) error {
	return s.change(ctx, func(t *database.Tx) error { return copying.MarkMoved(t, m) })
}

// Reopen takes the marks of a store that was copied away, stores the event, and
// returns what they said. fault.Conflict where there is none.
func (s *Side) Reopen(ctx context.Context, e audit.Event) (moved []transfer.Moved, err error) {
	err = s.change(ctx, func(t *database.Tx) error {
		moved, err = copying.Reopen(t, recordIn, e)
		return err
	})
	return moved, err
}

// Begin implements transfer.Target. Bodies of an earlier beginning are left to the
// start of the server that comes, which removes what no message names.
func (s *Side) Begin(ctx context.Context, from transfer.Origin, anew bool) (resumed bool, err error) {
	err = s.change(ctx, func(t *database.Tx) error {
		resumed, err = copying.Claim(t, from, s.now(), anew, copying.Empty)
		return err
	})
	return resumed, err
}

// Last implements transfer.Target.
func (s *Side) Last(ctx context.Context, t *tables.Table) (key tables.Row, err error) {
	err = s.read(ctx, func(c *conn) error {
		key, err = t.Last(ctx, c)
		return err
	})
	return key, err
}

// Storable implements transfer.Target: any text is.
func (s *Side) Storable(text string) string { return text }

// Write implements transfer.Target.
func (s *Side) Write(ctx context.Context, t *tables.Table, rows []tables.Row) error {
	text := t.InsertSQL()
	return s.change(ctx, func(tx *database.Tx) error {
		for _, r := range rows {
			if err := tx.Exec(text, sqlkit.Bind(t.Stored(r)...)); err != nil {
				return err
			}
		}
		return nil
	})
}

// WriteBody implements transfer.Target.
func (s *Side) WriteBody(_ context.Context, id mail.ID, content io.Reader) error {
	if !mail.ValidID(string(id)) {
		return fault.New(opCopy, fault.Corrupt, "%q is not the id of a large body", string(id))
	}
	return s.bodies.Import(id, content)
}

// setTotalSQL sets the totals.
const setTotalSQL = "UPDATE queue_total SET queued = ?, deferred = ?, held = ? WHERE id = 1"

// Finish implements transfer.Target.
func (s *Side) Finish(ctx context.Context, e audit.Event) error {
	return s.change(ctx, func(t *database.Tx) error {
		queued, deferred, held, err := copying.Totals(t)
		if err == nil {
			err = t.Exec(setTotalSQL, bind(queued, deferred, held))
		}
		if err == nil {
			err = recordIn(t, []audit.Event{e})
		}
		if err != nil {
			return err
		}
		return copying.Release(t)
	})
}

// Close ends it and gives the lock back. A second call does nothing.
func (s *Side) Close() error { return s.db.Close() }
