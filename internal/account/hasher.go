package account

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/crypto/argon2"

	"countersign/internal/fault"
)

// HasherOptions are what a Hasher is made of. The zero value is usable.
type HasherOptions struct {
	// Params is the cost of new hashes; zero means DefaultHashParams.
	Params HashParams
	// Workers is the most derivations that run at the same time; 0 means one
	// for each core. Each takes the memory of its hash.
	Workers int
	// Queue is the most derivations that may wait for a worker, 0 for none.
	Queue int
	// Rand gives the salts; nil means crypto/rand.
	Rand io.Reader
}

// Hasher derives password hashes with argon2id, never more than Workers at the
// same time. It is safe for concurrent use.
type Hasher struct {
	params HashParams
	random io.Reader
	// places has one slot for each derivation that runs or waits.
	places chan struct{}
	// workers has one slot for each that runs.
	workers chan struct{}
	// derive is argon2id; tests count its calls.
	derive func(password, salt []byte, p HashParams, length uint32) []byte
	// decoy is a hash of no known password with the current parameters.
	decoy phcHash
}

// NewHasher returns a Hasher. Parameters out of bounds are fault.Invalid.
func NewHasher(opt HasherOptions) (*Hasher, error) {
	const op = "account.hasher"
	if opt.Params == (HashParams{}) {
		opt.Params = DefaultHashParams()
	}
	if err := opt.Params.check(); err != nil {
		return nil, fault.New(op, fault.Invalid, "argon2id with %v", err)
	}
	if opt.Workers <= 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	if opt.Rand == nil {
		opt.Rand = rand.Reader
	}
	h := &Hasher{
		params:  opt.Params,
		random:  opt.Rand,
		places:  make(chan struct{}, opt.Workers+max(opt.Queue, 0)),
		workers: make(chan struct{}, opt.Workers),
		derive: func(password, salt []byte, p HashParams, length uint32) []byte {
			return argon2.IDKey(password, salt, p.Iterations, p.MemoryKiB, p.Parallelism, length)
		},
		decoy: phcHash{params: opt.Params, salt: make([]byte, saltLength), key: make([]byte, keyLength)},
	}
	for _, b := range [][]byte{h.decoy.salt, h.decoy.key} {
		if _, err := io.ReadFull(h.random, b); err != nil {
			return nil, fault.Wrap(op, fault.Internal, fmt.Errorf("random source: %w", err))
		}
	}
	return h, nil
}

// Hash returns the PHC form of a new hash of password, which PreparePassword
// has prepared. Errors: fault.Busy with reason "auth-busy" where the queue is
// full, fault.Canceled where ctx ended while it waited.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	made := phcHash{params: h.params, salt: make([]byte, saltLength)}
	if _, err := io.ReadFull(h.random, made.salt); err != nil {
		return "", fault.Wrap("account.hash", fault.Internal, fmt.Errorf("random source: %w", err))
	}
	err := h.run(ctx, func() {
		made.key = h.derive([]byte(password), made.salt, made.params, keyLength)
	})
	if err != nil {
		return "", err
	}
	return made.String(), nil
}

// Verify reports whether phc is a hash of the prepared password. Errors are
// those of Hash, and fault.Corrupt for a hash that cannot be read or that asks
// for more than 256 MiB, 16 iterations or 8 lanes.
func (h *Hasher) Verify(ctx context.Context, phc, password string) (bool, error) {
	stored, err := parsePHC(phc)
	if err != nil {
		return false, err
	}
	return h.verify(ctx, stored, password)
}

// Waste does the work of Verify with a hash that nothing matches, so that an
// account that does not exist takes as long as one that does. Errors are those
// of Hash.
func (h *Hasher) Waste(ctx context.Context, password string) error {
	_, err := h.verify(ctx, h.decoy, password)
	return err
}

// verify derives and compares.
func (h *Hasher) verify(ctx context.Context, stored phcHash, password string) (bool, error) {
	var same bool
	err := h.run(ctx, func() {
		same = stored.matches(h.derive([]byte(password), stored.salt, stored.params, uint32(len(stored.key))))
	})
	return same, err
}

// run calls work when a worker is free. Work that has begun is not interrupted.
func (h *Hasher) run(ctx context.Context, work func()) error {
	const op = "account.hash"
	select {
	case h.places <- struct{}{}:
	default:
		return fault.Refuse(op, fault.Busy, reasonBusy)
	}
	defer func() { <-h.places }()
	select {
	case h.workers <- struct{}{}:
	case <-ctx.Done():
		return fault.Wrap(op, fault.Canceled, ctx.Err())
	}
	defer func() { <-h.workers }()
	if ctx.Err() != nil {
		return fault.Wrap(op, fault.Canceled, ctx.Err())
	}
	work()
	return nil
}

// Running returns the derivations that run now and those that wait for a
// worker, for metrics.
func (h *Hasher) Running() (running, waiting int) {
	running = len(h.workers)
	return running, max(len(h.places)-running, 0)
}
