package limit

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"countersign/internal/limit/cells"
)

// KeepContacts is for how many days somebody who was written to is not new.
const KeepContacts = 90

// Contact is an account, by its login, and somebody that it writes to, by a digest of the
// address: that is enough to know them again.
type Contact struct {
	Login     string
	Recipient int64
}

// Contacts are whom a message goes to.
type Contacts struct {
	Login string
	// Recipients are digests (DigestOf), each once.
	Recipients []int64
}

// DigestOf returns the digest of an address, in the form in which addresses are compared.
func DigestOf(key string) int64 {
	sum := sha256.Sum256([]byte(key))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// All lists the contacts; none for nil.
func (c *Contacts) All() []Contact {
	if c == nil {
		return nil
	}
	list := make([]Contact, len(c.Recipients))
	for i, r := range c.Recipients {
		list[i] = Contact{c.Login, r}
	}
	return list
}

// new counts those that were not written to for KeepContacts.
func (c *Contacts) new(by Ledger, at time.Time) (n int64) {
	since := DayOf(at) - KeepContacts
	for _, contact := range c.All() {
		if met := by.Met(contact); met == 0 || met < since {
			n++
		}
	}
	return n
}

// DayOf numbers the days since 1970.
func DayOf(at time.Time) int64 { return cells.Floor(at.Unix(), 24*60*60) }

// Bounds reports whether a limit of a measure is among levels.
func Bounds(levels []Level, m Measure) bool { return len(Only(levels, m)) > 0 }
