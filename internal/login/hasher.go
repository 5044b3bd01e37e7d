package login

import (
	"context"
	"crypto/rand"
	"io"
	"runtime"
	"slices"
	"sync"

	"countersign/internal/account/hash"
	"countersign/internal/fault"
	"countersign/internal/login/pool"
)

// HasherOptions are what a Hasher is made of. The zero value is usable.
type HasherOptions struct {
	// Params is the cost of new hashes; zero means hash.DefaultParams.
	Params hash.Params
	// Workers is the most derivations that run at the same time; 0 means one
	// for each core. Each takes the memory of its hash.
	Workers int
	// Queue is the most logins that may wait for a worker, 0 for none.
	Queue int
	// Rand gives the salts; nil means crypto/rand.
	Rand io.Reader
}

// maxCosts bounds the kinds of hashes that a failed login derives with.
const maxCosts = 8

// Hasher derives password hashes, for never more than Workers logins at the same
// time. It is safe for concurrent use.
type Hasher struct {
	params hash.Params
	random io.Reader
	pool   *pool.Pool
	// matches and spend are those of package hash: what a failure costs, tests count.
	matches func(h hash.Hash, password string) bool
	spend   func(c hash.Cost, password string)

	mu sync.Mutex // guards costs
	// costs are the cost of the day and those of other hashes in use, each once. The
	// slice is replaced, never changed.
	costs []hash.Cost
}

// NewHasher returns a Hasher. Parameters out of bounds are fault.Invalid.
func NewHasher(opt HasherOptions) (*Hasher, error) {
	if opt.Params == (hash.Params{}) {
		opt.Params = hash.DefaultParams()
	}
	if err := opt.Params.Check(); err != nil {
		return nil, fault.New("login.hasher", fault.Invalid, "argon2id with %v", err)
	}
	if opt.Workers <= 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	if opt.Rand == nil {
		opt.Rand = rand.Reader
	}
	return &Hasher{
		params:  opt.Params,
		random:  opt.Rand,
		pool:    pool.New(pool.Options{Workers: opt.Workers, Waiting: max(opt.Queue, 0), Respects: respects}),
		matches: hash.Hash.Matches, spend: hash.Cost.Spend,
		costs: []hash.Cost{hash.CostOf(opt.Params)},
	}, nil
}

// trial is one password to be tried.
type trial struct {
	// ticket says when its turn is.
	ticket pool.Ticket
	// password is prepared, where it can be.
	password string
	// stored is what it must match; nothing matches the zero value.
	stored hash.Hash
	// hopeless says that it fails even where it matches.
	hopeless bool
	// strange says that the hash is a directory's: its cost is not learned, as whoever writes
	// it would decide what failures of everybody cost.
	strange bool
	// then is called on the worker where it matched and is not hopeless.
	then func()
}

// try reports whether the password of t matches. One that does, and is not
// hopeless, has cost one derivation and what t.then does. All others, whatever is wrong
// with them, have cost the same: one derivation of each of the kinds in use. Errors:
// fault.Busy with reason "auth-busy" where it gave way, fault.Canceled where ctx ended
// while it waited.
func (h *Hasher) try(ctx context.Context, t trial) (same bool, err error) {
	err = h.run(ctx, t.ticket, func() {
		cost := t.stored.Cost()
		if cost != (hash.Cost{}) {
			if !t.strange {
				h.learn(cost)
			}
			same = h.matches(t.stored, t.password)
		}
		if !same || t.hopeless {
			h.waste(t.password, cost)
			return
		}
		if t.then != nil {
			t.then()
		}
	})
	return same, err
}

// Same reports whether a stored hash is that of a password, which is derived when a
// worker is free. What cannot be read is the hash of none. Errors are those of try.
func (h *Hasher) Same(ctx context.Context, text, password string) (same bool, err error) {
	stored, err := hash.Parse(text)
	if err != nil {
		return false, nil
	}
	err = h.run(ctx, pool.Ticket{First: true}, func() { same = stored.Matches(password) })
	return same, err
}

// waste derives in vain with each of the costs in use but done.
func (h *Hasher) waste(password string, done hash.Cost) {
	h.mu.Lock()
	costs := h.costs
	h.mu.Unlock()
	for _, c := range costs {
		if c != done {
			h.spend(c, password)
		}
	}
}

// learn makes failures cost a derivation like that too from now on, unless there
// are too many kinds already.
func (h *Hasher) learn(c hash.Cost) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.costs) < maxCosts && !slices.Contains(h.costs, c) {
		h.costs = append(slices.Clone(h.costs), c)
	}
}

// run calls work when a worker is free and the turn is that of whose.
func (h *Hasher) run(ctx context.Context, whose pool.Ticket, work func()) error {
	err := h.pool.Do(ctx, whose, work)
	if fault.Is(err, fault.Busy) {
		return fault.Refuse("login.hash", fault.Busy, reasonBusy)
	}
	return err
}

// Running returns the logins whose hashes are derived now and those that wait
// for a worker, for metrics.
func (h *Hasher) Running() (running, waiting int) { return h.pool.Load() }
