package dkim

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Sealer encrypts private keys for storage with AES-256-GCM. Each sealed key is
// bound to its domain and selector, so that it does not open under another name. It is
// safe for concurrent use.
//
// A sealed key is: version octet 1, 8 octets that name the sealing key, a nonce of 12
// octets, the encrypted PKCS #8 form with its tag of 16 octets.
type Sealer struct {
	aead   cipher.AEAD
	id     [sealIDSize]byte
	random io.Reader
}

const (
	sealVersion = 1
	sealIDSize  = 8
	sealKeySize = 32
)

// NewSealer makes a sealer of a key of 32 octets. Nonces are read from random.
func NewSealer(key []byte, random io.Reader) (*Sealer, error) {
	const op = "dkim.sealer"
	if len(key) != sealKeySize {
		return nil, fault.New(op, fault.Invalid, "a sealing key has %d octets, not %d", sealKeySize, len(key))
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

// LoadOrCreateSealer reads the key file at path, 32 octets in base64 on one line, and makes it,
// with mode 0600, where there is none. A file that others may read is refused. Several processes may call it
// at once for the same path.
func LoadOrCreateSealer(path string, random io.Reader) (*Sealer, error) {
	const op = "dkim.keyfile"
	text, err := readKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = createKeyFile(path, random)
		if err != nil {
			return nil, err
		}
		text, err = readKeyFile(path)
	}
	if err != nil {
		return nil, fault.Wrap(op, fault.Invalid, err)
	}
	key, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(key) != sealKeySize {
		return nil, fault.New(op, fault.Corrupt, "the key file %s is damaged: it must hold 32 octets in base64", path)
	}
	return NewSealer(key, random)
}

// readKeyFile reads the file if nobody else can.
func readKeyFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fault.New("dkim.keyfile", fault.Invalid, "the key file %s may be read by others: its mode is %04o, make it 0600", path, info.Mode().Perm())
	}
	return io.ReadAll(io.LimitReader(f, 4096))
}

// createKeyFile makes the file complete or not at all: written and synced under another
// name, then linked, which fails when another process was first; its key is
// then the one.
func createKeyFile(path string, random io.Reader) error {
	const op = "dkim.keyfile"
	key := make([]byte, sealKeySize)
	_, err := io.ReadFull(random, key)
	if err != nil {
		return fault.Wrap(op, fault.Internal, err)
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".key-*") // made with mode 0600
	if err != nil {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	err = os.Link(f.Name(), path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	return fault.Wrap(op, fault.Unavailable, syncDir(dir))
}

// syncDir makes a new name in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ID names the sealing key, in hexadecimal; it tells nothing of the key.
func (s *Sealer) ID() string { return hex.EncodeToString(s.id[:]) }

// Seal returns the key in the form to store.
func (s *Sealer) Seal(k Key) ([]byte, error) {
	der, err := k.Marshal()
	if err != nil {
		return nil, err
	}
	out := append([]byte{sealVersion}, s.id[:]...)
	nonce := make([]byte, s.aead.NonceSize())
	_, err = io.ReadFull(s.random, nonce)
	if err != nil {
		return nil, fault.Wrap("dkim.seal", fault.Internal, err)
	}
	out = append(out, nonce...)
	return s.aead.Seal(out, nonce, der, sealedFor(k.Domain, k.Selector)), nil
}

// Open returns the key that Seal made for this domain and selector. The error
// is Corrupt and says whether the key file is a different one or the sealed key is damaged.
func (s *Sealer) Open(domain mail.Domain, selector string, sealed []byte) (Key, error) {
	const op = "dkim.open"
	head := 1 + sealIDSize + s.aead.NonceSize()
	if len(sealed) < head+s.aead.Overhead() {
		return Key{}, fault.New(op, fault.Corrupt, "the sealed key %s of %s is damaged: %d octets", selector, domain, len(sealed))
	}
	if sealed[0] != sealVersion {
		return Key{}, fault.New(op, fault.Corrupt, "the sealed key %s of %s has the unknown version %d", selector, domain, sealed[0])
	}
	if id := sealed[1 : 1+sealIDSize]; !bytes.Equal(id, s.id[:]) {
		return Key{}, fault.New(op, fault.Corrupt, "the key %s of %s was sealed with another key file: %x, this one is %x", selector, domain, id, s.id)
	}
	der, err := s.aead.Open(nil, sealed[1+sealIDSize:head], sealed[head:], sealedFor(domain, selector))
	if err != nil {
		return Key{}, fault.New(op, fault.Corrupt, "the sealed key %s of %s is damaged or belongs to another name", selector, domain)
	}
	return ParseKey(domain, selector, der)
}

// sealedFor is the associated data that binds a sealed key to its name.
func sealedFor(domain mail.Domain, selector string) []byte {
	return []byte(domain.String() + "\x00" + selector)
}
