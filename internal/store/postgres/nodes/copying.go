package nodes

import (
	"context"
	"time"

	"countersign/internal/fault"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
)

// copyLock is the name of the lock that a copy of the store holds and that nodes
// share while they join. It goes by the table that is meant, as there may be several
// search_paths that lead to it.
const copyLock = "'countersign copy of ' || 'node'::regclass::oid::text"

// notCopied refuses to join while the store is being copied, and keeps a copy from
// beginning until the end of the transaction.
func notCopied(t *server.Tx, op string) error {
	free, err := t.Exists("SELECT 1 WHERE pg_try_advisory_xact_lock_shared(hashtextextended("+copyLock+", 0))", nil)
	if err == nil && !free {
		err = fault.New(op, fault.Conflict, "this store is being copied (\"countersign store copy\"); start this gate when that has ended")
	}
	return err
}

// KeepOut takes the lock that keeps nodes from joining, and refuses where one is
// alive: fault.Conflict. It holds until the lock is released or its connection
// breaks.
func KeepOut(ctx context.Context, db *server.DB) (*server.Held, error) {
	const op = "store.copy"
	name := ""
	err := db.Read(ctx, op, func(c *server.Conn) error {
		return c.Query(ctx, "SELECT "+copyLock, nil, func(r *sqlkit.Row) error {
			name = r.Text()
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	held, err := hold(ctx, db, name)
	if err != nil {
		return nil, err
	}
	if held == nil {
		return nil, fault.New(op, fault.Conflict, "this store is being copied already, or a gate joins it at this moment, or it is the one that is copied")
	}
	if err := refuseAlive(ctx, db, op); err != nil {
		held.Release(ctx)
		return nil, err
	}
	return held, nil
}

// The server takes a moment to see that a process was killed that had a lock, and a
// node that joins has it for as long.
const (
	holdTries = 20
	holdWait  = 100 * time.Millisecond
)

// hold takes a lock, and waits a little for one that somebody has; nil where that
// was in vain.
func hold(ctx context.Context, db *server.DB, name string) (*server.Held, error) {
	tick := time.NewTicker(holdWait)
	defer tick.Stop()
	for range holdTries {
		held, taken, err := db.Hold(ctx, name)
		if err != nil || taken {
			return held, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fault.Wrap("store.copy", fault.Canceled, ctx.Err())
		}
	}
	return nil, nil
}

// refuseAlive names a node whose lease runs.
func refuseAlive(ctx context.Context, db *server.DB, op string) error {
	return db.Read(ctx, op, func(c *server.Conn) error {
		const text = "SELECT id, address, lease_until FROM node WHERE lease_until > " + clock + " ORDER BY id LIMIT 1"
		return c.Query(ctx, text, nil, func(r *sqlkit.Row) error {
			id, at, until := r.Text(), r.Text(), r.Time()
			return fault.New(op, fault.Conflict, "node %q%s uses this store, and holds its lease until %s; stop that gate first. Of one that was killed, the lease ends by itself",
				id, where(at), until.Format("15:04:05Z"))
		})
	})
}

// Copied is the node that owns what was copied until a gate takes it.
const Copied = "store-copy"

// Disown makes the node Copied, which has no lease: the gates share out what it
// owns as soon as there is one. The schema is up to step known.
func Disown(t *server.Tx, known int) error {
	_, err := t.Raw(`INSERT INTO node (id, address, version, state, started, heartbeat, lease_until, epoch, skew, schema, keys)
    SELECT $1, '', '', 'drained', `+clock+`, `+clock+`, 0, nextval('node_epoch'), 0, $2, '' ON CONFLICT (id) DO NOTHING`, Copied, known)
	return err
}
