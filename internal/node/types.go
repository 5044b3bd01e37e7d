package node

import (
	"context"
	"time"

	"countersign/internal/audit"
)

// State is what a node is to do. That a node is dead is no state: its lease is
// over.
type State string

// The states.
const (
	// Active: it accepts and delivers.
	Active State = "active"
	// Draining: it is to accept nothing more, to let what is under way finish,
	// and to give the rest to the others.
	Draining State = "draining"
	// Drained: it has done so, and others may adopt what it owns.
	Drained State = "drained"
)

// Node is one gate on a shared store.
type Node struct {
	// ID names it among all nodes of the store; it stays the same over restarts.
	ID string
	// Address is where people find it: a host name.
	Address string
	// Version is the program's.
	Version string
	State   State
	// Started is when it joined, Seen when it last renewed its lease, Until when
	// that ends; by the store's clock.
	Started, Seen, Until time.Time
	// Alive says that Until had not come when the store was asked.
	Alive bool
	// Queued, Deferred and Held count the deliveries that it owns.
	Queued, Deferred, Held int
	// Oldest is when the oldest of those was accepted, zero where there is
	// none.
	Oldest time.Time
	// Skew is by how much its clock was ahead of the store's when it last
	// renewed its lease.
	Skew time.Duration
}

// Lease is a node's right to own deliveries.
type Lease struct {
	Node string
	// Epoch is another at each joining. What was done under an earlier one is
	// refused.
	Epoch int64
}

// Store keeps the nodes. All methods are safe for concurrent use, and measure
// leases by the store's own clock. Errors: fault.Unavailable where the store is
// away.
type Store interface {
	// Join makes n a node with a lease of that length from now, under a new
	// epoch, in state Active. fault.Conflict where a node of that id is alive
	// at another address.
	Join(ctx context.Context, n Node, length time.Duration) (Lease, error)
	// Renew makes the lease last that long from now, notes the node's own time,
	// and returns what the node is to do. fault.Fenced where the lease has
	// run out or was given to another.
	Renew(ctx context.Context, l Lease, length time.Duration, now time.Time) (State, error)
	// Leave ends the lease, so that others need not wait for it. With drained
	// the node is Drained from then on.
	Leave(ctx context.Context, l Lease, drained bool) error
	// Adopt gives the holder of l at most limit deliveries of nodes that are
	// drained or whose lease is over, the longest due first, and returns their
	// number. Several nodes may adopt at the same time: each delivery goes to
	// one of them. fault.Fenced as in Renew.
	Adopt(ctx context.Context, l Lease, limit int) (int, error)
	// Nodes lists all nodes by id.
	Nodes(ctx context.Context) ([]Node, error)
	// Drain asks a node to drain. fault.NotFound for an unknown one.
	Drain(ctx context.Context, id string, e audit.Event) error
	// Remove forgets a node that is not alive and owns nothing: fault.Conflict
	// where it is or does, fault.NotFound for an unknown one.
	Remove(ctx context.Context, id string, e audit.Event) error
}
