package account

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"countersign/internal/account/phc"
	"countersign/internal/account/pool"
	"countersign/internal/fault"
)

// HasherOptions are what a Hasher is made of. The zero value is usable.
type HasherOptions struct {
	// Params is the cost of new hashes; zero means phc.DefaultParams.
	Params phc.Params
	// Workers is the most derivations that run at the same time; 0 means one
	// for each core. Each takes the memory of its hash.
	Workers int
	// Queue is the most logins that may wait for a worker, 0 for none.
	Queue int
	// Rand gives the salts; nil means crypto/rand.
	Rand io.Reader
}

// maxCosts bounds the sets of parameters that a failed login derives with.
const maxCosts = 8

// Hasher derives password hashes with argon2id, for never more than Workers
// logins at the same time. It is safe for concurrent use.
type Hasher struct {
	params phc.Params
	random io.Reader
	pool   *pool.Pool
	// derive is argon2id; tests count its calls.
	derive func(password, salt []byte, p phc.Params, length uint32) []byte
	// decoy is the salt of derivations in vain.
	decoy []byte

	mu sync.Mutex // guards costs
	// costs are the parameters of the day and those of other hashes in use,
	// each once. The slice is replaced, never changed.
	costs []phc.Params
}

// NewHasher returns a Hasher. Parameters out of bounds are fault.Invalid.
func NewHasher(opt HasherOptions) (*Hasher, error) {
	const op = "account.hasher"
	if opt.Params == (phc.Params{}) {
		opt.Params = phc.DefaultParams()
	}
	if err := opt.Params.Check(); err != nil {
		return nil, fault.New(op, fault.Invalid, "argon2id with %v", err)
	}
	if opt.Workers <= 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	if opt.Rand == nil {
		opt.Rand = rand.Reader
	}
	h := &Hasher{
		params: opt.Params,
		random: opt.Rand,
		pool:   pool.New(pool.Options{Workers: opt.Workers, Waiting: max(opt.Queue, 0), Respects: respects}),
		derive: func(password, salt []byte, p phc.Params, length uint32) []byte {
			return p.Derive(password, salt, length)
		},
		costs: []phc.Params{opt.Params},
	}
	var err error
	h.decoy, err = h.salt()
	return h, err
}

// salt makes a new salt.
func (h *Hasher) salt() ([]byte, error) {
	b := make([]byte, phc.SaltLength)
	if _, err := io.ReadFull(h.random, b); err != nil {
		return nil, fault.Wrap("account.hash", fault.Internal, fmt.Errorf("random source: %w", err))
	}
	return b, nil
}

// Hash returns the PHC form of a new hash of password, which PreparePassword
// has prepared. Errors: fault.Busy with reason "auth-busy" where the queue is
// full, fault.Canceled where ctx ended while it waited.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	made, err := "", error(nil)
	failed := h.run(ctx, nil, func() { made, err = h.make(password) })
	if failed != nil {
		return "", failed
	}
	return made, err
}

// make derives a new hash.
func (h *Hasher) make(password string) (string, error) {
	salt, err := h.salt()
	if err != nil {
		return "", err
	}
	key := h.derive([]byte(password), salt, h.params, phc.KeyLength)
	return phc.Hash{Params: h.params, Salt: salt, Key: key}.String(), nil
}

// trial is one password to be tried.
type trial struct {
	// keys are what the pool is fair to.
	keys []string
	// password is prepared, where it can be.
	password string
	// stored is what it must match; nothing matches the zero value.
	stored phc.Hash
	// hopeless says that it fails even where it matches.
	hopeless bool
}

// try reports whether the password of t matches. One that does, and is not
// hopeless, has cost one derivation; where the stored hash has other parameters
// than those of the day, a second one has made renewed, a new hash of it. All
// others, whatever is wrong with them, have cost the same: one derivation with
// each of the parameters in use. Errors are those of Hash.
func (h *Hasher) try(ctx context.Context, t trial) (same bool, renewed string, err error) {
	err = h.run(ctx, t.keys, func() {
		known := len(t.stored.Key) > 0
		if known {
			h.learn(t.stored.Params)
			same = t.stored.Matches(h.derive([]byte(t.password), t.stored.Salt, t.stored.Params, uint32(len(t.stored.Key))))
		}
		if !same || t.hopeless {
			h.waste(t.password, known, t.stored.Params)
			return
		}
		if t.stored.Params != h.params {
			// Without randomness the old hash stays; it is as good as it was.
			renewed, _ = h.make(t.password)
		}
	})
	return same, renewed, err
}

// waste derives in vain with each of the parameters in use but done, where
// that is known.
func (h *Hasher) waste(password string, known bool, done phc.Params) {
	h.mu.Lock()
	costs := h.costs
	h.mu.Unlock()
	for _, p := range costs {
		if !known || p != done {
			h.derive([]byte(password), h.decoy, p, phc.KeyLength)
		}
	}
}

// learn makes failures cost a derivation with p too from now on, unless there
// are too many such parameters already.
func (h *Hasher) learn(p phc.Params) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.costs) < maxCosts && !slices.Contains(h.costs, p) {
		h.costs = append(slices.Clone(h.costs), p)
	}
}

// run calls work when a worker is free and the turn is that of keys.
func (h *Hasher) run(ctx context.Context, keys []string, work func()) error {
	err := h.pool.Do(ctx, keys, work)
	if fault.Is(err, fault.Busy) {
		return fault.Refuse("account.hash", fault.Busy, reasonBusy)
	}
	return err
}

// Running returns the logins whose hashes are derived now and those that wait
// for a worker, for metrics.
func (h *Hasher) Running() (running, waiting int) { return h.pool.Load() }
