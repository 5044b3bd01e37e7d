package account

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"sync"
	"time"

	"countersign/internal/mail"
)

// memory remembers for a short time that an account's password was verified,
// as a keyed MAC only: whoever reads the process's memory later learns no
// password from it faster than from the key that lies beside it, and the key
// dies with the process.
//
// What is remembered holds for one revision of one account: any change to the
// account, and its removal, empties it. Suspension above the account is for
// the caller to see, who has read the account anew.
type memory struct {
	keep time.Duration
	most int
	now  func() time.Time
	key  [32]byte

	mu sync.Mutex // guards entries
	// entries holds the one password that each account has.
	entries map[mail.ID]verified
}

// verified is one account's verified password.
type verified struct {
	mac   [sha256.Size]byte
	until time.Time
}

// newMemory returns a memory with a key of its own. Without randomness it
// remembers nothing.
func newMemory(keep time.Duration, most int, now func() time.Time, random io.Reader) *memory {
	m := &memory{keep: keep, most: most, now: now, entries: map[mail.ID]verified{}}
	if _, err := io.ReadFull(random, m.key[:]); err != nil {
		m.keep = 0
	}
	return m
}

// sum is the MAC over account, revision and password. The id comes with its
// length and the revision has a fixed one, so that no two inputs run into each
// other.
func (m *memory) sum(c *Credential, password string) (out [sha256.Size]byte) {
	var revision [8]byte
	binary.BigEndian.PutUint64(revision[:], uint64(c.Revision))
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(c.Account)))
	mac := hmac.New(sha256.New, m.key[:])
	mac.Write(length[:])
	mac.Write([]byte(c.Account))
	mac.Write(revision[:])
	mac.Write([]byte(password))
	mac.Sum(out[:0])
	return out
}

// knows reports whether this password of this revision of an account was verified
// lately.
func (m *memory) knows(c *Credential, password string) bool {
	if m.keep <= 0 {
		return false
	}
	m.mu.Lock()
	have, ok := m.entries[c.Account]
	if ok && m.over(have, m.now()) {
		delete(m.entries, c.Account)
		ok = false
	}
	m.mu.Unlock()
	if !ok {
		return false
	}
	sum := m.sum(c, password)
	return hmac.Equal(have.mac[:], sum[:])
}

// over reports whether an entry holds no more. One that would hold for longer
// than any new one was made before the clock was set back: nobody knows how old
// it is.
func (m *memory) over(e verified, now time.Time) bool {
	left := e.until.Sub(now)
	return left <= 0 || left > m.keep
}

// add remembers that password was verified for this revision of an account.
func (m *memory) add(c *Credential, password string) {
	if m.keep <= 0 {
		return
	}
	entry := verified{mac: m.sum(c, password), until: m.now().Add(m.keep)}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.entries[c.Account]; !ok && len(m.entries) >= m.most {
		m.makeRoom()
	}
	m.entries[c.Account] = entry
}

// makeRoom drops what has run out, or any one entry where nothing has.
func (m *memory) makeRoom() {
	now, dropped := m.now(), false
	for id, e := range m.entries {
		if m.over(e, now) {
			delete(m.entries, id)
			dropped = true
		}
	}
	if dropped {
		return
	}
	for id := range m.entries {
		delete(m.entries, id)
		return
	}
}
