// Package phc has the parameters of argon2 (RFC 9106) as they stand in the PHC form of
// a password hash, within bounds. The hashes are package hash's.
//
// Main types: Params.
package phc

import (
	"fmt"
	"strconv"
	"strings"
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
)

// SaltLength and KeyLength are how long, in octets, the salt and the key of a
// new hash are.
const (
	SaltLength = 16
	KeyLength  = 32
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
