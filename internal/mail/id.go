package mail

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"sync"
	"time"
)

// ID names a session, a submission, a delivery, an event or an account object.
// It is 26 characters of Crockford's base 32: 48 bits of milliseconds since
// 1970, then 80 bits of randomness, so that ids sort by the time they were
// made and cannot be guessed.
type ID string

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// idLength is the length of an ID in characters.
const idLength = 26

// String returns the id.
func (id ID) String() string { return string(id) }

// ValidID reports whether s has the form of an ID.
func ValidID(s string) bool {
	if len(s) != idLength || s[0] > '7' {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		digit := c >= '0' && c <= '9'
		letter := c >= 'A' && c <= 'Z' && c != 'I' && c != 'L' && c != 'O' && c != 'U'
		if !digit && !letter {
			return false
		}
	}
	return true
}

// IDSource makes ids that are unique and strictly increasing within one
// source, also when the clock stands still or runs backwards. The zero value
// uses the system's clock and randomness. It is safe for concurrent use.
type IDSource struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Rand is the random source; nil means crypto/rand.
	Rand io.Reader

	mu sync.Mutex // guards last
	// last is the id made last as a 128-bit number: high, then low half.
	last [2]uint64
}

// New returns the next id. It panics only if the random source fails, which
// crypto/rand never does.
func (s *IDSource) New() ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, random := time.Now, rand.Reader
	if s.Now != nil {
		now = s.Now
	}
	if s.Rand != nil {
		random = s.Rand
	}
	var b [10]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		panic("mail: random source failed: " + err.Error())
	}
	ms := uint64(max(now().UnixMilli(), 0)) & (1<<48 - 1)
	hi := ms<<16 | uint64(binary.BigEndian.Uint16(b[:2]))
	lo := binary.BigEndian.Uint64(b[2:])
	if hi>>16 <= s.last[0]>>16 { // same millisecond, or the clock went back
		hi, lo = s.last[0], s.last[1]+1+lo>>32
		if lo < s.last[1] {
			hi++
		}
	}
	s.last = [2]uint64{hi, lo}
	return encodeID(hi, lo)
}

// encodeID writes 128 bits as 26 digits of 5 bits, the first holding 3.
func encodeID(hi, lo uint64) ID {
	var out [idLength]byte
	for i := idLength - 1; i >= 0; i-- {
		out[i] = crockford[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return ID(out[:])
}

// Time returns the millisecond at which a valid id was made.
func (id ID) Time() time.Time {
	var ms int64
	for i := 0; i < 10 && i < len(id); i++ {
		for v := 0; v < len(crockford); v++ {
			if crockford[v] == id[i] {
				ms = ms<<5 | int64(v)
			}
		}
	}
	return time.UnixMilli(ms)
}
