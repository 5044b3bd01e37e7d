package login

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/fault"
	"countersign/internal/login/pool"
	"countersign/internal/sasl"
	"countersign/internal/seal"
)

// The mechanisms that need a key of their own, and those of them whose key is as good
// as the password.
const (
	cramMD5   = "CRAM-MD5"
	digestMD5 = "DIGEST-MD5"
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
	// Realm is the one of DIGEST-MD5.
	Realm string
}

// Maker turns passwords into what is stored of them. It is safe for concurrent use.
type Maker struct{ opt MakerOptions }

// minSalt is the fewest octets of MakerOptions.Salt.
const minSalt = 8

// NewMaker returns a Maker. Iterations out of bounds, and less salt than 8 octets, are
// fault.Invalid.
func NewMaker(opt MakerOptions) (*Maker, error) {
	if opt.Iterations == 0 {
		opt.Iterations = DefaultIterations
	}
	if opt.Iterations < sasl.MinIterations || opt.Iterations > sasl.MaxIterations {
		return nil, fault.New("login.maker", fault.Invalid, "SCRAM with %d iterations; %d to %d are allowed", opt.Iterations, sasl.MinIterations, sasl.MaxIterations)
	}
	if len(opt.Salt) < minSalt {
		return nil, fault.New("login.maker", fault.Invalid, "a salt of %d octets; at least %d are needed", len(opt.Salt), minSalt)
	}
	return &Maker{opt}, nil
}

// MakeSecret implements account.SecretMaker. A password that the gate has generated
// gets a digest in place of a slow hash: nobody guesses it.
func (m *Maker) MakeSecret(ctx context.Context, login, password string, kind account.CredentialKind, legacy bool) (secret account.Secret, err error) {
	failed := m.opt.Hasher.run(ctx, pool.Ticket{First: true}, func() {
		var h hash.Hash
		if kind == account.AppPassword {
			h, err = digest(password)
		} else {
			h, err = hash.New(m.opt.Hasher.params, password, m.opt.Hasher.random)
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

// digest makes a digest with salt of a password that has randomness enough.
func digest(password string) (hash.Hash, error) {
	var salt [16]byte
	if _, err := io.ReadFull(rand.Reader, salt[:]); err != nil {
		return hash.Hash{}, fault.Wrap("login.digest", fault.Internal, err)
	}
	sum := sha512.Sum512(append([]byte(password), salt[:]...))
	return hash.Parse("{SSHA512}" + base64.StdEncoding.EncodeToString(append(sum[:], salt[:]...)))
}

// complete adds the keys that are missing, or are of fewer iterations, and drops those
// that are not wanted any more.
func (m *Maker) complete(s account.Secret, login, password string, legacy bool) (account.Secret, error) {
	have := s.Keys
	s.Keys = nil
	for _, mechanism := range []string{sasl.ScramSHA1, sasl.ScramSHA256} {
		value := (&account.Secret{Keys: have}).Key(mechanism)
		if k, err := parseScram(mechanism, value); err != nil || k.iterations < m.opt.Iterations {
			k = scramKey{m.opt.Iterations, m.salt(mechanism, login), sasl.Key{}}
			k.Key = sasl.ScramKey(mechanism, password, k.salt, k.iterations)
			value = k.String()
		}
		s.Keys = append(s.Keys, account.SecretKey{Mechanism: mechanism, Value: value})
	}
	if !legacy {
		return s, nil
	}
	cram := sasl.CramKey(password)
	for _, k := range []struct {
		mechanism string
		key       []byte
	}{
		{cramMD5, slices.Concat(cram.Stored, cram.Server)},
		{digestMD5, sasl.DigestKey(login, m.opt.Realm, password).Stored},
	} {
		sealed, err := m.opt.Sealer.Seal(seal.Password, seal.PasswordName(k.mechanism, login), k.key)
		if err != nil {
			return s, err
		}
		s.Keys = append(s.Keys, account.SecretKey{Mechanism: k.mechanism, Value: base64.StdEncoding.EncodeToString(sealed)})
	}
	return s, nil
}

// lacks reports whether complete would change the keys: some are missing, damaged, of
// too few iterations, or not wanted any more.
func (m *Maker) lacks(s *account.Secret, login string, legacy bool) bool {
	for _, mechanism := range []string{sasl.ScramSHA1, sasl.ScramSHA256} {
		if k, err := parseScram(mechanism, s.Key(mechanism)); err != nil || k.iterations < m.opt.Iterations {
			return true
		}
	}
	for _, mechanism := range []string{cramMD5, digestMD5} {
		value := s.Key(mechanism)
		if (value != "") != legacy {
			return true
		}
		if _, err := m.open(mechanism, login, value); legacy && err != nil {
			return true
		}
	}
	return false
}

// open returns the key of a secret for CRAM-MD5 or DIGEST-MD5. Errors are fault.Corrupt
// for a damaged one, else those of seal.Sealer.
func (m *Maker) open(mechanism, login, value string) (sasl.Key, error) {
	damaged := fault.New("login.key", fault.Corrupt, "the %s key of %s is damaged", mechanism, login)
	sealed, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return sasl.Key{}, damaged
	}
	plain, err := m.opt.Sealer.Open(seal.Password, seal.PasswordName(mechanism, login), sealed)
	switch {
	case err != nil:
		return sasl.Key{}, err
	case mechanism == digestMD5 && len(plain) == md5.Size:
		return sasl.Key{Stored: plain}, nil
	case mechanism == cramMD5 && len(plain) == 2*md5.Size:
		return sasl.Key{Stored: plain[:md5.Size], Server: plain[md5.Size:]}, nil
	}
	return sasl.Key{}, damaged
}

// salt is the salt of SCRAM's keys of a login, whether there is such an account or not.
func (m *Maker) salt(mechanism, login string) []byte { return m.mac("salt", mechanism, login)[:16] }

// mac is a keyed digest of some names; the first has no NUL in it.
func (m *Maker) mac(names ...string) []byte {
	mac := hmac.New(sha256.New, m.opt.Salt)
	mac.Write([]byte(strings.Join(names, "\x00")))
	return mac.Sum(nil)
}

// scramKey is SCRAM's key of one password, as text "iterations,salt,stored,server" with
// the last three in base64.
type scramKey struct {
	iterations int
	salt       []byte
	sasl.Key
}

// String returns the form that parseScram reads.
func (k scramKey) String() string {
	b := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%d,%s,%s,%s", k.iterations, b(k.salt), b(k.Stored), b(k.Server))
}

// parseScram reads the key of a mechanism, and takes none that an exchange of it could
// not use.
func parseScram(mechanism, text string) (k scramKey, err error) {
	damaged := fault.New("login.key", fault.Corrupt, "a key of %s is damaged", mechanism)
	parts := strings.Split(text, ",")
	if len(parts) != 4 {
		return k, damaged
	}
	k.iterations, err = strconv.Atoi(parts[0])
	for i, to := range []*[]byte{&k.salt, &k.Stored, &k.Server} {
		if err == nil {
			*to, err = base64.StdEncoding.DecodeString(parts[i+1])
		}
	}
	size := sha256.Size
	if mechanism == sasl.ScramSHA1 {
		size = sha1.Size
	}
	if err != nil || len(k.Stored) != size || len(k.Server) != size || len(k.salt) == 0 || len(k.salt) > sasl.MaxSalt ||
		k.iterations < sasl.MinIterations || k.iterations > sasl.MaxIterations {
		return scramKey{}, damaged
	}
	return k, nil
}
