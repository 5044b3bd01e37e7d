// Package generated makes passwords that nobody guesses, for people and for programs.
//
// It knows no accounts, and keeps nothing of what it makes. Main function: Password.
package generated

import (
	"fmt"
	"io"
	"strings"

	"countersign/internal/fault"
)

// alphabet leaves out characters that look like each other. It has 32,
// so that an octet of randomness picks without bias.
const alphabet = "abcdefghijkmnpqrstuvwxyz23456789"

// Password makes a password of four groups of five characters, 100
// bits of randomness from random.
func Password(random io.Reader) (string, error) {
	var raw [20]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", fault.Wrap("generated.password", fault.Internal, fmt.Errorf("random source: %w", err))
	}
	var b strings.Builder
	for i, c := range raw {
		if i > 0 && i%5 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(alphabet[int(c)%len(alphabet)])
	}
	return b.String(), nil
}
