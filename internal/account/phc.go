package account

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"

	"countersign/internal/fault"
)

// HashParams is the cost of one argon2id derivation (RFC 9106 section 3.1).
type HashParams struct {
	// MemoryKiB is the memory in KiB, 8 per lane to 262,144.
	MemoryKiB uint32
	// Iterations is the number of passes, 1 to 16.
	Iterations uint32
	// Parallelism is the number of lanes, 1 to 8.
	Parallelism uint8
}

// DefaultHashParams costs about 30 ms and 19 MiB: the least that is advised
// for argon2id where many log in at once.
func DefaultHashParams() HashParams {
	return HashParams{MemoryKiB: 19 << 10, Iterations: 2, Parallelism: 1}
}

// Caps on what a stored hash may ask for, so that a hash brought in from
// elsewhere cannot take the machine.
const (
	maxMemoryKiB   = 256 << 10
	maxIterations  = 16
	maxParallelism = 8
	maxPHC         = 512 // octets of the whole string
)

// Lengths in octets of what we make, and what we take from others.
const (
	saltLength    = 16
	minSalt       = 8
	maxSalt       = 64
	keyLength     = 32
	minKey        = 16
	maxKey        = 64
	argon2Version = argon2.Version // 0x13, RFC 9106 section 3.1
)

// check reports parameters that no hash may have.
func (p HashParams) check() error {
	switch {
	case p.Parallelism < 1 || p.Parallelism > maxParallelism:
		return fmt.Errorf("%d lanes, 1 to %d are allowed", p.Parallelism, maxParallelism)
	case p.Iterations < 1 || p.Iterations > maxIterations:
		return fmt.Errorf("%d iterations, 1 to %d are allowed", p.Iterations, maxIterations)
	case p.MemoryKiB < 8*uint32(p.Parallelism) || p.MemoryKiB > maxMemoryKiB: // RFC 9106 section 3.1: m >= 8p
		return fmt.Errorf("%d KiB of memory, %d to %d are allowed", p.MemoryKiB, 8*uint32(p.Parallelism), maxMemoryKiB)
	}
	return nil
}

// phcHash is a parsed "$argon2id$v=19$m=19456,t=2,p=1$salt$key".
type phcHash struct {
	params HashParams
	salt   []byte
	key    []byte
}

// String returns the PHC form.
func (h phcHash) String() string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2Version,
		h.params.MemoryKiB, h.params.Iterations, h.params.Parallelism,
		enc.EncodeToString(h.salt), enc.EncodeToString(h.key))
}

// matches compares a derived key in constant time.
func (h phcHash) matches(key []byte) bool { return subtle.ConstantTimeCompare(h.key, key) == 1 }

// parsePHC reads the PHC form strictly: argon2id only, version 19, parameters
// in their order, no padding, nothing else. Errors are fault.Corrupt and do
// not repeat the hash.
func parsePHC(s string) (phcHash, error) {
	const op = "account.hash"
	parts := strings.Split(s, "$")
	if len(s) > maxPHC || len(parts) != 6 || parts[0] != "" {
		return phcHash{}, fault.New(op, fault.Corrupt, "the stored password hash is not of the PHC form")
	}
	if parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2Version) {
		return phcHash{}, fault.New(op, fault.Corrupt, "the stored password hash is not argon2id version %d", argon2Version)
	}
	params, err := parseParams(parts[3])
	if err != nil {
		return phcHash{}, fault.Wrap(op, fault.Corrupt, fmt.Errorf("parameters of the stored password hash: %w", err))
	}
	salt, err := decodeB64(parts[4], minSalt, maxSalt)
	if err != nil {
		return phcHash{}, fault.Wrap(op, fault.Corrupt, fmt.Errorf("salt of the stored password hash: %w", err))
	}
	key, err := decodeB64(parts[5], minKey, maxKey)
	if err != nil {
		return phcHash{}, fault.Wrap(op, fault.Corrupt, fmt.Errorf("key of the stored password hash: %w", err))
	}
	return phcHash{params: params, salt: salt, key: key}, nil
}

// parseParams reads "m=19456,t=2,p=1".
func parseParams(s string) (HashParams, error) {
	fields := strings.Split(s, ",")
	if len(fields) != 3 {
		return HashParams{}, fmt.Errorf("%d of them, 3 wanted", len(fields))
	}
	var values [3]uint64
	for i, name := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(fields[i], name)
		if !ok {
			return HashParams{}, fmt.Errorf("number %d is not %q", i+1, name)
		}
		n, err := strconv.ParseUint(digits, 10, 31)
		if err != nil || strconv.FormatUint(n, 10) != digits {
			return HashParams{}, fmt.Errorf("%q has no plain number", name)
		}
		values[i] = n
	}
	if values[2] > maxParallelism { // before it is cut to 8 bits
		return HashParams{}, fmt.Errorf("%d lanes, 1 to %d are allowed", values[2], maxParallelism)
	}
	p := HashParams{MemoryKiB: uint32(values[0]), Iterations: uint32(values[1]), Parallelism: uint8(values[2])}
	return p, p.check()
}

// decodeB64 reads base64 without padding, of a length within bounds.
func decodeB64(s string, least, most int) ([]byte, error) {
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("not base64 without padding")
	}
	if len(b) < least || len(b) > most {
		return nil, fmt.Errorf("%d octets, %d to %d are allowed", len(b), least, most)
	}
	return b, nil
}
