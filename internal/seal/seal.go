package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"io"

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
)

// Purposes returns every purpose.
func Purposes() []Purpose { return []Purpose{DKIM, ACME} }

// Overhead is how many octets a sealed secret is longer than the secret.
const Overhead = 1 + idSize + nonceSize + tagSize

// Sealer encrypts secrets for storage. It is safe for concurrent use.
//
// A sealed secret is: version octet 1, 8 octets that name the sealing key, a
// nonce of 12 octets, the encrypted secret with its tag of 16 octets. Purpose
// and name are authenticated with it and not contained.
type Sealer struct {
	aead   cipher.AEAD
	id     [idSize]byte
	random io.Reader
}

const (
	version   = 1
	idSize    = 8
	keySize   = 32
	nonceSize = 12
	tagSize   = 16
)

// New makes a sealer of a key of 32 octets. Nonces are read from random.
func New(key []byte, random io.Reader) (*Sealer, error) {
	const op = "seal.new"
	if len(key) != keySize {
		return nil, fault.New(op, fault.Invalid, "a sealing key has %d octets, not %d", keySize, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fault.Wrap(op, fault.Internal, err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fault.Wrap(op, fault.Internal, err)
	}
	s := &Sealer{aead: aead, random: random}
	sum := sha256.Sum256(append([]byte("countersign sealing key\x00"), key...))
	copy(s.id[:], sum[:])
	return s, nil
}

// ID names the sealing key, in hexadecimal; it tells nothing of the key.
func (s *Sealer) ID() string { return hex.EncodeToString(s.id[:]) }

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
	out := make([]byte, 0, len(secret)+Overhead)
	out = append(out, version)
	out = append(out, s.id[:]...)
	nonce := make([]byte, nonceSize)
	_, err := io.ReadFull(s.random, nonce)
	if err != nil {
		return nil, fault.Wrap("seal.seal", fault.Internal, err)
	}
	out = append(out, nonce...)
	return s.aead.Seal(out, nonce, secret, boundTo(p, name)), nil
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
	if id := sealed[1 : 1+idSize]; !bytes.Equal(id, s.id[:]) {
		return nil, fault.New(op, fault.Unavailable, "sealed with another key file: %x, this one is %x", id, s.id)
	}
	secret, err := s.aead.Open(nil, sealed[1+idSize:head], sealed[head:], boundTo(p, name))
	if err != nil {
		return nil, fault.New(op, fault.Corrupt, "what is sealed is damaged or belongs to another name")
	}
	return secret, nil
}

// boundTo is the associated data. A purpose holds no NUL, so no two pairs give
// the same.
func boundTo(p Purpose, name string) []byte {
	return []byte(string(p) + "\x00" + name)
}
