package nodes

import (
	"context"
	"slices"
	"strconv"

	"countersign/internal/audit"
	"countersign/internal/node"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
)

const (
	// FenceSQL ends the leases that are over, where node $1 with epoch $2 renewed its
	// own in the last half of its length: else the server may have stood still since
	// that was asked, and nobody could renew. A row that somebody is writing under
	// is left for the next time.
	FenceSQL = `WITH dead AS MATERIALIZED (SELECT id FROM node WHERE lease_until BETWEEN 1 AND ` + clock + `
        AND EXISTS (SELECT 1 FROM node own WHERE own.id = $1 AND own.epoch = $2 AND (own.heartbeat + own.lease_until) / 2 > ` + clock + `)
        ORDER BY id FOR UPDATE SKIP LOCKED)
    UPDATE node n SET lease_until = 0, epoch = nextval('node_epoch') FROM dead WHERE n.id = dead.id RETURNING n.id`

	// livingSQL finds who may be given something. It needs no lock of its own: what
	// is given to one whose lease ends meanwhile is shared out again.
	livingSQL = "SELECT id FROM node WHERE state = 'active' AND lease_until > " + clock + " ORDER BY id"

	// OrphanedSQL finds whose deliveries may be given away. The lock keeps them
	// from joining until the commit. Who has none is passed over: a gate that had
	// another id at each start leaves many. One that has not left in order is dead.
	OrphanedSQL = "SELECT id, state NOT IN ('drained', 'stopped') FROM node n WHERE lease_until = 0 AND " + ownsSQL + " ORDER BY id FOR KEY SHARE SKIP LOCKED"

	// ownsSQL is the condition that node n owns anything.
	ownsSQL = "(EXISTS (SELECT 1 FROM delivery d WHERE d.node = n.id AND d.state < 3) OR EXISTS (SELECT 1 FROM delivery d WHERE d.node = n.id AND d.state = 3))"

	// shareSQL gives at most $2 deliveries of node $1 to the nodes $3, all of one
	// submission to the same.
	shareSQL = ` UPDATE delivery d SET node = ($3::text[])[1 + (hashtext(d.submission) & 2147483647) % cardinality($3::text[])]
    FROM part WHERE d.submission = part.submission AND d.n = part.n`

	// ShareDueSQL does that with what is to be attempted.
	ShareDueSQL = `WITH part AS MATERIALIZED (SELECT submission, n FROM delivery WHERE node = $1 AND state < 3
        ORDER BY next, submission, n LIMIT $2 FOR UPDATE SKIP LOCKED)` + shareSQL

	// ShareHeldSQL does that with what waits for an administrator.
	ShareHeldSQL = `WITH part AS MATERIALIZED (SELECT submission, n FROM delivery WHERE node = $1 AND state = 3
        ORDER BY submission, n LIMIT $2 FOR UPDATE SKIP LOCKED)` + shareSQL
)

// lookSQL tells whether the lease of node $1 under epoch $2 holds, and whether there
// is anything to do, with $3 for dead nodes too: one question, as there hardly ever
// is.
const lookSQL = "SELECT EXISTS (" + HoldsSQL + "), $3::boolean AND EXISTS (SELECT 1 FROM node WHERE lease_until BETWEEN 1 AND " + clock + `)
    OR EXISTS (SELECT 1 FROM node n WHERE lease_until = 0 AND ` + ownsSQL + ")"

// look asks that; fault.Fenced where the lease is over.
func (s *Roster) look(ctx context.Context, op string, l node.Lease, dead bool) (work bool, err error) {
	holds := false
	err = s.opt.DB.Read(ctx, op, func(c *server.Conn) error {
		return c.RawQuery(ctx, lookSQL, []any{l.Node, l.Epoch, dead}, func(r *sqlkit.Row) error {
			holds, work = r.Bool(), r.Bool()
			return nil
		})
	})
	if err == nil && !holds {
		err = fenced(op, l)
	}
	return work, err
}

// endSilent ends the transactions of processes that have fallen silent in the middle
// of one, by the loss of their machine, say: all nodes wait for their locks, and
// nobody can end the leases.
func (s *Roster) endSilent(ctx context.Context, op string) error {
	ended := 0
	err := s.opt.DB.Read(ctx, op, func(c *server.Conn) error {
		ended = 0
		return c.RawQuery(ctx, server.EndSilentSQL, nil, func(*sqlkit.Row) error {
			ended++
			return nil
		})
	})
	if ended > 0 {
		s.opt.Logger.Warn("transactions of gates that had fallen silent were ended, as all others wait for their locks", "transactions", ended)
	}
	return err
}

// Adopt implements node.Store.
func (s *Roster) Adopt(ctx context.Context, l node.Lease, limit int, dead bool) ([]node.Share, error) {
	const op = "node.adopt"
	if err := s.endSilent(ctx, op); err != nil {
		return nil, err
	}
	work, err := s.look(ctx, op, l, dead)
	if err != nil || !work {
		return nil, err
	}
	var gone []string
	if dead {
		gone, err = s.fence(ctx, op, l)
	}
	if err != nil {
		return nil, err
	}
	var shares []node.Share
	err = s.opt.DB.Change(ctx, op, func(t *server.Tx) error {
		shares = nil
		// One at a time, and nobody before who joins or leaves.
		turn, err := t.Exists("SELECT 1 WHERE ("+server.TryLockNodesSQL+")", nil)
		if err != nil || !turn {
			return err
		}
		living, err := ids(t, livingSQL)
		if err != nil || len(living) == 0 {
			return err
		}
		shares, err = orphaned(t)
		if err == nil {
			shares, err = share(t, shares, living, limit)
		}
		if err != nil || len(shares) == 0 {
			return err
		}
		events := make([]audit.Event, 0, len(shares))
		for _, one := range shares {
			e := s.event(audit.NodeAdopted, one.Node, l)
			e.Data["deliveries"] = strconv.Itoa(one.Deliveries)
			events = append(events, e)
		}
		return s.opt.Record(t, events)
	})
	if err != nil {
		shares = nil
	}
	for _, id := range gone { // who owned nothing is told of too
		if !slices.ContainsFunc(shares, func(one node.Share) bool { return one.Node == id }) {
			shares = append(shares, node.Share{Node: id, Dead: true})
		}
	}
	return shares, err
}

// fence ends the leases that are over, records it and returns whose they were.
func (s *Roster) fence(ctx context.Context, op string, l node.Lease) (gone []string, err error) {
	err = s.opt.DB.Change(ctx, op, func(t *server.Tx) (err error) {
		gone, err = ids(t, FenceSQL, l.Node, l.Epoch)
		if err != nil || len(gone) == 0 {
			return err
		}
		events := make([]audit.Event, 0, len(gone))
		for _, id := range gone {
			events = append(events, s.event(audit.NodeDead, id, l))
		}
		return s.opt.Record(t, events)
	})
	return gone, err
}

// event makes the event of what node l.Node did to another.
func (s *Roster) event(kind audit.Kind, id string, l node.Lease) audit.Event {
	return audit.Event{At: s.opt.Now().UTC(), Kind: kind, Object: "node " + id, Data: map[string]string{"node": l.Node}}
}

// orphaned finds whose deliveries may be given away.
func orphaned(t *server.Tx) (list []node.Share, err error) {
	err = t.RawQuery(OrphanedSQL, nil, func(r *sqlkit.Row) error {
		list = append(list, node.Share{Node: r.Text(), Dead: r.Bool()})
		return nil
	})
	return list, err
}

// share gives at most limit deliveries of the orphaned to the living, and returns
// of whom and how many.
func share(t *server.Tx, orphaned []node.Share, living []string, limit int) (shares []node.Share, err error) {
	for _, one := range orphaned {
		for _, text := range []string{ShareDueSQL, ShareHeldSQL} {
			if limit == 0 {
				break
			}
			n, err := t.Raw(text, one.Node, limit, living)
			if err != nil {
				return nil, err
			}
			one.Deliveries += int(n)
			limit -= int(n)
		}
		if one.Deliveries > 0 {
			shares = append(shares, one)
		}
	}
	return shares, nil
}

// ids collects the ids that a query finds.
func ids(t *server.Tx, text string, args ...any) (list []string, err error) {
	err = t.RawQuery(text, args, func(r *sqlkit.Row) error {
		list = append(list, r.Text())
		return nil
	})
	return list, err
}
