package secrets

import (
	"context"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"io"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/fault"
	"countersign/internal/login/pool"
	"countersign/internal/sasl"
	"countersign/internal/seal"
)

// The mechanisms whose key is as good as the password.
const (
	CramMD5   = "CRAM-MD5"
	DigestMD5 = "DIGEST-MD5"
)

// DefaultIterations is how often SCRAM's keys are derived: RFC 7677 section 4 asks for
// 4096 at least, and clients have to do it too.
const DefaultIterations = 10_000

// MakerOptions are what a Maker is made of. Hasher, Sealer and Salt are needed.
type MakerOptions struct {
	Hasher *Hasher
	Sealer *seal.Sealer
	// Salt tells the salts of this store's accounts from those of others. It is the
	// same for all its gates, and stays; 8 octets or more.
	Salt []byte
	// Iterations is of SCRAM; 0 means DefaultIterations.
	Iterations int
	// FormerIterations are those that older keys still have.
	FormerIterations []int
	// Realm is the one of DIGEST-MD5.
	Realm string
}

// Maker turns passwords into what is stored of them. It is safe for concurrent use.
type Maker struct{ opt MakerOptions }

// minSalt is the fewest octets of MakerOptions.Salt.
const minSalt = 8

// Realm returns the one of DIGEST-MD5.
func (m *Maker) Realm() string { return m.opt.Realm }

// NewMaker returns a Maker. Iterations out of bounds, and less salt than 8 octets, are
// fault.Invalid.
func NewMaker(opt MakerOptions) (*Maker, error) {
	if opt.Iterations == 0 {
		opt.Iterations = DefaultIterations
	}
	if opt.Iterations < sasl.MinIterations || opt.Iterations > sasl.MaxIterations {
		return nil, fault.New("secrets.maker", fault.Invalid, "SCRAM with %d iterations; %d to %d are allowed", opt.Iterations, sasl.MinIterations, sasl.MaxIterations)
	}
	if len(opt.Salt) < minSalt {
		return nil, fault.New("secrets.maker", fault.Invalid, "a salt of %d octets; at least %d are needed", len(opt.Salt), minSalt)
	}
	return &Maker{opt}, nil
}

// MakeSecret implements account.SecretMaker. A password that the gate has generated
// gets a digest in place of a slow hash: nobody guesses it.
func (m *Maker) MakeSecret(ctx context.Context, login, password string, kind account.CredentialKind, legacy bool) (secret account.Secret, err error) {
	failed := m.opt.Hasher.Run(ctx, pool.Ticket{First: true}, func() {
		var h hash.Hash
		if kind == account.AppPassword {
			h, err = digest(password)
		} else {
			h, err = m.opt.Hasher.make(password)
		}
		if err == nil {
			secret, err = m.complete(account.Secret{Hash: h.Text(), Cost: h.Cost().String()}, login, password, legacy)
		}
	})
	if failed != nil {
		return account.Secret{}, failed
	}
	return secret, err
}

// Remake returns the secret of a credential whose password was right, made with the
// parameters of the day and the keys that are wanted; nil where it is so already, and
// where the password was not compared as a whole with stored, its hash, so that it may be
// mistyped, or has no form of which anything is made here. It takes as long as MakeSecret, on the caller's time. The digest of a generated
// password stays.
func (m *Maker) Remake(c *account.Credential, stored hash.Hash, login string, typed Typed, legacy bool) *account.Secret {
	password := typed.Prepared
	if password == "" || !stored.Whole(password) || !stored.Whole(typed.Raw) {
		return nil
	}
	old := c.Kind == account.Password && !m.opt.Hasher.Current(stored)
	if !old && !m.lacks(&c.Secret, login, password, legacy) {
		return nil
	}
	secret := account.Secret{Hash: c.Secret.Hash, Cost: c.Secret.Cost, Keys: c.Secret.Keys}
	if old {
		made, err := m.opt.Hasher.make(password)
		if err != nil {
			return nil // without randomness the old hash stays; it is as good as it was
		}
		secret.Hash, secret.Cost = made.Text(), made.Cost().String()
	}
	secret, err := m.complete(secret, login, password, legacy)
	if err != nil {
		return nil
	}
	return &secret
}

// digest makes a digest with salt of a password that has randomness enough.
func digest(password string) (hash.Hash, error) {
	var salt [16]byte
	if _, err := io.ReadFull(rand.Reader, salt[:]); err != nil {
		return hash.Hash{}, fault.Wrap("secrets.digest", fault.Internal, err)
	}
	sum := sha512.Sum512(append([]byte(password), salt[:]...))
	return hash.Parse("{SSHA512}" + base64.StdEncoding.EncodeToString(append(sum[:], salt[:]...)))
}
