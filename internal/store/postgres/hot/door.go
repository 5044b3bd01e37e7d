package hot

import (
	"context"
	"slices"
	"strconv"

	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
)

// aliveSQL finds the nodes whose leases hold: what those hold of connections counts.
const aliveSQL = "SELECT id, epoch FROM node WHERE lease_until > " + server.ClockSQL

// holder names a node under an epoch among those that hold connections. When a lease is over,
// so is what was held under it.
func holder(node string, epoch int64) string { return node + "#" + strconv.FormatInt(epoch, 10) }

// askAlive adds the statement that reads who is alive, where the batch has connections.
func (t *transaction) askAlive(p *server.Pipe) {
	if !slices.ContainsFunc(t.batch, func(o *operation) bool { return o.door != nil }) {
		return
	}
	t.alive = map[string]bool{}
	p.Query(aliveSQL, nil, func(r *sqlkit.Row) error {
		t.alive[holder(r.Text(), r.Int64())] = true
		t.gates.Store(int64(len(t.alive)))
		return nil
	})
}

// Present reads which holders are there.
func Present(ctx context.Context, c sqlkit.Reader) (there func(holder string) bool, err error) {
	alive := map[string]bool{}
	err = c.Query(ctx, aliveSQL, nil, func(r *sqlkit.Row) error {
		alive[holder(r.Text(), r.Int64())] = true
		return nil
	})
	return func(holder string) bool { return alive[holder] }, err
}

// judgeDoor judges a connection, and counts it where it passes.
func (t *transaction) judgeDoor(o *operation) {
	if o.door == nil {
		return
	}
	self := holder(t.opt.Node, t.epoch)
	if o.door.Judge(&t.counted, self, func(name string) bool { return t.alive[name] }, t.at) {
		o.door.Count(&t.counted, self, t.at)
	}
}
