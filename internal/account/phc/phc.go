// Package phc reads and writes password hashes in the PHC form, and derives
// them: argon2id of RFC 9106 alone.
//
// It does not prepare passwords, choose salts, or bound how much runs at the
// same time (package account does). Main types: Params, Hash.
package phc

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"

	"countersign/internal/fault"
)

// Params is the cost of one argon2id derivation (RFC 9106 section 3.1).
type Params struct {
	// MemoryKiB is the memory in KiB, 8 per lane to 262,144.
	MemoryKiB uint32
	// Iterations is the number of passes, 1 to 16.
	Iterations uint32
	// Parallelism is the number of lanes, 1 to 16.
	Parallelism uint8
}

// DefaultParams costs about 30 ms and 19 MiB: the least that is advised
// for argon2id where many log in at once.
func DefaultParams() Params {
	return Params{MemoryKiB: 19 << 10, Iterations: 2, Parallelism: 1}
}

// Caps on what a stored hash may ask for, so that a hash brought in from
// elsewhere cannot take the machine.
const (
	maxMemoryKiB   = 256 << 10
	maxIterations  = 16
	maxParallelism = 16
	maxPHC         = 512 // octets of the whole string
)

// SaltLength and KeyLength are how long, in octets, the salt and the key of a
// new hash are.
const (
	SaltLength = 16
	KeyLength  = 32
)

// Lengths in octets that are taken from others.
const (
	minSalt       = 8
	maxSalt       = 64
	minKey        = 16
	maxKey        = 64
	argon2Version = argon2.Version // 0x13, RFC 9106 section 3.1
)

// Check reports parameters that no hash may have.
func (p Params) Check() error {
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

// String returns the form in which they stand in a hash: "m=19456,t=2,p=1".
func (p Params) String() string {
	return fmt.Sprintf("m=%d,t=%d,p=%d", p.MemoryKiB, p.Iterations, p.Parallelism)
}

// Derive returns the key of that length in octets. It takes the memory of the
// parameters, and its time grows with memory times iterations.
func (p Params) Derive(password, salt []byte, length uint32) []byte {
	return argon2.IDKey(password, salt, p.Iterations, p.MemoryKiB, p.Parallelism, length)
}

// Hash is a parsed "$argon2id$v=19$m=19456,t=2,p=1$salt$key".
type Hash struct {
	Params Params
	Salt   []byte
	Key    []byte
}

// String returns the PHC form.
func (h Hash) String() string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$%s$%s$%s", argon2Version, h.Params, enc.EncodeToString(h.Salt), enc.EncodeToString(h.Key))
}

// Matches compares a derived key in constant time.
func (h Hash) Matches(key []byte) bool { return subtle.ConstantTimeCompare(h.Key, key) == 1 }

// Parse reads the PHC form strictly: argon2id only, version 19, parameters
// in their order, no padding, nothing else. Errors are fault.Corrupt and do
// not repeat the hash; one that asks for more than 256 MiB, 16 iterations or 16
// lanes is one of them.
func Parse(s string) (Hash, error) {
	const op = "phc.parse"
	parts := strings.Split(s, "$")
	if len(s) > maxPHC || len(parts) != 6 || parts[0] != "" {
		return Hash{}, fault.New(op, fault.Corrupt, "the stored password hash is not of the PHC form")
	}
	if parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2Version) {
		return Hash{}, fault.New(op, fault.Corrupt, "the stored password hash is not argon2id version %d", argon2Version)
	}
	params, err := ParseParams(parts[3])
	if err != nil {
		return Hash{}, fault.Wrap(op, fault.Corrupt, fmt.Errorf("parameters of the stored password hash: %w", err))
	}
	salt, err := decodeB64(parts[4], minSalt, maxSalt)
	if err != nil {
		return Hash{}, fault.Wrap(op, fault.Corrupt, fmt.Errorf("salt of the stored password hash: %w", err))
	}
	key, err := decodeB64(parts[5], minKey, maxKey)
	if err != nil {
		return Hash{}, fault.Wrap(op, fault.Corrupt, fmt.Errorf("key of the stored password hash: %w", err))
	}
	return Hash{Params: params, Salt: salt, Key: key}, nil
}

// ParseParams reads what Params.String writes, with the bounds of Check.
func ParseParams(s string) (Params, error) {
	fields := strings.Split(s, ",")
	if len(fields) != 3 {
		return Params{}, fmt.Errorf("%d of them, 3 wanted", len(fields))
	}
	var values [3]uint64
	for i, name := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(fields[i], name)
		if !ok {
			return Params{}, fmt.Errorf("number %d is not %q", i+1, name)
		}
		n, err := strconv.ParseUint(digits, 10, 31)
		if err != nil || strconv.FormatUint(n, 10) != digits {
			return Params{}, fmt.Errorf("%q has no plain number", name)
		}
		values[i] = n
	}
	if values[2] > maxParallelism { // before it is cut to 8 bits
		return Params{}, fmt.Errorf("%d lanes, 1 to %d are allowed", values[2], maxParallelism)
	}
	p := Params{MemoryKiB: uint32(values[0]), Iterations: uint32(values[1]), Parallelism: uint8(values[2])}
	return p, p.Check()
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
