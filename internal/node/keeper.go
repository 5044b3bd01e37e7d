package node

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"countersign/internal/fault"
)

// KeeperOptions are what a Keeper is made of. Store and Node.ID are needed.
type KeeperOptions struct {
	Store Store
	Node  Node
	// Length is that of a lease; 0 means 15 seconds. A dead node's deliveries
	// wait that long at most, plus one renewal of a living one; up to two leases
	// where the others had just come, or the database was away.
	Length time.Duration
	// Portion is how many deliveries are adopted at a time; 0 means 500.
	Portion int
	// OnLost is called when the lease is lost, with the reason, OnDrain when the
	// node is asked to drain, each from Run's goroutine.
	OnLost  func(why string)
	OnDrain func()
	// Keys names the sealing keys that this process has loaded, the one that seals
	// first; it is called at each renewal. nil means that there are none.
	Keys func() []string
	// Now is this node's clock, which is compared with the store's; nil means
	// time.Now.
	Now func() time.Time
	// Logger gets what no caller is told; nil means none.
	Logger *slog.Logger
}

// Keeper keeps this process's lease. Join, then Run until the end, then Leave.
// It is safe for concurrent use.
type Keeper struct {
	opt KeeperOptions

	// turn is held by whoever talks with the store about the lease.
	turn sync.Mutex

	mu    sync.Mutex // guards all below
	lease Lease
	// until is when the lease is over by our own measure, which begins before
	// the store's. Both readings of the clock must be before it: the one that
	// stands still while the machine sleeps, and the one that may be set.
	until time.Time
	lost  bool
	// since is when the lease was taken, by our clock.
	since time.Time
	// seen is when the store was last asked, steady since when it has always been
	// there, both by its own clock.
	seen, steady time.Time
	// left is set by Leave: there is no lease to come.
	left bool
	// skew is by how much our clock was ahead of the store's, skewed that it
	// was too much for trust.
	skew   time.Duration
	skewed bool
}

// NewKeeper returns a Keeper without a lease.
func NewKeeper(o KeeperOptions) *Keeper {
	if o.Length <= 0 {
		o.Length = 15 * time.Second
	}
	if o.Portion <= 0 {
		o.Portion = 500
	}
	if o.OnLost == nil {
		o.OnLost = func(string) {}
	}
	if o.OnDrain == nil {
		o.OnDrain = func() {}
	}
	if o.Keys == nil {
		o.Keys = func() []string { return nil }
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

// Join takes the lease. Errors are those of Store.Join, and fault.Conflict where
// this machine's clock differs from the store's by more than MaxSkew.
func (k *Keeper) Join(ctx context.Context) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	return k.join(ctx)
}

func (k *Keeper) join(ctx context.Context) error {
	// Before it joins, so that others never see a node that may not be one.
	skew, known, err := measure(ctx, k.opt.Store, k.opt.Now)
	if known {
		k.note(skew)
		err = refuse(skew)
	}
	if err != nil {
		return err
	}
	began, clock := time.Now(), k.opt.Now()
	renewal, err := k.opt.Store.Join(ctx, k.opt.Node, k.opt.Length)
	if err != nil {
		return err
	}
	k.compare(clock, time.Since(began), renewal.Now)
	if err := refuse(k.Skew()); err != nil { // it could not be measured before
		return errors.Join(err, k.opt.Store.Leave(ctx, renewal.Lease, false))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lease, k.lost, k.since = renewal.Lease, false, k.opt.Now()
	k.until = began.Add(k.opt.Length - k.opt.Length/safety)
	k.seen, k.steady = renewal.Now, renewal.Now
	return nil
}

// compare notes how far our clock, which showed that before the store was asked
// for as long as took, is ahead of the store's.
func (k *Keeper) compare(clock time.Time, took time.Duration, store time.Time) {
	if took <= longest {
		k.note(clock.Add(took / 2).Sub(store))
	}
}

// note keeps a skew, and tells of one that is odd.
func (k *Keeper) note(skew time.Duration) {
	k.mu.Lock()
	k.skew = skew
	known := k.skewed
	k.skewed = skew.Abs() > OddSkew
	k.mu.Unlock()
	if skew.Abs() > OddSkew && !known {
		k.opt.Logger.Warn("the clock of this machine is "+ShowSkew(skew)+" the database's; set it, for example by NTP", "node", k.opt.Node.ID)
	}
}

// Skew returns by how much our clock was last ahead of the store's.
func (k *Keeper) Skew() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.skew
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

// HeldSince returns when the present lease was taken, by our clock: what was known
// before that may have become another node's.
func (k *Keeper) HeldSince() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.since
}

// Lease returns the lease as it was taken last.
func (k *Keeper) Lease() Lease {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lease
}

// Run renews the lease until ctx ends or Leave is called, joins again when it was
// lost, and adopts what dead nodes have left.
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
		state, over := k.renew(ctx)
		if over {
			return
		}
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
// not known. over says that it was left.
func (k *Keeper) renew(ctx context.Context) (state State, over bool) {
	k.turn.Lock()
	defer k.turn.Unlock()
	if k.hasLeft() {
		return "", true
	}
	ctx, cancel := context.WithTimeout(ctx, k.opt.Length/2)
	defer cancel()
	began, clock, renewal, err := k.ask(ctx)
	switch {
	case err == nil:
		k.mu.Lock()
		k.until, k.lost = began.Add(k.opt.Length-k.opt.Length/safety), false
		// After half a lease without the store, leases of others may be over that
		// nobody could renew.
		if gap := renewal.Now.Sub(k.seen); gap < 0 || gap > k.opt.Length/2 {
			k.steady = renewal.Now
		}
		k.seen = renewal.Now
		k.mu.Unlock()
		k.compare(clock, time.Since(began), renewal.Now)
		return renewal.State, false
	case fault.Is(err, fault.Fenced):
		k.lose("another process has it, or it ran out", err)
		k.rejoin(ctx)
		return "", false
	}
	k.opt.Logger.Warn("the lease of this node could not be renewed", "node", k.opt.Node.ID, "error", err)
	if !k.Holds() {
		k.lose("it could not be renewed in time", err)
	}
	return "", false
}

// ask asks the store for a renewal, and once more where it does not answer soon: one
// connection may be dead, and the lease must not hang on it. began and clock are when
// it asked.
func (k *Keeper) ask(ctx context.Context) (began, clock time.Time, r Renewal, err error) {
	now := Condition{Skew: k.Skew(), Keys: k.opt.Keys()}
	soon, cancel := context.WithTimeout(ctx, k.opt.Length/safety)
	defer cancel()
	began, clock = time.Now(), k.opt.Now()
	r, err = k.opt.Store.Renew(soon, k.Lease(), k.opt.Length, now)
	if err != nil && soon.Err() != nil {
		began, clock = time.Now(), k.opt.Now()
		r, err = k.opt.Store.Renew(ctx, k.Lease(), k.opt.Length, now)
	}
	return began, clock, r, err
}

func (k *Keeper) hasLeft() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.left
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
	k.opt.OnLost(why)
}

// rejoin takes a new lease after one was lost.
func (k *Keeper) rejoin(ctx context.Context) {
	if err := k.join(ctx); err != nil {
		k.opt.Logger.Error("this node cannot join again", "node", k.opt.Node.ID, "error", err)
		return
	}
	k.opt.Logger.Warn("this node has a new lease", "node", k.opt.Node.ID)
}

// maxPortions bounds what is adopted between two renewals.
const maxPortions = 50

// canJudge reports whether a lease that has run out says that its node is dead: not
// until a whole lease has passed since this node joined, or since the store was
// away. That may have let all leases run out at once, and gives the others time to
// take theirs again, with what they own and could not report.
func (k *Keeper) canJudge() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.seen.Sub(k.steady) >= k.opt.Length
}

// adopt shares out what others have left, and what dead nodes own, a portion at a
// time, as long as it delays no renewal.
func (k *Keeper) adopt(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, k.opt.Length/safety)
	defer cancel()
	given := map[string]Share{}
	for range maxPortions {
		shares, err := k.opt.Store.Adopt(ctx, k.Lease(), k.opt.Portion, k.canJudge())
		if err != nil && ctx.Err() == nil {
			k.opt.Logger.Warn("nothing could be adopted", "node", k.opt.Node.ID, "error", err)
		}
		n := 0
		for _, s := range shares {
			n += s.Deliveries
			s.Deliveries += given[s.Node].Deliveries
			given[s.Node] = s
		}
		if err != nil || n < k.opt.Portion || !k.Holds() {
			break
		}
	}
	for _, id := range slices.Sorted(maps.Keys(given)) {
		k.tell(given[id])
	}
}

// tell logs what was taken of a node: that one is dead matters to people, that one
// has left they know.
func (k *Keeper) tell(s Share) {
	if s.Dead {
		k.opt.Logger.Warn("node "+s.Node+" is dead: its deliveries were shared out among the others",
			"node", k.opt.Node.ID, "dead", s.Node, "deliveries", s.Deliveries)
		return
	}
	k.opt.Logger.Info("deliveries of node "+s.Node+", which has left, were shared out among the others",
		"node", k.opt.Node.ID, "left", s.Node, "deliveries", s.Deliveries)
}

// Leave ends the lease, and Run; drained says that the node is drained. Nothing
// else may be done in its name afterwards.
func (k *Keeper) Leave(ctx context.Context, drained bool) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	lease := k.Lease()
	k.mu.Lock()
	again := k.left
	k.lost, k.left = true, true
	k.mu.Unlock()
	if again {
		return nil
	}
	return k.opt.Store.Leave(ctx, lease, drained)
}
