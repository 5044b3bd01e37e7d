package nodes

import (
	"context"
	"strings"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/node"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
)

// upSQL is the condition that the process of node n is there: that it has its lock,
// which nobody has to try for that.
const upSQL = `EXISTS (SELECT 1 FROM pg_locks k WHERE k.locktype = 'advisory' AND k.granted AND k.objsubid = 1
        AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (k.classid::bigint << 32) + k.objid::bigint = hashtextextended('` + lockPrefix + `' || n.id, 0))`

// listSQL reads all deliveries once: one more index would cost at each message
// what nobody asks for more often than people look.
const listSQL = `SELECT n.id, n.address, n.version, n.schema, n.state, n.started, n.heartbeat, n.lease_until, greatest(` + clock + ` - n.heartbeat, 0),
        n.lease_until > ` + clock + `, ` + upSQL + `, n.skew, n.keys,
        coalesce(q.queued, 0), coalesce(q.deferred, 0), coalesce(q.held, 0), coalesce(s.at, 0)
    FROM node n LEFT JOIN (
        SELECT node, count(*) FILTER (WHERE state = 1) AS queued, count(*) FILTER (WHERE state = 2) AS deferred,
            count(*) FILTER (WHERE state = 3) AS held, min(submission) AS oldest
        FROM delivery GROUP BY node) q ON q.node = n.id
    LEFT JOIN submission s ON s.id = q.oldest ORDER BY n.id`

// Nodes implements node.Store.
func (s *Roster) Nodes(ctx context.Context) (list []node.Node, err error) {
	err = s.opt.DB.Read(ctx, "node.list", func(c *server.Conn) error {
		list = nil
		return c.RawQuery(ctx, listSQL, nil, func(r *sqlkit.Row) error {
			list = append(list, node.Node{
				ID: r.Text(), Address: r.Text(), Version: r.Text(), Schema: r.Int(), State: node.State(r.Text()),
				Started: r.Time(), Seen: r.Time(), Until: r.Time(),
				Silent: time.Duration(r.Int64()) * time.Microsecond,
				Alive:  r.Bool(), Up: r.Bool(),
				Skew: time.Duration(r.Int64()) * time.Microsecond, Keys: keysOf(r.Text()),
				Queued: r.Int(), Deferred: r.Int(), Held: r.Int(), Oldest: r.Time(),
			})
			return nil
		})
	})
	return list, err
}

// keysOf takes the names of keys apart, nil for none.
func keysOf(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Fields(text)
}

// found looks for a node, and keeps it as it is until the end of the transaction.
func found(t *server.Tx, op, id string) (alive bool, err error) {
	if _, err := t.Raw(server.LockNodesSQL); err != nil {
		return false, err
	}
	known := false
	err = t.RawQuery("SELECT lease_until > "+clock+" FROM node WHERE id = $1 FOR UPDATE", []any{id}, func(r *sqlkit.Row) error {
		known, alive = true, r.Bool()
		return nil
	})
	if err == nil && !known {
		err = fault.New(op, fault.NotFound, "there is no node %q; see \"countersign node list\"", id)
	}
	return alive, err
}

// Drain implements node.Store.
func (s *Roster) Drain(ctx context.Context, id string, force bool, e audit.Event) error {
	const op = "node.drain"
	return s.opt.DB.Change(ctx, op, func(t *server.Tx) error {
		alive, err := found(t, op, id)
		if err != nil {
			return err
		}
		living, err := ids(t, livingSQL)
		if err != nil {
			return err
		}
		if !force && len(living) == 1 && living[0] == id {
			return fault.New(op, fault.Conflict,
				"node %q is the only active one: drained, it closes its listeners, no mail is taken or delivered any more, and only a restart of it undoes that; --force drains it all the same", id)
		}
		state := node.Drained
		if alive {
			state = node.Draining
		}
		if _, err := t.Raw("UPDATE node SET state = $2 WHERE id = $1", id, string(state)); err != nil {
			return err
		}
		return s.opt.Record(t, []audit.Event{e})
	})
}

// Remove implements node.Store.
func (s *Roster) Remove(ctx context.Context, id string, e audit.Event) error {
	const op = "node.remove"
	return s.opt.DB.Change(ctx, op, func(t *server.Tx) error {
		alive, err := found(t, op, id)
		if err != nil {
			return err
		}
		if alive {
			return fault.New(op, fault.Conflict, "node %q is alive; drain it first, or stop it", id)
		}
		owns, err := t.Exists("SELECT 1 FROM node n WHERE id = ? AND "+ownsSQL, sqlkit.Bind(id))
		if err != nil {
			return err
		}
		if owns {
			return fault.New(op, fault.Conflict, "node %q still owns deliveries; they go to the other nodes while one of them is up, see \"countersign node list\"", id)
		}
		if _, err := t.Raw("DELETE FROM node WHERE id = $1", id); err != nil {
			return err
		}
		// What its transactions added to the totals stays.
		if _, err := t.Raw("UPDATE queue_total SET node = '', epoch = 0, batch = 0 WHERE node = $1", id); err != nil {
			return err
		}
		return s.opt.Record(t, []audit.Event{e})
	})
}
