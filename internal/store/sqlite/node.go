package sqlite

import (
	"context"
	"slices"
	"sync"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/node"
)

// onlyNode is the id of the one node that can use the database.
const onlyNode = node.Only

// nodes implements node.Store for a database that one process uses: its lease
// never ends, and there is nobody to give anything to.
type nodes struct {
	mu   sync.Mutex // guards what follows
	self node.Node
	// epoch counts the joinings, 0 before the first and after leaving.
	epoch, last int64
}

// Clock implements node.Store.
func (s *Store) Clock(context.Context) (time.Time, error) { return s.now(), nil }

// Join implements node.Store.
func (s *Store) Join(_ context.Context, n node.Node, _ time.Duration) (node.Renewal, error) {
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	if s.nodes.last > 0 && n.ID != s.nodes.self.ID {
		return node.Renewal{}, fault.New("node.join", fault.Conflict, "this process is node %q and cannot be %q", s.nodes.self.ID, n.ID)
	}
	s.nodes.last++
	s.nodes.epoch = s.nodes.last
	s.nodes.self = node.Node{ID: n.ID, Address: n.Address, Version: n.Version, Started: s.now()}
	return node.Renewal{Lease: node.Lease{Node: n.ID, Epoch: s.nodes.epoch}, State: node.Active, Now: s.now()}, nil
}

// fenced is the error of who acts under a lease of another epoch, nil for the
// one that holds.
func (s *Store) fenced(op string, l node.Lease) error {
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	if l.Epoch == 0 || l.Epoch != s.nodes.epoch || l.Node != s.nodes.self.ID {
		return fault.New(op, fault.Fenced, "the lease of node %q is over", l.Node)
	}
	return nil
}

// hasLeft is the error of who would store a message or an outcome after leaving,
// nil before it. A process that never joined is none of those.
func (s *Store) hasLeft(op string) error {
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	if s.nodes.last > 0 && s.nodes.epoch == 0 {
		return fault.New(op, fault.Fenced, "node %q has left: nothing is stored any more", s.nodes.self.ID)
	}
	return nil
}

// Renew implements node.Store.
func (s *Store) Renew(_ context.Context, l node.Lease, _ time.Duration, c node.Condition) (node.Renewal, error) {
	if err := s.fenced("node.renew", l); err != nil {
		return node.Renewal{}, err
	}
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	s.nodes.self.Skew, s.nodes.self.Keys = c.Skew, slices.Clone(c.Keys)
	return node.Renewal{Lease: l, State: node.Active, Now: s.now()}, nil
}

// Leave implements node.Store.
func (s *Store) Leave(_ context.Context, l node.Lease, _ bool) error {
	if err := s.fenced("node.leave", l); err != nil {
		return err
	}
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	s.nodes.epoch = 0
	return nil
}

// Adopt implements node.Store.
func (s *Store) Adopt(_ context.Context, l node.Lease, _ int, _ bool) ([]node.Share, error) {
	return nil, s.fenced("node.adopt", l)
}

// Nodes implements node.Store. Of another process it knows no more than the
// queue, so not whether there is one.
func (s *Store) Nodes(ctx context.Context) ([]node.Node, error) {
	stats, err := s.Stats(ctx)
	if err != nil {
		return nil, err
	}
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	n := s.nodes.self
	if n.ID == "" {
		n.ID = onlyNode
	}
	switch {
	case s.nodes.epoch > 0:
		n.State, n.Alive, n.Up = node.Active, true, true
	case s.nodes.last > 0:
		n.State, n.Up = node.Stopped, true
	}
	n.Schema = s.db.Known()
	n.Queued, n.Deferred, n.Held, n.Oldest = stats.Queued, stats.Deferred, stats.Held, stats.Oldest
	return []node.Node{n}, nil
}

// Drain implements node.Store.
func (s *Store) Drain(context.Context, string, bool, audit.Event) error {
	return fault.New("node.drain", fault.Conflict,
		"a SQLite database has one node, and no other could take over what it owns; stop the server instead, or move to PostgreSQL")
}

// Remove implements node.Store.
func (s *Store) Remove(context.Context, string, audit.Event) error {
	return fault.New("node.remove", fault.Conflict, "a SQLite database has one node, which cannot be removed")
}
