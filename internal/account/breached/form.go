package breached

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Hash is the SHA-1 of a password in UTF-8.
type Hash [hashBytes]byte

// hashBytes is the length of a SHA-1 (RFC 3174 section 1).
const hashBytes = 20

// The head of the binary form has the length of two hashes: the magic, how many
// hashes follow in eight octets, and the first octets of the SHA-256 of all of
// them.
const (
	magic     = "countersign-sha1-v1\n"
	headBytes = 2 * hashBytes
	checkAt   = len(magic) + 8
	sumBytes  = headBytes - checkAt
)

// head is what stands at the beginning of a list in the binary form.
type head struct {
	count uint64
	sum   [sumBytes]byte
}

// bytes returns the head as it is written.
func (h head) bytes() []byte {
	b := make([]byte, 0, headBytes)
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint64(b, h.count)
	return append(b, h.sum[:]...)
}

// isBinary reports whether a file that begins with b has the binary form.
func isBinary(b []byte) bool { return bytes.HasPrefix(b, []byte(magic)) }

// readHead reads the head of a list in the binary form and holds it against the
// size of its file in octets.
func readHead(b []byte, size int64) (head, error) {
	var h head
	if len(b) < headBytes {
		return h, fmt.Errorf("it ends within its head")
	}
	h.count = binary.BigEndian.Uint64(b[len(magic):])
	copy(h.sum[:], b[checkAt:])
	records := uint64(size-headBytes) / hashBytes
	if (size-headBytes)%hashBytes != 0 || records != h.count {
		return h, fmt.Errorf("its head says %d hashes, and it has the length of %d", h.count, records)
	}
	if h.count == 0 {
		return h, fmt.Errorf("it is empty")
	}
	return h, nil
}

// The lines of the text form. A count has no more than twenty digits.
const (
	digits   = 2 * hashBytes
	maxCount = 20
	maxLine  = digits + 1 + maxCount + 2 // with ":" and CRLF
)

// parseLine reads a line without its LF: forty hexadecimal digits, and a colon and
// a count, which may be missing.
func parseLine(line []byte) (Hash, error) {
	var h Hash
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) < digits {
		return h, fmt.Errorf("it has %d characters, and a hash alone has %d", len(line), digits)
	}
	if _, err := hex.Decode(h[:], line[:digits]); err != nil {
		return h, fmt.Errorf("it does not begin with %d hexadecimal digits", digits)
	}
	rest := line[digits:]
	if len(rest) == 0 {
		return h, nil
	}
	if rest[0] != ':' || len(rest) < 2 || len(rest) > 1+maxCount {
		return h, errCount
	}
	for _, c := range rest[1:] {
		if c < '0' || c > '9' {
			return h, errCount
		}
	}
	return h, nil
}

// errCount is a hash with something other than a count behind it.
var errCount = fmt.Errorf("behind the hash there is no colon with a count")
