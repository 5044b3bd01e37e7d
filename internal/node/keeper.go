package node

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"countersign/internal/fault"
)

// KeeperOptions are what a Keeper is made of. Store and Node.ID are needed.
type KeeperOptions struct {
	Store Store
	Node  Node
	// Length is that of a lease; 0 means 15 seconds. A dead node's deliveries
	// wait that long at most, plus one renewal of a living one.
	Length time.Duration
	// Portion is how many deliveries are adopted at a time; 0 means 200. Small
	// portions spread the work of a dead node evenly.
	Portion int
	// OnLost is called when the lease is lost, OnDrain when the node is asked to
	// drain, each from Run's goroutine.
	OnLost, OnDrain func()
	// Now is this node's clock, for the record; nil means time.Now.
	Now func() time.Time
	// Logger gets what no caller is told; nil means none.
	Logger *slog.Logger
}

// Keeper keeps this process's lease. Join, then Run until the end, then Leave.
// It is safe for concurrent use.
type Keeper struct {
	opt KeeperOptions

	mu    sync.Mutex // guards all below
	lease Lease
	// until is when the lease is over by our own measure, which begins before
	// the store's. Both readings of the clock must be before it: the one that
	// stands still while the machine sleeps, and the one that may be set.
	until time.Time
	lost  bool
}

// NewKeeper returns a Keeper without a lease.
func NewKeeper(o KeeperOptions) *Keeper {
	if o.Length <= 0 {
		o.Length = 15 * time.Second
	}
	if o.Portion <= 0 {
		o.Portion = 200
	}
	if o.OnLost == nil {
		o.OnLost = func() {}
	}
	if o.OnDrain == nil {
		o.OnDrain = func() {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Keeper{opt: o}
}

// safety is the part of a lease that is not used, so that what begins under it
// does not end after it.
const safety = 5

// Join takes the lease. Errors are those of Store.Join.
func (k *Keeper) Join(ctx context.Context) error {
	began := time.Now()
	lease, err := k.opt.Store.Join(ctx, k.opt.Node, k.opt.Length)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lease, k.lost = lease, false
	k.until = began.Add(k.opt.Length - k.opt.Length/safety)
	return nil
}

// Holds reports whether the lease certainly holds: whatever is begun now is ours
// to do.
func (k *Keeper) Holds() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.holds(time.Now())
}

func (k *Keeper) holds(now time.Time) bool {
	// Round(0) strips the monotonic reading: then the wall clock is compared.
	return !k.lost && now.Before(k.until) && now.Round(0).Before(k.until.Round(0))
}

// Lease returns the lease as it was taken last.
func (k *Keeper) Lease() Lease {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lease
}

// Run renews the lease until ctx ends, joins again when it was lost, and adopts
// what dead nodes have left.
func (k *Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(k.opt.Length / safety)
	defer tick.Stop()
	drained := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		state := k.renew(ctx)
		if state == Draining && !drained {
			drained = true
			k.opt.OnDrain()
		}
		if state == Active {
			k.adopt(ctx)
		}
	}
}

// renew renews the lease and returns what the node is to do, "" where that is
// not known.
func (k *Keeper) renew(ctx context.Context) State {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, k.opt.Length/2)
	defer cancel()
	state, err := k.opt.Store.Renew(ctx, k.Lease(), k.opt.Length, k.opt.Now())
	switch {
	case err == nil:
		k.mu.Lock()
		k.until, k.lost = began.Add(k.opt.Length-k.opt.Length/safety), false
		k.mu.Unlock()
		return state
	case fault.Is(err, fault.Fenced):
		k.lose("another process has it, or it ran out", err)
		k.rejoin(ctx)
		return ""
	}
	k.opt.Logger.Warn("the lease of this node could not be renewed", "node", k.opt.Node.ID, "error", err)
	if !k.Holds() {
		k.lose("it could not be renewed in time", err)
	}
	return ""
}

// lose notes that the lease is lost, once.
func (k *Keeper) lose(why string, err error) {
	k.mu.Lock()
	known := k.lost
	k.lost = true
	k.mu.Unlock()
	if known {
		return
	}
	k.opt.Logger.Error("this node has lost its lease: it delivers nothing until it has another", "node", k.opt.Node.ID, "why", why, "error", err)
	k.opt.OnLost()
}

// rejoin takes a new lease after one was lost.
func (k *Keeper) rejoin(ctx context.Context) {
	if err := k.Join(ctx); err != nil {
		k.opt.Logger.Error("this node cannot join again", "node", k.opt.Node.ID, "error", err)
		return
	}
	k.opt.Logger.Warn("this node has a new lease", "node", k.opt.Node.ID)
}

// maxPortions bounds what is adopted between two renewals.
const maxPortions = 50

// adopt takes over what dead and drained nodes own, a portion at a time, so that
// all living nodes that do the same get their part.
func (k *Keeper) adopt(ctx context.Context) {
	total := 0
	for range maxPortions {
		n, err := k.opt.Store.Adopt(ctx, k.Lease(), k.opt.Portion)
		if err != nil {
			k.opt.Logger.Warn("nothing could be adopted", "node", k.opt.Node.ID, "error", err)
			break
		}
		total += n
		if n < k.opt.Portion || !k.Holds() {
			break
		}
	}
	if total > 0 {
		k.opt.Logger.Info("deliveries adopted", "node", k.opt.Node.ID, "deliveries", total)
	}
}

// Leave ends the lease; drained says that others may have what is left.
func (k *Keeper) Leave(ctx context.Context, drained bool) error {
	lease := k.Lease()
	k.mu.Lock()
	k.lost = true
	k.mu.Unlock()
	return k.opt.Store.Leave(ctx, lease, drained)
}
