package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"

	"countersign/internal/fault"
)

// Purpose is what a secret is for. It is part of what a sealed secret is bound
// to, so the texts never change.
type Purpose string

// The purposes. If you add one, also add it to Purposes.
const (
	// DKIM: the private key that signs a domain's messages.
	DKIM Purpose = "dkim"
	// ACME: what an authority gave or knows us by: account keys,
	// certificates with their keys, answers to challenges.
	ACME Purpose = "acme"
	// Password: keys of passwords that are as good as the passwords, for mechanisms
	// that need them.
	Password Purpose = "password"
)

// Purposes returns every purpose.
func Purposes() []Purpose { return []Purpose{DKIM, ACME, Password} }

// Overhead is how many octets a sealed secret is longer than the secret.
const Overhead = 1 + idSize + nonceSize + tagSize

// DKIMName is the name that the key of a domain with that selector is bound to.
func DKIMName(domain, selector string) string { return domain + "\x00" + selector }

// PasswordName is the name that the key of a mechanism is bound to, of a password of
// the account with that login.
func PasswordName(mechanism, login string) string { return mechanism + " " + login }

// Sealer encrypts secrets for storage, with the first of its keys, and opens what was
// sealed with any. It is safe for concurrent use.
//
// One of a key file follows that file: before it seals, and where it meets something
// sealed with a key that it does not know, it looks whether the file has changed, and
// reads it again if so. A file that cannot be read then changes nothing.
//
// A sealed secret is: version octet 1, 8 octets that name the sealing key, a
// nonce of 12 octets, the encrypted secret with its tag of 16 octets. Purpose
// and name are authenticated with it and not contained.
type Sealer struct {
	random io.Reader
	ring   atomic.Pointer[ring]
	// path is the key file, "" for none.
	path string
	// reading lets one goroutine at a time look at the file.
	reading sync.Mutex
}

// ring is what a sealer works with at a time; it never changes.
type ring struct {
	keys []key // the first seals
	seen fs.FileInfo
}

// key is one sealing key, ready for use.
type key struct {
	id   [idSize]byte
	aead cipher.AEAD
}

const (
	version   = 1
	idSize    = 8
	keySize   = 32
	nonceSize = 12
	tagSize   = 16
)

// New makes a sealer of a key of 32 octets. Nonces are read from random.
func New(secret []byte, random io.Reader) (*Sealer, error) {
	k, err := newKey(secret)
	if err != nil {
		return nil, err
	}
	s := &Sealer{random: random}
	s.ring.Store(&ring{keys: []key{k}})
	return s, nil
}

func newKey(secret []byte) (k key, err error) {
	const op = "seal.new"
	if len(secret) != keySize {
		return k, fault.New(op, fault.Invalid, "a sealing key has %d octets, not %d", keySize, len(secret))
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return k, fault.Wrap(op, fault.Internal, err)
	}
	k.aead, err = cipher.NewGCM(block)
	if err != nil {
		return k, fault.Wrap(op, fault.Internal, err)
	}
	sum := sha256.Sum256(append([]byte("countersign sealing key\x00"), secret...))
	copy(k.id[:], sum[:])
	return k, nil
}

// name is the key's id in hexadecimal.
func (k *key) name() string { return hex.EncodeToString(k.id[:]) }

// names are the ids of all keys, in order.
func (r *ring) names() []string {
	names := make([]string, len(r.keys))
	for i := range r.keys {
		names[i] = r.keys[i].name()
	}
	return names
}

// ID names the key that seals, in hexadecimal; it tells nothing of the key.
func (s *Sealer) ID() string { return s.ring.Load().keys[0].name() }

// IDs names all keys as ID does, the one that seals first.
func (s *Sealer) IDs() []string { return s.ring.Load().names() }

// Loaded names the keys that a process has loaded, also before it has a Sealer. The zero
// value is ready. It is safe for concurrent use.
type Loaded struct{ sealer atomic.Pointer[Sealer] }

// Set says whose keys they are, and returns it.
func (l *Loaded) Set(s *Sealer) *Sealer {
	l.sealer.Store(s)
	return s
}

// IDs is that of the Sealer, after a look whether its key file has changed; none before
// Set.
func (l *Loaded) IDs() []string {
	s := l.sealer.Load()
	if s == nil {
		return nil
	}
	_ = s.follow() // with a file that is away or damaged, the keys known so far are good
	return s.IDs()
}

// KeyOf names the key that something was sealed with, as ID does; "" for what is
// not sealed.
func KeyOf(sealed []byte) string {
	if len(sealed) < Overhead || sealed[0] != version {
		return ""
	}
	return hex.EncodeToString(sealed[1 : 1+idSize])
}

// Seal returns a secret in the form to store. It opens for this purpose and
// name alone.
func (s *Sealer) Seal(p Purpose, name string, secret []byte) ([]byte, error) {
	_ = s.follow() // with a file that is away or damaged, the keys known so far are good
	k := s.ring.Load().keys[0]
	out := make([]byte, 0, len(secret)+Overhead)
	out = append(out, version)
	out = append(out, k.id[:]...)
	nonce := make([]byte, nonceSize)
	_, err := io.ReadFull(s.random, nonce)
	if err != nil {
		return nil, fault.Wrap("seal.seal", fault.Internal, err)
	}
	out = append(out, nonce...)
	return k.aead.Seal(out, nonce, secret, boundTo(p, name)), nil
}

// Open returns the secret that Seal sealed for this purpose and name. Errors:
// Unavailable where it was sealed with another key, since with the right key
// file it will open; Corrupt where it is damaged, not sealed at all, or sealed
// for something else.
func (s *Sealer) Open(p Purpose, name string, sealed []byte) ([]byte, error) {
	const op = "seal.open"
	const head = 1 + idSize + nonceSize
	if len(sealed) < Overhead {
		return nil, fault.New(op, fault.Corrupt, "what is sealed is damaged: %d octets", len(sealed))
	}
	if sealed[0] != version {
		return nil, fault.New(op, fault.Corrupt, "not sealed, or in a form of the unknown version %d", sealed[0])
	}
	k, err := s.find([idSize]byte(sealed[1 : 1+idSize]))
	if err != nil {
		return nil, err
	}
	secret, err := k.aead.Open(nil, sealed[1+idSize:head], sealed[head:], boundTo(p, name))
	if err != nil {
		return nil, fault.New(op, fault.Corrupt, "what is sealed is damaged or belongs to another name")
	}
	return secret, nil
}

// find returns the key of that id, also where it has come into the file since that
// was read.
func (s *Sealer) find(id [idSize]byte) (*key, error) {
	if k := s.ring.Load().find(id); k != nil {
		return k, nil
	}
	unread := s.follow()
	if k := s.ring.Load().find(id); k != nil {
		return k, nil
	}
	e := fault.New("seal.open", fault.Unavailable, "sealed with another key file: %x, this one is %s", id, strings.Join(s.IDs(), ", "))
	if unread != nil {
		e = fault.New("seal.open", fault.Unavailable, "sealed with another key file: %x, this one was %s, and it cannot be read again: %v", id, strings.Join(s.IDs(), ", "), unread)
	}
	return nil, e
}

func (r *ring) find(id [idSize]byte) *key {
	for i := range r.keys {
		if r.keys[i].id == id {
			return &r.keys[i]
		}
	}
	return nil
}

// Reseal seals anew, with the first key, what was sealed with another. changed is
// false where that was the first already. Errors are those of Open and Seal.
func (s *Sealer) Reseal(p Purpose, name string, sealed []byte) (anew []byte, changed bool, err error) {
	if KeyOf(sealed) == s.ID() {
		return sealed, false, nil
	}
	secret, err := s.Open(p, name, sealed)
	if err != nil {
		return nil, false, err
	}
	anew, err = s.Seal(p, name, secret)
	return anew, err == nil, err
}

// boundTo is the associated data. A purpose holds no NUL, so no two pairs give
// the same.
func boundTo(p Purpose, name string) []byte {
	return []byte(string(p) + "\x00" + name)
}
