package secrets

import (
	"crypto/rand"
	"strings"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/fault"
	"countersign/internal/sasl"
)

// inKey begins a Secret.Hash whose hash is the sealed key of a mechanism, whose name stands
// behind it, with something that tells it from other ones.
const inKey = "{SEALED}"

// Imported returns what is stored of a password hash that another system has made: the
// hash as it is; or, where it is a key for KeyIn's mechanism, that key alone, sealed, so that
// this works at once and nobody reads it beside. Hash has the hash again. Errors are
// those of seal.Sealer.
func (m *Maker) Imported(login string, h hash.Hash) (account.Secret, error) {
	s := account.Secret{Hash: h.Text(), Cost: h.Cost().String()}
	mechanism := KeyIn(h)
	if mechanism == "" {
		return s, nil
	}
	keys, _ := h.SCRAM()
	value, err := m.sealed(mechanism, login, Key{Key: sasl.Key{Stored: keys.StoredKey, Server: keys.ServerKey}, Salt: keys.Salt, Iterations: keys.Iterations})
	if err != nil {
		return account.Secret{}, err
	}
	s.Hash = inKey + mechanism + "," + rand.Text()
	s.Keys = []account.SecretKey{{Mechanism: mechanism, Value: value}}
	return s, nil
}

// IsSealed reports whether Hash has to open a sealed key to read what is stored as the hash of
// a password.
func IsSealed(stored string) bool { return strings.HasPrefix(stored, inKey) }

// Hash reads the hash of a password of the account with that login. Errors are those of
// hash.Parse, and of Open.
func (m *Maker) Hash(login string, s *account.Secret) (hash.Hash, error) {
	if !IsSealed(s.Hash) {
		return hash.Parse(s.Hash)
	}
	mechanism, _, _ := strings.Cut(s.Hash[len(inKey):], ",")
	if !isScram(mechanism) {
		return hash.Hash{}, fault.New("secrets.hash", fault.Corrupt, "the hash of %s is sealed in no key that holds one", login)
	}
	k, err := m.Open(mechanism, login, s.Key(mechanism))
	if err != nil {
		return hash.Hash{}, err
	}
	return hash.Parse("{" + mechanism + "}" + k.first())
}
