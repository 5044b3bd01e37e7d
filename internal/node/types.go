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
	// Stopped: its process ended in order, and others may adopt what it owns.
	Stopped State = "stopped"
)

// Only is the id of the gate of a store that no others can share.
const Only = "1"

// Node is one gate on a shared store.
type Node struct {
	// ID names it among all nodes of the store; it stays the same over restarts.
	ID string `json:"id"`
	// Address is where people find it: a host name.
	Address string `json:"address"`
	// Version is the program's.
	Version string `json:"version"`
	// Schema is the newest schema version that the program knows.
	Schema int `json:"schema"`
	// State is "" where the store cannot tell whether a process is there.
	State State `json:"state"`
	// Started is when it joined, Seen when it last renewed its lease, Until when
	// that ends; by the store's clock.
	Started time.Time `json:"started,omitzero"`
	Seen    time.Time `json:"seen,omitzero"`
	Until   time.Time `json:"lease_until,omitzero"`
	// Silent is how long ago Seen was when the store was asked.
	Silent time.Duration `json:"silent_ns"`
	// Alive says that Until had not come when the store was asked.
	Alive bool `json:"alive"`
	// Up says that its process is there and reaches the store, as also one does
	// that is drained.
	Up bool `json:"up"`
	// Queued, Deferred and Held count the deliveries that it owns.
	Queued   int `json:"queued"`
	Deferred int `json:"deferred"`
	Held     int `json:"held"`
	// Oldest is when the oldest of those was accepted, zero where there is
	// none.
	Oldest time.Time `json:"oldest,omitzero"`
	// Skew is by how much its clock was ahead of the store's when it last
	// renewed its lease.
	Skew time.Duration `json:"clock_skew_ns"`
	// Keys name the sealing keys that it had loaded then, the one that seals first; none
	// while that is not known.
	Keys []string `json:"keys,omitempty"`
}

// Standing says in a word how a node is: its state while it is alive or its process
// is drained, "stopped" for one whose process ended in order or after it was drained,
// "dead" for one whose lease ran out, and "" where the store cannot tell.
func (n Node) Standing() string {
	switch {
	case n.State == Drained && !n.Up:
		return string(Stopped)
	case n.Alive, n.State == Drained, n.State == Stopped, n.State == "":
		return string(n.State)
	}
	return "dead"
}

// Share is what was given away of the deliveries of one node.
type Share struct {
	// Node had them.
	Node string
	// Dead says that its lease ran out, and was not given back.
	Dead bool
	// Deliveries is their number, 0 for a node that is dead and owned nothing.
	Deliveries int
}

// Condition is what a node says of itself when it renews its lease.
type Condition struct {
	// Skew is as in Node, and so is Keys: at most MaxKeys, each without spaces.
	Skew time.Duration
	Keys []string
}

// MaxKeys is of how many keys a store keeps the names.
const MaxKeys = 16

// Lease is a node's right to own deliveries.
type Lease struct {
	Node string
	// Epoch is another at each joining. What was done under an earlier one is
	// refused.
	Epoch int64
}

// Renewal is what the store says when a lease was taken or renewed.
type Renewal struct {
	Lease
	// State is what the node is to do.
	State State
	// Now was the store's clock.
	Now time.Time
}

// Clock tells the time of a store.
type Clock interface {
	// Clock returns the clock by which the store measures leases. It changes nothing.
	// fault.Unavailable where the store is away.
	Clock(ctx context.Context) (time.Time, error)
}

// Store keeps the nodes. All methods are safe for concurrent use, and measure
// leases by the store's own clock. Errors: fault.Unavailable where the store is
// away.
type Store interface {
	Clock
	// Join makes n a node with a lease of that length from now, under a new
	// epoch. It is Active, but for a process that joins again while it drains.
	// fault.Conflict where a node of that id is alive as another process, where
	// this process already is a node of another id, where the schema has become
	// too new for this program, or where the store was copied into another one,
	// from which what waits is sent. The store notes which schema it knows.
	Join(ctx context.Context, n Node, length time.Duration) (Renewal, error)
	// Renew makes the lease last that long from now, notes the node's condition, and
	// returns what the node is to do. fault.Fenced where the lease has run out
	// or was given to another.
	Renew(ctx context.Context, l Lease, length time.Duration, c Condition) (Renewal, error)
	// Leave ends the lease, so that others need not wait for it. What the
	// process still appends to the record is taken; a message or an outcome is
	// fault.Fenced until it joins again. From then on the node is Drained with
	// drained, else Stopped. fault.Fenced where it had been lost before.
	Leave(ctx context.Context, l Lease, drained bool) error
	// Adopt shares out at most limit deliveries of nodes that have left, and with
	// dead of those whose lease has run out too, the longest due first, evenly
	// among the active nodes that are alive, and returns whose and how many. The
	// deliveries of one
	// submission stay together. Several nodes may adopt at the same time: each
	// delivery goes to one of them. From before the first is given away, what
	// its former node reports is refused. The same transactions record
	// audit.NodeDead of each node whose lease was ended as it had run out, once,
	// and audit.NodeAdopted of each that something was taken of. fault.Fenced as
	// in Renew; the Shares may be incomplete, but not wrong, where there is an error.
	Adopt(ctx context.Context, l Lease, limit int, dead bool) ([]Share, error)
	// Nodes lists all nodes by id. It counts all that waits: not for a scrape.
	Nodes(ctx context.Context) ([]Node, error)
	// Drain asks a node to drain; one that is not alive is Drained at once.
	// fault.NotFound for an unknown one, fault.Conflict where it is the only
	// active one that is alive, unless force is set, and where there is no other
	// that could take over what it owns, ever.
	Drain(ctx context.Context, id string, force bool, e audit.Event) error
	// Remove forgets a node that is not alive and owns nothing: fault.Conflict
	// where it is or does, fault.NotFound for an unknown one.
	Remove(ctx context.Context, id string, e audit.Event) error
}
