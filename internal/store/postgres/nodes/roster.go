package nodes

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/node"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
)

// Options are what a Roster works with. All are set.
type Options struct {
	DB *server.DB
	// Node is the id of the one node that this process may become.
	Node string
	// Record stores events in a running transaction, last.
	Record func(sqlkit.Writer, []audit.Event) error
	// Leased is told the epoch of a lease that this process has got, and 0 when it
	// has left.
	Leased func(epoch int64)
	// Now is the clock of what is recorded.
	Now func() time.Time
	// Refuse is asked, in the transaction of a joining, whether nodes may serve from
	// the store; fault.Conflict where they may not.
	Refuse func(t *server.Tx, op string) error
	// Logger gets what no caller is told.
	Logger *slog.Logger
}

// Roster implements node.Store. Its methods are safe for concurrent use.
type Roster struct {
	opt Options

	mu sync.Mutex // guards what follows
	// held holds the locks of the process, nil until it joins: one of the node,
	// where no other process has it, and one of the node under the epoch of the
	// lease, which nobody else can have.
	held *server.Held
	// alone says that the first of them is held.
	alone bool
	// epoch is that of the last lease of this process, 0 where it had none or
	// left.
	epoch int64
	// drawn is the epoch that this process drew last: that of a lease which it may
	// have without knowing, where the connection broke at the commit.
	drawn int64
}

// New returns the roster of a database.
func New(o Options) *Roster { return &Roster{opt: o} }

// clock is the server's clock in microseconds.
const clock = server.ClockSQL

// HoldsSQL finds the row of node $1 while its lease of epoch $2 holds.
const HoldsSQL = "SELECT 1 FROM node WHERE id = $1 AND epoch = $2 AND lease_until > " + clock

// fenced is the answer to who acts under a lease that is over.
func fenced(op string, l node.Lease) error {
	return fault.New(op, fault.Fenced, "the lease of node %q has run out, or another process has it", l.Node)
}

// Clock implements node.Store.
func (s *Roster) Clock(ctx context.Context) (at time.Time, err error) {
	err = s.opt.DB.Read(ctx, "node.clock", func(c *server.Conn) error {
		at, err = clockBy(func(text string, each func(*sqlkit.Row) error) error { return c.Query(ctx, text, nil, each) })
		return err
	})
	return at, err
}

// ClockIn is the server's clock, asked for in a transaction; it implements
// node.Clock.
type ClockIn struct{ Tx *server.Tx }

// Clock implements node.Clock.
func (c ClockIn) Clock(context.Context) (time.Time, error) {
	return clockBy(func(text string, each func(*sqlkit.Row) error) error { return c.Tx.Query(text, nil, each) })
}

func clockBy(query func(text string, each func(*sqlkit.Row) error) error) (at time.Time, err error) {
	err = query("SELECT "+clock, func(r *sqlkit.Row) error {
		at = r.Time()
		return nil
	})
	return at, err
}

// Join implements node.Store.
func (s *Roster) Join(ctx context.Context, n node.Node, length time.Duration) (node.Renewal, error) {
	const op = "node.join"
	r := node.Renewal{Lease: node.Lease{Node: n.ID}}
	if n.ID != s.opt.Node {
		return r, fault.New(op, fault.Conflict, "this process is node %q and cannot be %q", s.opt.Node, n.ID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.connect(ctx); err != nil {
		return r, err
	}
	err := s.opt.DB.Change(ctx, op, func(t *server.Tx) error {
		if err := s.opt.DB.KeepSchema(t, op); err != nil {
			return err
		}
		if err := notCopied(t, op); err != nil {
			return err
		}
		if err := s.opt.Refuse(t, op); err != nil { // after the copy that may have made the mark
			return err
		}
		// Of many that come at once, one looks at a time.
		if _, err := t.Raw(server.LockNodesSQL); err != nil {
			return err
		}
		alive := false
		const lookSQL = "SELECT lease_until > " + clock + ", address, epoch FROM node WHERE id = $1 FOR UPDATE"
		at, epoch := "", int64(0)
		err := t.RawQuery(lookSQL, []any{n.ID}, func(r *sqlkit.Row) error {
			alive, at, epoch = r.Bool(), r.Text(), r.Int64()
			return nil
		})
		if err != nil {
			return err
		}
		if alive {
			another, err := s.another(ctx, epoch)
			if err != nil {
				return err
			}
			if another {
				return fault.New(op, fault.Conflict,
					"another process%s serves mail as node %q of this database; stop it first, or give each node an id of its own (node.id)", where(at), n.ID)
			}
		}
		err = t.RawQuery(joinSQL, []any{n.ID, n.Address, n.Version, length.Microseconds(), s.epoch != 0, s.opt.DB.Known()}, func(row *sqlkit.Row) error {
			r.Epoch, r.Now, r.State = row.Int64(), row.Time(), node.State(row.Text())
			return nil
		})
		if err != nil {
			return err
		}
		s.drawn = r.Epoch
		_, err = s.held.Take(ctx, s.lockOf(r.Epoch)) // before anybody sees the lease
		return err
	})
	if err != nil {
		return r, err
	}
	if s.epoch != 0 {
		_ = s.held.Give(ctx, s.lockOf(s.epoch)) // it goes with the connection else
	}
	s.epoch = r.Epoch
	s.opt.Leased(r.Epoch)
	return r, nil
}

// another reports whether a lease of an epoch that has not run out is that of
// another process which lives. The caller holds mu, and the row of the node.
func (s *Roster) another(ctx context.Context, epoch int64) (bool, error) {
	if epoch == s.epoch || epoch == s.drawn {
		return false, nil
	}
	if s.epoch != 0 {
		return true, nil // who comes back after a hang finds that another has come
	}
	gone, err := s.held.Take(ctx, s.lockOf(epoch))
	return !gone, err
}

const joinSQL = `INSERT INTO node (id, address, version, state, started, heartbeat, lease_until, epoch, skew, schema, keys)
    SELECT $1, $2, $3, 'active', now, now, now + $4::bigint, nextval('node_epoch'), 0, $6::bigint, '' FROM (SELECT ` + clock + ` AS now) c
    ON CONFLICT (id) DO UPDATE SET address = excluded.address, version = excluded.version, schema = excluded.schema, keys = '',
        state = CASE WHEN $5::boolean AND node.state = 'draining' THEN 'draining' ELSE 'active' END,
        started = CASE WHEN $5::boolean THEN node.started ELSE excluded.started END,
        heartbeat = excluded.heartbeat, lease_until = excluded.lease_until, epoch = excluded.epoch
    RETURNING epoch, heartbeat, state`

// where names an address in a sentence, where it is known.
func where(address string) string {
	if address == "" {
		return ""
	}
	return " (at " + address + ")"
}

// lockPrefix and the node's id name the lock of the process that is the node.
const lockPrefix = "countersign node "

// lockOf names the lock of the process that has the lease of an epoch.
func (s *Roster) lockOf(epoch int64) string {
	return lockPrefix + s.opt.Node + " epoch " + strconv.FormatInt(epoch, 10)
}

// connect makes sure of the connection that holds the locks of this process, and
// of those locks. The caller holds mu.
func (s *Roster) connect(ctx context.Context) (err error) {
	if s.held == nil || !s.held.Alive(ctx) {
		s.unlock(ctx)
		if s.held, err = s.opt.DB.Apart(ctx); err != nil {
			return err
		}
		if s.epoch != 0 {
			_, err = s.held.Take(ctx, s.lockOf(s.epoch))
		}
		if err == nil && s.drawn != s.epoch {
			_, err = s.held.Take(ctx, s.lockOf(s.drawn))
		}
	}
	if err == nil && !s.alone {
		s.alone, err = s.held.Take(ctx, lockPrefix+s.opt.Node)
	}
	if err != nil {
		s.unlock(ctx)
	}
	return err
}

// unlock gives the locks back. Those whose connection is gone need no more.
func (s *Roster) unlock(ctx context.Context) {
	if s.held != nil {
		s.held.Release(ctx)
	}
	s.held, s.alone = nil, false
}

// Close gives the locks of this process back, at its end.
func (s *Roster) Close(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlock(ctx)
}

// lockShare is the part of a lease that a renewal may spend on the locks.
const lockShare = 10

// Renew implements node.Store.
func (s *Roster) Renew(ctx context.Context, l node.Lease, length time.Duration, c node.Condition) (node.Renewal, error) {
	const op = "node.renew"
	r := node.Renewal{Lease: l}
	err := s.opt.DB.Change(ctx, op, func(t *server.Tx) error {
		found := false
		const text = "UPDATE node SET heartbeat = " + clock + ", lease_until = " + clock + " + $3::bigint, skew = $4, keys = $5" +
			" WHERE id = $1 AND epoch = $2 AND lease_until > " + clock + " RETURNING state, heartbeat"
		err := t.RawQuery(text, []any{l.Node, l.Epoch, length.Microseconds(), c.Skew.Microseconds(), strings.Join(c.Keys, " ")}, func(row *sqlkit.Row) error {
			r.State, r.Now, found = node.State(row.Text()), row.Time(), true
			return nil
		})
		if err == nil && !found {
			err = fenced(op, l)
		}
		return err
	})
	if err != nil {
		return r, err
	}
	// A restart of the server ends the locks, but not the lease.
	s.mu.Lock()
	defer s.mu.Unlock()
	// The next renewal tries again: the lease does not hang on it, and must not wait
	// for a connection that is dead.
	ctx, cancel := context.WithTimeout(ctx, length/lockShare)
	defer cancel()
	_ = s.connect(ctx)
	return r, nil
}

// Leave implements node.Store.
func (s *Roster) Leave(ctx context.Context, l node.Lease, drained bool) error {
	const op = "node.leave"
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.opt.DB.Change(ctx, op, func(t *server.Tx) error {
		if _, err := t.Raw(server.LockNodesSQL); err != nil {
			return err
		}
		found := false
		err := t.RawQuery("SELECT 1 FROM node WHERE id = $1 AND epoch = $2 FOR UPDATE", []any{l.Node, l.Epoch}, func(*sqlkit.Row) error {
			found = true
			return nil
		})
		if err != nil {
			return err
		}
		if !found {
			return fenced(op, l)
		}
		_, err = t.Raw("UPDATE node SET lease_until = 0, epoch = nextval('node_epoch'), state = CASE WHEN $2::boolean THEN 'drained' ELSE 'stopped' END WHERE id = $1", l.Node, drained)
		return err
	})
	if err == nil {
		s.epoch = 0
		s.opt.Leased(0)
	}
	return err
}
