package secrets

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
	// Matches and Spend take the place of those of package hash, for measuring; nil
	// for those.
	Matches func(h hash.Hash, password string) bool
	Spend   func(c hash.Cost, password string)
}

// MaxCosts bounds the kinds of hashes that a failed login derives with.
const MaxCosts = 8

// Respects is how many keys the Ticket of a Trial has: what the workers are shared out
// among.
const Respects = 3

// reasonBusy is of the catalogue in package smtp.
const reasonBusy = "auth-busy"

// Hasher derives password hashes, for never more than Workers logins at the same
// time. It is safe for concurrent use.
type Hasher struct {
	params  hash.Params
	random  io.Reader
	pool    *pool.Pool
	matches func(h hash.Hash, password string) bool
	spend   func(c hash.Cost, password string)

	// tooMany is told of kinds that failures do not cost, nil for nobody.
	tooMany func(hash.Cost)

	mu sync.Mutex // guards what follows
	// costs are the cost of the day and those of other hashes in use, each once. The
	// slice is replaced, never changed.
	costs []hash.Cost
	// told says that there are more kinds than MaxCosts, which is told once.
	told bool
}

// NewHasher returns a Hasher. Parameters out of bounds are fault.Invalid.
func NewHasher(opt HasherOptions) (*Hasher, error) {
	if opt.Params == (hash.Params{}) {
		opt.Params = hash.DefaultParams()
	}
	if err := opt.Params.Check(); err != nil {
		return nil, fault.New("secrets.hasher", fault.Invalid, "argon2id with %v", err)
	}
	if opt.Workers <= 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	if opt.Rand == nil {
		opt.Rand = rand.Reader
	}
	if opt.Matches == nil {
		opt.Matches = hash.Hash.Matches
	}
	if opt.Spend == nil {
		opt.Spend = hash.Cost.Spend
	}
	return &Hasher{
		params:  opt.Params,
		random:  opt.Rand,
		pool:    pool.New(pool.Options{Workers: opt.Workers, Waiting: max(opt.Queue, 0), Respects: Respects}),
		matches: opt.Matches, spend: opt.Spend,
		costs: []hash.Cost{hash.CostOf(opt.Params)},
	}, nil
}

// Trial is one password to be tried.
type Trial struct {
	// Ticket says when its turn is.
	Ticket pool.Ticket
	// Password is tried in each of its forms.
	Password Typed
	// Stored is what it must match; nothing matches the zero value.
	Stored hash.Hash
	// Hopeless says that it fails even where it matches.
	Hopeless bool
	// Vain is asked on the worker where it matched and is not hopeless: whether it fails all the
	// same, for a reason that is not looked for before; nil for never.
	Vain func() bool
	// Strange says that the hash is a directory's: its cost is not learned, as whoever writes
	// it would decide what failures of everybody cost.
	Strange bool
	// Also are further kinds that a failure derives with, those of a directory; of them and
	// those in use each counts once.
	Also []hash.Cost
	// Then is called on the worker where it matched and does not fail; nil for nothing.
	Then func()
}

// Try reports whether the password of t matches in one of its forms. One that does, and does not
// fail, has cost a derivation for each form up to that one, and what t.Then does. All others, whatever is wrong
// with them, have cost the same: for each form one derivation of each of the kinds in use. Errors:
// fault.Busy with reason "auth-busy" where it gave way, fault.Canceled where ctx ended
// while it waited.
func (h *Hasher) Try(ctx context.Context, t Trial) (same bool, err error) {
	err = h.Run(ctx, t.Ticket, func() {
		cost := t.Stored.Cost()
		if cost != (hash.Cost{}) {
			if !t.Strange {
				h.Learn(cost)
			}
			same = h.match(&t, cost)
		}
		if !same || t.Hopeless {
			h.waste(&t, cost)
			return
		}
		if t.Then != nil {
			t.Then()
		}
	})
	return same, err
}

// match tries the forms of a password; all of them, where nothing comes of a match.
func (h *Hasher) match(t *Trial, cost hash.Cost) (same bool) {
	for _, form := range t.Password.forms() {
		switch {
		case !same:
			same = h.matches(t.Stored, form)
			t.Hopeless = t.Hopeless || same && t.Vain != nil && t.Vain()
		case t.Hopeless:
			h.spend(cost, form)
		}
	}
	return same
}

// Same reports whether a stored hash is that of a password, which is derived when a
// worker is free. What cannot be read is the hash of none. Errors are those of Try.
func (h *Hasher) Same(ctx context.Context, text, password string) (same bool, err error) {
	stored, err := hash.Parse(text)
	if err != nil {
		return false, nil
	}
	err = h.Run(ctx, pool.Ticket{First: true}, func() { same = stored.Matches(password) })
	return same, err
}

// waste derives in vain with each of the costs in use, and those of t, but done.
func (h *Hasher) waste(t *Trial, done hash.Cost) {
	h.mu.Lock()
	costs := h.costs
	h.mu.Unlock()
	for _, form := range t.Password.forms() {
		for _, c := range costs {
			if c != done {
				h.spend(c, form)
			}
		}
		for i, c := range t.Also {
			if c != done && !slices.Contains(costs, c) && !slices.Contains(t.Also[:i], c) {
				h.spend(c, form)
			}
		}
	}
}

// TellTooMany has f called with the first kind of hash that failures do not cost, as there are
// MaxCosts kinds before it: who has such a one can be told by time. It is to be called before
// anything is tried or learned.
func (h *Hasher) TellTooMany(f func(c hash.Cost)) { h.tooMany = f }

// Learn makes failures cost a derivation like that too from now on, unless there
// are too many kinds already.
func (h *Hasher) Learn(c hash.Cost) {
	h.mu.Lock()
	known := slices.Contains(h.costs, c)
	full := len(h.costs) >= MaxCosts
	tell := full && !known && !h.told && h.tooMany != nil
	h.told = h.told || tell
	if !known && !full {
		h.costs = append(slices.Clone(h.costs), c)
	}
	h.mu.Unlock()
	if tell {
		h.tooMany(c)
	}
}

// Run calls work when a worker is free and the turn is that of whose. Errors are those
// of Try.
func (h *Hasher) Run(ctx context.Context, whose pool.Ticket, work func()) error {
	err := h.pool.Do(ctx, whose, work)
	if fault.Is(err, fault.Busy) {
		return fault.Refuse("secrets.hash", fault.Busy, reasonBusy)
	}
	return err
}

// Running returns the logins whose hashes are derived now and those that wait
// for a worker, for metrics.
func (h *Hasher) Running() (running, waiting int) { return h.pool.Load() }

// Cost is that of the hashes that are made today.
func (h *Hasher) Cost() hash.Cost { return hash.CostOf(h.params) }

// Current reports whether a stored hash is made as they are made today.
func (h *Hasher) Current(stored hash.Hash) bool { return stored.Current(h.params) }

// make makes the hash of a password, on the caller's time.
func (h *Hasher) make(password string) (hash.Hash, error) {
	return hash.New(h.params, password, h.random)
}
