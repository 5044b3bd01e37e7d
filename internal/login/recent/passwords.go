package recent

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"sync"
	"time"

	"countersign/internal/account"
	"countersign/internal/mail"
)

// Passwords remembers for a short time that a password was verified,
// as a keyed MAC only: whoever reads the process's memory later learns no
// password from it faster than from the key that lies beside it, and the key
// dies with the process.
//
// What is remembered holds for one revision of one account: any change to the
// account, and its removal, empties it. Suspension above the account is for
// the caller to see, who has read the account anew. It is safe for concurrent use.
type Passwords struct {
	keep time.Duration
	most int
	now  func() time.Time
	key  [32]byte
	off  bool // there is no key

	mu sync.Mutex // guards entries
	// entries holds the one password that each credential has, or has where a client is.
	entries map[mail.ID]verified
}

// verified is one credential's verified password.
type verified struct {
	mac   [sha256.Size]byte
	until time.Time
	keep  time.Duration
}

// NewPasswords returns Passwords with a key of their own, at most so many, each for so
// long. Without randomness nothing is remembered.
func NewPasswords(keep time.Duration, most int, now func() time.Time, random io.Reader) *Passwords {
	m := &Passwords{keep: keep, most: most, now: now, entries: map[mail.ID]verified{}}
	if _, err := io.ReadFull(random, m.key[:]); err != nil {
		m.off = true
	}
	return m
}

// sum is the MAC over credential, account, revision and password. Ids come with their
// length and the revision has a fixed one, so that no two inputs run into each
// other.
func (m *Passwords) sum(p *account.Proofs, id mail.ID, password string) (out [sha256.Size]byte) {
	mac := hmac.New(sha256.New, m.key[:])
	for _, name := range []mail.ID{id, p.Account} {
		_ = binary.Write(mac, binary.BigEndian, uint64(len(name))) // a hash never fails
		mac.Write([]byte(name))
	}
	_ = binary.Write(mac, binary.BigEndian, p.Revision)
	mac.Write([]byte(password))
	mac.Sum(out[:0])
	return out
}

// Knows reports whether this password of a credential was verified lately.
func (m *Passwords) Knows(p *account.Proofs, id mail.ID, password string) bool {
	m.mu.Lock()
	have, ok := m.entries[id]
	if ok && m.over(have, m.now()) {
		delete(m.entries, id)
		ok = false
	}
	m.mu.Unlock()
	if !ok {
		return false
	}
	sum := m.sum(p, id, password)
	return hmac.Equal(have.mac[:], sum[:])
}

// over reports whether an entry holds no more. One that would hold for longer
// than any new one was made before the clock was set back: nobody knows how old
// it is.
func (m *Passwords) over(e verified, now time.Time) bool {
	left := e.until.Sub(now)
	return left <= 0 || left > e.keep
}

// Add remembers that password was verified for this revision of an account.
func (m *Passwords) Add(p *account.Proofs, id mail.ID, password string) {
	m.AddFor(p, id, password, m.keep)
}

// AddFor is Add for so long; 0 for not at all.
func (m *Passwords) AddFor(p *account.Proofs, id mail.ID, password string, keep time.Duration) {
	if m.off || keep <= 0 {
		return
	}
	entry := verified{mac: m.sum(p, id, password), until: m.now().Add(keep), keep: keep}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.entries[id]; !ok && len(m.entries) >= m.most {
		m.makeRoom()
	}
	m.entries[id] = entry
}

// makeRoom drops what has run out, or any one entry where nothing has.
func (m *Passwords) makeRoom() {
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

// Len returns how many are remembered.
func (m *Passwords) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.entries)
}
